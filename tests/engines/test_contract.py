"""One contract over every engine in core/worker/engines: what `engines.base` promises, held by real training."""

import hashlib
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data import datasets
from core.data.shape import MNIST_SHAPE
from core.experiment import metrics, parity
from core.experiment.engine_names import ALIGNED_PAIR, ENGINE_NAMES, installed_engines
from core.experiment.network import ARTICLE, Network
from tests.engines.conftest import Asked, Processes

FOLDER = Path(__file__).resolve().parents[2] / "core/worker/engines"
ENGINES = ["fake", *sorted(installed_engines())]
SHARED = {"--init--", "base", "keras-fit", "torch-layers", "torch-steps"}
"""Files of what several engines use."""
FRAMEWORKS = [engine for engine in ENGINES if engine != "fake"]
VARIANTS = {engine: engine.partition("-")[0] for engine in FRAMEWORKS if "-" in engine}
"""Every variant with the framework whose stock engine takes its weights."""
BATCH, STEPS, LAST_BATCH, IMAGES = 126, 29, 72, 3600


def glorot_uniform() -> dict[str, float]:
    """Keras' limits, and the fake engine's: .147, .085, .062, biases zero."""
    limits = {spec.name: math.sqrt(6 / (spec.fan_in + spec.fan_out)) for spec in ARTICLE.weights}
    return {name: 0.0 if name.endswith("bias") else limit for name, limit in limits.items()}


def kaiming_uniform() -> dict[str, float]:
    """PyTorch's limits: .333, .061, .025, for weights and biases."""
    return {spec.name: 1 / math.sqrt(spec.fan_in) for spec in ARTICLE.weights}


INITIALISERS = {"fake": glorot_uniform, "keras": glorot_uniform, "torch": kaiming_uniform}
BACKENDS = {"keras-on-torch": "torch", "keras-on-jax": "jax"}
OTHER = (
    "conv 8 3 same relu, conv 8 3 stride 2 relu, batchnorm, relu, maxpool 2 same, depthwise 3, batchnorm, "
    "avgpool 2 same, flatten, layernorm, dense 20 gelu, dense 10"
)
"""A ReLU that a pool follows and others that none does, and both norms."""
LOOKED = (
    "conv 8 3 same relu, maxpool 2, depthwise 3 stride 2 same, batchnorm, relu, avgpool 2 same, dropout, flatten, "
    "layernorm, dense 20 tanh, dense 10"
)
"""A layer of nearly every kind, few numbers, and a ReLU before a pool, which tuned engines turn round."""
REPEATS_ITS_ORDER = {"keras", "keras-eager", "keras-tuned"}
"""Keras on TensorFlow, once seeded; on the other backends it draws a new order every epoch."""
STEPS_LIKE_STOCK = sorted(set(VARIANTS) - set(BACKENDS))
"""Variants that take their framework's own start, order and steps: on another backend Keras draws other numbers."""


def or_more(engines: Sequence[str], kept: Collection[str] = ()) -> list[Any]:
    """As a test's parameters: a variant only where there is time for more, but for those where it differs."""
    return [
        pytest.param(engine, marks=pytest.mark.more) if engine in VARIANTS and engine not in kept else engine
        for engine in engines
    ]


STEPS_IN_GROUPS = pytest.mark.parametrize("engine", or_more(ENGINES, {"keras-tuned"}), indirect=True)


@pytest.fixture(params=ENGINES)
def any_engine(request: pytest.FixtureRequest, processes: Processes) -> Asked:
    return processes[request.param]


@pytest.fixture(params=or_more(ENGINES))
def engine(request: pytest.FixtureRequest, processes: Processes) -> Asked:
    return processes[request.param]


@pytest.fixture(params=or_more(FRAMEWORKS))
def framework(request: pytest.FixtureRequest, processes: Processes) -> Asked:
    return processes[request.param]


@pytest.fixture(params=ALIGNED_PAIR)
def aligned(request: pytest.FixtureRequest, processes: Processes) -> Asked:
    return processes[request.param]


