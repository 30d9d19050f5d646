"""Spares with real workers: what a suspended one does to the others."""

import signal
from pathlib import Path

import pytest

from core.launcher import spares as spares_module
from core.launcher.spares import Spares
from tests.processes.conftest import wait_for, worker


def test_a_spare_suspended_while_it_imports_is_replaced_and_the_others_follow(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spares_module, "SPARE_ENGINES", ("fake-a", "fake-b"))
    monkeypatch.setattr("core.protocol.process.SILENT_S", 2.0)
    spares = Spares(data_dir)
    try:
        spares.keep(lambda: False)
        hung = worker("fake-a")
        hung.send_signal(signal.SIGSTOP)
        assert not spares.warm("fake-a"), "it is suspended before it is ready"

        def warm() -> bool:
            spares.keep(lambda: False)
            return spares.warm("fake-a") and spares.warm("fake-b")

        wait_for("both are ready", warm, within_s=60)
        assert not hung.is_running()
    finally:
        spares.close()
