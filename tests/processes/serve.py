"""The dashboard as `python -m core.serve` serves it, whose pages also offer the engines without a framework.

A link then starts a run of them as a visitor would, `/?engines=fake-slow,fake-a`. `python -m tests.processes.serve
'{"engines": ...}' ...` submits each of these settings itself once the Launcher is open; the first one trains, the
others wait. The process is on a network that swallows what it sends out: whoever reaches out from it waits, fails,
and is noted in the log.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.server import ADDRESS, ROOT, Server, free_port
from core.experiment import engine_names, settings
from core.storage.runs import Store

OURS = tuple(f"{ROOT / room}{os.sep}" for room in ("core", "pages"))
PASSED = tuple(str((ROOT / "core" / name).resolve(strict=True)) for name in ("serve.py", "web/server/visitor.py"))
"""Every request goes through these, so they stand in a traceback of Streamlit's own, too."""
FRAME = re.compile(r'File "([^"]+)", line')
OUTSIDE = "reached out: "
NOWHERE_S = 1.0
"""How long a look-up or a connection hangs where outbound traffic is dropped: Streamlit's own limit for one."""
LOOPBACK = ("127.0.0.1", "localhost", "::1", "0.0.0.0", None, "")
CALLS = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0, "socket.connect": 1, "socket.sendto": 1}
"""What a process does with the network, and which argument says with whom."""
OFFERED = ("fake-a", "fake-b", "fake-slow", "fake-nan")
OPEN_WITHIN_S = 60.0


class FakeDashboard(Server):
    """Such a server on the data folder `folder / "data"`, with what its log says."""

    def __init__(self, folder: Path, prepared_data_dir: Path, **environment: str) -> None:
        self.store = Store(folder / "data")
        self.store.data_dir.mkdir()
        (self.store.data_dir / "datasets").symlink_to(prepared_data_dir / "datasets")
        self.log_path = folder / "server.log"
        own = {"DUEL_DATA_DIR": str(self.store.data_dir), "DUEL_SPARES": "false", "DUEL_FAKE_ENGINES": "1"}
        own["STREAMLIT_LOGGER_ENABLE_RICH"] = "false"  # tracebacks as Python writes them
        command = [sys.executable, "-m", "tests.processes.serve"]
        super().__init__(command, folder, ROOT, free_port(), {**own, **environment})

    def newest(self) -> str:
        """The id of the run that was started last."""
        return self.store.runs(limit=1)[0].id

    def calls(self) -> list[str]:
        """Whom the server tried to reach outside this machine."""
        lines = self.log_path.read_text(errors="replace").splitlines()
        return [line.removeprefix(OUTSIDE) for line in lines if line.startswith(OUTSIDE)]

    def tracebacks(self) -> list[str]:
        """The tracebacks in the log that are ours: of all frames in our code or Streamlit's the last one is."""
        found = []
        for text in self.log_path.read_text(errors="replace").split("Traceback (most recent call last)")[1:]:
            frames = [path for path in FRAME.findall(text) if path.startswith(OURS) or "streamlit" in path]
            last = frames[-1] if frames else ""
            if last.startswith(OURS) and (last not in PASSED or FRAME.findall(text)[-1] == last):
                found.append(text[:3000])
        return found


@contextmanager
def fake_dashboard(folder: Path, prepared_data_dir: Path, **environment: str) -> Iterator[FakeDashboard]:
    """The server, from when it answers until the block ends; it must not have reached out."""
    server = FakeDashboard(folder, prepared_data_dir, **environment)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        server.close()
    assert server.calls() == []


def drop_what_goes_out(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: nothing comes back from outside this machine."""
    if event not in CALLS:
        return
    place = arguments[CALLS[event]]
    host = place[0] if isinstance(place, tuple) else place
    if event.startswith("socket.get") or isinstance(place, tuple):  # others are sockets of this machine's own
        host = host.decode() if isinstance(host, bytes) else host
        if host not in LOOPBACK:
            print(f"{OUTSIDE}{event} {host}", file=sys.stderr, flush=True)
            time.sleep(NOWHERE_S)
            raise OSError(f"nothing comes back from {host}")


def submit(orders: list[str]) -> None:
    """Submits settings in JSON once the server's lifespan has opened its Launcher."""
    from core.launcher.launcher import LauncherUnavailable  # whose imports copy the engines' names
    from core.web.server.installation import installation

    end = time.monotonic() + OPEN_WITHIN_S
    for order in orders:
        while True:
            try:
                installation().launcher.submit(settings.TrainSettings.parse(json.loads(order)))
                break
            except LauncherUnavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)


if __name__ == "__main__":
    engine_names.ENGINE_NAMES = (*engine_names.ENGINE_NAMES, *OFFERED)
    from core import serve
    from core.results import listings

    threading.Thread(target=submit, args=(sys.argv[1:],), daemon=True).start()
    sys.addaudithook(drop_what_goes_out)
    for engine in OFFERED:
        del listings.FILENAMES[engine]  # there is no script of an engine without a framework

    sys.exit(serve.main({**os.environ, "STREAMLIT_SERVER_ADDRESS": ADDRESS}))
