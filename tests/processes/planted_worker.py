"""The worker, with the engine without a framework in place of both: `python -m tests.processes.planted_worker ENGINE`.

An aligned run takes `keras` and `torch` alone; with this one it needs neither framework. `DUEL_TEST_PLANT=torch`
plants one error in that lane: every training label is one too high.
"""

import os

from core.data.shape import DataShape
from core.worker import __main__ as worker
from core.worker.engines.base import Images, Labels
from core.worker.engines.fake import FakeEngine


class Planted(FakeEngine):
    """Right but for what is planted."""

    def feed(self, images: Images, labels: Labels, data: DataShape) -> None:
        wrong = self.name == os.environ.get("DUEL_TEST_PLANT")
        super().feed(images, ((labels + 1) % data.classes).astype("uint8") if wrong else labels, data)


if __name__ == "__main__":
    worker.engine_class = lambda engine: Planted
    worker.main()
