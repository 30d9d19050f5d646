"""The Dockerfile's own steps, followed one by one in a clean folder, since there may be no Docker.

`COPY` takes what .dockerignore lets through, RUN goes to a shell, and the image's folders (/app, /data, /tmp) are
folders of the test; whoever serves may not write to the first. What is not tested here: Docker itself and its base
image, uid 1000 (root's powers are dropped instead), and the installation: this project's .venv stands where it would,
with the stamp of a completed `TORCH=cpu`, so that the step finds its work done.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import brotli
import pytest

from core import install
from core.experiment.settings import TrainSettings
from core.storage.runs import Store
from core.web.server import merged
from core.web.server.copies import ASSETS, FOLDER, originals
from tests.processes.conftest import MARK, MARKED, PROJECT_DIR, wait_for

FOLDERS = ("app", "data", "tmp")
WITHOUT_POWERS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
"""A root that has to obey permissions, as uid 1000 has."""
START_LIMIT_S = 60.0


def instructions(text: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions in order: name and rest, comments dropped, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def ignored(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore leaves a path out: the last pattern that fits it or a folder around it decides."""
    names = path.split("/")
    parents = ["/".join(names[:count]) for count in range(1, len(names) + 1)]
    out = False
    for pattern in patterns:
        words = re.escape(pattern.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(words, parent) for parent in parents):
            out = not pattern.startswith("!")
    return out