@pytest.fixture(scope="session")
def arrays(prepared_data_dir: Path) -> datasets.Arrays:
    found = datasets.prepared("mnist5k", prepared_data_dir)
    assert found is not None
    return found.load()


def cross_entropy(logits: Any, labels: Any) -> np.ndarray:
    """Each image's loss, in float64."""
    logits = np.asarray(logits, "float64")
    raised = logits - logits.max(1, keepdims=True)
    picked: np.ndarray = np.log(np.exp(raised).sum(1)) - raised[np.arange(len(labels)), labels]
    return picked


def batches(order: Any) -> list[Any]:
    return [order[first : first + BATCH] for first in range(0, len(order), BATCH)]


# --- what it is ------------------------------------------------------------------------------------------


def test_every_engine_of_the_folder_is_here() -> None:
    assert {engine.partition("-")[0] for engine in ENGINES} == set(INITIALISERS)
    files = {path.stem.replace("_", "-") for path in FOLDER.glob("*.py")} - SHARED
    assert files == {"fake", *ENGINE_NAMES}, "every file is offered, and all that is offered has a file"


def test_it_says_what_computes_and_where(any_engine: Asked) -> None:
    about, name = any_engine.ask("about"), any_engine.name
    assert about["is_engine"]
    assert {name.partition("-")[0], BACKENDS.get(name, "numpy"), "numpy"} <= set(about["versions"])
    assert all(version and version[0].isdigit() for version in about["versions"].values())
    assert about["devices"][0] == "cpu"
    assert all(device.startswith("gpu:") for device in about["devices"][1:])
    assert about["device"].startswith("cpu")


def test_it_holds_the_articles_network(any_engine: Asked) -> None:
    built = any_engine.ask("network")
    assert built["parameters"] == ARTICLE.parameters == 32_612
    assert "32,612" in built["summary"]
    assert {name: tuple(array["shape"]) for name, array in built["weights"].items()} == {
        spec.name: spec.shape for spec in ARTICLE.weights
    }
    assert {array["dtype"] for array in built["weights"].values()} == {"float32"}


def test_the_twin_holds_the_same_network_in_float64(aligned: Asked) -> None:
    built = aligned.ask("network", alignment="exact-twin")
    assert built["parameters"] == 32_612
    assert "32,612" in built["summary"]
    assert {array["dtype"] for array in built["weights"].values()} == {"float64"}


# --- how it starts ---------------------------------------------------------------------------------------


def test_as_shipped_it_starts_as_its_own_framework_does(any_engine: Asked) -> None:
    limits = INITIALISERS[any_engine.name.partition("-")[0]]()
    for name, array in any_engine.ask("network")["weights"].items():
        if limits[name] == 0:
            assert array["largest"] == 0
        else:
            lowest = 0.5 if name.endswith("bias") else 0.95  # ten biases need not come near their limit
            assert lowest * limits[name] < array["largest"] <= limits[name] * (1 + 1e-6)
            assert array["spread"] == pytest.approx(limits[name] / math.sqrt(3), rel=0.4 if lowest < 0.9 else 0.1)


def test_the_same_seed_is_the_same_start_and_another_seed_another(engine: Asked) -> None:
    first, again, other = (engine.ask("network", seed=seed)["weights"] for seed in (5, 5, 6))
    assert first == again
    for name in ("conv1.weight", "conv2.weight", "dense.weight"):
        assert first[name]["sha256"] != other[name]["sha256"]


def test_the_same_seed_gives_the_same_first_loss(engine: Asked) -> None:
    first, other = (engine.ask("training", seed=seed, stop_after=1)[0]["losses"] for seed in (5, 6))
    again = engine.ask("training", seed=5, stop_after=1, epochs=2)[0]["losses"]  # asked anew, not remembered
    assert again == pytest.approx(first, rel=1e-6)
    assert other != pytest.approx(first, rel=1e-6)


