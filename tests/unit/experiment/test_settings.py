"""Settings: defaults are the article's, limits are checked and never clamped, every bad value gets its sentence."""

import importlib.machinery
import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.data import datasets
from core.data.datasets import Dataset
from core.deployment.settings import DeploymentSettings
from core.experiment.engine_names import ALIGNED_PAIR, ENGINE_NAMES, SPARE_ENGINES, installed_engines
from core.experiment.settings import Alignment, Device, InvalidSettings, Schedule, TrainSettings, shown

BATCH = "Batch size must be a whole number from 1 to 4,096, not {}."
EPOCHS = "Epochs must be a whole number from 1 to 100, not {}."
DROPOUT = "Dropout must be a number from 0 to 0.9, not {}."
RATE = "Learning rate must be a number above 0 and at most 1,000,000, not {}."
SEED = "Seed must be a whole number from 0 to 2,147,483,647, not {}."
PATIENCE = "Patience must be a whole number from 0 to 100, not {}."
DATASETS = (
    "Data set must be one of mnist5k, mnist, fashion-mnist, kmnist, cifar10, digits, "
    "or own-NAME for your own images, not {}."
)
ALIGNMENTS = "Alignment must be one of as-shipped, same-start, exact-twin, not {}."
OFFERED = ", ".join(ENGINE_NAMES)
ENGINE = f"There is no engine {{}}. Engines: {OFFERED}."


def problems(raw: dict[str, Any], dataset: Dataset | None = None) -> dict[str, str]:
    with pytest.raises(InvalidSettings) as caught:
        TrainSettings.parse(raw, dataset)
    assert str(caught.value) == " ".join(caught.value.problems.values())
    return caught.value.problems


def test_defaults_are_the_articles() -> None:
    settings = TrainSettings.parse({})
    assert (settings.batch_size, settings.epochs, settings.dropout, settings.learning_rate) == (126, 8, 0.3, 1e-3)
    assert (settings.seed, settings.dataset, settings.engines) == (0, "mnist5k", ("keras", "torch"))
    assert (settings.alignment, settings.schedule) == (Alignment.AS_SHIPPED, Schedule.TURNS)
    assert (settings.patience, settings.device) == (0, Device.AUTO)


