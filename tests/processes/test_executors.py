"""Executors: the same runs, rows and ends by the Launcher's own thread and by the nodes of a Ray cluster.

Then studies on a cluster of local nodes: pairs side by side, a node that dies, a head that dies, what is refused.
"""

import contextlib
import hashlib
import itertools
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from core.deployment.settings import DeploymentSettings
from core.experiment.settings import TrainSettings
from core.launcher.cluster import ClusterExecutor
from core.launcher.executors import Completed, Executor, LocalExecutor, Node
from core.launcher.job_context import JobContext
from core.launcher.jobs import RunJob
from core.launcher.launcher import Launcher
from core.launcher.spares import Spares
from core.storage.database import Database
from core.storage.records import Run
from core.storage.rows import Row
from core.storage.runs import ALL_ROWS, Store
from core.storage.studies import Studies
from tests.processes.clusters import LocalNodes, folder_of_a_cluster, left_of, local_nodes
from tests.processes.conftest import Spawn, settings, wait_for, workers
from tests.processes.test_studies import asked, ended

SLOWLY, SLOW_EPOCHS = "fake-slow-a,fake-slow-b", 6
LONGEST_S = 120.0
"""Of a cluster on a busy machine, to come up or to notice what is gone."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, prepared_data_dir: Path) -> Iterator[LocalNodes]:
    """A cluster of two nodes."""
    with local_nodes(tmp_path_factory.mktemp("nodes"), prepared_data_dir / "datasets") as made:
        made.add("one")
        made.add("two")
        yield made


@pytest.fixture(scope="module")
def on_nodes(nodes: LocalNodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterExecutor]:
    """What executes runs on them."""
    executor = ClusterExecutor(nodes.address, tmp_path_factory.mktemp("head"))
    yield executor
    executor.close()


class Executing:
    """An executor and the runs that it is given, with the store into which it writes."""

    def __init__(self, executor: Executor[RunJob], data_dir: Path) -> None:
        self.executor, self.store = executor, Store(data_dir)
        Database(data_dir).open_for_writing()
        self.completed: list[Completed] = []

    def job(self, engines: str = "fake-a,fake-b", limit_s: float | None = None, **changed: Any) -> RunJob:
        """A run that is queued, and not yet submitted."""
        self.asked: TrainSettings = settings(engines, **changed)
        run = self.store.create(self.asked, {"processor": "any", "cores": 1})
        take = Spares(self.store.data_dir).worker
        return RunJob(
            run, self.asked, self.store, JobContext(self.store.data_dir, None, take, "the dashboard", "", limit_s)
        )

    def node(self) -> Node:
        """One that has nothing to do, as soon as there is one."""
        wait_for("a node has nothing to do", lambda: self.executor.free() or self.look(), LONGEST_S)
        return self.executor.free()[0]

    def look(self) -> None:
        self.completed += self.executor.as_completed()

    def finish(self, jobs: Sequence[RunJob]) -> list[Run]:
        """Executes all of them, each on the next node that is free; how they stand then."""
        for job in jobs:
            self.executor.submit(job, self.node())
        wait_for("all have ended", lambda: self.look() or self.has_completed(jobs), LONGEST_S)
        return [self.store.run(job.id) for job in jobs]

    def has_completed(self, jobs: Sequence[RunJob]) -> bool:
        return {job.id for job in jobs} <= {each.job.id for each in self.completed}

    def rows(self, run: str) -> list[Row]:
        return self.store.rows(run)


@pytest.fixture(params=["local", "ray"])
def executing(request: pytest.FixtureRequest, data_dir: Path) -> Executing:
    """What every executor does, it does here."""
    local = request.param == "local"
    return Executing(LocalExecutor() if local else request.getfixturevalue("on_nodes"), data_dir)


def test_each_run_completes_once_with_its_rows_in_order_and_its_files_as_they_were(executing: Executing) -> None:
    jobs = [executing.job(seed=seed) for seed in range(3)]
    for run in executing.finish(jobs):
        assert (run.state, run.reason, [lane.state for lane in run.lanes]) == ("finished", "", ["finished"] * 2)
        rows = executing.rows(run.id)
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        for engine in ("fake-a", "fake-b"):
            epochs = [row.event.epoch for row in rows if row.engine == engine and row.kind == "epoch"]  # type: ignore[union-attr]
            assert epochs == [1, 2, 3]
            (result,) = [row.event for row in rows if row.engine == engine and row.kind == "result"]
            weights = executing.store.artifacts(run.id) / result.weights_file  # type: ignore[union-attr]
            assert hashlib.sha256(weights.read_bytes()).hexdigest() == result.weights_sha256  # type: ignore[union-attr]
        kept = sorted(path.name for path in executing.store.artifacts(run.id).iterdir())
        of_each = [f"{engine}.{suffix}" for engine in ("fake-a", "fake-b") for suffix in ("log", "npz", "safetensors")]
        assert kept == of_each
    assert [each.error for each in executing.completed] == [None] * 3
    assert len({each.job.id for each in executing.completed}) == 3
    accuracies = {executing.store.run(job.id).lanes[0].test_accuracy for job in jobs}
    assert len(accuracies) > 1, "the seeds came with the orders"


def test_a_lane_that_fails_fails_its_run_in_the_same_words(executing: Executing) -> None:
    (run,) = executing.finish([executing.job("fake-nan,fake-a")])
    assert run.state == "failed"
    assert run.reason.startswith("fake-nan failed in epoch 2, step 2: the loss became NaN.")
    assert [lane.state for lane in run.lanes] == ["failed", "finished"]


@pytest.mark.more
def test_a_run_has_its_time_and_no_more(executing: Executing) -> None:
    (run,) = executing.finish([executing.job(SLOWLY, limit_s=2.0, epochs=99)])
    assert run.state == "stopped"
    assert run.reason.startswith("A run has 2.0\u00a0s here, so this one was stopped")


def test_what_is_cancelled_stops_within_a_while_and_completes(executing: Executing) -> None:
    job = executing.job(SLOWLY, epochs=99)
    stopped_at: list[float] = []

    def cancel() -> None:
        wait_for("it trains", lambda: any(row.kind == "step" for row in executing.rows(job.id)), LONGEST_S)
        stopped_at.append(time.monotonic())
        executing.executor.cancel("another")
        executing.executor.cancel(job.id)

    canceller = Thread(target=cancel)
    canceller.start()
    (run,) = executing.finish([job])
    canceller.join()
    assert (run.state, run.reason.partition(" in epoch")[0]) == ("stopped", "You stopped this run")
    assert time.monotonic() - stopped_at[0] < 30, "it did not go on to its end"


# --- studies on a cluster ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def launcher(
    nodes: LocalNodes, tmp_path_factory: pytest.TempPathFactory, prepared_data_dir: Path
) -> Iterator[Launcher]:
    """One whose studies run on the cluster."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "datasets").symlink_to(prepared_data_dir / "datasets")
    deployment = DeploymentSettings(data_dir=folder, spares=False, fake_engines=True, cluster=nodes.address)
    opened = Launcher(deployment, "the dashboard")
    yield opened
    opened.close()


