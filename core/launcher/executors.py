"""Where jobs are executed: one protocol, and the executor that is always there, the Launcher's own thread.

`core.launcher.cluster` is the other one: a study's pairs on other machines.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from core.experiment.machine import this_machine
from core.launcher.jobs import Job

J_contra = TypeVar("J_contra", bound=Job, contravariant=True)


@dataclass(frozen=True)
class Node:
    """A machine that executes one job at a time."""

    id: str
    """Empty for this one."""
    machine: Mapping[str, Any]
    """As `core.experiment.machine` describes it."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """The data sets that cannot be had there, and why, as a sentence."""


class Completed(NamedTuple):
    """A job that is executed no more, and what kept its end from being written, if anything did."""

    job: Job
    error: Exception | None


class Executor(Protocol[J_contra]):
    """Executes jobs, one a node. One thread submits and asks for what has completed; any thread may cancel."""

    def free(self) -> Sequence[Node]:
        """The nodes that have nothing to do."""

    def submit(self, job: J_contra, node: Node) -> None:
        """Gives a free node a job."""

    def as_completed(self) -> Iterator[Completed]:
        """Each job that was submitted, once, as it ends.

        What is to be done for them is done in here, in the caller's thread. It may return before all have ended, so
        that whoever asks again and again can submit more meanwhile.
        """

    def cancel(self, job_id: str) -> None:
        """Asks a job to stop; it completes as any other. Does nothing where there is none of that id."""


class LocalExecutor:
    """Executes one job after the other here, in the thread that asks for what has completed."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def free(self) -> Sequence[Node]:
        """See `Executor`."""
        return () if self._jobs else (Node("", this_machine()),)

    def submit(self, job: Job, node: Node | None = None) -> None:
        """See `Executor`."""
        self._jobs.append(job)

    def as_completed(self) -> Iterator[Completed]:
        """See `Executor`; returns when all have ended."""
        while self._jobs:
            error = None
            try:
                self._jobs[0].execute()
            except Exception as raised:
                error = raised
            yield Completed(self._jobs.popleft(), error)

    def cancel(self, job_id: str) -> None:
        """See `Executor`."""
        for job in list(self._jobs):
            if job.id == job_id:
                job.stop()
