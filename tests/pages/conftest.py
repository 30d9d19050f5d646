"""What the page tests share: a Launcher as the lifespan would open it, runs that have ended, and the page as read."""

import json
import re
import shutil
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from core.deployment.limits import NO_LIMITS, Limits
from core.deployment.settings import DeploymentSettings
from core.experiment import busy_machine
from core.experiment.settings import NUMBERS, TrainSettings
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.protocol.process import ChildProcess
from core.storage.database import FILE
from core.storage.measurements import Measurements
from core.storage.records import Run
from core.storage.runs import Store
from core.storage.studies import Studies
from core.web.server.installation import Installation, serve_with

ROOT = Path(__file__).resolve().parents[2]
SHORT = {"epochs": "3", "batch_size": "600"}
"""A run of six steps an epoch."""


class StandInLauncher(Launcher):
    """Its Keras and PyTorch lanes are trained by the engine without a framework, which no page offers."""

    def __init__(self, folder: Path, limits: Limits = NO_LIMITS, **stand_ins: str) -> None:
        self.stand_ins = {"keras": "fake-a", "torch": "fake-b", **stand_ins}
        deployment = DeploymentSettings(data_dir=folder, fake_engines=True, spares=False)
        super().__init__(deployment, "the dashboard", limits)

    def _take_worker(self, engine: str, folder: Path) -> ChildProcess:
        return super()._take_worker(self.stand_ins[engine], folder)


def serve(launcher: Launcher) -> None:
    """What the lifespan would have set."""
    serve_with(Installation(launcher.deployment, launcher.limits, launcher))


def wait_for(what: str, condition: Callable[[], object], within_s: float = 30) -> None:
    """Waits until `condition` holds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.02)


def new_folder(folder: Path, prepared: Path) -> Path:
    """A data folder with mnist5k ready."""
    folder.mkdir()
    (folder / "datasets").symlink_to(prepared / "datasets")
    return folder


@dataclass(frozen=True)
class ShownTable:
    """A table as a reader sees it: what heads its first column, the others' names, and each line by its name."""

    corner: str
    columns: list[str]
    rows: dict[str, list[str]]


@dataclass
class Ended:
    """A run that has ended, and the data folder that holds it alone."""

    folder: Path
    run: Run


MakeRun = Callable[..., Ended]