def on_node(launcher: Launcher, name: str) -> str:
    """The run that a node executes now; empty where it executes none."""
    assert launcher.cluster is not None
    named = {node: run for run, (_, node) in launcher.cluster._jobs.items()}
    return next((run for node, run in named.items() if launcher.cluster.names.get(node) == name), "")


def steps(launcher: Launcher, run: str) -> int:
    return sum(row.kind == "step" for row in launcher.store.rows(run)) if run else 0


def test_twelve_pairs_run_over_two_nodes_each_once_and_in_order(launcher: Launcher) -> None:
    study = launcher.study(asked(12, SLOWLY, epochs=1, batch_size=1000), "seeds", None)
    outcome = ended(launcher, study, LONGEST_S)
    assert (outcome.record.state, outcome.done, outcome.cut_short) == ("finished", 12, [])
    runs = [launcher.store.run(pair.run) for cell in outcome.cells for pair in cell.pairs]
    assert sorted(run.settings.seed for run in runs) == list(range(12))
    for run in runs:
        rows = launcher.store.rows(run.id, limit=ALL_ROWS)
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert [row.kind for row in rows].count("result") == 2
        assert {"processor", "cores", "name"} <= set(run.machine)
    spans = sorted((str(run.started_at), str(run.ended_at)) for run in runs)
    beside = sum(later[0] < earlier[1] for earlier, later in itertools.pairwise(spans))
    assert beside >= 6, "two at once"
    at_once = max(sum(one[0] <= begun < one[1] for one in spans) for begun, _ in spans)
    assert at_once == 2, "one a node"


