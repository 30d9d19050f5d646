"""`make record`: duels, studies, evidence and the lessons' output that come with the project, never made by hand.

The duels are real runs. Each becomes a folder in `core/storage/recorded`: `run.json` (run, lanes, rows), the weights
and test predictions of each lane, in `epochs` its weights after some of its epochs, and `images.npz` with the pixels of
every test image that a lane misread or on which the lanes disagree, and of the first two of each class. A full test set
is too large to come along. Evidence and output are real measurements, all in `core/storage/recorded/evidence.json`. A
study is its file as it is taken along, `core/storage/recorded/ID/study.json`, without weights; those of what a kept
default costs belong to the differences.
"""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.compare.claims import CLAIMS
from core.compare.differences.catalogue import DIFFERENCES, measure_all
from core.compare.differences.costs import cost_study
from core.compare.differences.difference import EVERYTHING
from core.data import datasets
from core.experiment.epoch_weights import epochs_file, load_epochs, save_epochs, spread
from core.experiment.network import Network
from core.experiment.order import Order
from core.experiment.parity import Certificate
from core.experiment.settings import Alignment, TrainSettings
from core.experiment.study import Study
from core.experiment.titles import run_title
from core.launcher.launcher import Launcher
from core.learn import lessons
from core.protocol.messages import Preparing, Result
from core.results import study_file, study_words
from core.results.export import content
from core.results.fairness_words import words_of
from core.results.study_outcome import UNTIL_SEEDS, StudyOutcome
from core.storage.database import State
from core.storage.measurements import EVIDENCE, Measurement, read_evidence, write_evidence
from core.storage.records import RECORDED, Run
from core.storage.rows import Provenance, Row
from core.storage.studies import StudyState, read_study_recordings

ShowRows = Callable[[Run, Iterator[Row]], None]
Await = Callable[[Launcher, str], Measurement]
"""Shows a measurement until it has ended, and returns it."""
AwaitStudy = Callable[[Launcher, str], StudyOutcome]
"""Shows a study until it goes on no more, and returns it."""

DUELS = (
    *(TrainSettings(dataset="mnist", alignment=alignment) for alignment in Alignment),
    TrainSettings(dataset="mnist", network="batchnorm"),
    TrainSettings(dataset="digits", network="mlp", batch_size=32, epochs=20),
)
"""The article's network in every alignment, another network, and other data."""

STUDIES = (
    Study(TrainSettings(dataset="mnist"), 12),
    Study(TrainSettings(dataset="mnist5k"), 8, (("batch_size", (32, 64, 126, 256)),)),
)
"""The article's settings on all images, and over its batch size: 20 claims at once, of which 5 pairs decide nothing."""

SAMPLES_PER_CLASS = 2
MOST_EPOCHS_BYTES = 4_000_000
"""Of the weights after epochs of all duels together."""


class RecordingError(Exception):
    """A recording cannot be made, in one plain sentence."""


def record(launcher: Launcher, note: str, show: ShowRows, folder: Path = RECORDED) -> list[Path]:
    """Runs the duels and keeps each; replaces the ones kept before. Raises `RecordingError`.

    `note` says what is special about the data, where something is: it is shown with every figure.
    """
    if not launcher.deployment.epoch_weights:
        raise RecordingError("The duels bring weights of their epochs: set DUEL_EPOCH_WEIGHTS=true.")
    kept = []
    for settings in DUELS:
        run_id = launcher.submit(settings)
        show(launcher.store.run(run_id), launcher.follow(run_id))
        run = launcher.store.run(run_id)
        if run.state != State.FINISHED:
            raise RecordingError(f"A duel ended {run.state}: {run_title(run)}. {run.reason}")
        kept.append(keep(launcher, run, note, folder))
    for old in folder.glob("*/run.json"):
        if old.parent not in kept:
            shutil.rmtree(old.parent)
    return kept


def record_evidence(launcher: Launcher, show: Await, folder: Path = RECORDED) -> Path:
    """Measures every claim that has a probe, runs every lesson, and keeps all of it; replaces what was kept before.

    Raises `RecordingError` where one of them has no result.
    """
    orders = [claim.order for claim in CLAIMS if claim.probe] + [lesson_order(lesson) for lesson in lessons.LESSONS]
    differences = [one for one in read_evidence(folder / EVIDENCE).values() if one.subject == EVERYTHING]
    write_evidence(folder / EVIDENCE, [_measured(launcher, order, show) for order in orders] + differences)
    return folder / EVIDENCE


