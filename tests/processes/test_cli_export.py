"""`python -m core export` and `import`: every format, there and back, and what is refused."""

import csv
import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from core.results.export import as_json
from core.results.importing import read_json
from core.storage.records import RECORDED
from core.storage.rows import Row
from core.storage.runs import Store
from tests.processes.conftest import OpenLauncher, settings, wait_for
from tests.processes.test_cli import core

RUN = next(run for run in Store(Path("nowhere")).recorded() if run.settings.alignment == "as-shipped")


def rows() -> list[Row]:
    return Store(Path("nowhere"), RECORDED).rows(RUN.id, limit=10**9)


def exported(folder: Path, form: str, name: str) -> Path:
    path = folder / name
    status, said, complaint = core("export", RUN.id, "--format", form, "-o", str(path), folder=folder)
    assert (status, complaint) == (0, "")
    assert said.strip() == f"Wrote {path}."
    return path


def test_json_is_taken_in_elsewhere_and_marked(tmp_path: Path) -> None:
    path = exported(tmp_path, "json", "run.json")
    status, said, _ = core("import", str(path), folder=tmp_path / "other")
    assert status == 0
    run = Store(tmp_path / "other").run(said.split()[-1].rstrip("."))
    assert (run.source, run.settings, run.lanes) == ("imported", RUN.settings, RUN.lanes)
    _, shown, _ = core("show", "latest", "--json", folder=tmp_path / "other")
    assert len(json.loads(shown)["rows"]) == len(rows())


def test_csv_holds_every_row(tmp_path: Path) -> None:
    with exported(tmp_path, "csv", "run.csv").open() as opened:
        assert len(list(csv.DictReader(opened))) == len(rows())


def test_html_is_one_file_that_needs_no_network(tmp_path: Path) -> None:
    text = exported(tmp_path, "html", "run.html").read_text()
    assert "<script src" not in text
    assert "<link" not in text
    assert text.count('<figure class="chart') == 4
    assert len(text) < 200_000


def test_tensorboards_own_reader_reads_every_epoch_and_step(tmp_path: Path) -> None:
    folder = exported(tmp_path, "tensorboard", "events")
    for lane in RUN.lanes:
        read = EventAccumulator(str(folder / lane.engine), size_guidance={"scalars": 0}).Reload()
        epochs = [row.event for row in rows() if row.kind == "epoch" and row.engine == lane.engine]
        found = [event.value for event in read.Scalars("val_accuracy")]
        assert found == pytest.approx([epoch.val_accuracy for epoch in epochs])
        points = [
            point for row in rows() if row.kind == "step" and row.engine == lane.engine for point in row.event.points
        ]
        assert len(read.Scalars("batch_loss")) == len(points)
        assert read.Tensors("run/text_summary")[0].tensor_proto.string_val[0].decode() == "As shipped, MNIST"
        assert [event.step for event in read.Scalars("val_loss")] == [429 * epoch.epoch for epoch in epochs]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("export", RUN.id, "--format", "pdf", "-o", "x"),
            "--format must be one of html, csv, json, tensorboard, not pdf.",
        ),
        (("export", "20250101-000000-00000001", "-o", "x"), "There is no run 20250101-000000-00000001"),
        (("export", "../x", "-o", "x"), "This is not a run's id"),
        (("export", RUN.id, "--with-weights", "-o", "x"), "--with-weights goes with --format json, not html."),
        (("import", "/does/not/exist.json"), "cannot be read: No such file or directory."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    status, _, complaint = core(*arguments, folder=tmp_path)
    assert status == 2
    assert said in complaint


def test_a_file_that_is_no_run_changes_nothing(open_launcher: OpenLauncher, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"format": 1}')
    status, _, complaint = core("import", str(tmp_path / "x.json"), folder=tmp_path / "data2")
    assert (status, complaint.startswith("The file is no exported run")) == (2, True)
    assert not (tmp_path / "data2").exists()


@pytest.mark.parametrize("engines", ["fake-a,fake-b", "fake-nan,fake-a", "fake-slow,fake-a"])
def test_a_run_is_taken_in_as_it_ended(open_launcher: OpenLauncher, tmp_path: Path, engines: str) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings(engines))
    if "slow" in engines:
        wait_for("an epoch", lambda: any(row.kind == "epoch" for row in launcher.store.rows(run_id)))
        launcher.stop(run_id)
    wait_for("the end", lambda: not launcher.active())
    run, all_rows = launcher.store.run(run_id), launcher.store.rows(run_id, limit=10**9)
    taken, taken_rows, _ = read_json(as_json(run, all_rows).encode())
    assert (taken.state, taken.lanes) == (run.state, run.lanes)
    assert [row.kind for row in taken_rows] == [row.kind for row in all_rows if row.kind != "data"]


def test_an_import_is_no_latest_where_something_was_trained_and_draws_with_its_weights(
    open_launcher: OpenLauncher, data_dir: Path, tmp_path: Path
) -> None:
    launcher = open_launcher()
    run_id = launcher.submit(settings())
    wait_for("the end", lambda: not launcher.active())
    launcher.close()
    assert core("import", str(exported(tmp_path, "json", "bare.json")), folder=data_dir)[0] == 0
    assert run_id in core("show", "latest", folder=data_dir)[1]
    other = tmp_path / "other"
    core("import", str(tmp_path / "bare.json"), folder=other)
    status, _, complaint = core("predict", "7.png", folder=other)
    assert (status, complaint) == (2, "No run here has weights to read with: train one first.\n")
    whole = tmp_path / "whole.json"
    arguments = ("export", RUN.id, "--format", "json", "--with-weights", "-o", str(whole))
    assert core(*arguments, folder=tmp_path)[0] == 0
    assert core("import", str(whole), folder=other)[0] == 0
    run = next(run for run in Store(other).runs() if run.source == "imported")
    assert {path.name for path in Store(other).artifacts(run.id).iterdir()} == {
        f"{lane.engine}.{ending}" for lane in RUN.lanes for ending in ("safetensors", "npz")
    }
    shown = core("show", run.id, folder=other)[1]
    assert "finished, imported" in shown
