"""A child that says what no lane, predictor or probe says: `python -m tests.processes.misplaced NAME`."""

import time

from core.protocol import messages
from core.protocol.stdio import connect

if __name__ == "__main__":
    connect(lambda _: None).send(messages.Done())
    time.sleep(600)