def context() -> list[str]:
    """The files that `docker build` would be given, relative to the project."""
    lines = (PROJECT_DIR / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    found = []
    for folder, folders, files in os.walk(PROJECT_DIR):
        folders[:] = [name for name in folders if name not in (".git", ".venv")]
        relative = Path(folder).relative_to(PROJECT_DIR)
        found += [path for name in files if not ignored(path := (relative / name).as_posix(), patterns)]
    return sorted(found)


@dataclass
class Image:
    """What the instructions leave behind: a root folder, an environment, and what to run in it."""

    root: Path
    environment: dict[str, str]
    user: str = ""
    workdir: Path = Path()
    output: str = ""
    """Of all RUN steps."""
    commands: dict[str, list[str]] = field(default_factory=dict)
    """CMD and HEALTHCHECK, as argument lists."""

    def placed(self, text: str) -> str:
        """The image's absolute folders as this test's."""
        return re.sub(rf"(?<![\w./])/({'|'.join(FOLDERS)})(?![\w.])", rf"{self.root}/\1", text)

    def follow(self, name: str, rest: str) -> None:
        """Does one instruction. An unknown one is an error: then this test knows too little."""
        match name:
            case "FROM" | "EXPOSE":
                pass
            case "ENV":
                self._env(self.placed(rest))
            case "WORKDIR":
                self.workdir = Path(self.placed(rest))
                self.workdir.mkdir(exist_ok=True)
            case "COPY":
                self._copy(rest)
            case "RUN":
                assert not self.user, "a RUN after USER would need that user"
                self.output += self.run(["sh", "-euc", self.placed(rest)])
            case "USER":
                self.user = rest
            case "CMD":
                self.commands[name] = json.loads(rest)
            case "HEALTHCHECK":
                self.commands[name] = json.loads(rest[rest.index("CMD ") + 4 :])
            case _:
                raise AssertionError(f"this test does not know {name}")

    def _env(self, rest: str) -> None:
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            self.environment[name] = re.sub(r"\$(\w+)", lambda m: self.environment.get(m[1], ""), value)

    def _copy(self, rest: str) -> None:
        *sources, target = rest.split()
        for path in context():
            for source in sources:
                if source == "." or path == source:
                    place = self.workdir / target / (path if source == "." else Path(path).name)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(PROJECT_DIR / path, place)

    def command(self, arguments: list[str]) -> list[str]:
        """Arguments as the image's user would run them."""
        drop = WITHOUT_POWERS if self.user and os.geteuid() == 0 else ()
        return [*drop, *arguments]

    def run(self, arguments: list[str], timeout_s: float = 120, **changed: str) -> str:
        """Runs to the end in the image, and returns its output. Raises where it fails."""
        done = subprocess.run(
            self.command(arguments),
            cwd=self.workdir,
            env=self.environment | changed,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def contents(self) -> dict[str, tuple[int, int]]:
        """Size and time of every file of /app, the installed packages left out."""
        found = {}
        for folder, folders, files in os.walk(self.root / "app"):
            folders[:] = [name for name in folders if name != ".venv"]
            for name in files:
                stat = os.stat(path := os.path.join(folder, name))
                found[path] = (stat.st_size, stat.st_mtime_ns)
        return found


def put_venv(app: Path) -> None:
    """This project's packages where the installation would put them, with the stamp that it would leave.

    Their compressed copies are brought along where they were made, as half a minute of both cores would be.
    """
    venv, ours = app / ".venv", Path(sys.prefix)
    venv.mkdir(parents=True)
    for name in ("bin", "lib"):
        (venv / name).symlink_to(ours / name)
    shutil.copy(ours / "pyvenv.cfg", venv)
    if (ours / FOLDER.name).is_dir():
        shutil.copytree(ours / FOLDER.name, venv / FOLDER.name)
    for name in ("requirements.txt", "constraints.txt"):
        shutil.copy(PROJECT_DIR / name, app)
    install.stamp_path(app).write_text(install.stamp_text(app, install.Request("cpu")))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, built."""
    root = tmp_path_factory.mktemp("image")
    (root / "tmp").mkdir()
    put_venv(root / "app")
    # Nothing of this machine's environment but what a base image has; an installation would fail and not download.
    built = Image(root, {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", MARK: MARKED})
    for name, rest in instructions((PROJECT_DIR / "Dockerfile").read_text()):
        built.follow(name, rest)
    folders = [root / "app", *(path for path in (root / "app").rglob("*") if path.is_dir() and not path.is_symlink())]
    for path in folders:
        path.chmod(0o555)
    yield built
    for path in folders:
        path.chmod(0o755)


def test_sources_come_after_the_installation_and_the_user_last() -> None:
    steps = instructions((PROJECT_DIR / "Dockerfile").read_text())
    names = [name for name, _ in steps]
    assert steps[0] == ("FROM", "python:3.11-slim")
    assert steps.index(("RUN", "TORCH=cpu python -m core.install")) < steps.index(("COPY", ". ."))
    assert max(place for place, name in enumerate(names) if name == "RUN") < names.index("USER")
    assert dict(steps)["USER"] == "1000:1000"
    assert names.count("HEALTHCHECK") == names.count("CMD") == 1


def test_the_image_gets_what_runs_and_nothing_else() -> None:
    files = context()
    assert {"app.py", "pages/train.py", "core/web/components/digit_pad/digit_pad.js", ".streamlit/config.toml"} <= set(
        files
    )
    assert any(path.startswith("core/storage/recorded/") for path in files)
    tops = {path.split("/")[0] for path in files}
    assert tops == {".streamlit", "LICENSE", "app.py", "constraints.txt", "core", "pages", "requirements.txt"}
    assert not [path for path in files if "__pycache__" in path or "secret" in path]


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("core/web/server/routes.py", False),
        ("core/web/__pycache__/routes.cpython-311.pyc", True),
        ("tests/conftest.py", True),
        (".streamlit/secrets.toml", True),
        (".streamlit/config.toml", False),
        ("data/duel.sqlite", True),
    ],
)
def test_patterns_are_read_as_docker_reads_them(path: str, out: bool) -> None:
    patterns = (PROJECT_DIR / ".dockerignore").read_text().splitlines()[1:]
    assert ignored(path, patterns) is out


def test_the_environment_is_the_hosted_demo_s(image: Image) -> None:
    values = image.environment
    assert values["DUEL_PROFILE"] == "hosted"
    assert values["STREAMLIT_SERVER_ADDRESS"] == "0.0.0.0"
    assert values["PORT"] == "7860"
    assert values["DUEL_DATA_DIR"] == str(image.root / "data")
    assert {values[name] for name in ("HOME", "TMPDIR")} == {str(image.root / "tmp")}
    assert "Installing" not in image.output, "the stamp stands for the installation"


def compressed_addresses() -> list[str]:
    """Streamlit's scripts as one, Plotly, and what the image's own step compressed since it was copied later."""
    return [merged.PLACE + merged.merged_name(), *(f"assets/{name}" for name in ASSETS)]


def healthy(image: Image, port: str) -> bool:
    with contextlib.suppress(AssertionError):
        image.run(image.commands["HEALTHCHECK"], PORT=port)
        return True
    return False


def test_it_serves_is_healthy_trains_and_writes_to_its_data_and_temp_folders_alone(image: Image) -> None:
    before = image.contents()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    assert not healthy(image, port)
    log = image.root / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            image.command(image.commands["CMD"]),
            cwd=image.workdir,
            env=image.environment | {"PORT": port, "STREAMLIT_SERVER_ADDRESS": "127.0.0.1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:

        def answers() -> bool:
            assert server.poll() is None, log.read_text()
            return healthy(image, port)

        wait_for("the health check succeeds", answers, START_LIMIT_S)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
            assert b"<html" in page.read().lower()
            assert "visitor=" in page.headers["Set-Cookie"], "hosted: visitors are told apart"
        for address in compressed_addresses():
            asked = urllib.request.Request(f"http://127.0.0.1:{port}/{address}", headers={"Accept-Encoding": "br"})
            with urllib.request.urlopen(asked, timeout=10) as answer:
                assert answer.headers["Content-Encoding"] == "br", address
                assert brotli.decompress(answer.read()) == originals()[address].read_bytes()
        server.send_signal(signal.SIGTERM)  # as `docker stop` does, and it waits for ten seconds
        server.wait(timeout=10)
    finally:
        server.kill()
    assert "Traceback" not in log.read_text()
    train = ["python", "-m", "core", "train", "--epochs", "1", "--batch-size", "500", "--json"]
    lines = [json.loads(line) for line in image.run(train, timeout_s=240).splitlines()]
    assert lines
    (run,) = [run for run in Store(image.root / "data").runs() if run.source == "here"]
    assert run.state == "finished"
    assert {lane.engine for lane in run.lanes} == set(TrainSettings().engines)
    assert image.contents() == before
    assert {path.name for path in image.root.iterdir()} == {*FOLDERS, log.name}
