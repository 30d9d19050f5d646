"""Predictors: workers kept open that read drawings; what happens when they die, hang, or a run trains."""

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.shape import MNIST_SHAPE
from core.experiment.epoch_weights import FOLDER, load_epochs
from core.experiment.logits import probabilities
from core.experiment.network import Network
from core.experiment.weights import load_weights
from core.launcher import predictors as predictor_module
from core.launcher.launcher import Launcher
from core.launcher.predictors import IDLE_WITHOUT_SPARE_S, PredictorError, Predictors
from core.protocol.process import ChildProcess
from core.results.models import Model, _epochs_of, swapped
from core.results.outcome import gather
from core.worker.inference import MOST_MODELS
from tests.processes.conftest import OpenLauncher, settings, wait_for, worker, workers

SPECS = Network.of("article", MNIST_SHAPE).weights
IMAGES = np.random.default_rng(1).integers(0, 256, (3, 28, 28), dtype=np.uint8)


@pytest.fixture
def launcher(open_launcher: OpenLauncher) -> Launcher:
    return open_launcher()


def trained(launcher: Launcher, seed: int = 0, epochs: int = 1) -> list[Model]:
    """The two models of a finished run."""
    run_id = launcher.submit(settings(epochs=epochs, seed=seed))
    rows = list(launcher.follow(run_id))
    wait_for("its turn is over, which its last row comes before", lambda: not launcher.active())
    outcome = gather(launcher.store.run(run_id), rows)
    folder = launcher.store.artifacts(run_id)
    return [
        Model(
            lane.engine,
            f"{run_id} {lane.engine}",
            outcome.run.settings,
            folder / lane.tested.weights_file,
            lane.tested.weights_sha256,
            outcome.run.dataset.shape,
            _epochs_of(lane, folder),
        )
        for lane in outcome.lanes
    ]


def weights_of(model: Model) -> dict[str, np.ndarray]:
    return load_weights(model.weights_file, model.sha256, SPECS)


def expected(weights: dict[str, np.ndarray]) -> np.ndarray:
    """What the fake engine's one learning layer makes of the images, in numpy."""
    pixels = np.zeros((len(IMAGES), 1550), "float32")
    pixels[:, :784] = IMAGES.reshape(len(IMAGES), -1).astype("float32") / np.float32(255)
    return pixels @ weights["dense.weight"] + weights["dense.bias"]


