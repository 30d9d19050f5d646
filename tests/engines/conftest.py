"""One process per engine, started at its first question and kept for the session: importing a framework is slow."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Asked:
    """An engine's process under questions; see tests/engines/contract_probe.py. An answer is kept for who asks next."""

    def __init__(self, engine: str, data_dir: Path, out_dir: Path, environment: Mapping[str, str]) -> None:
        self.name = engine
        self.log = out_dir / f"{engine}.log"
        command = [sys.executable, "-m", "tests.engines.contract_probe", engine, str(data_dir), str(out_dir)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Whatever the user's shell says, an engine has its own backend.
                env={**os.environ, "KERAS_BACKEND": "no-such-backend", **environment},
            )
        self.answers: dict[str, Any] = {}

    def ask(self, question: str, **arguments: Any) -> Any:
        """The answer; fails the test with the process' own words where it has none."""
        asked = json.dumps({"question": question, "arguments": arguments})
        if asked not in self.answers:
            stdin, stdout = cast(IO[str], self.process.stdin), cast(IO[str], self.process.stdout)
            line = ""
            if self.process.poll() is None:
                stdin.write(asked + "\n")
                stdin.flush()
                line = stdout.readline()
            self.answers[asked] = json.loads(line) if line else {"fault": self.log.read_text(errors="replace")[-3000:]}
        answered = self.answers[asked]
        assert "fault" not in answered, f"{question} {arguments}:\n{answered['fault']}"
        return answered["answer"]

    def end(self) -> None:
        """Closes its stdin, at which it ends."""
        cast(IO[str], self.process.stdin).close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        cast(IO[str], self.process.stdout).close()


class Processes(dict[str, Asked]):
    """Engine name to its process, started when it is first wanted."""

    def __init__(self, data_dir: Path, out_dir: Path, environment: Mapping[str, str]) -> None:
        super().__init__()
        self.data_dir, self.out_dir, self.environment = data_dir, out_dir, environment

    def __missing__(self, engine: str) -> Asked:
        folder = self.out_dir / engine
        folder.mkdir()
        self[engine] = Asked(engine, self.data_dir, folder, self.environment)
        return self[engine]


@contextlib.contextmanager
def opened(data_dir: Path, out_dir: Path, **environment: str) -> Iterator[Processes]:
    """Processes that are ended with the block; `environment` is theirs alone."""
    started = Processes(data_dir, out_dir, environment)
    try:
        yield started
    finally:
        for asked in started.values():
            asked.end()


@pytest.fixture(scope="session")
def processes(prepared_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """`processes["keras"].ask("training", epochs=2)`."""
    with opened(prepared_data_dir, tmp_path_factory.mktemp("engines")) as started:
        yield started
