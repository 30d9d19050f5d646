"""What the live charts get of a run's rows: all that they draw, and little else."""

import json

from core.protocol.messages import Step
from core.results.chart_rows import chart_rows
from core.storage.database import LaneState, State
from core.storage.rows import LaneChanged, Row, RowEvent, RunChanged
from tests.events import built, epoch, result


def sent(*events: RowEvent) -> list[dict[str, object]]:
    return chart_rows(Row(number, "keras", event).as_json() for number, event in enumerate(events, 1))


def test_only_what_the_charts_draw_or_say_is_sent() -> None:
    lane = LaneChanged(LaneState.FAILED, epoch=2, reason="It ran out of memory.")
    rows = sent(RunChanged(State.RUNNING), built(), Step(1, 25, [[1.0, 2.5]]), epoch(1), lane, result())
    assert [row["kind"] for row in rows] == ["step", "epoch", "lane"]
    steps = {"epoch": 1, "steps_per_epoch": 25, "points": [[1, 2.5]]}
    assert rows[0] == {"seq": 3, "engine": "keras", "kind": "step", **steps}
    figures = {"train_loss": 0.4, "val_loss": 0.3, "val_accuracy": 0.9, "train_s": 2.0, "images_per_s": 1800.0}
    assert rows[1] == {"seq": 4, "engine": "keras", "kind": "epoch", "epoch": 1, **figures}
    assert rows[2] == {"seq": 5, "engine": "keras", "kind": "lane", "state": "failed", "reason": lane.reason}


def test_a_step_has_as_many_digits_as_can_be_seen_and_an_epochs_figures_have_all() -> None:
    figures = {"val_accuracy": 0.7549999952316284, "val_loss": 12345.67893, "images_per_s": 123_456.789}
    steps, ended = sent(Step(1, 60_000, [[12_345.0, 2.302585092994046], [12_346.0, 1.2345678e-9]]), epoch(1, **figures))
    assert json.dumps(steps["points"]) == "[[12345, 2.303], [12346, 1.235e-09]]", "a step is counted, not measured"
    assert figures.items() <= ended.items(), "said as the terminal says them"


def test_what_is_no_row_of_ours_stays_as_it_is() -> None:
    odd = {"seq": 1, "engine": "keras", "kind": "step", "epoch": None, "points": [7, [1], [1, None], "x"]}
    assert chart_rows([odd]) == [odd]
    assert chart_rows([{**odd, "points": None}]) == [{"seq": 1, "engine": "keras", "kind": "step", "epoch": None}]
    assert chart_rows([{"seq": 1, "engine": "", "kind": "unheard of"}]) == []
