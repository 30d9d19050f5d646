"""`python -m core study` and `studies`: what they print, how they end, Ctrl-C, a kill, and beside a dashboard."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.deployment.limits import NO_LIMITS
from core.deployment.settings import DeploymentSettings
from core.launcher.inbox import Inbox
from core.launcher.launcher import Launcher
from core.results.study_outcome import StudyOutcome, read_outcome
from core.storage.runs import Store
from core.storage.studies import Studies
from tests.processes.conftest import Spawn, wait_for, workers
from tests.processes.test_cli import core

FAST = ("--engines", "fake-a,fake-b", "--batch-size", "600", "--epochs", "2")
SLOW = ("--engines", "fake-slow-a,fake-slow-b", "--batch-size", "600", "--epochs", "4")
MEASURES = ["test_accuracy", "test_loss", "log_train_s", "log_images_per_s", "log_rss_mib"]


def only_study(folder: Path) -> StudyOutcome:
    (record,) = Studies(folder).all()
    return read_outcome(Studies(folder), Store(folder), record.id)


def runs_of(folder: Path) -> list[tuple[int, str]]:
    """Seed and state of each run, oldest first."""
    runs = [run for run in Store(folder).runs() if run.source == "here"]
    return [(run.settings.seed, run.state) for run in reversed(runs)]


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def first_pair(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def test_study_prints_the_issues_json_lines(spawn: Spawn, data_dir: Path) -> None:
    vary = ("--vary", "batch_size=500,600", "--seeds", "2", "--seed", "7", "--stop", "seeds")
    process = spawn("core", "study", *FAST, *vary, "--json")
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 0
    assert complaints.startswith("4 runs: 2 for each of 2 combinations, no estimate of the time yet.\n")
    lines = lines_of(said)
    pairs = [line for line in lines if line["event"] == "pair"]
    assert [(line["cell"], line["seed"], line["state"]) for line in pairs] == [
        ({"batch_size": 500}, 7, "finished"),
        ({"batch_size": 600}, 7, "finished"),
        ({"batch_size": 500}, 8, "finished"),
        ({"batch_size": 600}, 8, "finished"),
    ]
    study = only_study(data_dir).record.id
    runs = {run.id for run in Store(data_dir).runs() if run.source == "here"}
    assert {line["study"] for line in lines} == {study}
    assert {line["run"] for line in pairs} == runs
    assert all(list(line["differences"]) == MEASURES for line in pairs)
    assert all(line["differences"]["test_accuracy"] == 0.0 for line in pairs), "both lanes are the same engine"
    verdicts = [line for line in lines if line["event"] == "verdict"]
    assert [(line["cell"]["batch_size"], line["measure"]) for line in verdicts] == [
        (size, measure) for size in (500, 600) for measure in MEASURES
    ]
    assert {(line["verdict"], line["favours"]) for line in verdicts} == {("not known yet", "")}
    assert {line["pairs"] for line in verdicts if line["measure"].startswith("test_")} == {2}
    status, said, complaints = core("study", study, "--json", folder=data_dir)
    assert (status, lines_of(said), complaints) == (0, lines, "")
    listed = core("runs", folder=data_dir)[1]
    assert "study, finished, 4 of 4 pairs" in " ".join(listed.split())
    assert not [run for run in runs if run in listed]
    listed = core("runs", "--study", study, folder=data_dir)[1]
    assert all(run in listed for run in runs)
    files = {form: data_dir / f"study.{form}" for form in ("csv", "html")}
    for form, path in files.items():
        assert core("export", study, "--format", form, "-o", str(path), folder=data_dir)[0] == 0
    assert len(files["csv"].read_text().splitlines()) == 5
    assert all(run in files["html"].read_text() for run in runs)
    status, _, complaints = core("export", study, "--format", "tensorboard", "-o", "x", folder=data_dir)
    assert (status, complaints) == (2, "A study is written as html, csv or json, not tensorboard.\n")


def test_a_person_reads_what_was_asked_each_verdict_and_why_it_ended(data_dir: Path) -> None:
    options = ("--seeds", "9", "--stop", "test_accuracy", "--budget", "1h")
    status, said, complaints = core("study", *FAST, *options, folder=data_dir)
    assert status == 0
    assert complaints.startswith("9 runs, no estimate of the time yet.\n")
    study = only_study(data_dir).record.id
    assert f"Study {study}: finished. Test accuracy was decided after 5 of 9 pairs.\n" in said
    assert "identical" in said
    assert "After 5 pairs: Test accuracy is identical in all 5 pairs." in complaints
    status, shown, complaints = core("study", "latest", folder=data_dir)
    assert (status, complaints) == (0, "")
    assert shown == said
    status, said, _ = core("studies", folder=data_dir)
    assert status == 0
    assert study in said
    assert "5 of 9" in said
    status, said, _ = core("studies", "--json", folder=data_dir)
    (summary,) = [line for line in lines_of(said) if line["source"] == "here"]
    assert (summary["study"], summary["state"], summary["pairs"], summary["done"]) == (study, "finished", 9, 5)
    assert (summary["stop"], summary["budget_s"], summary["seeds"]) == ("test_accuracy", 3600.0, 9)


def test_ctrl_c_stops_it_with_130_and_its_id_goes_on(spawn: Spawn, data_dir: Path) -> None:
    process = spawn("core", "study", *SLOW, "--seeds", "2", "--stop", "seeds", "--json")
    assert first_pair(process)["state"] == "finished"
    wait_for("the second pair trains", lambda: len(runs_of(data_dir)) == 2 and len(workers()) == 2)
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=30)
    study = only_study(data_dir).record.id
    assert process.returncode == 130
    assert complaints.endswith(f"You stopped this study. `study {study}` goes on with it.\n")
    last = lines_of(said)
    assert (last[0]["state"], [line["measure"] for line in last[1:]]) == ("stopped", MEASURES)
    assert runs_of(data_dir) == [(0, "finished"), (1, "stopped")]
    status, said, _ = core("study", study, "--json", folder=data_dir)
    assert status == 0
    assert [(line["seed"], line["state"]) for line in lines_of(said) if line["event"] == "pair"] == [
        (0, "finished"), (1, "stopped"), (1, "finished"),
    ]  # fmt: skip
    assert runs_of(data_dir) == [(0, "finished"), (1, "stopped"), (1, "finished")]


def test_after_a_kill_in_mid_pair_it_goes_on_with_that_pair_and_no_other_is_run_twice(
    spawn: Spawn, data_dir: Path
) -> None:
    process = spawn("core", "study", *SLOW, "--seeds", "3", "--stop", "seeds", "--json")
    first_pair(process)
    wait_for("the second pair trains", lambda: len(runs_of(data_dir)) == 2 and len(workers()) == 2)
    process.kill()
    process.communicate()
    wait_for("its workers are gone", lambda: not workers())
    status, said, _ = core("studies", folder=data_dir)
    assert (status, "left unfinished" in said) == (0, True)
    status, said, _ = core("study", "latest", "--json", folder=data_dir)
    assert status == 0
    assert runs_of(data_dir) == [(0, "finished"), (1, "interrupted"), (1, "finished"), (2, "finished")]


def test_a_failed_pair_ends_it_with_1_and_is_said(data_dir: Path) -> None:
    engines = ("--engines", "fake-nan,fake-a", *FAST[2:])
    status, said, complaints = core("study", *engines, "--seeds", "1", "--json", folder=data_dir)
    assert status == 1
    assert complaints.endswith("1 of 1 pair failed, so it counts in no verdict: its run says why.\n")
    (pair, *_) = lines_of(said)
    assert (pair["state"], set(pair["differences"].values())) == ("failed", {None})


def test_more_seeds_of_a_study_that_has_finished(data_dir: Path) -> None:
    core("study", *FAST, "--seeds", "1", folder=data_dir)
    status, said, complaints = core("study", "latest", "--more", "1", "--json", folder=data_dir)
    assert (status, complaints) == (0, "")
    assert [line["seed"] for line in lines_of(said) if line["event"] == "pair"] == [0, 1]
    status, _, complaints = core("study", "latest", "--more", "2000", folder=data_dir)
    assert (status, complaints) == (2, "A study has at most 2,000 runs, not 2,002.\n")


def test_what_is_spent_ends_it(data_dir: Path) -> None:
    status, said, _ = core("study", *FAST, "--seeds", "9", "--budget", "0.1s", folder=data_dir)
    assert status == 0
    assert "Another pair would exceed its budget of 0.1\u00a0s: it ended after 1 of 9 pairs." in said


OpenDashboard = Callable[[], Launcher]


@pytest.fixture
def dashboard(data_dir: Path, no_process_left: None) -> Iterator[Launcher]:
    """What the dashboard holds."""
    launcher = Launcher(
        DeploymentSettings(data_dir=data_dir, spares=False, fake_engines=True), "the dashboard", NO_LIMITS
    )
    answering = Inbox(launcher)
    yield launcher
    answering.close()
    launcher.close()


def test_beside_a_dashboard_the_study_goes_on_there_and_ctrl_c_stops_it(
    dashboard: Launcher, spawn: Spawn, data_dir: Path
) -> None:
    process = spawn("core", "study", *SLOW, "--seeds", "2", "--stop", "seeds", "--json")
    first_pair(process)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "The dashboard holds the data folder: the study goes on there. Ctrl-C stops it.\n" in complaints
    assert only_study(data_dir).record.state == "stopped"
    status, said, _ = core("study", "latest", "--json", folder=data_dir)
    assert status == 0
    assert [line["state"] for line in lines_of(said) if line["event"] == "pair"][-1] == "finished"
    status, _, complaints = core("study", *FAST, "--stop", "never", folder=data_dir)
    assert (status, complaints.startswith("Stop must be one of")) == (2, True)
    assert dashboard.active() == []


def test_a_study_is_taken_in_elsewhere_marked_and_goes_on_no_more(data_dir: Path, tmp_path: Path) -> None:
    core("study", *FAST, "--seeds", "2", "--stop", "seeds", folder=data_dir)
    study, file, other = only_study(data_dir).record.id, tmp_path / "study.json", tmp_path / "other"
    status, said, _ = core("export", study, "--format", "json", "-o", str(file), folder=data_dir)
    assert (status, said) == (0, f"Wrote {file}.\n")
    status, said, _ = core("import", str(file), folder=other)
    taken = only_study(other)
    assert (status, said) == (0, f"Imported as study {taken.record.id} with 2 runs.\n")
    assert taken.record.source == "imported"
    status, shown, _ = core("study", taken.record.id, folder=other)
    assert status == 0
    assert f"Study {taken.record.id}: finished, imported. All 2 pairs have ended." in shown
    assert shown.splitlines()[2:] == core("study", study, folder=data_dir)[1].splitlines()[2:]
    status, _, complaint = core("study", taken.record.id, "--more", "1", folder=other)
    assert (status, complaint) == (2, "This study was imported: it stays as it is.\n")
    file.write_text(file.read_text()[:-100])
    status, _, complaint = core("import", str(file), folder=tmp_path / "third")
    assert (status, complaint) == (2, "The file is no JSON: choose one that was exported here as JSON.\n")
