"""Studies with the fake engine: turns, a person first, pause, stop, go on, more pairs, and what a restart finds."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core.cli import record
from core.data.datasets import DATASETS
from core.experiment.epoch_weights import FOLDER
from core.experiment.settings import InvalidSettings
from core.experiment.study import Study
from core.launcher import predictors
from core.launcher.launcher import Launcher, Refused
from core.results.study_outcome import StudyOutcome, read_outcome
from core.storage.records import RECORDED, Run
from core.storage.rows import Provenance
from core.storage.runs import Store
from core.storage.studies import Studies, StudyState, read_study_recordings
from tests.processes.conftest import OpenHosted, OpenLauncher, settings, wait_for

SLOW = {"epochs": 9}


def asked(
    seeds: int = 2, engines: str = "fake-a,fake-b", vary: dict[str, list[object]] | None = None, **changed
) -> Study:
    return Study.of(settings(engines, **{"epochs": 2, **changed}), DATASETS["mnist5k"], seeds, vary or {})


def slow(seeds: int = 2, **changed: object) -> Study:
    return asked(seeds, "fake-slow-a,fake-slow-b", **{**SLOW, **changed})


def found(launcher: Launcher, study: str) -> StudyOutcome:
    return read_outcome(launcher.studies.kept, launcher.store, study)


def ended(launcher: Launcher, study: str, within_s: float = 60) -> StudyOutcome:
    left = lambda: launcher.studies.kept.get(study).state != StudyState.RUNNING  # noqa: E731
    wait_for("the study has ended", left, within_s)
    wait_for("no run of it goes on", lambda: not launcher.active(), within_s)
    return found(launcher, study)


def running(launcher: Launcher, study: str, other_than: str = "") -> str:
    """The id of the run that a study has in training, once it has another one than that."""
    open_ones = lambda: [  # noqa: E731
        run.id for run in launcher.store.open_runs() if run.study == study and run.state == "running"
    ]
    wait_for("a pair trains", lambda: [one for one in open_ones() if one != other_than])
    return open_ones()[0]


def in_order(launcher: Launcher) -> list[Run]:
    """The runs of this folder in the order in which they began."""
    runs = [run for run in launcher.store.runs() if run.source == "here" and run.started_at]
    return sorted(runs, key=lambda run: str(run.started_at))


def test_a_study_runs_every_cell_seed_by_seed_and_ends(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    study = launcher.study(asked(2, vary={"batch_size": [500, 600]}), "seeds", None)
    outcome = ended(launcher, study)
    assert (outcome.record.state, outcome.record.reason) == ("finished", "All 4 pairs have ended.")
    runs = in_order(launcher)
    assert [(run.settings.seed, run.settings.batch_size) for run in runs] == [(0, 500), (0, 600), (1, 500), (1, 600)]
    assert {(run.study, run.state) for run in runs} == {(study, "finished")}
    assert [len(cell.pairs) for cell in outcome.cells] == [2, 2]
    differences = outcome.cells[0].pairs[0].differences
    assert differences["test_accuracy"] == 0, "both lanes are the same engine"
    assert set(differences) == {"test_accuracy", "test_loss", "log_train_s", "log_images_per_s", "log_rss_mib"}
    assert launcher.studies.waits_because(study) == ""
    folders = [launcher.store.artifacts(run.id) for run in runs]
    assert not [folder for folder in folders if (folder / FOLDER).exists()], "pairs keep no weights of their epochs"


def test_it_ends_as_soon_as_the_chosen_measure_is_decided(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    outcome = ended(launcher, launcher.study(asked(20), "test_accuracy", None))
    assert outcome.record.reason == "Test accuracy was decided after 5 of 20 pairs."
    assert outcome.cells[0].finding("test_accuracy").verdict == "identical"


def test_a_persons_run_comes_before_the_next_pair_and_studies_take_turns(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    one = launcher.study(slow(2, epochs=3), "seeds", None)
    running(launcher, one)
    other = launcher.study(asked(2), "seeds", None)
    mine = launcher.submit(settings("fake-slow", epochs=3))
    wait_for("mine trains", lambda: launcher.store.run(mine).state == "running")
    assert launcher.studies.waits_because(one) == "What was asked for by hand comes first."
    ended(launcher, one)
    ended(launcher, other)
    assert [run.study for run in in_order(launcher)] == [one, "", other, one, other]


@pytest.mark.alone
def test_stop_ends_the_pair_within_2_s_and_going_on_runs_it_anew(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    study = launcher.study(slow(2, epochs=4), "seeds", None)
    first = running(launcher, study)
    second = running(launcher, study, other_than=first)
    launcher.stop_study(study)
    assert wait_for("it has stopped", lambda: not launcher.store.run(second).live) < 2
    outcome = ended(launcher, study)
    assert (outcome.record.state, outcome.record.reason) == ("stopped", "You stopped this study.")
    assert [pair.run for pair in outcome.cut_short] == [second]
    launcher.go_on_study(study)
    outcome = ended(launcher, study)
    assert outcome.record.state == "finished"
    assert [(run.settings.seed, run.state) for run in in_order(launcher)] == [
        (0, "finished"), (1, "stopped"), (1, "finished"),
    ]  # fmt: skip
    assert outcome.done == 2


def test_who_goes_on_at_once_after_stop_is_not_paused_by_the_pair_that_still_stops(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    study = launcher.study(slow(1, epochs=4), "seeds", None)
    running(launcher, study)
    launcher.stop_study(study)
    launcher.go_on_study(study)
    assert ended(launcher, study).record.state == "finished"
    assert [run.state for run in in_order(launcher)] == ["stopped", "finished"]


def test_pause_lets_the_pair_end_and_no_other_begins(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    study = launcher.study(slow(3, epochs=2), "seeds", None)
    run = running(launcher, study)
    launcher.pause_study(study)
    outcome = ended(launcher, study)
    assert launcher.store.run(run).state == "finished"
    assert (outcome.record.state, outcome.done) == ("paused", 1)
    mine = launcher.submit(settings("fake-a", epochs=1))
    list(launcher.follow(mine))
    assert found(launcher, study).done == 1
    launcher.go_on_study(study)
    assert ended(launcher, study).done == 3


def test_a_run_of_it_that_is_stopped_by_hand_pauses_a_study(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    study = launcher.study(slow(2), "seeds", None)
    launcher.stop(running(launcher, study))
    outcome = ended(launcher, study)
    assert (outcome.record.state, outcome.record.reason) == (
        "paused", "A run of it was stopped, so it waits until you go on.",
    )  # fmt: skip


def test_a_failed_pair_counts_and_is_not_run_anew(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    outcome = ended(launcher, launcher.study(asked(2, "fake-nan,fake-a"), "decided", None))
    assert outcome.record.reason == "All 2 pairs have ended."
    assert (outcome.done, outcome.failed, len(in_order(launcher))) == (2, 2, 2)
    assert all(pair.differences == {} for pair in outcome.cells[0].pairs)


def test_more_pairs_run_after_the_end(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    study = launcher.study(asked(1), "decided", None)
    ended(launcher, study)
    with pytest.raises(Refused, match="has finished: add seeds"):
        launcher.go_on_study(study)
    with pytest.raises(InvalidSettings, match=r"from 1 to 2,000, not 0\."):
        launcher.more_pairs(study, "0")
    launcher.more_pairs(study, "1")
    outcome = ended(launcher, study)
    assert (outcome.done, outcome.record.reason) == (2, "All 2 pairs have ended.")
    assert [run.settings.seed for run in in_order(launcher)] == [0, 1]


def test_it_goes_on_after_a_restart_of_the_dashboard_and_not_in_the_terminal(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    study = launcher.study(slow(2, epochs=4), "seeds", None)
    cut = running(launcher, study)
    launcher.close()
    terminal = open_launcher(owner="the command line")
    assert terminal.studies.kept.get(study).state == "running"
    mine = terminal.submit(settings("fake-a", epochs=1))
    list(terminal.follow(mine))
    assert terminal.active() == []
    assert [run.id for run in in_order(terminal)] == [cut, mine]
    terminal.close()
    again = open_launcher()
    outcome = ended(again, study)
    assert [pair.run for pair in outcome.cut_short] == [cut]
    assert again.store.run(cut).state == "interrupted"
    assert (outcome.done, len(in_order(again))) == (2, 4)


def test_who_draws_comes_first(open_launcher: OpenLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = open_launcher()
    launcher.predictors.prepare([])  # an open Draw page asks like this
    study = launcher.study(asked(1), "seeds", None)
    wait_for("it says so", lambda: launcher.studies.waits_because(study).startswith("Drawings come first"))
    assert found(launcher, study).running == []
    monkeypatch.setattr(predictors, "WANTED_S", 0.0)
    assert ended(launcher, study).done == 1


def test_where_strangers_visit_a_study_is_small_counts_as_its_runs_and_is_its_visitors(hosted: OpenHosted) -> None:
    launcher = hosted(visitor_per_hour=2)
    with pytest.raises(InvalidSettings, match=r"A study here has at most 10 pairs, not 11\."):
        launcher.study(asked(11), "seeds", None, "one")
    study = launcher.study(asked(3), "seeds", None, "one")
    with pytest.raises(Refused, match=r"^Each visitor has one study at a time here"):
        launcher.study(asked(1), "seeds", None, "one")
    with pytest.raises(Refused, match=r"^Only who started a study can"):
        launcher.stop_study(study, "another")
    waits = lambda: launcher.studies.waits_because(study).startswith("Each visitor starts at most 2 an hour here")  # noqa: E731
    wait_for("its visitor has started enough", waits, 60)
    assert found(launcher, study).done == 2
    other = launcher.study(asked(1), "seeds", None, "another")
    assert ended(launcher, other).done == 1
    launcher.stop_study(study, "one")
    assert launcher.studies.kept.get(study).reason == "Its visitor stopped this study."


def test_what_cannot_be_is_refused_before_anything_is_kept(open_launcher: OpenLauncher) -> None:
    launcher = open_launcher()
    with pytest.raises(InvalidSettings, match=r"^Stop must be one of decided, seeds, test_accuracy,"):
        launcher.study(asked(), "soon", None)
    with pytest.raises(InvalidSettings, match=r"^Budget in seconds must be a number above 0"):
        launcher.study(asked(), "seeds", 0)
    assert launcher.studies.kept.all() == []


def test_a_study_is_recorded_with_a_seed_more_for_each_pair_of_a_busy_machine(
    open_launcher: OpenLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher, shown = open_launcher(), []
    monkeypatch.setattr(record, "STUDIES", (asked(2),))

    def show(_: Launcher, study: str) -> StudyOutcome:
        now = ended(launcher, study)
        shown.append(now.total)
        if len(shown) > 1:
            return now
        (cell,) = now.cells
        first, *others = cell.pairs
        return replace(now, cells=[replace(cell, pairs=[replace(first, busy=True), *others])])

    before = next(iter(read_study_recordings(RECORDED)))
    shutil.copytree(RECORDED / before, tmp_path / before)
    (folder,) = record.record_studies(launcher, "made for a test", show, tmp_path)
    assert shown == [2, 3]
    assert list(tmp_path.glob("*/study.json")) == [folder / "study.json"]
    studies, store = Studies(tmp_path / "data", tmp_path), Store(tmp_path / "data", tmp_path)
    (kept,) = [read_outcome(studies, store, each.id) for each in studies.recorded()]
    assert (kept.record.source, kept.done, kept.total) == ("recorded", 3, 3)
    for pair in kept.cells[0].pairs:
        rows = store.rows(pair.run)
        assert store.run(pair.run).source == "recorded"
        assert [row.event.note for row in rows if isinstance(row.event, Provenance)] == ["made for a test"]
    there = Studies(launcher.store.data_dir, tmp_path)
    assert [each.id for each in there.every()] == [kept.record.id], "once, where it was recorded, too"
    runs = [pair.run for pair in kept.cells[0].pairs]
    assert studies.epochs(runs) == launcher.studies.kept.epochs(runs)
    assert kept.cells[0].findings == found(launcher, kept.record.id).cells[0].findings
