"""The Runs page without a browser: search, pages, ticks, one run by its link, names, pins, deleting, importing."""

import csv
import io
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from core.experiment.engine_names import NEEDS
from core.experiment.settings import TrainSettings
from core.results.export import as_csv, as_json
from core.results.report import as_html
from core.storage.database import State
from core.storage.rows import Entry, RunChanged
from core.storage.runs import Store
from core.web.run import damaged
from core.web.run import page as run_page
from core.web.runs import view as runs_view
from tests.own_images import written
from tests.pages.conftest import Ended, MakeRun, StandInLauncher, TrainPage, read, wait_for

RUNS, TRAIN = "../../pages/runs.py", "../../pages/train.py"


class RunsPage(TrainPage):
    """The Runs page."""

    def __init__(self, **link: str) -> None:
        super().__init__()
        self.app.switch_page(RUNS)
        for name, value in link.items():
            self.app.query_params[name] = value
        self.run()

    @property
    def titles(self) -> list[str]:
        return [read(element.value) for element in self.app.title]

    @property
    def links(self) -> list[tuple[str, str]]:
        """(label, query) of every link to a run."""
        found = [element.proto for element in self.app.get("page_link")]
        return [(read(one.label), one.query_string) for one in found if one.query_string.startswith("run=")]

    def tick(self, run_id: str) -> "RunsPage":
        self.app.checkbox(key=f"tick_{run_id}").set_value(not self.app.checkbox(key=f"tick_{run_id}").value)
        self.run()
        return self


@pytest.fixture
def ended(make_run: MakeRun, data_dir: Path, shows: Any) -> Ended:
    """The page's data folder holds one finished run with its files."""
    made = make_run()
    shows(made)
    shutil.copytree(made.folder / "runs", data_dir / "runs")
    return made


def more_runs(folder: Path, ended: Ended, count: int, **settings: object) -> list[str]:
    """Copies of a run under other ids, each with settings of its own."""
    made = []
    with sqlite3.connect(folder / "duel.sqlite3") as connection:
        for number in range(count):
            run_id = f"20250101-0000{number:02d}-00000001"
            changed = json.dumps({**ended.run.settings.as_json(), **settings})
            columns = "created_at, started_at, ended_at, state, reason, machine"
            query = f"INSERT INTO runs (id, settings, {columns}) SELECT ?, ?, {columns} FROM runs WHERE id = ?"
            connection.execute(query, (run_id, changed, ended.run.id))
            columns = "engine, position, state, reason, test_loss, test_accuracy"
            query = f"INSERT INTO lanes (run, {columns}) SELECT ?, {columns} FROM lanes WHERE run = ?"
            connection.execute(query, (run_id, ended.run.id))
            connection.execute(
                "INSERT INTO rows SELECT ?, seq, engine, kind, fields FROM rows WHERE run = ?", (run_id, ended.run.id)
            )
            made.append(run_id)
    connection.close()
    return made


def test_nothing_has_run_yet(launcher: StandInLauncher) -> None:
    assert RunsPage().says("Nothing has run here yet")


def test_a_run_stands_with_its_link_both_accuracies_and_its_state(ended: Ended, launcher: StandInLauncher) -> None:
    page = RunsPage()
    ((label, query),) = page.links
    assert query == f"run={ended.run.id}"
    assert "atch size 600" in label
    assert sum(text.strip().endswith("%") for text in page.texts) == 2
    assert page.says("finished")


def test_twenty_a_page_and_the_others_by_older(ended: Ended, data_dir: Path, launcher: StandInLauncher) -> None:
    more_runs(data_dir, ended, 24)
    page = RunsPage()
    assert len(page.links) == 20
    assert page.says("1 of 2")
    first = page.links
    page.press("Older")
    assert len(page.links) == 5
    assert not set(first) & set(page.links)
    assert page.button("Older").disabled
    page.press("Newer")
    assert page.links == first


