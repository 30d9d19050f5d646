"""Finds the Firefox that its tests drive, gets one where none is, and drives it.

`python -m tests.browser.firefox` prints its path; `make test` does so before pytest. Where there is no Firefox to be
had, this fails with a sentence: a Firefox test is never skipped in silence.

Firefox speaks WebDriver BiDi by itself: JSON over a WebSocket. Why none of the packages that speak it does it here is
in `docs/dependencies.md`.
"""

import base64
import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import connect

from tests.browser.chromium import Machine, NoBrowserError, Wanted

FIREFOX = Wanted("FIREFOX", ("firefox-esr", "firefox"), "firefox-esr")
PATIENCE_S = 60.0
"""How long a start or a command may take on a busy machine before it counts as never."""
BLANK = "about:blank"
BOX_IN_VIEW = """async (selector) => {
    const box = () => {
        const element = document.querySelector(selector);
        element?.scrollIntoView({ block: "center", behavior: "instant" });
        const { x, y, width, height } = element?.getBoundingClientRect() ?? {};
        return JSON.stringify({ x, y, width, height });
    };
    let before, now = box();
    do {
        await new Promise(requestAnimationFrame);
        [before, now] = [now, box()];
    } while (now !== before || now === "{}");
    return JSON.parse(now);
}"""


def find_firefox(machine: Machine | None = None) -> Path:
    """Firefox' path: `FIREFOX`, the PATH, apt-get. Raises `NoBrowserError`."""
    machine = machine or Machine()
    return FIREFOX.find(machine) or _give_up(machine)


def _give_up(machine: Machine) -> Path:
    tried = "apt-get could not bring one" if machine.which("apt-get") else "there is no apt-get to bring one"
    raise NoBrowserError(
        f"The browser tests need Firefox: none of {', '.join(FIREFOX.names)} is on the PATH, and {tried}. "
        "Install Firefox, or name it: FIREFOX=/path/to/it make test"
    )


class Firefox:
    """A new headless Firefox with one tab; everything that it writes lies in `folder`.

    `troubles` holds what went wrong on its pages: errors of scripts and in the console, what the content policy
    refused among them, answers that are errors, and requests to other hosts.
    """

    def __init__(self, folder: Path, width: int = 1280, height: int = 900) -> None:
        self.troubles: list[str] = []
        self.log = folder / "firefox.log"
        profile = folder / "profile"
        profile.mkdir(parents=True)
        command = [find_firefox(), "--headless", "--remote-debugging-port=0", "--profile", profile]
        self._numbers, self._host = itertools.count(1), ""
        home = {**os.environ, "HOME": str(folder)}
        with contextlib.ExitStack() as ending:
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    command, env=home, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
            ending.callback(self._kill)
            address = f"{self._address()}/session"
            self._socket = ending.enter_context(connect(address, max_size=None, max_queue=None, proxy=None))
            self._begin({"width": width, "height": height})
            self._ending = ending.pop_all()

    def _address(self) -> str:
        """Where it listens, as it says itself."""
        limit = time.monotonic() + PATIENCE_S
        while time.monotonic() < limit:
            if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", self.log.read_text(errors="replace")):
                return found[1]
            assert self.process.poll() is None, f"Firefox did not start: {self.log.read_text(errors='replace')}"
            time.sleep(0.05)
        raise AssertionError(f"Firefox does not listen: {self.log.read_text(errors='replace')}")

    def _begin(self, viewport: dict[str, int]) -> None:
        self.call("session.new", capabilities={})
        self._tab = self.call("browsingContext.getTree")["contexts"][0]["context"]
        self.call("browsingContext.setViewport", context=self._tab, viewport=viewport)
        heard = ["log.entryAdded", "network.beforeRequestSent", "network.responseCompleted"]
        self.call("session.subscribe", events=heard)

    def call(self, method: str, **params: object) -> Any:
        """What a command of WebDriver BiDi results in; events that came before are looked through for troubles."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if message.get("id") == number:
                assert message["type"] == "success", f"{method}: {message['message']}"
                return message["result"]
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, event: str, told: dict[str, Any]) -> None:
        if event == "log.entryAdded" and told["level"] == "error":
            self.troubles.append(f"console: {told['text']}")
        elif event == "network.responseCompleted" and told["response"]["status"] >= 400:
            self.troubles.append(f"{told['response']['status']}: {told['request']['url']}")
        elif event == "network.beforeRequestSent":
            address = urlsplit(told["request"]["url"])
            if address.scheme in ("http", "https", "ws", "wss") and address.netloc != self._host:
                self.troubles.append(f"asks another host: {told['request']['url']}")

    def open(self, url: str) -> None:
        """The page at a URL, once it and all that it names are loaded; nothing more comes of the one before."""
        self.call("browsingContext.navigate", context=self._tab, url=BLANK, wait="complete")
        self._host = urlsplit(url).netloc
        self.call("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def evaluate(self, function: str, *values: object) -> Any:
        """What a JavaScript function gives for these values; values and result cross as JSON."""
        declaration = f"async () => JSON.stringify((await ({function})(...{json.dumps(values)})) ?? null)"
        target = {"context": self._tab}
        answer = self.call("script.callFunction", functionDeclaration=declaration, awaitPromise=True, target=target)
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    def text(self, selector: str) -> str:
        """What can be read in the elements that a selector finds, a line for each; empty where there are none."""
        script = "(selector) => [...document.querySelectorAll(selector)].map((each) => each.innerText).join('\\n')"
        return str(self.evaluate(script, selector))

    def box(self, selector: str) -> dict[str, float]:
        """Where in the viewport an element stands, once it is there, scrolled to and still: x, y, width and height."""
        return dict(self.evaluate(BOX_IN_VIEW, selector))

    def click(self, selector: str) -> None:
        """A click in the middle of an element."""
        box = self.box(selector)
        self.drag([(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)])

    def drag(self, path: list[tuple[float, float]]) -> None:
        """The mouse goes to the first point, and with its button down to the last; points in the viewport's pixels."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 20} for x, y in path]
        press, lift = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        mouse = {"type": "pointer", "id": "mouse", "actions": [moves[0], press, *moves[1:], lift]}
        self.call("input.performActions", context=self._tab, actions=[mouse])

    def photograph(self, target: Path) -> None:
        """What is in the viewport, as a PNG."""
        target.write_bytes(base64.b64decode(self.call("browsingContext.captureScreenshot", context=self._tab)["data"]))

    def stop(self) -> None:
        """Ends it and every process of it."""
        with self._ending:
            self.call("browser.close")
            self.process.wait(timeout=PATIENCE_S)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)


if __name__ == "__main__":
    try:
        print(find_firefox())
    except NoBrowserError as error:
        sys.exit(str(error))