@pytest.mark.parametrize("alignment", ["same-start", "exact-twin"])
def test_an_aligned_run_starts_from_the_shared_weights(aligned: Asked, alignment: str) -> None:
    built = aligned.ask("network", alignment=alignment, seed=5)["weights"]
    for name, array in parity.start_weights(5).items():
        wanted = array.astype(built[name]["dtype"]).tobytes()
        assert built[name]["sha256"] == hashlib.sha256(wanted).hexdigest()


# --- how it trains ---------------------------------------------------------------------------------------


@STEPS_IN_GROUPS
def test_an_epoch_is_every_step_with_the_last_partial_batch(engine: Asked) -> None:
    (epoch,) = engine.ask("training", epochs=2)[:1]
    assert epoch["steps"] == list(range(1, STEPS + 1))
    assert all(math.isfinite(loss) and loss > 0 for loss in epoch["losses"])


def test_an_epochs_loss_is_the_mean_over_its_images(engine: Asked) -> None:
    sizes = [BATCH] * (STEPS - 1) + [LAST_BATCH]
    for epoch in engine.ask("training", epochs=2):
        assert epoch["loss"] == pytest.approx(np.average(epoch["losses"], weights=sizes), rel=1e-5)
        assert (epoch["accuracy"] * IMAGES) == pytest.approx(round(epoch["accuracy"] * IMAGES), abs=1e-2)


def test_two_epochs_learn(engine: Asked) -> None:
    first, second = engine.ask("training", epochs=2)
    assert second["accuracy"] > first["accuracy"]
    assert second["accuracy"] > 0.7
    assert second["loss"] < first["loss"]


@STEPS_IN_GROUPS
def test_an_epoch_ends_at_the_step_that_says_so(engine: Asked) -> None:
    """An engine that takes several steps at once has then taken the group's others, too, and reports none of them."""
    (epoch,) = engine.ask("training", epochs=2, stop_after=4)
    assert epoch["steps"] == [1, 2, 3, 4]
    at_once = engine.ask("network")["steps_at_once"]
    whole = engine.ask("training", epochs=2)[0]["losses"]
    taken = epoch["losses"] if at_once == 1 else whole[: math.ceil(4 / at_once) * at_once]
    assert epoch["loss"] == pytest.approx(np.mean(taken), rel=1e-5 if at_once == 1 else 1e-3)


def test_as_shipped_each_epoch_visits_every_image_in_the_frameworks_own_order(
    engine: Asked, arrays: datasets.Arrays
) -> None:
    """At a learning rate that moves nothing a batch's loss tells its images, and the epoch's mean that none lacks.

    A seeded Keras repeats one order in every epoch, as docs/fairness.md says; the others draw a new one.
    """
    still = engine.ask("standing_still", epochs=2, dropout=0)
    wanted = cross_entropy(still["logits"], arrays.train_labels).mean()
    first, second = still["epochs"]
    assert first["loss"] == pytest.approx(wanted, rel=1e-5)
    assert second["loss"] == pytest.approx(wanted, rel=1e-5)
    repeats = first["losses"] == pytest.approx(second["losses"], rel=1e-4)
    assert repeats == (engine.name in REPEATS_ITS_ORDER)
    unshuffled = [cross_entropy(still["logits"], arrays.train_labels)[rows].mean() for rows in batches(range(IMAGES))]
    assert first["losses"] != pytest.approx(unshuffled, rel=1e-4)


@pytest.mark.parametrize(
    ("alignment", "network", "rel"), [("same-start", "article", 1e-5), ("exact-twin", "flatten, dense 10", 1e-12)]
)
def test_an_aligned_run_visits_the_shared_batch_order(
    aligned: Asked, arrays: datasets.Arrays, alignment: str, network: str, rel: float
) -> None:
    """At a learning rate that moves nothing, all of the first epoch and the beginning of the second."""
    asked = {"alignment": alignment, "network": network, "dropout": 0, "seed": 5}
    still = aligned.ask("standing_still", epochs=2, stop_after=STEPS + 3, **asked)
    losses = cross_entropy(still["logits"], arrays.train_labels)
    for number, epoch in enumerate(still["epochs"], start=1):
        steps = batches(parity.batch_order(5, number, IMAGES))[: STEPS if number == 1 else 3]
        assert epoch["losses"] == pytest.approx([losses[rows].mean() for rows in steps], rel=rel)