def record_partings(launcher: Launcher, show: Await, folder: Path = RECORDED) -> Path:
    """Measures every difference and keeps it beside the other evidence. Raises `RecordingError`."""
    others = [one for one in read_evidence(folder / EVIDENCE).values() if one.subject != EVERYTHING]
    found = _measured(launcher, measure_all(), show)
    failed = [name for name, values in (found.result or {})["names"].items() if "failed" in values]
    if failed:
        raise RecordingError(f"{', '.join(failed)} could not be measured: nothing of the differences is recorded.")
    write_evidence(folder / EVIDENCE, [*others, found])
    return folder / EVIDENCE


def _measured(launcher: Launcher, order: Order, show: Await) -> Measurement:
    found = show(launcher, launcher.measure(order))
    if found.state != State.FINISHED:
        raise RecordingError(f"{order.subject} ended {found.state}: {found.reason}")
    return found


def record_studies(launcher: Launcher, note: str, show: AwaitStudy, folder: Path = RECORDED) -> list[Path]:
    """Runs the studies and keeps each; replaces those kept before. `note` as for `record`. Raises `RecordingError`."""
    return _replace_studies(launcher, STUDIES, note, show, folder)


def record_costs(launcher: Launcher, note: str, show: AwaitStudy, folder: Path = RECORDED) -> list[Path]:
    """The same of what each kept default costs, where its row claims a cost."""
    return _replace_studies(launcher, [cost_study(row) for row in DIFFERENCES if row.cost], note, show, folder)


def _replace_studies(
    launcher: Launcher, asked: Sequence[Study], note: str, show: AwaitStudy, folder: Path
) -> list[Path]:
    """Records these, and removes those that were kept before of the same sort: of twins that keep a default, or not."""
    kept = [_record_study(launcher, study, note, show, folder) for study in asked]
    of_costs = bool(asked[0].base.keep)
    for old in read_study_recordings(folder).values():
        if bool(old.record.study.base.keep) == of_costs and folder / old.record.id not in kept:
            shutil.rmtree(folder / old.record.id)
    read_study_recordings.cache_clear()
    return kept


def _record_study(launcher: Launcher, asked: Study, note: str, show: AwaitStudy, folder: Path) -> Path:
    """One of them. Raises `RecordingError`.

    A pair on a busy machine stays, and its times do not count: the study gets so many seeds more, until every
    combination has as many pairs with times as were asked for, or it has grown to twice its length.
    """
    study = launcher.study(asked, UNTIL_SEEDS, None)
    while True:
        found = show(launcher, study)
        title = study_words.title(found.record.study, launcher.store.data_dir)
        if found.record.state != StudyState.FINISHED or found.failed or found.parted:
            why = study_words.left_out(found) if found.failed or found.parted else found.record.reason
            raise RecordingError(f"A study ended {found.record.state}: {title}. {why} Nothing of it is recorded.")
        # What a kept default costs is told by accuracies, and those no busy machine changes.
        counts = [[pair for pair in cell.pairs if asked.base.keep or not pair.busy] for cell in found.cells]
        lacking = asked.seeds - min(map(len, counts))
        if lacking <= 0:
            return keep_study(launcher, found, note, folder)
        if found.record.study.seeds + lacking > 2 * asked.seeds:
            raise RecordingError(f"The machine was busy in too many pairs: {title}. Nothing of it is recorded.")
        launcher.more_pairs(study, lacking)


def keep_study(launcher: Launcher, found: StudyOutcome, note: str, folder: Path) -> Path:
    """Writes a finished study as a recording and returns its folder; whole or not at all."""
    store, record = launcher.store, found.record
    pairs = [pair for pair in launcher.studies.kept.pairs(record.id) if pair.done]
    runs = ((run, [_noted(row, note) for row in rows]) for run, rows in study_file.runs_of(store, pairs))
    text = study_file.to_text(record, pairs, runs)
    study_file.read_study(text.encode())  # what comes along can be taken in, too
    target, temporary = folder / record.id, folder / f".{record.id}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    (temporary / "study.json").write_text(text)
    temporary.replace(target)
    read_study_recordings.cache_clear()
    return target


