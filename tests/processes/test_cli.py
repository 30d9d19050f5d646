"""`python -m core`: what it prints, how it ends, and what Ctrl-C does."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from core.cli.app import app
from core.deployment import limits
from core.experiment.engine_names import ENGINE_NAMES
from core.storage.records import Run
from core.storage.runs import Store
from tests.processes.conftest import PROJECT_DIR, OpenLauncher, Spawn, settings, wait_for, workers

DATASET = (
    "Data set must be one of mnist5k, mnist, fashion-mnist, kmnist, cifar10, digits, "
    "or own-NAME for your own images, not {}."
)
OFFERED = ", ".join(ENGINE_NAMES)

FAST = ("--batch-size", "600", "--epochs", "2")


def core(*arguments: str, folder: Path, **environment: str) -> tuple[int, str, str]:
    """Runs the command line in this process: its exit status, what it said, what it complained of."""
    env = {"DUEL_DATA_DIR": str(folder), "DUEL_FAKE_ENGINES": "1", "COLUMNS": "200", **environment}
    limits.environment.cache_clear()  # each command is a process of its own
    result = CliRunner(env=env).invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def only_run(folder: Path) -> Run:
    (run,) = [run for run in Store(folder).runs() if run.source == "here"]
    return run


def read_epochs(process: "subprocess.Popen[str]", count: int) -> list[dict[str, Any]]:
    """The JSON lines that the command line has printed when it has printed so many epochs."""
    assert process.stdout is not None
    lines: list[dict[str, Any]] = []
    while sum(line["event"] == "epoch" for line in lines) < count:
        lines.append(json.loads(process.stdout.readline()))
    return lines


def test_train_prints_the_issues_json_lines(spawn: Spawn, data_dir: Path) -> None:
    process = spawn("core", "train", "--engines", "fake-a,fake-b", *FAST, "--json")
    said, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
    lines = [json.loads(line) for line in said.splitlines()]
    run = only_run(data_dir)
    epochs = [line for line in lines if line["event"] == "epoch"]
    assert [(line["engine"], line["epoch"]) for line in epochs] == [
        ("fake-a", 1), ("fake-b", 1), ("fake-b", 2), ("fake-a", 2),
    ]  # fmt: skip
    figures = {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "train_s", "val_s", "images_per_s"}
    figures |= {"cpu_s", "others_share", "stolen_share"}
    assert all(set(line) == {"event", "run", "engine", "epoch"} | figures for line in epochs)
    results = [line for line in lines if line["event"] == "result"]
    assert [(line["engine"], line["state"]) for line in results] == [("fake-a", "finished"), ("fake-b", "finished")]
    for line in results:
        assert {"test_loss", "test_accuracy", "import_s", "first_step_s", "rss_mib"} <= set(line)
        assert all(line[name] > 0 for name in ("test_loss", "test_accuracy", "import_s", "first_step_s", "rss_mib"))
    assert {line["run"] for line in lines} == {run.id}


def test_a_failed_lane_ends_with_1_and_says_why(spawn: Spawn, data_dir: Path) -> None:
    process = spawn("core", "train", "--engines", "fake-nan,fake-a", *FAST, "--json")
    said, sentence = process.communicate(timeout=60)
    assert process.returncode == 1
    results = {line["engine"]: line for line in map(json.loads, said.splitlines()) if line["event"] == "result"}
    assert results["fake-nan"]["state"] == "failed"
    assert results["fake-nan"]["reason"] == "in epoch 2, step 2: the loss became NaN."
    assert results["fake-nan"]["test_loss"] is None
    assert results["fake-a"]["state"] == "finished"
    assert sentence == f"{only_run(data_dir).reason}\n"


def test_train_shows_progress_and_the_result(data_dir: Path) -> None:
    status, said, progress = core("train", "--engines", "fake-a,fake-b", *FAST, folder=data_dir)
    assert status == 0
    assert re.search(r"Run 20\S+: finished\.", said)
    assert re.search(r"fake-b: test loss \d\.\d{4}, test accuracy \d\d\.\d\s%", said)
    assert "fake-a" in progress
    assert "finished" in progress


BAD_INPUT = [
    ("--batch-size", "0", "Batch size must be a whole number from 1 to 4,096, not 0."),
    ("--batch-size", "-1", "Batch size must be a whole number from 1 to 4,096, not -1."),
    ("--batch-size", "1000000000", "Batch size must be a whole number from 1 to 4,096, not 1000000000."),
    ("--batch-size", "nan", "Batch size must be a whole number from 1 to 4,096, not nan."),
    ("--batch-size", "4000", "Batch size 4,000 is larger than the 3,600 images that “MNIST, 5,000 images” trains on"),
    ("--epochs", "0", "Epochs must be a whole number from 1 to 100, not 0."),
    ("--epochs", "1000000000", "Epochs must be a whole number from 1 to 100, not 1000000000."),
    ("--epochs", "two", "Epochs must be a whole number from 1 to 100, not two."),
    ("--dropout", "1.0", "Dropout must be a number from 0 to 0.9, not 1.0."),
    ("--dropout", "-0.1", "Dropout must be a number from 0 to 0.9, not -0.1."),
    ("--dropout", "nan", "Dropout must be a number from 0 to 0.9, not nan."),
    ("--network", "conv 30", "Layer 1, conv 30: conv needs filters and kernel, as in conv 30 3."),
    ("--network", "flatten, dense 3", "The last layer must be dense 10 for this data set, not dense 3."),
    ("--optimizer", "adagrad", "Optimiser must be one of adam, adamw, sgd, nesterov, rmsprop, not adagrad."),
    ("--momentum", "0.9", "Momentum is for sgd, nesterov and rmsprop, not for adam: set it to 0."),
    ("--weight-decay", "-1", "Weight decay must be a number from 0 to 1, not -1."),
    ("--learning-rate", "0", "Learning rate must be a number above 0 and at most 1,000,000, not 0."),
    ("--learning-rate", "inf", "Learning rate must be a number above 0 and at most 1,000,000, not inf."),
    ("--seed", "-3", "Seed must be a whole number from 0 to 2,147,483,647, not -3."),
    ("--engines", "keras,jax", f"There is no engine jax. Engines: {OFFERED}."),
    ("--engines", "", f"Engines must name at least one of {OFFERED}, not nothing."),
    ("--engines", "torch,torch", "Engines must differ: each one trains in one lane."),
    (
        "--dataset",
        "cifar",
        DATASET.format("cifar"),
    ),
    ("--alignment", "askew", "Alignment must be one of as-shipped, same-start, exact-twin, not askew."),
    ("--schedule", "never", "Schedule must be one of turns, together, not never."),
    ("--patience", "101", "Patience must be a whole number from 0 to 100, not 101."),
    ("--device", "tpu", "Device must be one of auto, cpu, best, not tpu."),
]


@pytest.mark.parametrize(("option", "value", "sentence"), BAD_INPUT)
def test_bad_input_is_one_sentence_and_status_2(data_dir: Path, option: str, value: str, sentence: str) -> None:
    status, said, complaint = core("train", option, value, folder=data_dir)
    assert (status, said) == (2, "")
    assert complaint.startswith(sentence)
    assert len(complaint.splitlines()) == 1
    assert [run for run in Store(data_dir).runs() if run.source == "here"] == []


def test_engines_for_tests_are_refused_without_their_switch(data_dir: Path) -> None:
    status, _, complaint = core("train", "--engines", "fake", folder=data_dir, DUEL_FAKE_ENGINES="0")
    assert (status, complaint) == (2, f"There is no engine fake. Engines: {OFFERED}.\n")


def test_an_environment_that_cannot_be_read(data_dir: Path) -> None:
    status, _, complaint = core("runs", folder=data_dir, DUEL_SPARES="perhaps")
    assert status == 2
    assert complaint.startswith("The environment variable DUEL_SPARES is wrong: ")


@pytest.mark.parametrize("name", ["../../etc/passwd", "20260101-000000-00000000", "x", "20260101-000000-00000000\n"])
def test_show_of_no_run_is_one_sentence_and_status_2(data_dir: Path, name: str) -> None:
    status, said, complaint = core("show", name, folder=data_dir)
    assert (status, said) == (2, "")
    assert len(complaint.splitlines()) == 1
    assert "passwd" not in complaint


def test_a_missing_folder_is_called_missing_and_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    missing = f"The data folder {folder} is missing: the first run makes it, or DUEL_DATA_DIR names another.\n"
    status, said, complaint = core("runs", "--json", folder=folder)
    assert (status, complaint) == (0, missing)
    assert {json.loads(line)["source"] for line in said.splitlines()} == {"recorded"}
    for arguments in (("show", "latest"), ("show", "20260101-000000-00000000"), ("predict", "x.png")):
        assert core(*arguments, folder=folder) == (2, "", missing)
    status, said, _ = core("health", folder=folder)
    assert (status, said.splitlines()[1]) == (1, missing.strip())
    assert not folder.exists()
    assert core("show", "latest", folder=tmp_path)[::2] == (2, "No run was trained here yet.\n")
    (tmp_path / "file").touch()
    assert core("runs", folder=tmp_path / "file")[2] == f"{tmp_path / 'file'} is no folder: set DUEL_DATA_DIR to one.\n"


def test_without_a_home_a_folder_must_be_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54321)  # whom no list of users knows
    assert core("runs", folder=data_dir)[0] == 0
    sentence = "This user has no home folder: set DUEL_DATA_DIR to a full path.\n"
    for folder in (Path(), Path("~/duel")):
        assert core("runs", folder=folder, DUEL_DATA_DIR=str(folder).strip(".")) == (2, "", sentence)


def test_runs_and_show_work_while_another_holds_the_folder_and_train_says_who(
    open_launcher: OpenLauncher, data_dir: Path
) -> None:
    launcher = open_launcher(owner="the command line")
    run_id = launcher.submit(settings("fake-slow", epochs=20))
    wait_for("an epoch", lambda: any(row.kind == "epoch" for row in launcher.store.rows(run_id)))
    status, said, _ = core("runs", "--json", folder=data_dir)
    assert status == 0
    listed = json.loads(said.splitlines()[0])
    assert listed | {"run": run_id, "state": "running", "reason": "", "source": "here"} == listed
    assert listed | {"dataset": "mnist5k", "engines": ["fake-slow"]} == listed
    assert "created_at" in listed
    status, said, _ = core("show", "latest", "--json", folder=data_dir)
    assert (status, json.loads(said)["rows"][0]["kind"]) == (0, "run")
    status, said, _ = core("show", run_id, folder=data_dir)
    assert status == 0
    assert f"Run {run_id}: running." in said
    assert run_id in core("runs", folder=data_dir)[1]
    status, said, complaint = core("train", "--engines", "fake-a", folder=data_dir)
    assert (status, said) == (1, "")
    assert f"is in use by the command line (process {os.getpid()}, since " in complaint
    assert len(complaint.splitlines()) == 1


def test_ctrl_c_stops_the_run_and_ends_with_130(spawn: Spawn, data_dir: Path) -> None:
    process = spawn("core", "train", "--engines", "fake-slow,fake-a", "--batch-size", "600", "--epochs", "40", "--json")
    read_epochs(process, 4)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=10)
    assert process.returncode == 130
    run = only_run(data_dir)
    assert run.state == "stopped"
    assert re.fullmatch(r"You stopped this run in epoch \d+\. Epochs 1 (and|to) \d+ .*are kept\.", run.reason)
    assert complaint == f"{run.reason}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closing_terminal_and_a_plain_kill_stop_the_run_as_ctrl_c_does(
    spawn: Spawn, data_dir: Path, number: signal.Signals
) -> None:
    process = spawn("core", "train", "--engines", "fake-slow", "--batch-size", "600", "--epochs", "40", "--json")
    read_epochs(process, 1)
    for _ in range(3):  # a shell and the kernel each send it
        process.send_signal(number)
        time.sleep(0.02)
    _, complaint = process.communicate(timeout=10)
    run = only_run(data_dir)
    assert (process.returncode, run.state, complaint) == (130, "stopped", f"{run.reason}\n")
    assert run.reason.startswith("You stopped this run in epoch ")


def test_under_nohup_a_closing_terminal_stops_nothing(data_dir: Path) -> None:
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "core", "train", "--engines", "fake-slow", *FAST, "--json"],
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "DUEL_DATA_DIR": str(data_dir), "DUEL_FAKE_ENGINES": "1"},
    )
    read_epochs(process, 1)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert (process.returncode, only_run(data_dir).state) == (0, "finished")


def test_whose_output_nobody_reads_is_stopped_in_silence(spawn: Spawn, data_dir: Path) -> None:
    process = spawn("core", "train", "--engines", "fake-slow", "--batch-size", "600", "--epochs", "40", "--json")
    read_epochs(process, 1)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(timeout=10), only_run(data_dir).state) == ("", 141, "stopped")


def test_a_full_disk_is_a_sentence_and_an_ascii_terminal_sees_all(data_dir: Path) -> None:
    shown = [sys.executable, "-m", "core", "show", Store(data_dir).recorded()[0].id]
    environment = {**os.environ, "DUEL_DATA_DIR": str(data_dir), "PYTHONIOENCODING": "ascii", "TERM": "dumb"}
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(shown, stdout=full, stderr=subprocess.PIPE, env=environment, cwd=PROJECT_DIR)
    sentence = b"The output cannot be written: No space left on device.\n"
    assert (found.returncode, found.stderr) == (1, sentence)
    found = subprocess.run(shown, capture_output=True, env=environment, cwd=PROJECT_DIR)
    assert (found.returncode, found.stderr) == (0, b"")
    assert re.search(r"\n +1 +\| Keras +\| 0\.\d{4} +\| .* % ", found.stdout.decode("ascii"))


def test_what_an_owner_left_open_is_interrupted_wherever_it_is_read(
    spawn: Spawn, data_dir: Path, tmp_path: Path
) -> None:
    process = spawn("core", "train", "--engines", "fake-slow,fake-a", *FAST, "--json")
    read_epochs(process, 1)
    process.kill()
    process.wait()
    reason = r"The command line was closed while this ran\. Epochs? 1 .*kept\."
    listed = json.loads(core("runs", "--json", folder=data_dir)[1].splitlines()[0])
    assert listed["state"] == "interrupted"
    assert re.fullmatch(reason, listed["reason"])
    status, said, _ = core("show", "latest", folder=data_dir)
    assert (status, "interrupted. The command line was closed" in said) == (0, True)
    for form in ("json", "csv", "html"):
        path = tmp_path / f"run.{form}"
        assert core("export", "latest", "--format", form, "-o", str(path), folder=data_dir)[0] == 0
        assert listed["reason"] in path.read_text()
    assert only_run(data_dir).live  # a reader writes nothing


@pytest.mark.alone
def test_ctrl_c_twice_ends_at_once_and_the_next_start_says_how(
    spawn: Spawn, data_dir: Path, open_launcher: OpenLauncher
) -> None:
    process = spawn("core", "train", "--engines", "fake-slow", "--batch-size", "600", "--epochs", "40", "--json")
    read_epochs(process, 2)
    for child in workers():
        child.suspend()  # so that the first Ctrl-C alone would take 1.6 s
    began = time.monotonic()
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert time.monotonic() - began < 1.2
    _, complaint = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in complaint
    for child in workers():
        child.resume()
    wait_for("no worker is left", lambda: not workers(), within_s=5)
    run = open_launcher().store.run(only_run(data_dir).id)
    assert run.state in ("interrupted", "stopped")
    assert run.reason.startswith(("The command line was closed while this ran. ", "You stopped this run "))


def test_ctrl_c_during_the_imports_is_no_traceback(spawn: Spawn) -> None:
    process = spawn("core", "train", "--engines", "fake-slow", PYTHONVERBOSE="1")
    assert process.stderr is not None
    for line in process.stderr:
        if "core/cli/app.py" in line:
            break
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in complaint


def test_help_documents_every_command_and_option(data_dir: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    listed = core("--help", folder=data_dir)[1]
    for name, command in commands.items():
        assert name in listed
        assert command.help, f"{name} is not documented"
        assert all(getattr(parameter, "help", None) for parameter in command.params), f"{name}: an option is not"