@pytest.mark.parametrize("variant", STEPS_LIKE_STOCK)
@pytest.mark.parametrize("network", ["article", pytest.param(OTHER, id="other", marks=pytest.mark.more)])
def test_a_variant_takes_the_steps_of_its_stock_engine(processes: Processes, variant: str, network: str) -> None:
    """The same function, start and order: without dropout the losses part by rounding alone."""
    variants, stocks = (
        processes[engine].ask("training", dropout=0, stop_after=10, network=network)[0]["losses"]
        for engine in (variant, VARIANTS[variant])
    )
    assert len(variants) == 10
    assert variants == pytest.approx(stocks, rel=1e-4)


@pytest.mark.parametrize("variant", ["torch-tuned", pytest.param("keras-tuned", marks=pytest.mark.more)])
def test_every_form_of_a_tuned_engine_is_the_same_function(processes: Processes, variant: str) -> None:
    asked, probe = {"network": OTHER, "dropout": 0}, processes[variant]
    stock, *others = probe.ask("forms", **asked)
    wanted = probe.ask("first_losses", form=stock, **asked)
    assert len(others) == 3
    for form in others:
        assert probe.ask("first_losses", form=form, **asked) == pytest.approx(wanted, rel=1e-4), form


@pytest.mark.parametrize(
    ("variant", "settings", "forms"),
    [
        ("torch-tuned", {}, ["pool before ReLU, channels first", "pool before ReLU, channels last",
                             "pool before ReLU, channels last, fused Adam"]),
        ("torch-tuned", {"network": "strided", "optimizer": "sgd"}, ["channels last", "channels last, fused SGD"]),
        ("torch-tuned", {"network": "strided", "optimizer": "rmsprop"}, ["channels last"]),
        ("torch-tuned", {"network": "mlp"}, ["fused Adam"]),
        ("torch-tuned", {"network": "mlp", "optimizer": "rmsprop"}, None),
        ("keras-tuned", {}, ["several steps an execution, no XLA", "pool before ReLU, several steps an execution, XLA",
                             "pool before ReLU, several steps an execution, no XLA"]),
        ("keras-tuned", {"network": "mlp"}, ["several steps an execution, XLA", "several steps an execution, no XLA"]),
        ("keras-tuned", {"network": "mlp", "batch_size": 700}, ["XLA", "no XLA"]),
    ],
)  # fmt: skip
def test_a_tuned_engine_offers_what_differs_for_a_network_and_each_once(
    processes: Processes, variant: str, settings: dict[str, Any], forms: list[str] | None
) -> None:
    assert processes[variant].ask("forms", **settings) == (["as shipped", *forms] if forms else [])


@pytest.mark.parametrize("variant", ["keras-tuned", "torch-tuned"])
def test_a_tuned_engine_says_what_it_took_keeps_it_and_trains_as_without(processes: Processes, variant: str) -> None:
    tuned = processes[variant].ask("tuned")
    first, again = tuned["said"]
    assert tuned["forms"][0] == "as shipped"
    assert first.startswith(f"Tuned on this machine: {tuned['form']}.\n")
    assert all(f"  {form}\n" in first for form in tuned["forms"])
    assert "\nMeasured before this run, on " in first
    assert again == first.replace("before this run", "earlier")
    tuned_now, kept, untuned = tuned["losses"]
    assert len(tuned_now) == 10
    # Dropout included: which masks are drawn is as it would have been, too.
    assert kept == pytest.approx(tuned_now, rel=1e-5)
    assert untuned == pytest.approx(tuned_now, rel=1e-5)