def test_a_node_that_dies_costs_its_pair_alone_which_runs_anew_elsewhere(launcher: Launcher, nodes: LocalNodes) -> None:
    doomed = nodes.add("doomed")
    cluster = launcher.cluster
    assert cluster is not None
    wait_for("it is known", lambda: "doomed" in cluster.names.values(), LONGEST_S)
    study = launcher.study(asked(3, SLOWLY, epochs=SLOW_EPOCHS), "seeds", None)
    wait_for("it trains there", lambda: steps(launcher, on_node(launcher, "doomed")), LONGEST_S)
    cut = on_node(launcher, "doomed")
    nodes.remove(doomed)
    outcome = ended(launcher, study, LONGEST_S)
    assert (outcome.record.state, outcome.done, outcome.failed) == ("finished", 3, 0)
    assert [(pair.run, pair.state) for pair in outcome.cut_short] == [(cut, "interrupted")]
    reason = launcher.store.run(cut).reason
    assert reason.startswith("doomed was lost while this ran, so this pair is run anew. "), reason


def test_stop_ends_all_of_them_and_a_person_is_not_in_the_way(launcher: Launcher) -> None:
    study = launcher.study(asked(4, SLOWLY, epochs=99), "seeds", None)
    wait_for("both train", lambda: all(steps(launcher, on_node(launcher, name)) for name in ("one", "two")), LONGEST_S)
    mine = launcher.submit(asked(1).base)
    list(launcher.follow(mine))
    assert launcher.store.run(mine).state == "finished"
    assert len(launcher.active()) == 2, "they have gone on"
    launcher.stop_study(study)
    outcome = ended(launcher, study, 30)
    assert sorted(pair.state for pair in outcome.cut_short) == ["stopped"] * 2
    wait_for("no lane is left", lambda: not workers())


def test_a_head_that_was_killed_goes_on_when_it_is_started_again(
    nodes: LocalNodes, data_dir: Path, spawn: Spawn
) -> None:
    options = (
        "--epochs",
        str(SLOW_EPOCHS),
        "--batch-size",
        "600",
        "--stop",
        "seeds",
        "--json",
        "--cluster",
        nodes.address,
    )
    killed = spawn("core", "study", "--engines", SLOWLY, "--seeds", "2", *options)
    wait_for("two lanes train", lambda: len(workers()) >= 2, LONGEST_S)
    killed.kill()
    killed.wait()
    wait_for("the nodes have ended what they ran for it", lambda: not workers(), LONGEST_S)
    again = spawn("core", "study", "latest", "--json", "--cluster", nodes.address)
    said, complaints = again.communicate(timeout=LONGEST_S)
    assert again.returncode == 0, complaints
    states = [event["state"] for event in map(json.loads, said.splitlines()) if event["event"] == "pair"]
    assert (states.count("finished"), set(states)) == (2, {"finished", "interrupted"})
    (record,) = Studies(data_dir).all()
    assert record.reason == "All 2 pairs have ended."


