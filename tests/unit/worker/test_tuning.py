"""How an engine of several forms finds the fastest one: kept, made anew, heard when it is stopped, without a trace."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from core.data.shape import MNIST_SHAPE
from core.experiment.settings import TrainSettings
from core.worker import tuning
from core.worker.engines.fake import FakeEngine

SETTINGS = TrainSettings(engines=("fake",), batch_size=20)
IMAGES = np.random.default_rng(1).integers(0, 256, (60, 28, 28, 1)).astype("uint8")
LABELS = (np.arange(60) % 10).astype("uint8")


class TwoForms(FakeEngine):
    """Whose named form takes 2 ms more a step, of processor time, too."""

    slow, built = "as shipped", 0

    def forms(self, settings: TrainSettings) -> tuple[str, ...]:
        return "as shipped", "other"

    def build(self, *given: object) -> None:
        type(self).built += 1
        super().build(*given)  # type: ignore[arg-type]

    def _behave(self, epoch: int, step: int, loss: float) -> float:
        until = time.process_time() + 0.002
        while self.form == self.slow and time.process_time() < until:
            pass
        return loss


class SlowOther(TwoForms):
    slow = "other"


@pytest.fixture(autouse=True)
def one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "BUDGET_S", 0)
    monkeypatch.setattr(tuning, "BUSY_SHARE", 9)


def fed(engine: type[FakeEngine] = TwoForms) -> FakeEngine:
    made = engine("fake")
    made.feed(IMAGES, LABELS, MNIST_SHAPE)
    return made


def tune(engine: FakeEngine, folder: Path, settings: TrainSettings = SETTINGS) -> str:
    return tuning.tune(engine, settings, 0, folder, lambda: False)


def test_the_faster_form_is_taken_and_the_summary_says_by_how_much(tmp_path: Path) -> None:
    engine = fed()
    said = tune(engine, tmp_path).splitlines()
    assert engine.form == "other"
    assert said[0] == "Tuned on this machine: other."
    assert [line.split("  ")[-1] for line in said[2:4]] == ["as shipped", "other"]
    assert float(said[3].split("x")[1]) > 1.5
    assert said[4].startswith("Measured before this run, on ")


def test_the_stock_form_is_taken_where_no_other_is_faster(tmp_path: Path) -> None:
    engine = fed(SlowOther)
    assert tune(engine, tmp_path).startswith("Tuned on this machine: as shipped.")
    assert engine.form == "as shipped"


def test_a_form_that_is_slower_by_either_clock_is_not_taken() -> None:
    took = {"as shipped": tuning.Took(1, 2), "waits": tuning.Took(1.1, 1), "spins": tuning.Took(0.5, 2.1)}
    assert tuning._fastest(took, "cpu") == "as shipped"
    assert tuning._fastest(took, "gpu") == "spins"


def test_a_choice_is_kept_for_the_next_run_which_says_so(tmp_path: Path) -> None:
    tune(fed(), tmp_path)
    built, again = TwoForms.built, fed()
    assert "\nMeasured earlier, on " in tune(again, tmp_path)
    assert again.form == "other"
    assert TwoForms.built == built, "nothing was measured"


def test_a_choice_holds_for_its_own_batch_size_alone(tmp_path: Path) -> None:
    tune(fed(), tmp_path)
    assert "before this run" in tune(fed(), tmp_path, SETTINGS.model_copy(update={"batch_size": 30}))


@pytest.mark.parametrize(
    "change",
    ["torn", "no object", "negative", "tiny", "unknown form", "slower form", "elsewhere", "another batch", "to come"],
)
def test_a_file_that_is_torn_or_foreign_is_made_anew(tmp_path: Path, change: str) -> None:
    tune(fed(), tmp_path)
    path = tmp_path / "fake.json"
    sound = path.read_text()
    kept = json.loads(sound)
    match change:
        case "negative":
            kept["took"]["other"]["wall_s"] = -1
        case "tiny":
            kept["took"]["other"]["wall_s"] = 1e-320
        case "slower form":
            kept["form"] = "as shipped"
        case "another batch":
            kept["batch_size"] = int("9" * 400)
        case "to come":
            kept["measured_at"] = "9000-01-01T00:00:00+00:00"
        case "unknown form":
            kept["form"] = "none of ours"
        case "elsewhere":
            kept["where"]["machine"] = "another"
    path.write_text({"torn": sound[:50], "no object": "[]"}.get(change, json.dumps(kept)))
    engine = fed()
    assert "before this run" in tune(engine, tmp_path)
    assert engine.form == "other"
    assert "earlier" in tune(fed(), tmp_path)


def test_a_stop_is_heard_between_two_steps(tmp_path: Path) -> None:
    engine, asked = fed(), iter(range(100))
    said = tuning.tune(engine, SETTINGS, 0, tmp_path, lambda: next(asked) >= 3)
    assert said == ""
    assert next(asked) < 10
    assert not (tmp_path / "fake.json").exists()


def test_a_lane_waits_while_another_tunes_and_hears_a_stop_meanwhile(tmp_path: Path) -> None:
    until, built = time.monotonic() + 0.5, TwoForms.built
    with FileLock(tmp_path / "lock"):
        assert tuning.tune(fed(), SETTINGS, 0, tmp_path, lambda: time.monotonic() > until) == ""
    assert TwoForms.built == built
    assert "Tuned" in tune(fed(), tmp_path)


def test_a_folder_that_cannot_be_written_costs_the_choice_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    engine = fed()
    assert "Tuned" in tune(engine, tmp_path / "file" / "tuning")
    assert engine.form == "other"


def test_on_a_busy_machine_the_last_form_is_taken_and_nothing_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "BUSY_SHARE", 0)
    engine = fed()
    assert tune(engine, tmp_path) == "This machine was too busy to tune on it. Taken as it stands: other."
    assert engine.form == "other"
    assert not (tmp_path / "fake.json").exists()


def test_an_engine_of_one_form_is_left_alone(tmp_path: Path) -> None:
    assert tune(fed(FakeEngine), tmp_path) == ""
    assert not list(tmp_path.iterdir())