def test_each_model_answers_with_the_weights_of_its_lane(launcher: Launcher) -> None:
    models = trained(launcher)
    answers = launcher.predictors.ask(models, IMAGES)
    for model, answer in zip(models, answers, strict=True):
        np.testing.assert_allclose(answer.logits, expected(weights_of(model)), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(answer.probabilities.sum(1), 1)
        assert answer.compute_ms >= 0


def test_a_replay_answers_with_the_weights_after_each_epoch(launcher: Launcher) -> None:
    models = trained(launcher, epochs=3)
    kept = [load_epochs(model.epochs.weights_file, model.epochs.sha256, SPECS) for model in models if model.epochs]
    found = launcher.predictors.replay(models, IMAGES)
    assert len(found) == len(kept) == 2
    for model, epochs, replay in zip(models, kept, found, strict=True):
        assert replay.epochs == (*epochs, 3) == (0, 1, 2, 3)
        then = [expected(weights) for weights in [*epochs.values(), weights_of(model)]]
        np.testing.assert_allclose(replay.probabilities, probabilities(np.array(then)), atol=1e-5)
        assert len({tuple(shares[0]) for shares in replay.probabilities}) == 4, "each epoch taught it something"
    answers = launcher.predictors.ask(models, IMAGES)
    for replay, answer in zip(found, answers, strict=True):
        np.testing.assert_allclose(replay.probabilities[-1], answer.probabilities, atol=1e-7)


def test_epochs_that_are_not_what_was_kept_are_refused_and_the_model_answers_on(launcher: Launcher) -> None:
    models = trained(launcher)
    assert models[0].epochs
    models[0].epochs.weights_file.write_bytes(b"other")
    with pytest.raises(PredictorError, match=r"^fake-a cannot answer: The weights file .* is damaged"):
        launcher.predictors.replay(models, IMAGES)
    assert len(launcher.predictors.ask(models, IMAGES)) == 2


def test_epochs_go_with_their_run_and_are_not_kept_where_it_is_not_wanted(
    launcher: Launcher, open_launcher: OpenLauncher, tmp_path: Path
) -> None:
    run_id = trained(launcher)[0].slot.split()[0]
    folder = launcher.store.artifacts(run_id)
    assert [path.name for path in sorted((folder / FOLDER).iterdir())] == ["fake-a.safetensors", "fake-b.safetensors"]
    launcher.delete(run_id)
    assert not folder.exists()
    launcher.deployment.epoch_weights = False
    models = trained(launcher)
    assert [model.epochs for model in models] == [None, None]
    assert not (launcher.store.artifacts(models[0].slot.split()[0]) / FOLDER).exists()


def test_swapped_models_compute_the_same_from_the_same_weights(launcher: Launcher) -> None:
    # Both fake lanes of one run learn the same.
    models = [trained(launcher, seed=0)[0], trained(launcher, seed=1)[1]]
    own, other = launcher.predictors.ask(models, IMAGES), launcher.predictors.ask(swapped(models), IMAGES)
    assert not np.array_equal(own[0].logits, own[1].logits)
    np.testing.assert_array_equal(own[0].logits, other[1].logits)
    np.testing.assert_array_equal(own[1].logits, other[0].logits)


def test_a_look_inside_shows_the_layers_of_each_model_and_swapped_weights_the_same(launcher: Launcher) -> None:
    models = [trained(launcher, seed=0)[0], trained(launcher, seed=1)[1]]
    image = IMAGES[0][..., np.newaxis]
    insides = launcher.predictors.look([*models, swapped(models)[0]], image)
    assert [inside.engine for inside in insides] == [models[0].engine, models[1].engine, models[0].engine]
    for inside, answer in zip(insides, launcher.predictors.ask(models, image[np.newaxis]), strict=False):
        assert list(inside.outputs) == [node.name for node in Network.of("article", MNIST_SHAPE).nodes]
        np.testing.assert_allclose(inside.outputs["dense"], answer.logits[0], rtol=1e-5)
        assert inside.gradient.shape == (28, 28, 1)
    own, other, same = (inside.outputs["dense"] for inside in insides)
    assert not np.array_equal(own, other)
    np.testing.assert_array_equal(same, other)


def test_one_process_a_framework_serves_all_models(launcher: Launcher) -> None:
    models = trained(launcher)
    launcher.predictors.ask([*models, *swapped(models)], IMAGES)
    assert len(workers()) == 2


def test_preparing_does_not_wait_and_then_all_answer_at_once(launcher: Launcher) -> None:
    models = trained(launcher)
    assert launcher.predictors.prepare(models) is False
    wait_for("both models are loaded", lambda: launcher.predictors.prepare(models))
    assert len(launcher.predictors.ask(models, IMAGES)) == 2


def test_a_killed_predictor_is_restarted(launcher: Launcher) -> None:
    models = trained(launcher)
    before = launcher.predictors.ask(models, IMAGES)
    worker(models[0].engine).kill()
    wait_for("it is gone", lambda: len(workers()) == 1)
    after = launcher.predictors.ask(models, IMAGES)
    np.testing.assert_array_equal(before[0].logits, after[0].logits)


def test_a_hung_predictor_is_restarted_once(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    models = trained(launcher)
    launcher.predictors.ask(models, IMAGES)
    monkeypatch.setattr(predictor_module, "ANSWER_S", 1.0)
    hung = worker(models[1].engine)
    os.kill(hung.pid, signal.SIGSTOP)
    assert len(launcher.predictors.ask(models, IMAGES)) == 2
    assert not hung.is_running()


def test_a_predictor_that_dies_again_says_of_what(tmp_path: Path) -> None:
    predictors = Predictors(lambda engine: ChildProcess("core.not_there", engine, log=tmp_path / "log"))
    model = Model("keras", "a run keras", settings(), Path("weights"), "sum", MNIST_SHAPE)
    with pytest.raises(PredictorError, match=r"^Keras cannot answer: its process ended by itself with code 1\.$"):
        predictors.ask([model], IMAGES)


def test_a_suspended_predictor_is_replaced_before_its_time_is_over(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = trained(launcher)
    launcher.predictors.ask(models, IMAGES)
    monkeypatch.setattr("core.protocol.process.SILENT_S", 2.0)
    monkeypatch.setattr(predictor_module, "ANSWER_S", 200.0)
    hung = worker(models[1].engine)
    hung.suspend()
    assert len(launcher.predictors.ask(models, IMAGES)) == 2
    assert not hung.is_running()


def test_a_predictor_that_hangs_again_is_a_sentence(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    models = trained(launcher)
    monkeypatch.setattr(predictor_module, "START_S", 0.0)
    with pytest.raises(PredictorError, match=r"^fake-a did not answer for 0 s\.$"):
        launcher.predictors.ask(models[:1], IMAGES)
    assert not workers()


def test_none_is_started_while_a_run_trains(launcher: Launcher) -> None:
    models = trained(launcher)
    run_id = launcher.submit(settings("fake-slow", epochs=50))
    wait_for("it trains", lambda: launcher.store.rows(run_id) and workers())
    with pytest.raises(PredictorError, match="is under way: the models load when"):
        launcher.predictors.ask(models, IMAGES)
    launcher.stop(run_id)
    wait_for("it has ended", lambda: not launcher.active())
    assert len(launcher.predictors.ask(models, IMAGES)) == 2


def test_a_loaded_one_answers_beside_a_run_and_the_run_says_so(launcher: Launcher) -> None:
    models = trained(launcher)
    launcher.predictors.ask(models, IMAGES)
    run_id = launcher.submit(settings("fake-slow", epochs=50))
    wait_for("it trains", lambda: any(row.kind == "step" for row in launcher.store.rows(run_id)))
    assert len(launcher.predictors.ask(models, IMAGES)) == 2
    launcher.stop(run_id)
    rows = list(launcher.follow(run_id))
    assert gather(launcher.store.run(run_id), rows).drawn_meanwhile


def test_a_run_that_nobody_drew_beside_does_not_say_so(launcher: Launcher) -> None:
    run_id = launcher.submit(settings(epochs=1))
    assert not gather(launcher.store.run(run_id), list(launcher.follow(run_id))).drawn_meanwhile


def test_a_run_that_begins_while_a_model_loads_says_so(launcher: Launcher) -> None:
    models = trained(launcher)
    launcher.predictors.ask(models, IMAGES)
    held = worker(models[0].engine)
    os.kill(held.pid, signal.SIGSTOP)
    threading.Thread(target=launcher.predictors.ask, args=([replace(models[0], slot="another")], IMAGES)).start()
    wait_for("it loads", launcher.predictors.busy)
    run_id = launcher.submit(settings(epochs=1))
    wait_for("it has begun", lambda: launcher.store.rows(run_id))
    os.kill(held.pid, signal.SIGCONT)
    assert gather(launcher.store.run(run_id), list(launcher.follow(run_id))).drawn_meanwhile


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "fake-a cannot answer: The weights file .* is damaged"),
        (lambda path: path.unlink(), "fake-a cannot answer: The weights file .* cannot be read"),
    ],
)
def test_weights_that_are_not_what_was_kept_are_refused(launcher: Launcher, damage: object, sentence: str) -> None:
    models = trained(launcher)
    damage(models[0].weights_file)  # type: ignore[operator]
    with pytest.raises(PredictorError, match=sentence):
        launcher.predictors.ask(models, IMAGES)
    assert len(launcher.predictors.ask(models[1:], IMAGES)) == 1, "the other model is not harmed"


def test_an_idle_predictor_is_ended(launcher: Launcher) -> None:
    models = trained(launcher)
    launcher.predictors.ask(models, IMAGES)
    now = launcher.queue.clock()
    launcher.queue.clock = lambda: now + IDLE_WITHOUT_SPARE_S + 1
    wait_for("the launcher ends it", lambda: not workers())


def test_closing_ends_all_and_refuses_more(launcher: Launcher) -> None:
    models = trained(launcher)
    launcher.predictors.ask(models, IMAGES)
    launcher.predictors.close()
    assert not workers()
    with pytest.raises(PredictorError, match="shutting down"):
        launcher.predictors.ask(models, IMAGES)


def test_an_unknown_engine_is_a_sentence(launcher: Launcher) -> None:
    model = replace(trained(launcher)[0], engine="nothing")
    with pytest.raises(PredictorError, match="nothing cannot answer"):
        launcher.predictors.ask([model], IMAGES)


def test_a_model_is_saved_in_its_engines_format(launcher: Launcher, tmp_path: Path) -> None:
    (model, _) = trained(launcher)
    launcher.predictors.save(model, tmp_path / "model.fake")
    assert (tmp_path / "model.fake").read_bytes() == model.weights_file.read_bytes()


def test_a_model_that_made_room_for_others_is_loaded_again(launcher: Launcher) -> None:
    (model, _) = trained(launcher)
    before = launcher.predictors.ask([model], IMAGES)
    for number in range(MOST_MODELS):
        launcher.predictors.ask([replace(model, slot=f"another {number}")], IMAGES)
    after = launcher.predictors.ask([model], IMAGES)
    np.testing.assert_array_equal(before[0].logits, after[0].logits)
