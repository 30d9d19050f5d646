"""The processes of a run's lanes: stopped step by step, put away at the end."""

import time
from collections.abc import Sequence

from core.launcher.lanes import RunLane
from core.protocol import messages
from core.protocol.process import ChildProcess

STOP_S = 1.2
TERMINATE_S = 0.4


class Supervisor:
    """Stops and puts away what the lanes of one run have started."""

    def __init__(self, lanes: Sequence[RunLane]) -> None:
        self._lanes = lanes
        self._stopping_since: float | None = None

    @property
    def stopping(self) -> bool:
        """Whether they were asked to stop."""
        return self._stopping_since is not None

    def stop(self) -> None:
        """The next step, to be called again and again: a message, then SIGTERM, then SIGKILL."""
        now = time.monotonic()
        if self._stopping_since is None:
            self._stopping_since = now
            for process in self._going():
                process.send(messages.Stop())
            return
        waited_s = now - self._stopping_since
        if waited_s >= STOP_S:
            for process in self._going():
                process.terminate() if waited_s < STOP_S + TERMINATE_S else process.kill()

    def close(self) -> None:
        """All of them are gone."""
        processes = [lane.process for lane in self._lanes if lane.process is not None]
        for process in processes:
            process.hang_up()
        for process in processes:
            process.close()

    def _going(self) -> list[ChildProcess]:
        return [lane.process for lane in self._lanes if lane.end is None and lane.process is not None]
