"""Finds the nginx that the hosting tests run, gets one where none is, and runs it.

`python -m tests.browser.nginx` prints its path; `make test` does so before pytest. Debian's package is unpacked into
.venv and not installed: installing it would start a server on port 80. Where no nginx is to be had, this fails with a
sentence: a hosting test is never skipped in silence.
"""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.browser.chromium import Machine, as_root

UNPACKED = Path(__file__).resolve().parents[2] / ".venv" / "nginx"
NAMES = ("nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx")
"""An ordinary user's PATH often lacks sbin."""


class NoNginxError(Exception):
    """Says in words why there is no nginx for the tests."""


def find_nginx(machine: Machine | None = None, unpacked: Path = UNPACKED) -> Path:
    """nginx's path: `NGINX`, the PATH, what was unpacked before, apt-get. Raises `NoNginxError`."""
    machine = machine or Machine()
    if named := machine.environment.get("NGINX"):
        found = machine.which(named)
        if found is None:
            raise NoNginxError(f"NGINX names {named!r}, which is no program.")
        return Path(found)
    for name in NAMES:
        if found := machine.which(name):
            return Path(found)
    return _runs(machine, unpacked) or _from_apt(machine, unpacked) or _give_up(machine)


def _runs(machine: Machine, unpacked: Path) -> Path | None:
    """The unpacked one, if it is there and finds its libraries."""
    found = machine.which(str(unpacked / "usr/sbin/nginx"))
    return Path(found) if found and machine.run([found, "-v"]) else None


def _from_apt(machine: Machine, unpacked: Path) -> Path | None:
    if machine.which("apt-get") is None or machine.which("dpkg-deb") is None:
        return None
    root = as_root(machine)
    if root is not None:  # a download needs no root, the list of what there is does
        machine.run([*root, "apt-get", "update"])
    unpacked.mkdir(parents=True, exist_ok=True)
    machine.run(["env", "-C", str(unpacked), "apt-get", "download", "nginx"])
    for package in unpacked.glob("nginx_*.deb"):
        machine.run(["dpkg-deb", "--extract", str(package), str(unpacked)])
    return _runs(machine, unpacked)


def _give_up(machine: Machine) -> Path:
    tried = "apt-get could not bring one" if machine.which("apt-get") else "there is no apt-get to bring one"
    raise NoNginxError(
        f"The hosting tests need nginx: it is not on the PATH, and {tried}. "
        "Install nginx, or name it: NGINX=/path/to/it make test"
    )


class Nginx:
    """One nginx with the given server blocks; everything that it writes lies in `folder`."""

    def __init__(self, folder: Path, sites: str, ports: tuple[int, ...]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "error.log"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in kinds)
        # As root its workers would be another user, who may not enter the tests' folder.
        user = "user root;\n" if Machine().is_root else ""
        conf = folder / "nginx.conf"
        conf.write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr warn;\n"
            "events { worker_connections 256; }\n"
            f"http {{\n    access_log {folder}/access.log;\n{places}\n{sites}\n}}\n"
        )
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [find_nginx(), "-e", "stderr", "-p", folder, "-c", conf], stdout=output, stderr=subprocess.STDOUT
            )
        for port in ports:
            self._wait(port)

    def _wait(self, port: int) -> None:
        for _ in range(200):
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.05)
        raise AssertionError(f"nginx does not listen on {port}: {self.log.read_text()}")

    def stop(self) -> None:
        """Ends it and its worker."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


if __name__ == "__main__":
    try:
        print(find_nginx())
    except NoNginxError as error:
        sys.exit(str(error))
