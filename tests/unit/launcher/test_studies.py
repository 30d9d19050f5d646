"""Studies that go on, without a process: pairs end as soon as they begin."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.data.datasets import DATASETS
from core.deployment.limits import NO_LIMITS, HostedLimits, Limits
from core.deployment.settings import DeploymentSettings
from core.experiment.settings import TrainSettings
from core.experiment.study import Study
from core.launcher import ending
from core.launcher.admission import Admission, Refused
from core.launcher.executors import Node
from core.launcher.launcher import Launcher
from core.launcher.queue import Queue
from core.launcher.studies import StudiesGoingOn
from core.results.study_outcome import StudyOutcome
from core.storage.database import LaneState, State, now
from core.storage.holder import Owner
from core.storage.records import StudyPair
from core.storage.rows import Entry, LaneChanged, Provenance, RunChanged
from core.storage.runs import Store
from core.storage.studies import StudyRecord, StudyState
from tests.own_images import with_images

ASKED = Study.of(TrainSettings(), DATASETS["mnist5k"], 1, {})
End = Callable[[str], list[Entry]]


def finished(_: str) -> list[Entry]:
    return ending.last_rows(ASKED.base.engines, State.FINISHED, "")


class House:
    """What the studies of a folder need of a Launcher."""

    def __init__(self, folder: Path, limits: Limits = NO_LIMITS) -> None:
        self.store, self.queue, self.end = Store(folder), Queue(), finished
        self.store.open_for_writing()
        admission = Admission(DeploymentSettings(data_dir=folder), limits, self.store)
        self.studies = StudiesGoingOn(self.store, self.queue, admission, limits, self._submit, lambda: False)

    def _submit(self, settings: TrainSettings, visitor: str, pair: StudyPair, node: Node | None) -> str:
        run = self.store.create(settings, {}, visitor, pair)
        self.studies.begun(pair.study, run)
        self.store.append(run, [Entry("", RunChanged(State.RUNNING))])
        self.store.append(run, self.end(run))
        return run

    def go_on(self, study: str) -> tuple[str, str]:
        """Runs its pairs while there is one to be run; its state then, and why."""
        while self.studies.queue_next():
            pass
        record = self.studies.kept.get(study)
        return record.state, record.reason


def test_a_damaged_study_keeps_no_other_from_going_on(tmp_path: Path) -> None:
    house = House(tmp_path)
    sound, damaged = (house.studies.begin(ASKED, "seeds", None, "") for _ in range(2))
    with house.store.write_transaction() as connection:
        connection.execute("UPDATE studies SET study = '{}' WHERE id = ?", (damaged,))
    house.studies.take_up()
    assert house.go_on(sound) == ("finished", "Its pair has ended.")


def test_a_fault_before_a_lane_trains_pauses_a_study_and_burns_no_pair(tmp_path: Path) -> None:
    house, full = House(tmp_path), "No lane could be started (No space left on device): look at this machine's disk."
    study = house.studies.begin(ASKED.with_more(2), "seeds", None, "")
    house.end = lambda _: ending.last_rows(ASKED.base.engines, State.FAILED, full, full)
    waits = "A pair of it failed before it trained, so it waits until you go on, which tries it again."
    for tried in (1, 2):
        assert house.go_on(study) == ("paused", f"{waits} {full}")
        assert (len(house.studies.kept.pairs(study)), house.studies.kept.done([study])) == (tried, {})
        house.studies.go_on(study, "")
    house.end = finished
    assert house.go_on(study) == ("finished", "All 3 pairs have ended.")
    assert house.studies.kept.done([study]) == {study: 3}


def test_a_pair_that_failed_while_it_trained_is_done(tmp_path: Path) -> None:
    house = House(tmp_path)
    study = house.studies.begin(ASKED, "seeds", None, "")
    trains = Entry("keras", LaneChanged(LaneState.TRAINING))
    house.end = lambda _: [trains, *ending.last_rows(ASKED.base.engines, State.FAILED, "It diverged.")]
    assert house.go_on(study) == ("finished", "Its pair has ended.")


@pytest.mark.parametrize("took_s", [179, 181])
def test_a_study_whose_run_took_too_long_says_so(tmp_path: Path, took_s: int) -> None:
    house = House(tmp_path, HostedLimits.model_construct(run_s=180.0))
    study = house.studies.begin(ASKED, "seeds", None, "one")

    def stop(run: str) -> list[Entry]:
        with house.store.write_transaction() as connection:
            connection.execute(f"UPDATE runs SET started_at = datetime('now', '-{took_s} seconds') || '+00:00'")
        return ending.last_rows(ASKED.base.engines, State.STOPPED, "")

    house.end = stop
    assert house.go_on(study) == ("paused", ending.study_overran(180) if took_s > 180 else ending.STUDYS_RUN_STOPPED)


def test_a_study_of_ones_own_images_ends_where_these_were_made_anew(tmp_path: Path) -> None:
    house, folder = House(tmp_path), with_images(tmp_path)

    def made(sha256: str) -> Provenance:
        kept = {"format": 2, "array_sha256": {"train_images.npy": sha256}}
        (folder / "provenance.json").write_text(json.dumps(kept))
        return Provenance.of(kept)

    first = made("one")
    house.end = lambda run: [Entry("", first), *finished(run)]
    asked = Study(TrainSettings.parse({"dataset": folder.name, "batch_size": 9}), 3)
    study = house.studies.begin(asked, "seeds", None, "")
    assert house.studies.queue_next()
    assert house.studies.queue_next(), "they are the same still"
    made("another")
    assert house.go_on(study) == ("stopped", ending.STUDYS_IMAGES_CHANGED)
    assert len(house.studies.kept.pairs(study)) == 2


def test_a_visitor_begins_only_so_many_studies_an_hour_though_none_of_them_has_a_run(tmp_path: Path) -> None:
    house = House(tmp_path, HostedLimits.model_construct(visitor_per_hour=2))
    for _ in range(2):
        house.studies.stop(house.studies.begin(ASKED, "seeds", None, "one"), "one")
    with pytest.raises(Refused, match=r"^Each visitor starts at most 2 an hour here: the next in about"):
        house.studies.begin(ASKED, "seeds", None, "one")
    house.studies.begin(ASKED, "seeds", None, "another")
    assert len(house.studies.kept.all()) == 3


def test_what_stands_in_for_the_frameworks_in_tests_is_taken_in_nowhere_else(tmp_path: Path) -> None:
    launcher = Launcher(DeploymentSettings(data_dir=tmp_path, spares=False, fake_engines=False), Owner.DASHBOARD)
    fakes = replace(ASKED, base=TrainSettings.parse({"engines": "fake-a,fake-b"}))
    record = StudyRecord("a", now(), fakes, "seeds", None, StudyState.STOPPED, "", "", {}, "imported")
    try:
        with pytest.raises(Refused, match=r"fake-a.*\.$"):
            launcher.import_study(record, [])
    finally:
        launcher.close()
    assert launcher.studies.kept.all() == []


def test_pairs_that_are_added_as_the_last_one_ends_are_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    study = house.studies.begin(ASKED, "seeds", None, "")
    assert house.studies.queue_next()
    read = house.studies._outcomes.of

    def read_before_more_is_pressed(wanted: str) -> StudyOutcome:
        found = read(wanted)
        monkeypatch.setattr(house.studies._outcomes, "of", read)
        house.studies.add_seeds(study, "2", "")
        return found

    monkeypatch.setattr(house.studies._outcomes, "of", read_before_more_is_pressed)
    assert not house.studies.queue_next()
    assert house.studies.kept.get(study).state == StudyState.RUNNING
    assert house.go_on(study) == ("finished", "All 3 pairs have ended.")
