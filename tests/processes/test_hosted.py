"""The hosted profile's Launcher: queue, visitors, time limit, what is kept, and models that make room for a run."""

import threading
import time
from pathlib import Path

import pytest

from core.data import datasets
from core.data.shape import MNIST_SHAPE
from core.experiment.order import Order
from core.experiment.settings import InvalidSettings, TrainSettings
from core.experiment.study import Study
from core.launcher.ending import UNATTENDED
from core.launcher.jobs import Kind
from core.launcher.launcher import Launcher, Refused
from core.launcher.measuring import MeasurementInProgress
from core.launcher.predictors import Predictor, PredictorError
from core.launcher.run import RunInProgress
from core.results.models import Model
from core.storage.runs import Store, folder_bytes
from core.storage.studies import StudyRecord, StudyState
from tests.processes.conftest import OpenHosted, settings, wait_for, worker, workers

SLOW = {"epochs": 9}


def slow(launcher: Launcher, visitor: str) -> str:
    return launcher.submit(settings("fake-slow", **SLOW), visitor)


def test_one_runs_ten_wait_and_the_next_is_refused_with_a_sentence(hosted: OpenHosted) -> None:
    launcher = hosted()
    first = slow(launcher, "v0")
    wait_for("the first runs", lambda: launcher.store.run(first).state == "running")
    others = [slow(launcher, f"v{number}") for number in range(1, 11)]
    with pytest.raises(Refused, match=r"^The queue is full: at most 10 wait here\. A place should be free in"):
        slow(launcher, "v11")
    assert launcher.active() == [first, *others]
    assert launcher.queue.waits_for(others[2]) == (Kind.RUN, 2)
    waits = [launcher.queue.wait_s(run_id) for run_id in others]
    assert waits == sorted(waits, key=lambda wait: wait or 0.0)
    # Nothing like it has run here, so each may take the 180 s that a run has.
    assert 8 * 180 < (waits[-1] or 0) <= 10 * 180
    launcher.stop(others[0], "v1")
    assert slow(launcher, "v11") in launcher.active()


def test_a_visitor_has_one_at_a_time_and_measurements_count(hosted: OpenHosted) -> None:
    launcher = hosted(visitor_per_hour=2)
    mine = slow(launcher, "a")
    with pytest.raises(Refused, match="one run, measurement or lesson at a time here"):
        launcher.measure(Order("claim-0", "fake", {}, 60.0), "a")
    launcher.stop(mine, "a")
    wait_for("it has ended", lambda: not launcher.active())
    measured = launcher.measure(Order("claim-0", "fake", {}, 600.0), "a")
    wait_for("it is measured", lambda: not launcher.measurements.get(measured).live)
    with pytest.raises(Refused, match=r"^Each visitor starts at most 2 an hour here: the next in"):
        slow(launcher, "a")
    assert launcher.store.run(mine).reason.startswith("Its visitor stopped this run")


@pytest.mark.parametrize("what", [settings("fake-a", epochs=1), Order("claim-0", "fake", {}, 60.0)])
def test_who_reads_that_theirs_has_ended_may_start_the_next(
    hosted: OpenHosted, monkeypatch: pytest.MonkeyPatch, what: TrainSettings | Order
) -> None:
    gate = threading.Event()
    for kind in (RunInProgress, MeasurementInProgress):
        monkeypatch.setattr(kind, "execute", lambda job, execute=kind.execute: (execute(job), gate.wait(20)))
    launcher = hosted()
    if isinstance(what, Order):
        first = launcher.measure(what, "a")
        wait_for("its end can be read", lambda: not launcher.measurements.get(first).live)
    else:
        first = launcher.submit(what, "a")
        wait_for("its end can be read", lambda: not launcher.store.run(first).live)
    assert launcher.active() + launcher.measuring() == [first]  # the Launcher has not let it go
    second = slow(launcher, "a")
    with pytest.raises(Refused, match="one run, measurement or lesson at a time here"):
        slow(launcher, "a")
    gate.set()
    launcher.stop(second, "a")