def test_search_begins_at_the_first_page_and_filters_by_what_a_run_is(
    ended: Ended, data_dir: Path, launcher: StandInLauncher
) -> None:
    made = more_runs(data_dir, ended, 24, dataset="kmnist")
    page = RunsPage().press("Older")
    page.app.text_input(key="runs_text").set_value(made[3])
    page.run()
    assert [query for _, query in page.links] == [f"run={made[3]}"]
    page.app.text_input(key="runs_text").set_value("")
    page.app.selectbox(key="runs_dataset").set_value("mnist5k")
    page.run()
    assert [query for _, query in page.links] == [f"run={ended.run.id}"]
    page.app.selectbox(key="runs_state").set_value("failed")
    page.run()
    assert page.links == []
    assert page.says("No run is like that.")


def test_the_filter_offers_ones_own_images_and_those_that_are_gone(data_dir: Path, launcher: StandInLauncher) -> None:
    (data_dir / "datasets").unlink()
    written(data_dir)
    pets = launcher.store.create(TrainSettings.parse({"dataset": "own-pets", "batch_size": 12}), {})
    launcher.store.append(pets, [Entry("", RunChanged(State.FAILED, "It failed."))])
    page = RunsPage()
    assert "Our pets" in page.app.selectbox(key="runs_dataset").options
    shutil.rmtree(data_dir / "datasets" / "own-pets")
    page = RunsPage()
    assert "Our pets (not here)" in page.app.selectbox(key="runs_dataset").options
    page.app.selectbox(key="runs_dataset").set_value("own-pets")
    page.run()
    assert [query for _, query in page.links] == [f"run={pets}"]
    page = RunsPage(run=pets)
    assert page.says("Our pets, the data set of this run, was deleted or changed: its results stay.")


def test_ticked_runs_are_laid_over_each_other_at_most_four(
    ended: Ended, data_dir: Path, launcher: StandInLauncher
) -> None:
    made = more_runs(data_dir, ended, 5, batch_size=512)
    page = RunsPage().tick(ended.run.id)
    assert not any("one chart" in header for header in page.headers)
    page.tick(made[0])
    assert "Two runs, one chart" in page.headers
    assert page.says("They differ in: batch size 600, 512.")
    (figure,) = page.figures
    assert {"A Keras", "B PyTorch"} <= {trace["name"] for trace in json.loads(figure["figure"])["data"]}
    page.tick(made[1]).tick(made[2])
    assert "Four runs, one chart" in page.headers
    assert page.app.checkbox(key=f"tick_{made[3]}").disabled
    page.tick(made[0])
    assert "Three runs, one chart" in page.headers


def test_a_link_shows_what_the_train_page_showed(ended: Ended, launcher: StandInLauncher) -> None:
    page = RunsPage(run=ended.run.id)
    assert page.headers == TrainPage().headers
    assert len(page.metrics) == 2
    assert page.says("Batch size 600")


def test_a_live_run_goes_on_at_its_link_and_can_be_stopped(launcher: StandInLauncher) -> None:
    launcher.stand_ins["keras"] = "fake-slow"
    start = TrainPage(epochs="30", batch_size="600").press("Start")
    (run_id,) = launcher.active()
    assert start.buttons
    page = RunsPage(run=run_id)
    assert page.progress
    page.press("Stop")
    wait_for("the end", lambda: not launcher.active())
    assert RunsPage(run=run_id).says("You stopped this run")


@pytest.mark.parametrize("link", ["20250101-000000-00000009", "../../etc/passwd", "<script>", "x" * 5000])
def test_a_link_to_no_run_says_so_and_shows_the_history(ended: Ended, launcher: StandInLauncher, link: str) -> None:
    page = RunsPage(run=link)
    assert len(page.problems) == 1
    assert page.titles == ["Runs"]


def test_name_note_and_pin_are_kept_and_shown_as_text(ended: Ended, data_dir: Path, launcher: StandInLauncher) -> None:
    page = RunsPage(run=ended.run.id)
    page.app.text_input(key=f"name_{ended.run.id}").set_value("**Bold** <b>x</b> :red[x] " + "y" * 60)
    page.app.text_area(key=f"note_{ended.run.id}").set_value("[a link](http://x)")
    page.press("Keep").press("Pin")
    run = Store(data_dir).run(ended.run.id)
    assert (run.note, run.pinned) == ("[a link](http://x)", True)
    (raw,) = [element.value for element in page.app.title]
    assert "**Bold**" not in raw
    shown = page.titles[0]
    assert shown.startswith("Bold <b>x</b>") or shown.startswith("**Bold**") or "Bold" in shown
    assert shown.endswith("…")
    assert len(shown) <= 60
    assert page.press("Unpin").button("Pin")