def test_dropout_is_on_while_training(framework: Asked) -> None:
    """With nothing moved, dropout alone parts the losses of the same order."""
    first = framework.ask("training", alignment="same-start", dropout=0, stop_after=1)[0]["losses"]
    dropped = framework.ask("training", alignment="same-start", dropout=0.9, stop_after=1)[0]["losses"]
    assert dropped[0] > first[0] * 1.01


@pytest.mark.parametrize("seed", [0, 1])
def test_an_absurd_learning_rate_is_seen_in_the_first_epoch(framework: Asked, seed: int) -> None:
    losses = framework.ask("exploding", seed=seed)
    assert len(losses) < STEPS
    assert not losses[-1] <= metrics.DIVERGED_LOSS


# --- how it reads ----------------------------------------------------------------------------------------


def test_evaluation_is_cross_entropy_and_accuracy_of_the_logits(engine: Asked, arrays: datasets.Arrays) -> None:
    labels = {
        "validation": arrays.validation_labels,
        "test": arrays.test_labels,
        "1,500 training": arrays.train_labels[:1500],  # more than one evaluation batch, the last one partial
    }
    found = engine.ask("reading")
    assert set(found) == set(labels)
    for name, wanted in labels.items():
        logits = np.array(found[name]["logits"])
        assert logits.shape == (len(wanted), 10)
        assert found[name]["loss"] == pytest.approx(cross_entropy(logits, wanted).mean(), rel=1e-5)
        # Keras averages in float32: exact as a number of images.
        assert found[name]["accuracy"] == pytest.approx((logits.argmax(1) == wanted).mean(), abs=1e-6)


def test_the_twin_evaluates_in_float64(aligned: Asked, arrays: datasets.Arrays) -> None:
    found = aligned.ask("reading", alignment="exact-twin", network="mlp", dropout=0.3)["test"]
    logits = np.array(found["logits"])
    assert found["loss"] == pytest.approx(cross_entropy(logits, arrays.test_labels).mean(), rel=1e-12)


def test_dropout_is_off_while_reading(framework: Asked) -> None:
    read = framework.ask("dropout_off")
    assert read["first"] == read["again"] == read["without"]


# --- what it shows of itself ------------------------------------------------------------------------------


@pytest.fixture(params=or_more(ENGINES, {"keras-tuned", "torch-tuned"}))
def looked_into(request: pytest.FixtureRequest, processes: Processes) -> Asked:
    return processes[request.param]


