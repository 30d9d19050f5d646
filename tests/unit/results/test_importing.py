"""What is refused when a run from elsewhere is taken in: one sentence for each thing that cannot be."""

import html
import importlib.util
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.experiment.settings import Alignment
from core.results import importing
from core.results.export import as_json
from core.results.importing import ImportRefused, read_json
from core.results.outcome import gather
from core.results.report import as_html
from core.storage.records import RECORDED, Run
from core.storage.rows import Row
from core.storage.runs import ALL_ROWS, Store

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def recorded() -> tuple[Run, list[Row]]:
    """A duel that came with the project, without most of its many steps: real rows of every kind."""
    store = Store(Path("nowhere"), RECORDED)
    run = next(run for run in store.recorded() if run.settings.alignment == "same-start")
    rows = store.rows(run.id, limit=ALL_ROWS)
    return run, [row for row in rows if row.kind != "step" or row.seq < 60]


def changed(change: Change, recorded: tuple[Run, list[Row]]) -> bytes:
    values = json.loads(as_json(*recorded))
    change(values)
    return json.dumps(values).encode()


def refused(data: bytes) -> str:
    with pytest.raises(ImportRefused) as said:
        read_json(data)
    sentence = str(said.value)
    assert sentence.startswith("The file")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def rows_of(values: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    return (row for row in values["rows"] if row["kind"] == kind)


def first(values: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first row of a kind."""
    return next(rows_of(values, kind))


def again(values: dict[str, Any], kind: str) -> None:
    """The first row of a kind once more, at the end."""
    values["rows"].append(first(values, kind) | {"seq": values["rows"][-1]["seq"] + 1})


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


OF_THE_RUN: list[tuple[Change, str]] = [
    (lambda v: v.pop("lanes"), "lanes is missing"),
    (lambda v: v.update(format=2), "of format 2, and this version reads 1: update the program"),
    (lambda v: v.update(format="1"), "no exported run: format"),
    (lambda v: v.update(extra=1), "extra is no field that can be"),
    (lambda v: v["run"].update(state="running"), "the run is running, and only one that has ended"),
    (lambda v: v["run"].update(name="x" * 501), "no exported run: run.name"),
    (lambda v: v["run"].update(created_at="yesterday"), "created_at is yesterday, which is no date and time"),
    (lambda v: v["run"].update(created_at="2026-13-45T10:00:00+00:00"), "2026-13-45T10:00:00+00:00, which is no date"),
    (lambda v: v["run"].update(ended_at="2026-11-24T25:00:00Z"), "ended_at is 2026-11-24T25:00:00Z, which is no date"),
    (lambda v: v["run"].update(created_at="0001-01-01T00:00:00Z"), "which is no date"),
    (lambda v: v["run"].update(ended_at="2020-01-01T00:00:00Z"), "ended_at is before started_at"),
    (lambda v: v["run"].update(started_at="2020-01-01T00:00:00Z"), "started_at is before created_at"),
    (lambda v: v["run"].update(ended_at=tomorrow()), "which is still to come"),
    (lambda v: v["run"].update(ended_at=None), "it is finished, but not said to have ended"),
    (lambda v: v["run"].update(started_at=None), "it is finished, but not said to have started"),
    (lambda v: v["run"]["machine"].update(cores=-2), "run.machine.cores is -2"),
    (lambda v: v["run"]["settings"].update(epochs=1000), "settings cannot be: Epochs must be"),
    (lambda v: v["lanes"].reverse(), "its lanes are not the engines of its settings"),
    (lambda v: v["lanes"].pop(), "its lanes are not the engines of its settings"),
    (lambda v: v["lanes"][0].update(test_accuracy=7.0), "lanes.0.test_accuracy is 7.0"),
    (lambda v: v["lanes"][0].update(test_loss=-1.0), "lanes.0.test_loss is -1.0"),
    (lambda v: v["lanes"][0].update(test_accuracy=0.5), "has the test_accuracy 0.5, and its result says 0.98"),
    (lambda v: v["lanes"][0].update(test_loss=None), "has the test_loss nothing, and its result says 0.03"),
    (lambda v: v["lanes"][0].update(state="failed"), "the lane keras is failed, and its last row says finished"),
    (lambda v: v["run"].update(state="failed"), "the run is failed, and its last row says finished"),
]

OF_A_ROW: list[tuple[Change, str]] = [
    (lambda v: v["rows"][-2].update(engine="../x"), "no such row of ../x can be"),
    (lambda v: first(v, "epoch").update(engine=""), "no such row of the run itself can be"),
    (lambda v: v["rows"][5].update(seq="5"), "row 6 has no number"),
    (lambda v: v["rows"][5].update(seq=1), "it comes after row 5: rows are numbered upwards, each once"),
    (lambda v: v["rows"].insert(5, v["rows"][5]), "row 6 (lane): it comes after row 6"),
    (lambda v: first(v, "epoch").update(val_loss="<b>"), "val_loss is <b>: input should be a valid number"),
    (lambda v: first(v, "epoch").update(val_loss=-0.5), "val_loss is -0.5, and must be from 0 to 1e+30"),
    (lambda v: first(v, "epoch").update(val_accuracy=7.0), "val_accuracy is 7.0, and must be from 0 to 1"),
    (lambda v: first(v, "epoch").update(train_s=-1.0), "train_s is -1.0, and must be from 0 to 1e+09"),
    (lambda v: first(v, "epoch").update(images_per_s=1e12), "images_per_s is 1000000000000.0, and must be"),
    (lambda v: first(v, "epoch").update(epoch=99), "epoch 99 is not one of 8"),
    (lambda v: first(v, "epoch").update(epoch=2), "epoch 2 comes after epoch 0"),
    (lambda v: again(v, "epoch"), "epoch 1 comes after epoch 8"),
    (lambda v: again(v, "step"), "epoch 1 comes after epoch 8"),
    (lambda v: again(v, "ready"), "(ready): it comes twice"),
    (lambda v: again(v, "certificate"), "(certificate): it comes twice"),
    (lambda v: first(v, "step").update(points=[[1, 2.0], [1, 2.0]]), "is no step with its loss"),
    (lambda v: first(v, "step").update(points=[[430, 2.0]]), "[430.0, 2.0] is no step with its loss"),
    (lambda v: first(v, "step").update(points=[[1.5, 2.0]]), "is no step with its loss"),
    (lambda v: first(v, "step").update(points=[[1, -2.0]]), "loss is -2.0, and must be"),
    (lambda v: first(v, "step").update(points=[[100, 2.0]]), "comes twice"),
    (lambda v: first(v, "step").update(points=[1]), "points.0 is 1"),
    (lambda v: first(v, "step").update(steps_per_epoch=7), "this batch size makes 429"),
    (lambda v: first(v, "ready").update(versions={"keras": math.inf}), "it holds a number that is none"),
    (lambda v: first(v, "ready").update(import_s=-4.5), "import_s is -4.5"),
    (lambda v: first(v, "built").update(parameters=10**400), "parameters"),
    (lambda v: first(v, "built").update(parameters=-3), "parameters is -3, and must be"),
    (lambda v: first(v, "built").update(summary="x" * 20_001), "summary has 20,001 letters"),
    (lambda v: first(v, "result").update(confusion=[[1]]), "confusion is no table of 10 by 10 counts"),
    (lambda v: first(v, "result")["confusion"][0].__setitem__(0, -1), "confusion is no table of 10 by 10 counts"),
    (lambda v: first(v, "result")["confusion"][0].__setitem__(0, 10**9), "images, and the data set has 10,000"),
    (lambda v: first(v, "result").update(test_accuracy=0.5), "test_accuracy is 0.5, and confusion makes it 0.98"),
    (
        lambda v: first(v, "result").update(weights_file="../../secret"),
        "weights_file is ../../secret, which is no name of such a file",
    ),
    (lambda v: first(v, "result").update(rss_mib=-1), "rss_mib is -1, and must be"),
    (lambda v: first(v, "result").pop("rss_mib"), "rss_mib is missing"),
    (lambda v: v["rows"].remove(first(v, "result")), "the lane keras is finished, and has no result"),
    (lambda v: first(v, "certificate").update(passed=False), "passed is False, and the differences are within"),
    (lambda v: first(v, "certificate").update(loss_difference=1.0), "passed is True, and the differences are above"),
    (lambda v: first(v, "certificate").pop("passed"), "passed is nothing"),
    (lambda v: first(v, "lane").update(epoch=-1), "epoch is -1, and must be"),
    (lambda v: first(v, "run").update(x=1), "x is no field that can be"),
]


@pytest.mark.parametrize(("change", "said"), OF_THE_RUN + OF_A_ROW, ids=[said for _, said in OF_THE_RUN + OF_A_ROW])
def test_a_file_that_is_wrong_in_one_thing_is_refused_in_words(
    recorded: tuple[Run, list[Row]], change: Change, said: str
) -> None:
    assert said in refused(changed(change, recorded))


@pytest.mark.parametrize("inner", ['"format": 1', '"seq": 1', '"passed": true'])
def test_a_name_that_stands_twice_in_an_object_is_refused(recorded: tuple[Run, list[Row]], inner: str) -> None:
    text = as_json(*recorded)
    assert inner in text
    name = inner.partition(":")[0].strip('"')
    assert f"{name} stands twice in one object" in refused(text.replace(inner, f"{inner}, {inner}", 1).encode())


def test_a_clock_that_is_a_little_ahead_is_no_lie(recorded: tuple[Run, list[Row]]) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    run, _, _ = read_json(changed(lambda v: v["run"].update(ended_at=soon), recorded))
    assert run.ended_at == soon


def test_rows_of_a_kind_that_no_page_reads_are_left_out(recorded: tuple[Run, list[Row]]) -> None:
    extra = {"seq": 1, "engine": "", "kind": "<script>", "x": 1}
    _, rows, _ = read_json(changed(lambda values: values["rows"].append(extra), recorded))
    assert len(rows) == len(recorded[1])


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, b"NaN"])
def test_what_is_no_run_at_all_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(ImportRefused, match=r"^The file is no "):
        read_json(data)


def test_a_file_that_is_too_large_is_not_even_read() -> None:
    with pytest.raises(ImportRefused, match="larger than 20 MB"):
        read_json(b" " * (importing.MAX_IMPORT_BYTES + 1))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["format", "run", "lanes", "rows"]), anything))
def test_no_json_makes_it_fail_in_another_way(values: dict[str, Any]) -> None:
    with pytest.raises(ImportRefused):
        read_json(json.dumps(values).encode())


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_in_another_way(data: bytes) -> None:
    with pytest.raises(ImportRefused):
        read_json(data)


# --- one's own images ------------------------------------------------------------------------------------

DIGITS = {
    "title": "Our <b>digits</b>",
    "image_shape": [28, 28, 1],
    "class_names": [f"our {digit}" for digit in range(10)],
    "train_images": 60_000,
    "test_images": 10_000,
}
"""As many images as MNIST has, so that the recorded rows fit."""


def of_own_images(values: dict[str, Any], **said: Any) -> None:
    values["run"]["settings"]["dataset"] = "own-digits"
    values["run"]["data"] = {**DIGITS, **said}


def test_a_run_of_own_images_comes_with_what_they_were(recorded: tuple[Run, list[Row]], tmp_path: Path) -> None:
    imported, rows, _ = read_json(changed(of_own_images, recorded))
    assert imported.dataset.as_json() == DIGITS
    store = Store(tmp_path)
    store.open_for_writing()
    run = store.run(store.import_run(imported, rows))
    assert read_json(as_json(run, rows).encode()).run.dataset == run.dataset == imported.dataset


def test_what_a_file_calls_its_classes_is_text_in_its_report(recorded: tuple[Run, list[Row]]) -> None:
    evil = [f"<img src=x onerror=alert({digit})>" for digit in range(10)]
    imported, rows, _ = read_json(changed(lambda values: of_own_images(values, class_names=evil), recorded))
    html = as_html(imported, rows)
    assert "<img" not in html
    assert html.count("&lt;img src=x onerror=alert(7)&gt;") >= 2, "in both lanes' confusion"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v["run"].pop("data"), "data set own-digits cannot be: it must have the fields"),
        (lambda v: v["run"].update(data=[]), "run.data"),
        (lambda v: v["run"]["data"].update(more=1), "own-digits cannot be: it must have the fields"),
        (lambda v: v["run"]["data"].update(class_names=["a"] * 10), "own-digits cannot be: its classes must have"),
        (lambda v: v["run"]["data"].update(class_names=["a", "b"]), "confusion is no table of 2 by 2 counts"),
        (lambda v: v["run"]["data"].update(test_images=9_999), "and the data set has 9,999"),
        (lambda v: v["run"]["data"].update(train_images=6_000), "and this batch size makes 43"),
        (lambda v: v["run"]["data"].update(train_images=100), "settings cannot be: Batch size 126 is larger"),
        (lambda v: v["run"]["data"].update(image_shape=[8, 8, 1]), "settings cannot be: "),
        (lambda v: v["run"]["data"].update(image_shape=[10**9, 28, 1]), "own-digits cannot be: its image_shape"),
        (lambda v: v["run"]["settings"].update(dataset="own-"), "settings cannot be: Data set must be one of"),
        (lambda v: v["run"]["settings"].update(dataset="mnist"), "mnist is no data set of one's own"),
    ],
)
def test_own_images_that_cannot_be_are_refused(recorded: tuple[Run, list[Row]], change: Change, said: str) -> None:
    def both(values: dict[str, Any]) -> None:
        of_own_images(values)
        change(values)

    assert said in refused(changed(both, recorded))


# --- a busy machine --------------------------------------------------------------------------------------


def beside_others(values: dict[str, Any], others: float, **said: bool) -> None:
    """Others took so much of the processors in every epoch, and the run's end says so of it."""
    for row in rows_of(values, "epoch"):
        row.update(others_share=others, stolen_share=0.0, idle_share=0.0)
    list(rows_of(values, "run"))[-1].update(said)


@pytest.mark.parametrize(
    ("others", "said", "words"),
    [
        (0.9, {}, "its machine is not said to have been busy, and its epochs make it so"),
        (0.9, {"busy": False}, "its machine is not said to have been busy, and its epochs make it so"),
        (0.0, {"busy": True}, "its machine is said to have been busy, and its epochs do not make it so"),
    ],
)
def test_a_busy_machine_that_its_epochs_do_not_make_is_refused(
    recorded: tuple[Run, list[Row]], others: float, said: dict[str, bool], words: str
) -> None:
    assert words in refused(changed(lambda values: beside_others(values, others, **said), recorded))


@pytest.mark.parametrize("busy", [True, False])
def test_a_run_on_a_busy_machine_is_one_wherever_it_is_read(
    recorded: tuple[Run, list[Row]], tmp_path: Path, busy: bool
) -> None:
    data = changed(lambda values: beside_others(values, 0.9 if busy else 0.0, busy=busy), recorded)
    store = Store(tmp_path)
    store.open_for_writing()
    imported, rows, _ = read_json(data)
    run = store.run(store.import_run(imported, rows))
    assert (run.busy, gather(run, rows).busy) == (busy, busy)
    assert gather(imported, rows).busy == busy


# --- a verdict of fairness -------------------------------------------------------------------------------


def recorded_as(alignment: str) -> tuple[Run, list[Row]]:
    store = Store(Path("nowhere"), RECORDED)
    run = next(run for run in store.recorded() if run.settings.alignment == alignment)
    return run, store.rows(run.id, limit=ALL_ROWS)


def with_verdict(alignment: str, **said: object) -> dict[str, Any]:
    """The recorded duel of this alignment, without its steps, that says so of its fairness."""
    run, rows = recorded_as(alignment)
    twin = recorded_as("exact-twin")[1]
    own = next(row.as_json() for row in (*rows, *twin) if row.kind == "fairness")
    values: dict[str, Any] = json.loads(as_json(run, [row for row in rows if row.kind not in ("step", "fairness")]))
    values["rows"].append(own | {"seq": 10**6, **said})
    return values


@pytest.mark.parametrize("alignment", list(Alignment))
def test_every_recorded_run_is_taken_in_as_it_is_and_without_its_verdict(alignment: str) -> None:
    run, rows = recorded_as(alignment)
    assert list(read_json(as_json(run, rows).encode()).rows) == rows
    before = [row for row in rows if row.kind != "fairness"]  # as it was exported before runs said so
    assert list(read_json(as_json(run, before).encode()).rows) == before


def test_a_run_of_an_engine_that_is_not_installed_is_taken_in_and_shows_its_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    text = as_json(*recorded_as("as-shipped")).replace('"keras"', '"keras-on-jax"')
    text = text.replace('"keras-on-jax": "3', '"keras": "3')  # its version, not an engine
    run, rows, _ = read_json(text.encode())
    assert run.settings.engines == ("keras-on-jax", "torch")
    assert 'os.environ["KERAS_BACKEND"] = "jax"' in html.unescape(as_html(run, rows))


@pytest.mark.parametrize("figure", ["train_loss", "val_accuracy"])
def test_lanes_that_are_said_to_have_held_and_did_not_are_refused(figure: str) -> None:
    values = with_verdict("exact-twin")
    first(values, "epoch")[figure] += 1e-6
    assert "said not to have parted, and its rows part in epoch 1" in refused(json.dumps(values).encode())


ALL_ONE = dict.fromkeys(("first_losses", "step_loss", "loss", "accuracy", "weight"), 1.0)
FORGED: list[tuple[dict[str, object], str]] = [
    (
        {"bounds": ALL_ONE, "steps": 999_999_999, "epochs": 77, "loss_difference": 0.9, "accuracy_difference": 0.9},
        "the bounds of its fairness are not those of its settings",
    ),
    ({"bounds": None}, "the bounds of its fairness are not those of its settings"),
    ({"steps": 999_999_999}, "steps of its fairness is 999999999, and its rows make it 3432"),
    ({"steps": 3431}, "steps of its fairness is 3431, and its rows make it 3432"),
    ({"epochs": 77}, "epochs of its fairness is 77, and its rows make it 8"),
    ({"tested": False}, "tested of its fairness is False, and its rows make it True"),
    ({"complete": False, "weighed": False}, "complete of its fairness is False, and its rows make it True"),
    ({"certified": None}, "certified of its fairness is nothing, and its rows make it True"),
    ({"certified": False, "state": "failed"}, "certified of its fairness is False, and its rows make it True"),
    ({"loss_difference": 1e-13}, "loss_difference of its fairness is 1e-13, and its rows make it "),
    ({"accuracy_difference": 1e-13}, "accuracy_difference of its fairness is 1e-13, and its rows make it 0.0"),
    ({"weighed": False}, "its weights were not compared, and it says how they differ"),
    ({"apart": "a.weight"}, "are said to differ most in a.weight, which is no array of weights"),
    ({"state": "not compared"}, "its lanes are said to be not compared, and its rows make them held"),
    ({"step_loss_difference": 1.0}, "a run that held has no difference above its bound"),
    ({"state": "parted"}, "one that parted says where"),
    ({"steps": -1}, "not negative"),
]


@pytest.mark.parametrize(("said", "words"), FORGED, ids=[words for _, words in FORGED])
def test_a_verdict_that_its_rows_do_not_make_is_refused(said: dict[str, object], words: str) -> None:
    assert words in refused(json.dumps(with_verdict("exact-twin", **said)).encode())


def test_lanes_that_were_not_aligned_have_no_verdict_and_no_certificate() -> None:
    assert "its lanes were not aligned" in refused(json.dumps(with_verdict("as-shipped")).encode())
    values = with_verdict("exact-twin")
    values["run"]["settings"]["alignment"] = "as-shipped"
    assert "nothing can be certified" in refused(json.dumps(values).encode())


@pytest.mark.parametrize("alignment", ["same-start", "exact-twin"])
@pytest.mark.parametrize(
    "said",
    [{"logit_bound": 1.0, "logit_difference": 0.9}, {"loss_bound": 1.0}, {"steps": 1}, {"batch_size": 1}],
    ids=str,
)
def test_a_certificate_is_held_to_the_bounds_of_its_alignment(alignment: str, said: dict[str, float]) -> None:
    values = with_verdict(alignment)
    first(values, "certificate").update(said)
    assert f"{next(iter(said))} is {next(iter(said.values()))}, and its settings make it" in refused(
        json.dumps(values).encode()
    )


def test_step_losses_differ_by_what_the_steps_that_are_kept_do_at_least() -> None:
    run, rows = recorded_as("exact-twin")
    values = json.loads(as_json(run, rows))
    first(values, "fairness")["step_loss_difference"] = 0.0
    assert "step_loss_difference of its fairness is 0.0, and its rows make it" in refused(json.dumps(values).encode())