def test_the_defaults_keep_their_own_limits() -> None:
    """Defaults are not validated when they are taken, so that pages start fast: hence here."""
    assert TrainSettings.parse(TrainSettings().as_json()) == TrainSettings()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("batch_size", 0, BATCH.format("0")),
        ("batch_size", -1, BATCH.format("-1")),
        ("batch_size", 10**9, BATCH.format("1000000000")),
        ("batch_size", 4097, BATCH.format("4097")),
        ("batch_size", math.nan, BATCH.format("nan")),
        ("batch_size", "nan", BATCH.format("nan")),
        ("batch_size", "inf", BATCH.format("inf")),
        ("batch_size", "", BATCH.format("nothing")),
        ("batch_size", "  ", BATCH.format("nothing")),
        ("batch_size", None, BATCH.format("nothing")),
        ("batch_size", "12.5", BATCH.format("12.5")),
        ("batch_size", 12.5, BATCH.format("12.5")),
        ("batch_size", True, BATCH.format("True")),
        ("batch_size", "1_000", BATCH.format("1_000")),
        ("batch_size", "many", BATCH.format("many")),
        ("batch_size", [126], BATCH.format("[126]")),
        ("epochs", 0, EPOCHS.format("0")),
        ("epochs", 10**9, EPOCHS.format("1000000000")),
        ("epochs", "1e9", EPOCHS.format("1e9")),
        ("dropout", 1.0, DROPOUT.format("1.0")),
        ("dropout", -0.1, DROPOUT.format("-0.1")),
        ("dropout", math.nan, DROPOUT.format("nan")),
        ("dropout", math.inf, DROPOUT.format("inf")),
        ("dropout", 0.9000001, DROPOUT.format("0.9000001")),
        ("learning_rate", 0, RATE.format("0")),
        ("learning_rate", 1e7, RATE.format("10000000.0")),
        ("learning_rate", math.nan, RATE.format("nan")),
        ("learning_rate", -1e-3, RATE.format("-0.001")),
        ("seed", -1, SEED.format("-1")),
        ("seed", 2**31, SEED.format("2147483648")),
        ("patience", 101, PATIENCE.format("101")),
        ("dataset", "imagenet", DATASETS.format("imagenet")),
        ("dataset", "../../etc/passwd", DATASETS.format("../../etc/passwd")),
        ("alignment", "exact", ALIGNMENTS.format("exact")),
        ("schedule", "both", "Schedule must be one of turns, together, not both."),
        ("device", "tpu", "Device must be one of auto, cpu, best, not tpu."),
        ("engines", "jax", ENGINE.format("jax")),
        ("engines", "keras,,torch", ENGINE.format("nothing")),
        ("engines", ["keras", 7], ENGINE.format("7")),
        ("engines", "fake-../../etc", ENGINE.format("fake-../../etc")),
        ("engines", "", f"Engines must name at least one of {OFFERED}, not nothing."),
        ("engines", [], f"Engines must name at least one of {OFFERED}, not []."),
        ("engines", "torch, torch", "Engines must differ: each one trains in one lane."),
    ],
)
def test_a_bad_value_gets_its_sentence(field: str, value: object, sentence: str) -> None:
    assert problems({field: value}) == {field: sentence}


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("dropout", "0,5", 0.5),
        ("dropout", ",25", 0.25),
        ("learning_rate", "0,001", 0.001),
        ("learning_rate", "0,010", 0.01),
        ("learning_rate", "1.000", 1.0),
        ("learning_rate", "1,000,000", 1e6),
        ("learning_rate", "1e-3", 0.001),
        ("batch_size", "1,000", 1000),
        ("batch_size", "126.0", 126),
        ("batch_size", "126,0", 126),
        ("batch_size", "1,00", 1),
        ("batch_size", "1e3", 1000),
        ("seed", "2,147,483,647", 2**31 - 1),
        ("epochs", " +8 ", 8),
    ],
)
def test_a_comma_is_a_decimal_comma_or_stands_before_groups_of_three(field: str, text: str, value: float) -> None:
    assert getattr(TrainSettings.parse({field: text}), field) == value


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("batch_size", "12,7", BATCH.format("12,7")),
        ("batch_size", "0,001", BATCH.format("0,001")),
        ("batch_size", "10,00,000", BATCH.format("10,00,000")),
        ("batch_size", "1,000.0", BATCH.format("1,000.0")),
        ("batch_size", "1 000", BATCH.format("1 000")),
        ("batch_size", "0x10", BATCH.format("0x10")),
        ("batch_size", "1.000", "Batch size 1.000 can mean 1 or 1000: write the one that you mean."),
        ("learning_rate", " 1,000 ", "Learning rate 1,000 can mean 1 or 1000: write the one that you mean."),
        ("learning_rate", "1,500", "Learning rate 1,500 can mean 1.5 or 1500: write the one that you mean."),
        ("dropout", "0,9,", DROPOUT.format("0,9,")),
        ("dropout", ",", DROPOUT.format(",")),
        ("epochs", "\uff18", EPOCHS.format("\uff18").replace(", not", ", in the digits 0 to 9, not")),
        ("epochs", "\u0668", EPOCHS.format("\u0668").replace(", not", ", in the digits 0 to 9, not")),
    ],
)
def test_what_can_be_read_in_two_ways_or_in_none_is_refused_in_words(field: str, text: str, sentence: str) -> None:
    assert problems({field: text}) == {field: sentence}


def test_a_monstrous_value_gets_its_sentence_too() -> None:
    assert problems({"batch_size": 10**5000}) == {"batch_size": BATCH.format("a number of thousands of digits")}
    assert problems({"batch_size": "9" * 5000}) == {"batch_size": BATCH.format("9" * 39 + "…")}
    assert problems({"batch_size": "\x1b[31m64\n\ud800"}) == {"batch_size": BATCH.format("[31m64")}


def test_every_bad_field_is_named_at_once() -> None:
    found = problems({"batch_size": 0, "epochs": 8, "dropout": "x", "colour": "red"})
    assert found["batch_size"] == BATCH.format("0")
    assert found["dropout"] == DROPOUT.format("x")
    assert found["colour"].startswith("There is no setting colour. Settings: batch_size, epochs, dropout, ")
    assert len(found) == 3


