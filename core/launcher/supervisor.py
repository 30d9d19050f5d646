"""The processes of a run's lanes: watched while they work, stopped step by step, put away at the end."""

import time
from collections.abc import Sequence

from core.launcher.lanes import RunLane
from core.protocol import messages
from core.protocol.process import ChildProcess

STOP_S = 1.2
TERMINATE_S = 0.4
WATCH_S = 0.5


class Supervisor:
    """Watches, stops and puts away what the lanes of one run have started."""

    def __init__(self, lanes: Sequence[RunLane]) -> None:
        self._lanes = lanes
        self._watched_at = 0.0
        self._stopping_since: float | None = None

    @property
    def stopping(self) -> bool:
        """Whether they were asked to stop."""
        return self._stopping_since is not None

    def hung(self) -> list[tuple[RunLane, str]]:
        """The lanes that go on and whose process hangs, and why it counts as hung, as the rest of a sentence."""
        now = time.monotonic()
        if now - self._watched_at < WATCH_S:
            return []
        self._watched_at = now
        found = [(lane, process.hung(bool(lane.asked))) for lane, process in self._going()]
        return [(lane, why) for lane, why in found if why]

    def stop(self) -> None:
        """The next step, to be called again and again: a message, then SIGTERM, then SIGKILL."""
        now = time.monotonic()
        if self._stopping_since is None:
            self._stopping_since = now
            for _, process in self._going():
                process.send(messages.Stop())
            return
        waited_s = now - self._stopping_since
        if waited_s >= STOP_S:
            for _, process in self._going():
                process.terminate() if waited_s < STOP_S + TERMINATE_S else process.kill()

    def close(self) -> None:
        """All of them are gone."""
        processes = [lane.process for lane in self._lanes if lane.process is not None]
        for process in processes:
            process.hang_up()
        for process in processes:
            process.close()

    def _going(self) -> list[tuple[RunLane, ChildProcess]]:
        return [(lane, lane.process) for lane in self._lanes if lane.end is None and lane.process is not None]
