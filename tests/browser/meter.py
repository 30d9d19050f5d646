"""A line to a server that counts what a browser gets over it: headers, frames and all, but for TCP's own."""

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlparse

from tests.browser.conftest import Server


class Meter:
    """An address of the server's own pages; `received` is how many bytes have come from there."""

    def __init__(self, server: Server) -> None:
        self.folder, self.received = server.folder, 0
        self._to = ("127.0.0.1", urlparse(server.url).port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _start(self, target: object, *args: object) -> None:
        threading.Thread(target=target, args=args, daemon=True).start()  # type: ignore[arg-type]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                self._open += [browser, server]
                self._start(self._pass_on, browser, server, False)
                self._start(self._pass_on, server, browser, True)

    def _pass_on(self, come: socket.socket, go: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while data := come.recv(65536):
                if counts:
                    self.received += len(data)
                go.sendall(data)
            go.shutdown(socket.SHUT_WR)