def test_a_batch_larger_than_the_training_split_is_refused() -> None:
    said = "Batch size 3,601 is larger than the 3,600 images that “MNIST, 5,000 images” trains on: choose 1 to 3,600."
    assert problems({"batch_size": 3601}, datasets.find("mnist5k")) == {"batch_size": said}
    assert TrainSettings.parse({"batch_size": 3600}, datasets.find("mnist5k")).batch_size == 3600
    for text in ("1e9", "12.7"):
        sentence = BATCH.format(text).replace("4,096", "3,600")
        assert problems({"batch_size": text}, datasets.find("mnist5k")) == {"batch_size": sentence}
    assert problems({"batch_size": 5000}, datasets.find("mnist")) == {"batch_size": BATCH.format("5000")}


@pytest.mark.parametrize("alignment", ["same-start", "exact-twin"])
def test_only_the_pair_can_be_aligned(alignment: str) -> None:
    sentence = f"{alignment} compares exactly keras and torch, not keras."
    assert problems({"alignment": alignment, "engines": "keras"}) == {"alignment": sentence}
    assert TrainSettings.parse({"alignment": alignment, "engines": "torch,keras"}).engines == ("torch", "keras")


def test_only_the_twin_computes_in_float64() -> None:
    assert [TrainSettings.parse({"alignment": a}).float64 for a in Alignment] == [False, False, True]


def test_a_value_in_a_sentence_is_short_printable_and_on_one_line() -> None:
    assert shown("a\nb\x00c\u202ed") == "a b c d"
    assert shown("x" * 100) == "x" * 39 + "…"


# --- whatever comes in -----------------------------------------------------------------------------------

LIMITS = {"batch_size": (1, 4096), "epochs": (1, 100), "seed": (0, 2**31 - 1), "patience": (0, 100)}
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.floats().map(str),
    st.integers().map(str),
    st.text(st.characters()),  # lone surrogates included, as a URL can bring them
    st.binary(),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
FIELDS = st.sampled_from([*TrainSettings.model_fields, "unknown"]) | st.text(st.characters(), max_size=5)


@given(st.dictionaries(FIELDS, ANYTHING, max_size=5))
def test_parse_raises_nothing_but_invalid_settings(raw: dict[str, Any]) -> None:
    settings, sentences = None, ["."]
    try:
        settings = TrainSettings.parse(raw, datasets.find("mnist5k"))
    except InvalidSettings as error:
        sentences = list(error.problems.values())
    if settings is not None:
        assert TrainSettings.parse(settings.as_json()) == settings
    assert sentences
    for sentence in sentences:
        assert sentence.endswith(".")
        assert sentence.isprintable()
        assert "Value error" not in sentence
        sentence.encode()


@given(st.sampled_from(sorted(LIMITS)), st.integers(-10, 5000) | st.integers())
def test_a_whole_number_is_taken_as_it_is_or_refused(field: str, value: int) -> None:
    low, high = LIMITS[field]
    for raw in (value, str(value), float(value) if abs(value) < 2**53 else value):
        if low <= value <= high:
            assert getattr(TrainSettings.parse({field: raw}), field) == value
        else:
            assert set(problems({field: raw})) == {field}


@given(st.floats() | st.floats(0, 1))
def test_a_decimal_is_taken_as_it_is_or_refused(value: float) -> None:
    for field, valid in (("dropout", 0 <= value <= 0.9), ("learning_rate", 0 < value <= 1e6)):
        for raw in (value, repr(value)):
            if valid:
                assert getattr(TrainSettings.parse({field: raw}), field) == value
            else:
                assert set(problems({field: raw})) == {field}


@given(
    st.builds(
        dict,
        batch_size=st.integers(1, 4096),
        epochs=st.integers(1, 100),
        dropout=st.floats(0, 0.9),
        learning_rate=st.floats(0, 1e6, exclude_min=True),
        seed=st.integers(0, 2**31 - 1),
        alignment=st.sampled_from(list(Alignment)),
        schedule=st.sampled_from(list(Schedule)),
        device=st.sampled_from(list(Device)),
        patience=st.integers(0, 100),
    )
)
def test_settings_come_back_from_json(raw: dict[str, Any]) -> None:
    settings = TrainSettings.parse(raw)
    assert {field: getattr(settings, field) for field in raw} == raw
    assert TrainSettings.parse(settings.as_json()) == settings