def test_a_node_with_other_versions_is_refused_and_one_without_the_data_prepares_them_or_says_why_not(
    nodes: LocalNodes, on_nodes: ClusterExecutor, data_dir: Path, tmp_path: Path
) -> None:
    for name, version in (("keras", "3.0.0"), ("ray", "2.9.3")):
        (tmp_path / f"{name}-{version}.dist-info").mkdir()
        (tmp_path / f"{name}-{version}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    added = [
        nodes.add("older", {"PYTHONPATH": str(tmp_path)}),
        nodes.add("bare", {"DUEL_DATASETS_DIR": str(nothing)}, prepared=False),
    ]
    executor, executing = on_nodes, Executing(on_nodes, data_dir)
    try:
        named = lambda: {executor.names[node.id]: node for node in executor.free()}  # noqa: E731
        wait_for("all have said what they are", lambda: executing.look() or len(executor.names) == 4, LONGEST_S)
        assert set(named()) == {"one", "two", "bare"}
        (refused,) = executor.refused.values()
        assert refused.startswith("older is not used, for its versions differ: ray 2.9.3 (here ")
        assert ", keras 3.0.0 (here " in refused
        assert executor.unavailable == ""
        here, there = executing.job(), executing.job(dataset="mnist")
        for job in (here, there):
            executor.submit(job, named()["bare"])
            wait_for("it has ended", lambda job=job: executing.look() or executing.has_completed([job]), LONGEST_S)  # type: ignore[misc]
        assert executing.store.run(here.id).state == "finished", "it prepared mnist5k itself"
        run = executing.store.run(there.id)
        assert run.state == "interrupted"
        assert run.reason.startswith("bare cannot have the data set mnist: "), run.reason
        assert named()["bare"].lacks == {"mnist": run.reason}
    finally:
        for node in added:
            nodes.remove(node)


def test_keras_and_pytorch_train_on_a_node_with_the_threads_that_it_has(
    on_nodes: ClusterExecutor, data_dir: Path
) -> None:
    executing = Executing(on_nodes, data_dir)
    (run,) = executing.finish([executing.job("keras,torch", epochs=1)])
    assert (run.state, run.reason) == ("finished", "")
    devices = [row.event.device for row in executing.rows(run.id) if row.kind == "built"]  # type: ignore[union-attr]
    assert devices == ["cpu (1 thread)"] * 2


def test_a_cluster_that_is_not_there_is_said(data_dir: Path, spawn: Spawn) -> None:
    address = f"127.0.0.1:{free_port()}"
    process = spawn("core", "study", "--engines", "fake-a,fake-b", "--seeds", "1", "--cluster", address)
    _, complaints = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 1
    said = f"The cluster {address} cannot be reached: nothing answers there (Connection refused). `study "
    assert said in complaints
    assert complaints.endswith("` goes on with it.\n")


def ray(*arguments: str) -> None:
    """Ray's own command line, as a person calls it."""
    command = [str(Path(sys.executable).with_name("ray")), *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=LONGEST_S)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_two_real_ray_starts_reached_from_outside(data_dir: Path, tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "node").mkdir()
    with folder_of_a_cluster() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setenv("DUEL_DATA_DIR", str(tmp_path / "node"))
        port = free_port()
        try:
            ray(
                "start",
                "--head",
                "--port=0",
                "--num-cpus=0",
                "--include-dashboard=false",
                f"--ray-client-server-port={port}",
            )
            ray("start", f"--address={Path(folder, 'ray', 'ray_current_cluster').read_text().strip()}", "--num-cpus=1")
            asked = ("--engines", "fake-a,fake-b", "--epochs", "1", "--batch-size", "600", "--seeds", "2")
            # On a busy machine Ray's server gives up on its first client.
            for words in (asked, ["latest"], ["latest"]):
                process = spawn("core", "study", *words, "--cluster", f"ray://127.0.0.1:{port}", "--json")
                said, complaints = process.communicate(timeout=LONGEST_S)
                if "cannot be reached" not in complaints:
                    break
            assert process.returncode == 0, complaints
            assert said.count('"event": "pair"') == 2
        finally:
            for left in left_of(folder):
                with contextlib.suppress(psutil.Error):
                    left.kill()  # `ray stop` would end every cluster of this machine
