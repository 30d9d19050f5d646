"""Rows become events and events rows: there and back, older and newer ones, and text that is none."""

import json

import pytest

from core.experiment.fairness import FairnessVerdict
from core.protocol.messages import Preparing
from core.storage.database import LaneState, State
from core.storage.rows import (
    KINDS,
    Damage,
    DrawnMeanwhile,
    Entry,
    LaneChanged,
    Provenance,
    Row,
    RowEvent,
    RunChanged,
    read,
    to_text,
)
from tests.events import built, certificate, epoch, ready, result, step

EVENTS: list[RowEvent] = [
    *(ready(), built(), step(points=[[1, 2.5]]), epoch(), result()),
    *(LaneChanged(LaneState.FAILED, 3, "why", diverged=True), RunChanged(State.FINISHED, busy=True)),
    *(Provenance(source="here", note="n"), certificate(), FairnessVerdict("held", steps=3)),
    *(DrawnMeanwhile(), Preparing("download", 1, 2)),
]


def test_every_kind_is_read_as_it_was_written() -> None:
    for event in EVENTS:
        kind = Entry("keras", event).kind
        assert read(7, "keras", kind, to_text(event)) == Row(7, "keras", event)
    assert {Entry("", event).kind for event in EVENTS} == set(KINDS)


@pytest.mark.parametrize(("engine", "kind"), [("keras", "lane"), ("", "run")])
def test_a_state_that_is_none_is_damage(engine: str, kind: str) -> None:
    assert type(read(1, engine, kind, '{"state": "finished"}').event.state) in (State, LaneState)
    with pytest.raises(Damage, match=rf"^row 1 \({kind}\): state is bananas: "):
        read(1, engine, kind, '{"state": "bananas"}')


def test_what_an_older_run_lacks_has_its_default_and_its_export_stays_as_it_was_written() -> None:
    written = {name: value for name, value in json.loads(to_text(epoch())).items() if name not in ("cpu_s", "last")}
    row = read(1, "keras", "epoch", json.dumps(written))
    assert row.event == epoch()
    assert row.as_json() == {"seq": 1, "engine": "keras", "kind": "epoch", **written}


def test_what_a_newer_version_wrote_is_passed_on_and_not_read() -> None:
    written = {"state": "running", "colour": "blue"}
    row = read(1, "", "run", json.dumps(written))
    assert row.event == RunChanged(State.RUNNING)
    assert row.as_json()["colour"] == "blue"
    with pytest.raises(Damage, match="colour is no field that can be"):
        read(1, "", "run", json.dumps(written), extra=None)


@pytest.mark.parametrize("text", ["", "[1", "[]", "7", '"x"', "null", "[" * 100_000])
@pytest.mark.parametrize("kind", ["ready", "epoch", "certificate"])
def test_a_row_that_is_no_object_is_said(kind: str, text: str) -> None:
    with pytest.raises(Damage, match=r"^row 3 holds no JSON object$"):
        read(3, "keras", kind, text)


def test_a_field_of_another_type_is_said() -> None:
    text = to_text(epoch()).replace('"train_s": 2.0', '"train_s": "long"')
    with pytest.raises(Damage, match=r"^row 3 \(epoch\): train_s is long: input should be a valid number"):
        read(3, "keras", "epoch", text)