def test_a_name_of_300_letters_is_kept_whole_and_cut_visibly_and_a_longer_one_is_answered(
    ended: Ended, data_dir: Path, launcher: StandInLauncher
) -> None:
    page = RunsPage(run=ended.run.id)
    field = page.app.text_input(key=f"name_{ended.run.id}")
    field.set_value("x" * 300)
    page.press("Keep")
    assert Store(data_dir).run(ended.run.id).name == "x" * 300
    assert page.titles == ["x" * 59 + "…"]
    assert page.says("lists show its first 60 letters")
    page.app.text_input(key=f"name_{ended.run.id}").set_value("y" * 612)
    page.press("Keep")
    assert [error.value for error in page.app.error] == ["A name has at most 500 letters; this one has 612."]
    assert page.app.text_input(key=f"name_{ended.run.id}").value == "y" * 612
    assert Store(data_dir).run(ended.run.id).name == "x" * 300


def test_delete_asks_once_and_removes_run_and_files(ended: Ended, data_dir: Path, launcher: StandInLauncher) -> None:
    page = RunsPage(run=ended.run.id).press("Delete")
    assert Store(data_dir).run(ended.run.id)
    page.app.button(key="delete_for_good").click()
    page.run()
    assert Store(data_dir).runs() == []
    assert not (data_dir / "runs" / ended.run.id).exists()


def test_run_again_carries_the_settings_to_train(ended: Ended, launcher: StandInLauncher) -> None:
    page = RunsPage(run=ended.run.id)
    (again,) = [one.proto for one in page.app.get("page_link") if read(one.proto.label) == "Run again"]
    link = dict(part.split("=") for part in again.query_string.split("&"))
    assert link == {"epochs": "3", "batch_size": "600"}


def test_an_export_comes_back_by_import_marked(ended: Ended, data_dir: Path, launcher: StandInLauncher) -> None:
    store = Store(data_dir)
    rows = store.rows(ended.run.id, limit=10**9)
    page = RunsPage()
    page.app.file_uploader(key="import_run").set_value(
        ("run.json", as_json(ended.run, rows).encode(), "application/json")
    )
    page.run()
    assert page.problems == []
    taken = [run for run in store.runs() if run.source == "imported"]
    assert len(taken) == 1
    shown, own = RunsPage(run=taken[0].id), RunsPage(run=ended.run.id)
    assert [header.replace("An imported run", "This run") for header in shown.headers] == own.headers
    assert shown.says("imported, trained on")
    assert not own.says("imported")
    assert len(list(csv.reader(io.StringIO(as_csv(ended.run, rows))))) == len(rows) + 1


def test_a_run_of_an_engine_that_is_not_installed_is_imported_and_shows_its_code(
    ended: Ended, launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NEEDS, "keras-on-jax", "a_module_that_nobody_has")
    text = as_json(ended.run, launcher.store.rows(ended.run.id, limit=10**9)).replace('"keras"', '"keras-on-jax"')
    page = RunsPage()
    page.app.file_uploader(key="import_run").set_value(("run.json", text.encode(), "application/json"))
    page.run()
    assert page.problems == []
    (taken,) = [run for run in launcher.store.runs() if run.source == "imported"]
    shown = RunsPage(run=taken.id)
    assert any('os.environ["KERAS_BACKEND"] = "jax"' in code for code in shown.codes)
    again = TrainPage(engines="keras-on-jax")
    assert again.problems[0].startswith("keras-on-jax cannot train here: a_module_that_nobody_has is not installed.")
    assert "Keras on JAX" not in again.app.multiselect(key="engines").options


def test_a_file_that_is_no_run_is_refused_in_words(ended: Ended, launcher: StandInLauncher) -> None:
    page = RunsPage()
    page.app.file_uploader(key="import_run").set_value(("x.json", b"{}", "application/json"))
    page.run()
    assert any("no exported run" in text for text in page.texts)


def test_json_is_offered_with_weights_where_there_are_some(
    ended: Ended, data_dir: Path, launcher: StandInLauncher
) -> None:
    def offered() -> list[str]:
        return [one.proto.label for one in RunsPage(run=ended.run.id).app.get("download_button")]

    assert {"Everything (JSON)", "Everything, with weights (JSON)"} <= set(offered())
    shutil.rmtree(data_dir / "runs" / ended.run.id)
    assert "Everything (JSON)" in offered()
    assert "Everything, with weights (JSON)" not in offered()