def lesson_order(lesson: lessons.Lesson) -> Order:
    """A lesson with its control where it stands at first."""
    return lessons.order(lesson, lesson.control.default if lesson.control else None)


def keep(launcher: Launcher, run: Run, note: str, folder: Path) -> Path:
    """Writes one finished run as a recording and returns its folder; whole or not at all."""
    rows = launcher.store.rows(run.id, limit=1_000_000)
    if not all(row.event.passed for row in rows if isinstance(row.event, Certificate)):
        raise RecordingError(f"The fairness certificate of run {run.id} failed: nothing is recorded.")
    if run.fairness is not None and run.fairness.state != "held":
        raise RecordingError(f"The lanes of run {run.id} did not hold: {words_of(run)} Nothing is recorded.")
    if run.busy:
        raise RecordingError(f"The machine was busy while run {run.id} trained: nothing is recorded.")
    target, temporary = folder / run.id, folder / f".{run.id}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    source = launcher.store.artifacts(run.id)
    for lane in run.lanes:
        for kind in ("safetensors", "npz"):
            shutil.copyfile(source / f"{lane.engine}.{kind}", temporary / f"{lane.engine}.{kind}")
    rows = [_with_fewer_epochs(row, run, source, temporary) for row in rows]
    np.savez_compressed(temporary / "images.npz", **kept_images(launcher, run, source))  # type: ignore[arg-type]
    (temporary / "run.json").write_text(json.dumps(_content(run, rows, note), indent=1) + "\n")
    temporary.replace(target)
    return target


def epochs_brought() -> int:
    """Of how many epochs each lane brings its weights, its last one apart, so that those of all duels have room."""
    numbers = 0
    for duel in DUELS:
        network = Network.of(duel.network, datasets.DATASETS[duel.dataset].shape)
        numbers += len(duel.engines) * sum(math.prod(spec.shape) for spec in network.weights)
    # A part of 20 is for the names of the arrays.
    return MOST_EPOCHS_BYTES * 19 // 20 // (2 * numbers)


def _with_fewer_epochs(row: Row, run: Run, source: Path, target: Path) -> Row:
    """A lane's result with the weights of fewer epochs, which are written to `target`; any other row as it is."""
    if not isinstance(row.event, Result) or not row.event.epochs_sha256:
        return row
    name, last = row.event.weights_file, run.settings.epochs
    epochs = load_epochs(epochs_file(source / name), row.event.epochs_sha256, run.network.weights)
    sha256 = save_epochs(spread(epochs, last, epochs_brought()), epochs_file(target / name))
    return Row(row.seq, row.engine, replace(row.event, epochs_sha256=sha256))


def _content(run: Run, rows: list[Row], note: str) -> dict[str, Any]:
    """The export's own format, without the progress of a download; the note stands with the data."""
    return content(run, [_noted(row, note) for row in rows if not isinstance(row.event, Preparing)])


def _noted(row: Row, note: str) -> Row:
    return Row(row.seq, row.engine, replace(row.event, note=note)) if isinstance(row.event, Provenance) else row


def kept_images(launcher: Launcher, run: Run, source: Path) -> dict[str, npt.NDArray[np.generic]]:
    """What a recording brings of the test set: `index` int32 [K] and `images` uint8 [K, H, W, C] of the images that
    are worth a look, and `test_labels` uint8 [N] of all.
    """
    prepared = datasets.prepared(run.settings.dataset, launcher.store.data_dir)
    if prepared is None:
        raise RecordingError("The prepared data set is gone: record again.")
    arrays = prepared.load()
    labels = np.array(arrays.test_labels)
    predicted = [np.load(source / f"{lane.engine}.npz")["classes"] for lane in run.lanes]
    wanted = np.zeros(len(labels), bool)
    for classes in predicted:
        wanted |= (classes != labels) | (classes != predicted[0])
    samples = np.concatenate(
        [np.flatnonzero(labels == digit)[:SAMPLES_PER_CLASS] for digit in range(run.dataset.shape.classes)]
    )
    wanted[samples] = True
    index = np.flatnonzero(wanted)
    return {
        "index": index.astype("int32"),
        "images": np.array(arrays.test_images[index]),
        "test_labels": labels,
    }
