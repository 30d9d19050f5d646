"""The other executor: a study's pairs on the nodes of a Ray cluster, one a node.

Ray itself is met by a child of ours (`core.cluster`) alone: a cluster that is lost ends that process, not this one. The
nodes send rows, which are written here and nowhere else; files come into the run's folder before the rows that tell of
them.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from core.launcher import ending
from core.launcher.executors import Completed, Node
from core.launcher.jobs import RunJob
from core.protocol import cluster_messages, messages
from core.protocol.listener import Listener, Lost
from core.protocol.messages import ClusterEvent
from core.protocol.process import ChildProcess
from core.storage.rows import LANES_KINDS, RUNS_KINDS, Damage, Entry, read

PROGRAM = "core.cluster"
LOG = "cluster.log"
MOMENT_S = 0.1
"""So long `as_completed` waits for something to happen."""
AGAIN_S = 10.0
"""So long after a cluster was lost or could not be reached it is tried again."""

log = logging.getLogger(__name__)


class ClusterExecutor:
    """Executes runs on the nodes of one cluster; see `Executor`."""

    def __init__(self, address: str, data_dir: Path, program: str = PROGRAM) -> None:
        """`address` as Ray takes it: `auto`, `ray://HOST:10001` or `HOST:6379`; whoever asks what is free connects."""
        self._address, self._data_dir, self._program = address, data_dir, program
        self._nodes: dict[str, Node] = {}
        self._jobs: dict[str, tuple[RunJob, str]] = {}  # by run: what is executed, and on which node
        self._cancelled: set[str] = set()
        self._child: ChildProcess | None = None
        self._again_at = 0.0
        self._fault = ""
        self.here_too = False
        """Whether the cluster counts this machine as a node of its own: the Launcher's thread then takes pairs, too."""
        self.names: dict[str, str] = {}
        """What its nodes are called, by their ids."""
        self.refused: dict[str, str] = {}
        """Why a node is not used, as a sentence, by its id."""

    @property
    def unavailable(self) -> str:
        """Why no pair can run, as sentences; empty where one can, or nobody knows yet."""
        if self._fault or self.here_too or self._nodes:
            return self._fault
        return " ".join(self.refused.values())

    @property
    def complaints(self) -> list[str]:
        """Why nodes are not used, or not for every data set, as a sentence each."""
        return [*self.refused.values(), *(why for node in list(self._nodes.values()) for why in node.lacks.values())]

    def free(self) -> Sequence[Node]:
        """See `Executor`: this machine is never one of them. Connects first, where it is not."""
        if self._child is None and time.monotonic() >= self._again_at:
            self._open()
        busy = {node for _, node in self._jobs.values()}
        return [node for node in self._nodes.values() if node.id not in busy]

    def _open(self) -> None:
        self._again_at = time.monotonic() + AGAIN_S
        try:
            self._child = ChildProcess(self._program, self._address, log=self._data_dir / LOG)
        except OSError as error:
            self._fault = ending.no_cluster(self._address, error.strerror or str(error))
            return
        self._listener: Listener[ClusterEvent] = Listener(ClusterEvent, self._child)

    def submit(self, job: RunJob, node: Node) -> None:
        """See `Executor`."""
        assert self._child is not None
        self._jobs[job.id] = job, node.id
        context = job.context
        order = (job.settings.as_json(), str(job.sink.artifacts), context.owner, context.visitor, context.limit_s)
        self._child.send(cluster_messages.Execute(job.id, node.id, *order))

    def cancel(self, job_id: str) -> None:
        """See `Executor`."""
        if found := self._jobs.get(job_id):
            found[0].stop()

    def as_completed(self) -> Iterator[Completed]:
        """See `Executor`: what ends within a moment, and no more once one has, for its node has nothing to do now."""
        until = time.monotonic() + MOMENT_S
        while (left_s := until - time.monotonic()) > 0:
            if self._child is None:
                time.sleep(left_s)
                return
            for run, (job, _) in self._jobs.items():
                if job.requests.stop.is_set() and run not in self._cancelled:
                    self._cancelled.add(run)
                    self._child.send(cluster_messages.Cancel(run))
            heard = self._listener.next(left_s)
            ended = [] if heard is None else list(self._take(heard.event))
            yield from ended
            if ended:
                return

    def _take(self, event: ClusterEvent | Lost) -> Iterator[Completed]:
        match event:
            case cluster_messages.Nodes(nodes, here_too):
                self.here_too, self._fault = here_too, ""
                self._note(nodes)
            case cluster_messages.Reported(run, rows):
                yield from self._write(run, rows)
            case cluster_messages.Ended():
                yield from self._end(event)
            case messages.Failed(reason):
                yield from self._lose(reason)
            case Lost(reason):
                yield from self._lose(ending.cluster_lost(self._address, reason))
            case _:
                assert_never(event)

    def _note(self, nodes: Sequence[cluster_messages.ClusterNode]) -> None:
        """Which nodes there are now; what one lacks it lacks until it is gone."""
        self.names = {node.id: node.name for node in nodes}
        refused = {node.id: node.refused for node in nodes if node.refused}
        for sentence in (sentence for node, sentence in refused.items() if node not in self.refused):
            log.warning(sentence)
        self.refused = refused
        known = self._nodes
        self._nodes = {node.id: known.get(node.id) or Node(node.id, node.machine) for node in nodes if not node.refused}

    def _write(self, run: str, rows: Sequence[tuple[str, str, str]]) -> Iterator[Completed]:
        """Writes what a node reports of a run; where that cannot be, the run ends with what keeps it from it."""
        if run not in self._jobs:  # it has ended here
            return
        job, _ = self._jobs[run]
        try:
            job.sink.append([_entry(job, *row) for row in rows])
        except Exception as error:
            assert self._child is not None
            self._child.send(cluster_messages.Cancel(run))
            yield self._complete(run, error)

    def _end(self, event: cluster_messages.Ended) -> Iterator[Completed]:
        if event.run not in self._jobs:
            return
        job, node_id = self._jobs[event.run]
        if event.lacks and (node := self._nodes.get(node_id)):
            lacks = {**node.lacks, job.settings.dataset: event.lacks}
            self._nodes[node_id] = replace(node, lacks=lacks)
            log.warning(event.lacks)
        yield self._complete(event.run, None, event.cut_short or event.lacks, event.failed)

    def _lose(self, why: str) -> Iterator[Completed]:
        """The cluster is there no more: every run of it is cut short, and after a while it is tried again."""
        self._fault, self._nodes, self.here_too = why, {}, False
        self._again_at = time.monotonic() + AGAIN_S
        log.warning(why)
        if self._child is not None:
            self._child.close()
        self._child = None
        for run in list(self._jobs):
            yield self._complete(run, None, why)

    def _complete(self, run: str, error: Exception | None, cut_short: str = "", failed: str = "") -> Completed:
        job, _ = self._jobs.pop(run)
        self._cancelled.discard(run)
        try:
            if failed:
                job.fail(failed)
            elif cut_short:
                job.cut_short(cut_short)
        except Exception as raised:
            error = raised
        with contextlib.suppress(OSError):
            job.sink.artifacts.rmdir()  # where nothing was put into it
        return Completed(job, error)

    def close(self) -> None:
        """Ends what runs on the nodes; whoever owns these runs writes their ends."""
        if self._child is not None:
            self._child.close()
        self._child = None


def _entry(job: RunJob, engine: str, kind: str, text: str) -> Entry:
    """A row that a node sent. Raises `Damage` where it cannot be one of this run."""
    if kind not in (LANES_KINDS if engine else RUNS_KINDS) or (engine and engine not in job.settings.engines):
        raise Damage(f"a node sent a row {kind!r} of {engine!r}, which has no place here")
    return Entry(engine, read(0, engine, kind, text).event)
