"""`python -m core ...`: see `core.cli.app`."""

import signal
import sys
from types import FrameType

from core.cli.streams import OutputGone, replace_streams


def end_as_ctrl_c(number: int, frame: FrameType | None) -> None:
    """A closing terminal sends its signal more than once: a second Ctrl-C leaves at once, a second of these is none."""
    signal.signal(number, signal.SIG_IGN)
    signal.default_int_handler(number, frame)


for number in (signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_DFL:  # `nohup` ignores one, and that holds
        signal.signal(number, end_as_ctrl_c)

replace_streams()
try:
    from core.cli.app import app

    app(prog_name="python -m core")
except KeyboardInterrupt:  # while all this is still being imported
    sys.exit(130)
except OutputGone as gone:
    sys.exit(gone.end())