def test_only_its_own_visitor_changes_a_run(hosted: OpenHosted) -> None:
    launcher = hosted()
    mine = slow(launcher, "a")
    for visitor in ("b", ""):
        with pytest.raises(Refused, match=r"^Only who started a run can stop or change it here\.$"):
            launcher.stop(mine, visitor)
    launcher.stop(mine, "a")
    wait_for("it has ended", lambda: not launcher.active())
    before = launcher.store.run(mine)
    for change in (
        lambda visitor: launcher.annotate(mine, "name", "note", False, visitor),
        lambda visitor: launcher.delete(mine, visitor),
    ):
        for visitor in ("b", ""):
            with pytest.raises(Refused):
                change(visitor)
    with pytest.raises(Refused, match="Nothing can be pinned"):
        launcher.annotate(mine, "", "", True, "a")
    with pytest.raises(Refused, match="Nothing can be imported"):
        launcher.import_run(before, [], "a")
    assert launcher.store.run(mine) == before
    launcher.annotate(mine, "mine", "", False, "a")
    assert launcher.store.run(mine).name == "mine"
    launcher.delete(mine, "a")
    assert mine not in [run.id for run in launcher.store.runs()]


def test_a_study_from_a_file_has_the_limits_of_any_other(hosted: OpenHosted) -> None:
    study = Study.of(settings("fake-a,fake-b"), datasets.find("mnist5k"), 11, {})
    record = StudyRecord("", "", study, "seeds", None, StudyState.FINISHED, "", "", {}, "imported")
    launcher = hosted()
    with pytest.raises(Refused, match="Nothing can be imported here"):
        launcher.import_study(record, [], "a")
    launcher.close()
    with pytest.raises(Refused, match="A study here has at most 10 pairs, not 11"):
        hosted(imports=True).import_study(record, [], "a")


@pytest.mark.alone
def test_a_run_is_stopped_at_its_time_limit_and_keeps_its_epochs(hosted: OpenHosted) -> None:
    launcher = hosted(run_s=2.0)
    run_id = launcher.submit(settings("fake-slow,fake-a", epochs=10, batch_size=126), "a")
    wait_for("it has ended", lambda: not launcher.active())
    run = launcher.store.run(run_id)
    assert run.state == "stopped"
    assert run.reason.replace("\u00a0", " ").startswith("A run has 2.0 s here, so this one was stopped in epoch")
    assert 2.0 <= (run.elapsed_s or 0) < 5.0


def test_a_measurement_has_no_more_time_than_a_run(hosted: OpenHosted) -> None:
    launcher = hosted(run_s=1.0)
    found = launcher.measure(Order("claim-0", "fake", {"seconds": 30}, 60.0), "a")
    wait_for("it has ended", lambda: not launcher.measurements.get(found).live)
    assert launcher.measurements.get(found).reason == "It failed: it took longer than its limit of 1 s."


def test_the_oldest_runs_make_room(hosted: OpenHosted, data_dir: Path) -> None:
    launcher = hosted(kept_runs=2, visitor_per_hour=None)
    made = []
    for _ in range(4):
        made.append(launcher.submit(settings("fake-a", epochs=1), "a"))
        wait_for("it has ended", lambda: not launcher.active())
    wait_for("two are left", lambda: len(Store(data_dir).runs(limit=2)) == 2 and not folder_names(data_dir, made[:2]))
    here = [run.id for run in launcher.store.runs() if run.source == "here"]
    assert here == [made[3], made[2]]
    launcher.close()
    smaller = hosted(kept_mb=1)
    smaller.store.append(made[3], [])
    (data_dir / "runs" / made[2]).mkdir(parents=True, exist_ok=True)
    (data_dir / "runs" / made[2] / "large.log").write_bytes(bytes(1_500_000))
    smaller._tidy()
    assert [run.id for run in smaller.store.runs() if run.source == "here"] == [made[3]]
    assert folder_bytes(data_dir / "runs") < 1_000_000