# --- the installation's own ------------------------------------------------------------------------------


def test_the_environment_moves_everything_the_program_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUEL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DUEL_DATASETS_DIR", str(tmp_path / "sets"))
    deployment = DeploymentSettings()
    assert (deployment.data_dir, deployment.datasets_dir) == (tmp_path, tmp_path / "sets")


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUEL_DATA_DIR", "")
    monkeypatch.setenv("DUEL_DATASETS_DIR", "")
    deployment = DeploymentSettings()
    assert deployment.data_dir.name == "keras-vs-pytorch"
    assert deployment.datasets_dir is None


def test_an_engine_is_valid_everywhere_and_trains_where_its_module_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = TrainSettings.parse({"engines": "keras,keras-on-jax"})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jax" else importlib.machinery)
    with pytest.raises(InvalidSettings, match=r"^keras-on-jax cannot train here: jax is not installed\.$"):
        settings.check_installed()
    assert installed_engines() == [engine for engine in ENGINE_NAMES if engine != "keras-on-jax"]
    monkeypatch.undo()
    assert ("keras-on-jax" in installed_engines()) == bool(importlib.util.find_spec("jax"))


def test_only_the_frameworks_are_kept_warm() -> None:
    assert SPARE_ENGINES == ALIGNED_PAIR


def test_the_model_itself_refuses_to_align_other_engines() -> None:
    with pytest.raises(ValidationError, match="exact-twin compares exactly keras and torch, not keras-tuned"):
        TrainSettings(alignment=Alignment.EXACT_TWIN, engines=("keras-tuned",))


@pytest.mark.parametrize("alignment", ["same-start", "exact-twin"])
@pytest.mark.parametrize("engines", ["keras-tuned,torch-tuned", "keras,torch,torch-tuned"])
def test_variants_run_as_shipped_alone(alignment: str, engines: str) -> None:
    listed = engines.replace(",", ", ")
    sentence = f"{alignment} compares exactly keras and torch, not {listed}."
    assert problems({"alignment": alignment, "engines": engines}) == {"alignment": sentence}
    assert TrainSettings.parse({"engines": engines}).engines == tuple(engines.split(","))


@given(st.integers(1, 4096))
def test_steps_at_once_stay_well_below_a_second(batch_size: int) -> None:
    """At 2,000 images a second; a batch that takes longer is a step of its own in every engine."""
    at_once = TrainSettings(batch_size=batch_size).steps_per_execution
    assert 1 <= at_once <= 10
    assert at_once == 1 or at_once * batch_size <= 1260


def test_what_no_alignment_aligns_is_refused_for_aligned_runs_alone() -> None:
    raw = {"network": "flatten, layernorm, relu, dense 10"}
    assert TrainSettings.parse(raw, datasets.find("mnist5k")).network == raw["network"]
    for alignment in ("same-start", "exact-twin"):
        with pytest.raises(InvalidSettings) as caught:
            TrainSettings.parse(raw | {"alignment": alignment}, datasets.find("mnist5k"))
        assert caught.value.problems == {
            "alignment": f"{alignment} cannot align relu after layernorm: of pixels that equal their mean, rounding "
            "decides the gradient. Change these layers, or choose as-shipped."
        }


@pytest.mark.parametrize(("batch_size", "fits"), [(126, True), (1, False), (3599, False), (7, True), (59, False)])
def test_a_last_batch_of_one_image_is_refused_where_a_mean_is_taken_of_it(batch_size: int, fits: bool) -> None:
    raw = {"network": "flatten, dense 8, batchnorm, dense 10", "batch_size": batch_size}
    assert 3600 % 59 == 1
    if fits:
        assert TrainSettings.parse(raw, datasets.find("mnist5k")).batch_size == batch_size
        return
    with pytest.raises(InvalidSettings, match="is a single image, and batchnorm needs two"):
        TrainSettings.parse(raw, datasets.find("mnist5k"))