@pytest.fixture(scope="session")
def make_run(prepared_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """Trains a run to its end, once a session for the same words."""
    made: dict[str, Ended] = {}

    def make(stop_after: int = 0, stand_ins: Mapping[str, str] = {}, **settings: object) -> Ended:
        name = repr((stop_after, sorted(stand_ins.items()), sorted(settings.items())))
        if name not in made:
            folder = new_folder(tmp_path_factory.mktemp("ended") / "data", prepared_data_dir)
            launcher = StandInLauncher(folder, **stand_ins)
            try:
                run_id = launcher.submit(TrainSettings.parse({**SHORT, **settings}))
                if stop_after:
                    wait_for("the last epoch to keep", lambda: epochs_of(launcher.store, run_id) >= stop_after)
                    launcher.stop(run_id)
                wait_for("the run's end", lambda: not launcher.active())
                made[name] = Ended(folder, launcher.store.run(run_id))
            finally:
                launcher.close()
        return made[name]

    return make


def epochs_of(store: Store, run_id: str) -> int:
    """Epochs that every lane of a run has shown."""
    done = [row.engine for row in store.rows(run_id) if row.kind == "epoch"]
    return min(done.count(lane.engine) for lane in store.run(run_id).lanes)


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No recorded runs but the test's own, no Launcher of an earlier test, and no worker left at the end."""
    monkeypatch.setattr(busy_machine, "FREE_SHARE", 0.0)  # whatever else this machine does, no run is busy
    for reader in (Store, Measurements, Studies):
        monkeypatch.setattr(reader.__init__, "__defaults__", (tmp_path / "recorded",))
    yield
    serve_with(None)
    workers = [p for p in psutil.Process().children(recursive=True) if "core.worker" in " ".join(p.cmdline())]
    assert not workers


@pytest.fixture
def data_dir(tmp_path: Path, prepared_data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of the page, which has no Launcher yet."""
    folder = new_folder(tmp_path / "data", prepared_data_dir)
    monkeypatch.setenv("DUEL_DATA_DIR", str(folder))
    serve_with(Installation(DeploymentSettings(data_dir=folder), NO_LIMITS, LauncherUnavailable("None was opened.")))
    return folder


@pytest.fixture
def launcher(data_dir: Path) -> Iterator[StandInLauncher]:
    """The Launcher that the lifespan would have opened."""
    opened = StandInLauncher(data_dir)
    serve(opened)
    yield opened
    opened.close()


@pytest.fixture
def shows(data_dir: Path) -> Callable[[Ended], None]:
    """Puts an ended run into the page's data folder; before the fixture `launcher`, or without it."""

    def put(ended: Ended) -> None:
        shutil.copyfile(ended.folder / FILE, data_dir / FILE)

    return put


def read(text: str) -> str:
    """Markdown as a reader sees it: no colour, no emphasis, no icons, no escapes, plain spaces."""
    text = re.sub(r"(?<!\\):(\w+(?:-badge)?)\[((?:\\.|[^\]\\])*)\]", r"\2", text)
    text = re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", text.replace("**", ""))
    text = re.sub(r":material/\w+: ?", "", text)
    return text.replace("\u2060", "").replace("\u00a0", " ")


def typed(settings: TrainSettings) -> dict[str, Any]:
    """What the fields of these settings hold."""
    return {name: f"{value:g}" if name in NUMBERS else value for name, value in settings.as_json().items()}


def tables_of(part: Any) -> list[ShownTable]:
    """Every table of a page, or of a block of one."""
    return [_shown_table(found) for found in html_of(part, "figures-table")]


def codes_of(part: Any) -> list[str]:
    """Every block of code, and of what was printed, likewise."""
    blocks = [block for found in html_of(part, "code-row") for block in found.iter("code")]
    return ["".join(block.itertext()) for block in blocks]


def html_of(part: Any, name: str) -> list[ET.Element]:
    """The HTML of a page, or of a block of one, that has this class."""
    bodies = [element.proto.body for element in part.get("html")]
    return [ET.fromstring(f"<div>{body}</div>") for body in bodies if f'class="{name}' in body]


def _shown_table(part: ET.Element) -> ShownTable:
    lines = [["".join(cell.itertext()) for cell in line] for line in part.iter("tr")]
    (corner, *columns), *rows = lines
    return ShownTable(corner, columns, {head: cells for head, *cells in rows})


class TrainPage:
    """The Train page, as a reader and a hand meet it."""

    def __init__(self, **link: str | list[str]) -> None:
        self.app = AppTest.from_file(str(ROOT / "core" / "web" / "navigation.py"), default_timeout=30)
        for name, value in link.items():
            self.app.query_params[name] = value
        self.run()

    def run(self) -> "TrainPage":
        """One run of the script, which must not fail."""
        self.app.run()
        assert not self.app.exception, self.app.exception
        return self

    def press(self, label: str) -> "TrainPage":
        self.button(label).click()
        return self.run()

    def type(self, name: str, value: object) -> "TrainPage":
        self.app.text_input(key=name).set_value(str(value))
        return self.run()

    def button(self, label: str) -> Any:
        (found,) = [button for button in self.app.button if button.label == label]
        return found

    @property
    def buttons(self) -> list[str]:
        return [button.label for button in self.app.button]

    @property
    def fields(self) -> dict[str, Any]:
        """What every setting's field holds, by its name: a number's the text; others are what their editors show."""
        others = {name: self.app.session_state[name] for name in ("network", "keep")}
        return {widget.key: widget.value for widget in self.inputs if widget.key} | others

    @property
    def editor(self) -> dict[str, Any]:
        """What the network editor is given."""
        (given,) = self.components("network_editor")
        return given

    @property
    def inputs(self) -> list[Any]:
        """Every field."""
        return [*self.app.text_input, *self.app.radio, *self.app.selectbox, *self.app.multiselect]

    @property
    def link(self) -> dict[str, str]:
        """The URL's parameters."""
        return {name: value[0] if isinstance(value, list) else value for name, value in self.app.query_params.items()}

    @property
    def texts(self) -> list[str]:
        """Sentences of the page in their order, captions included, then those of the lanes' cards."""
        found = [read(element.value) for element in self.app.main if element.type in ("markdown", "caption")]
        return found + [text for card in self.cards for text in card]

    @property
    def problems(self) -> list[str]:
        """The sentences under the fields."""
        return [read(element.value) for element in self.app.markdown if element.value.startswith(":red[")]

    @property
    def errors(self) -> list[str]:
        return [read(element.value) for element in self.app.error]

    @property
    def headers(self) -> list[str]:
        return [element.value for element in self.app.header]

    @property
    def metrics(self) -> list[tuple[str, str]]:
        """Each lane's figure, behind what it is."""
        return [(label, value) for _, label, value, _ in self.cards]

    @property
    def cards(self) -> list[list[str]]:
        """The lines of each lane's card."""
        lanes = [card for found in html_of(self.app, "lane-cards") for card in found[0]]
        return [[read("".join(line.itertext())) for line in card] for card in lanes]

    @property
    def progress(self) -> str:
        """The sentence of the progress bar."""
        (bar,) = self.app.get("progress")
        return read(bar.proto.text)

    def components(self, name: str) -> list[dict[str, Any]]:
        """What each of our components of this name is given."""
        found = [part.proto for part in self.app.get("bidi_component")]
        return [dict(json.loads(part.json)) for part in found if part.component_name == name]

    @property
    def figures(self) -> list[dict[str, Any]]:
        """What each figure that stands still is given."""
        return self.components("figure")

    @property
    def tables(self) -> list[ShownTable]:
        """Every table, folded ones included."""
        return tables_of(self.app)

    @property
    def codes(self) -> list[str]:
        """Every block of code and of what was printed."""
        return codes_of(self.app)

    def says(self, part: str) -> bool:
        return any(part in text for text in self.texts)

    @property
    def startable(self) -> bool:
        return not self.button("Start").disabled