def folder_names(data_dir: Path, wanted: list[str]) -> list[str]:
    """Which of these runs still have a folder."""
    return [name for name in wanted if (data_dir / "runs" / name).exists()]


def test_settings_beyond_the_limits_never_reach_the_queue(hosted: OpenHosted) -> None:
    launcher = hosted()
    with pytest.raises(InvalidSettings, match="at most 10 epochs"):
        launcher.submit(settings("fake-a", epochs=11), "a")
    with pytest.raises(InvalidSettings, match="Nothing is downloaded here"):
        launcher.submit(settings("fake-a", dataset="mnist"), "a")
    with pytest.raises(InvalidSettings, match="The network has 508,810 parameters: at most 500,000 here"):
        launcher.submit(settings("fake-a", network="flatten, dense 640, dense 10"), "a")
    assert not launcher.active()


def opened_predictor(launcher: Launcher) -> Predictor:
    """The predictor of fake-a, open as if it had just been used: one that is idle ends at any moment."""
    predictor = launcher.predictors._of("fake-a")
    with predictor.guard:
        predictor.used_at = time.monotonic()
        predictor.open()
    return predictor


def test_models_that_read_drawings_make_room_for_a_run(hosted: OpenHosted) -> None:
    launcher = hosted()
    predictor = opened_predictor(launcher)
    assert predictor.loaded
    run_id = slow(launcher, "a")
    wait_for("the run trains", lambda: launcher.store.run(run_id).lane("fake-slow").state == "training")
    assert not predictor.loaded
    assert [process.cmdline()[-1] for process in workers()] == ["fake-slow"]


def test_closing_does_not_wait_for_a_model_that_does_not_answer(hosted: OpenHosted) -> None:
    launcher = hosted()
    opened_predictor(launcher)
    held = worker("fake-a")
    held.suspend()

    def ask() -> None:
        model = Model("fake-a", "slot", settings(), Path("nowhere"), "sum", MNIST_SHAPE)
        with pytest.raises(PredictorError, match="shutting down"):
            launcher.predictors.save(model, Path("nowhere"))

    asks = threading.Thread(target=ask)
    asks.start()
    wait_for("it is asked", launcher.predictors.busy)
    run_id = slow(launcher, "a")
    wait_for("the run would have its turn", lambda: launcher.queue.waiting() == 0)
    began = time.monotonic()
    launcher.close()
    assert time.monotonic() - began < 10
    asks.join(timeout=5)
    assert launcher.store.run(run_id).state == "interrupted"


def test_a_lesson_that_nobody_looks_at_ends_by_itself_and_says_why(hosted: OpenHosted) -> None:
    launcher, now = hosted(visitor_at_once=3), [0.0]
    launcher.queue.clock = lambda: now[0]
    lesson = launcher.measure(Order("lesson-mse", "fake", {"seconds": 60}, 90.0, True), "a")
    measured = launcher.measure(Order("claim-1", "fake", {"seconds": 60}, 90.0), "a")
    waits = launcher.measure(Order("lesson-summary", "fake", {"seconds": 60}, 90.0, True), "a")
    wait_for("it runs", lambda: launcher.measurements.get(lesson).sentence)
    now[0] = 59.0
    launcher.queue.mark_seen(lesson)
    now[0] = 100.0
    wait_for("it goes on", lambda: launcher.measurements.get(lesson).fraction == 0.25)
    assert launcher.measurements.get(lesson).live
    now[0] = 119.0
    wait_for("it has ended", lambda: not launcher.measurements.get(lesson).live)
    found = launcher.measurements.get(lesson)
    assert (found.state, found.reason) == ("stopped", UNATTENDED)
    wait_for("what waited is measured", lambda: launcher.measurements.get(measured).sentence)
    launcher.stop(measured, "a")
    wait_for("a lesson whose turn comes too late ends, too", lambda: not launcher.measurements.get(waits).live)
    assert launcher.measurements.get(waits).reason == found.reason