def spoil(folder: Path, query: str, *values: object) -> None:
    with sqlite3.connect(folder / "duel.sqlite3") as connection:
        connection.execute(query, values)
    connection.close()


def test_a_run_that_cannot_be_shown_is_said_among_the_others_and_can_be_deleted(
    ended: Ended, data_dir: Path, launcher: StandInLauncher
) -> None:
    (broken,) = more_runs(data_dir, ended, 1)
    spoil(data_dir, "UPDATE runs SET created_at = '2026-13-45T00:00:00+00:00' WHERE id = ?", broken)
    page = RunsPage()
    assert [query for _, query in page.links] == [f"run={ended.run.id}"]
    said = f"Run {broken} is damaged and cannot be shown: created_at is 2026-13-45T00:00:00+00:00, which is no date"
    assert page.says(said)
    assert RunsPage(run=broken).says(said)
    page.app.button(key=f"delete_{broken}").click()
    page.run()
    page.app.button(key="delete_for_good").click()
    page.run()
    assert not page.says("is damaged")
    assert [run.id for run in Store(data_dir).runs()] == [ended.run.id]


BAD_ROWS = [
    ("UPDATE rows SET fields = '{}' WHERE kind = 'epoch'", "epoch is missing"),
    ("UPDATE rows SET fields = 'x' WHERE kind = 'result'", "holds no JSON object"),
    ("UPDATE rows SET fields = json_set(fields, '$.train_s', 'long') WHERE kind = 'epoch'", "train_s is long"),
    ("UPDATE rows SET fields = json_set(fields, '$.confusion', 7) WHERE kind = 'result'", "confusion is 7"),
]


@pytest.mark.parametrize(("query", "said"), BAD_ROWS)
def test_whatever_its_rows_hold_a_run_takes_no_page_away(
    ended: Ended, data_dir: Path, launcher: StandInLauncher, query: str, said: str
) -> None:
    spoil(data_dir, query)
    assert RunsPage(run=ended.run.id).says(said)
    train = TrainPage()
    assert train.says(said)
    assert train.startable
    assert len(RunsPage().links) == 1


def test_ticked_runs_of_which_one_cannot_be_shown(ended: Ended, data_dir: Path, launcher: StandInLauncher) -> None:
    (broken,) = more_runs(data_dir, ended, 1)
    spoil(data_dir, "UPDATE rows SET fields = '{}' WHERE kind = 'epoch' AND run = ?", broken)
    page = RunsPage().tick(ended.run.id).tick(broken)
    assert page.says(f"Run {broken} is damaged and cannot be shown: row ")
    assert not page.says(f"Run {ended.run.id} is damaged")
    assert len(page.links) == 2


def test_a_fault_of_our_own_is_not_called_damage(
    ended: Ended,
    data_dir: Path,
    launcher: StandInLauncher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (other,) = more_runs(data_dir, ended, 1)
    monkeypatch.setattr(run_page, "show", lambda *_: 1 / 0)
    monkeypatch.setattr(runs_view, "one_chart", lambda *_: 1 / 0)
    opened = (lambda: RunsPage(run=ended.run.id), TrainPage, lambda: RunsPage().tick(ended.run.id).tick(other))
    for open_page in opened:
        page = open_page()
        assert page.errors == [damaged.OUR_FAULT]
        assert not page.says("is damaged")
        assert not [button.key for button in page.app.button if str(button.key).startswith("delete_")]
        assert "ZeroDivisionError: division by zero" in caplog.text
        caplog.clear()


def test_the_report_is_whole_and_names_are_text(ended: Ended, data_dir: Path, launcher: StandInLauncher) -> None:
    launcher.annotate(ended.run.id, "<script>alert(1)</script>", "<b>n</b>", False)
    store = Store(data_dir)
    page = as_html(store.run(ended.run.id), store.rows(ended.run.id, limit=10**9))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;b&gt;n&lt;/b&gt;" in page
    assert page.count("<figure") >= 5
    assert "<script" not in page, "nothing in it runs"
