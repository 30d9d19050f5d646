"""A test session is the same whatever shell it was started from."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell import make_the_same

ROOT = Path(__file__).resolve().parents[2]
TOLD = """
import locale, os, shutil, signal, subprocess, sys
from tests.shell import make_the_same
make_the_same()
child = "import os, signal; print([signal.getsignal(n) == signal.SIG_IGN for n in (signal.SIGINT, signal.SIGHUP)])"
print(sorted(os.environ), os.umask(0), shutil.get_terminal_size(), "\u00d7", flush=True)
sys.exit(subprocess.run([sys.executable, "-c", child]).returncode)
"""


def told(umask: int, disposition: signal.Handlers, **environment: str) -> str:
    """What a session started by such a shell finds, and what a program finds that it starts."""
    before = {number: signal.signal(number, disposition) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", TOLD],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": "/", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            umask=umask,
            check=True,
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return done.stdout.decode()


def test_locale_terminal_umask_settings_and_ignored_signals_make_no_difference() -> None:
    plain = told(0o022, signal.SIG_DFL)
    assert plain.endswith("[False, False]\n")
    other = {"LC_ALL": "C", "LANG": "C", "TERM": "dumb", "COLUMNS": "17", "LINES": "3", "NO_COLOR": "1", "PORT": "1"}
    strange = told(0o077, signal.SIG_IGN, **other, DUEL_PROFILE="hosted", STREAMLIT_SERVER_PORT="1", MAKEFLAGS="k")
    assert strange.replace("'LANG', ", "") == plain


def test_an_ignored_signal_still_ends_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        make_the_same({})
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_this_session_is_such_a_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {"DUEL_DATA_DIR", "DUEL_PROFILE", "PORT", "COLUMNS", "NO_COLOR"} & set(os.environ)
    assert os.environ["LC_ALL"] == "C.UTF-8"
