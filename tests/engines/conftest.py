"""One process per engine, started at its first question and kept for the session: importing a framework is slow."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.protocol.listener import Listener
from core.protocol.messages import Call, PartEvent, Returned
from core.protocol.process import ChildProcess

ANSWER_S = 600.0


class Asked:
    """An engine's process under questions; see tests/engines/contract_probe.py. An answer is kept for who asks next."""

    def __init__(self, engine: str, data_dir: Path, out_dir: Path, environment: Mapping[str, str]) -> None:
        self.name = engine
        self.log = out_dir / f"{engine}.log"
        # Whatever the user's shell says, an engine has its own backend.
        environment = {"KERAS_BACKEND": "no-such-backend", **environment}
        program = "tests.engines.contract_probe"
        self.process = ChildProcess(program, engine, str(data_dir), str(out_dir), log=self.log, environment=environment)
        self._listener: Listener[PartEvent] = Listener(PartEvent, self.process)
        self.answers: dict[str, Any] = {}

    def ask(self, question: str, **arguments: Any) -> Any:
        """The answer; fails the test with the process' own words where it has none."""
        asked = json.dumps({"question": question, "arguments": arguments})
        if asked not in self.answers:
            self.process.send(Call(question, arguments))
            heard = self._listener.next(ANSWER_S) if self.process.alive else None
            self.answers[asked] = heard.event if heard else self.process.ended_by()
        answered = self.answers[asked]
        assert isinstance(answered, Returned), (
            f"{question} {arguments}:\n{answered}\n{self.log.read_text(errors='replace')[-3000:]}"
        )
        return answered.value

    def end(self) -> None:
        """Closes its stdin, at which it ends."""
        self.process.close()


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