def test_a_look_brings_every_layers_output_and_the_gradient_of_the_answer(looked_into: Asked) -> None:
    seen = looked_into.ask("look", network=LOOKED)
    nodes = Network.of(LOOKED, MNIST_SHAPE).nodes
    assert list(seen["outputs"]) == [node.name for node in nodes]
    outputs = {name: np.array(output) for name, output in seen["outputs"].items()}
    assert {name: output.shape for name, output in outputs.items()} == {node.name: node.leaves for node in nodes}
    np.testing.assert_allclose(outputs[nodes[-1].name], seen["logits"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(outputs["flatten"], np.resize(outputs["dropout"], outputs["flatten"].shape))
    if looked_into.name != "fake":
        np.testing.assert_array_equal(outputs["dropout"], outputs["pool2"])
        assert outputs["conv1"].min() == outputs["relu"].min() == 0, "a layer's own activation is in its output"
    gradient = np.array(seen["gradient"])
    assert gradient.shape == MNIST_SHAPE.image
    # Over eight levels, where the network has kinks, too.
    assert gradient.ravel()[seen["place"]] == pytest.approx(seen["slope"], rel=0.05)
    assert abs(seen["slope"]) > 1e-3


@pytest.mark.parametrize("variant", or_more(tuple(VARIANTS), {"keras-tuned", "torch-tuned"}))
def test_a_variant_shows_what_its_stock_engine_shows(processes: Processes, variant: str) -> None:
    found, wanted = (processes[engine].ask("look", network=LOOKED) for engine in (variant, VARIANTS[variant]))
    compare_insides(found, wanted, 1e-5)


def test_the_twins_show_the_same_layers_and_the_same_gradient(processes: Processes) -> None:
    """Two frameworks with layouts and code of their own: what they agree on is what the network computes."""
    compare_insides(
        *(processes[one].ask("look", network=LOOKED, alignment="exact-twin") for one in ALIGNED_PAIR), 1e-12
    )


def compare_insides(found: dict[str, Any], wanted: dict[str, Any], rel: float) -> None:
    """Holds two looks to each other, by each output's largest number."""
    for name, output in [*wanted["outputs"].items(), ("gradient", wanted["gradient"])]:
        other = found["gradient"] if name == "gradient" else found["outputs"][name]
        largest = np.abs(output).max()
        assert largest > 0
        np.testing.assert_allclose(other, output, rtol=0, atol=rel * largest, err_msg=name)


# --- its weights -----------------------------------------------------------------------------------------


def test_its_own_weights_and_a_files_give_the_same_logits(engine: Asked) -> None:
    read = engine.ask("reloaded")
    assert read["again"] == read["first"]
    assert read["before"] != read["first"]
    assert read["moved"] == read["first"]


def test_weights_once_handed_out_do_not_change(engine: Asked) -> None:
    assert engine.ask("snapshot")


def test_a_replay_answers_as_it_did_after_each_epoch_but_for_half_precision(engine: Asked) -> None:
    for alignment in ("as-shipped", *["exact-twin"] * (engine.name in ALIGNED_PAIR)):
        found = engine.ask("replayed", alignment=alignment)
        then, now = np.array(found["then"]), np.array(found["logits"])
        assert found["epochs"] == [0, 1, 2]
        scale = np.abs(then).max((1, 2))
        apart = np.abs(now - then).max((1, 2)) / scale
        assert apart[:2].max() < 0.01
        assert apart[2] < 1e-5, "after the last epoch it has its own weights, unrounded"
        learnt = np.abs(np.diff(then, axis=0)).max((1, 2)) / scale[1:]
        assert learnt.min() > 0.1, "the epochs differ by more than what is allowed"


@pytest.mark.parametrize("variant", or_more(tuple(VARIANTS), BACKENDS))
@pytest.mark.parametrize("network", ["article", pytest.param(OTHER, id="other")])
def test_a_variants_weights_are_the_stock_engines(processes: Processes, variant: str, network: str) -> None:
    """Each reads the other's trained weights with the same logits, but for rounding."""
    stock = VARIANTS[variant]
    for trained, reads in ((variant, stock), (stock, variant)):
        asked = {"alignment": "as-shipped", "network": network}
        out = processes[trained].ask("moved_out", **asked)
        found = processes[reads].ask("moved_in", path=out["path"], sha256=out["sha256"], **asked)
        wanted = np.array(out["logits"])
        assert np.abs(wanted).max() > (5 if network == "article" else 0.5)  # a trained network
        assert np.abs(np.array(found) - wanted).max() <= 1e-5 * np.abs(wanted).max()


# --- its process -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", or_more(FRAMEWORKS, BACKENDS))
def test_one_process_holds_one_framework(processes: Processes, name: str) -> None:
    """Whatever KERAS_BACKEND says outside; TensorFlow and PyTorch in one process can end it. Nothing of `UNUSED` is."""
    loaded = processes[name].ask("loaded")
    backend = BACKENDS.get(name, "torch" if name.startswith("torch") else "tensorflow")
    assert loaded["frameworks"] == [backend]
    assert loaded["unused"] == []
    assert loaded["backend"] == (backend if name.startswith("keras") else "")


def test_a_missing_compiler_is_said_in_a_sentence(processes: Processes) -> None:
    said = processes["torch-compile"].ask("without_compiler")
    assert said == "torch.compile needs a C++ compiler, and no-such-compiler was not found on this machine"
