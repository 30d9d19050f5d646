"""Studies on a cluster of local nodes: what a pair costs beyond its own time, and how many more pairs more nodes do."""

import contextlib
import itertools
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from benchmarks.result import BenchmarkError, Result, quantile
from core.data import datasets
from core.deployment.settings import DeploymentSettings
from core.experiment.settings import TrainSettings
from core.experiment.study import Study
from core.launcher.launcher import Launcher
from core.storage.holder import Owner
from core.storage.studies import StudyState
from tests.processes.clusters import LocalNodes, local_nodes

HOW = """
Studies of the engine without a framework at a fixed pace (50 ms a step, nearly all of it asleep, since two cores hold
no four nodes that compute), by a Launcher in this process: first without a cluster, then on local Ray nodes of one
processor each, one, two and four of them. Before each a short study, so that Ray has given the nodes. Overhead of a
pair: on one node, from its end to the next one's start by the store's times; the next pair's choice, sending it and
Ray itself are inside. How much longer the pair itself takes there than without a cluster is reported: with what it
reports on its way. Time per pair: from a study's first start to its last end, by its pairs; each study on two or four
nodes gives one ratio to the median of those on one.
"""

ENGINES = "fake-slow-a,fake-slow-b"
LONGEST_S = 900.0
OVERHEAD_S, OF_TWO, OF_FOUR = 0.3, 1 / 1.8, 1 / 3.5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How long a pair is, how many a node does in a study, and how often each study is run."""

    epochs: int
    pairs: int
    rounds: int


FULL = Size(epochs=8, pairs=4, rounds=3)
QUICK = Size(epochs=1, pairs=2, rounds=1)

Spans = list[tuple[float, float]]
"""Start and end of each pair, in seconds, by start."""


def run_study(launcher: Launcher, pairs: int, epochs: int) -> Spans:
    """Runs a study to its end. Raises `BenchmarkError` where that is another than it should be."""
    base = TrainSettings.parse({"engines": ENGINES, "epochs": epochs, "batch_size": 200})
    study = launcher.study(Study.of(base, datasets.DATASETS["mnist5k"], pairs, {}), "seeds", None)
    until = time.monotonic() + LONGEST_S
    while (record := launcher.studies.kept.get(study)).state == StudyState.RUNNING:
        if time.monotonic() > until or launcher.studies.no_node:
            raise BenchmarkError(f"The study did not end. {launcher.studies.no_node}".strip())
        time.sleep(0.1)
    runs = [launcher.store.run(pair.run) for pair in launcher.studies.kept.pairs(study)]
    if record.state != StudyState.FINISHED or any(run.state != "finished" for run in runs):
        raise BenchmarkError(f"The study ended as {record.state}: {record.reason}")
    times = [datetime.fromisoformat(str(at)).timestamp() for run in runs for at in (run.started_at, run.ended_at)]
    return sorted(zip(times[::2], times[1::2], strict=True))


@contextlib.contextmanager
def launcher_on(data_dir: Path, cluster: str = "") -> Iterator[Launcher]:
    """A Launcher without spares."""
    deployment = DeploymentSettings(data_dir=data_dir, spares=False, fake_engines=True, cluster=cluster)
    launcher = Launcher(deployment, Owner.COMMAND_LINE)
    try:
        yield launcher
    finally:
        launcher.close()


def studies_on(nodes: LocalNodes, count: int, data_dir: Path, size: Size) -> list[Spans]:
    """The studies of all rounds on so many nodes."""
    with launcher_on(data_dir, nodes.address) as launcher:
        assert launcher.cluster is not None
        run_study(launcher, 1, epochs=1)  # connects
        until = time.monotonic() + LONGEST_S
        while len(launcher.cluster.names) < count:
            if time.monotonic() > until:
                raise BenchmarkError(f"Of {count} nodes only {len(launcher.cluster.names)} have come.")
            time.sleep(0.1)
        found = []
        for number in range(size.rounds):
            run_study(launcher, count, epochs=1)
            found.append(run_study(launcher, count * size.pairs, size.epochs))
            log.info("  %d nodes, %d of %d", count, number + 1, size.rounds)
        return found


def pair_s(spans: Spans) -> float:
    """Seconds per pair from the first start to the last end."""
    return (max(end for _, end in spans) - spans[0][0]) / len(spans)


def measure(size: Size) -> list[Result]:
    """Overhead, and the time per pair on two and on four nodes over that on one."""
    with tempfile.TemporaryDirectory(prefix="duel-bench-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        data_dir = folder / "data"
        datasets.prepare("mnist5k", data_dir)
        with launcher_on(data_dir) as launcher:
            own_s = median(end - start for start, end in run_study(launcher, size.pairs, size.epochs))
        by_count: dict[int, list[Spans]] = {}
        with local_nodes(folder, data_dir / "datasets") as nodes:
            for count in (1, 2, 4):
                while nodes.count < count:
                    nodes.add(f"node {nodes.count + 1}")
                by_count[count] = studies_on(nodes, count, data_dir, size)
    gaps = [later[0] - earlier[1] for spans in by_count[1] for earlier, later in itertools.pairwise(spans)]
    longer = [(end - start) / own_s for spans in by_count[1] for start, end in spans]
    one_s = median(map(pair_s, by_count[1]))
    note = f"a pair without a cluster: {own_s:.2f} s"
    return [
        Result("Node of a cluster, a pair's end to the next one's start", quantile(gaps), "s", OVERHEAD_S),
        Result("Pair on a node of a cluster / here", quantile(longer), "x", note=note),
        Result("Two nodes / one, time per pair", quantile([pair_s(each) / one_s for each in by_count[2]]), "x", OF_TWO),
        Result(
            "Four nodes / one, time per pair", quantile([pair_s(each) / one_s for each in by_count[4]]), "x", OF_FOUR
        ),
    ]
