"""What a shell hands on to the programs that it starts, made the same for every test session and layer."""

import os
import signal
from collections.abc import MutableMapping

OURS = ("DUEL_", "STREAMLIT_", "KERAS_", "LC_", "CLICOLOR")
NAMED = (
    "PORT",
    "COLUMNS",
    "LINES",
    "LANGUAGE",
    "NO_COLOR",
    "FORCE_COLOR",
    "PY_COLORS",
    "PYTHONIOENCODING",
    "MAKEFLAGS",
    "MAKELEVEL",
)
ONE_CORE = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""For a framework that chooses its threads itself: several run side by side, and beside other work two threads that
wait for each other take many times as long as one."""
SET = {"LC_ALL": "C.UTF-8", "TERM": "xterm", **ONE_CORE}


def make_the_same(environment: MutableMapping[str, str] = os.environ) -> None:
    """Forgets what would change a test: settings of ours, locale, terminal, umask, ignored signals.

    A script's background command inherits SIGINT ignored, `nohup` gives SIGHUP so, and what it starts keeps that.
    From here on they are ignored by a handler, so this process still goes on and its children can be interrupted.
    """
    for name in [name for name in environment if name in NAMED or name.startswith(OURS)]:
        del environment[name]
    environment.update(SET)
    os.umask(0o022)
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
