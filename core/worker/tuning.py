"""How an engine of several forms finds the fastest of them on this machine, before epoch 1.

Every form computes the same function of the same weights from the same seed. Each is built aside as an engine of its
own, takes a few steps in turns with the others, and is dropped, so that the run's own network starts as it would have.
The stock engine's form is among them: what is chosen was no slower, by the clock and by processor time. The choice is
kept in the data folder, for this machine, these versions, this network and batch.
"""

import gc
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
from filelock import FileLock, Timeout
from pydantic import ConfigDict, Field, PastDatetime, TypeAdapter, ValidationError

from core.experiment.machine import ProcessorClock, ProcessorTime, this_machine, usable_processors
from core.experiment.settings import TrainSettings
from core.worker.engines.base import Engine

FOLDER = "tuning"
STEPS_TIMED = 5
"""A form's steps in one round, where it does not take more of them at once."""
ROUNDS = 6
BUDGET_S = 8.0
"""No further round begins after that."""
HOPELESS = 1.5
"""A form that takes so many times the best one's time is not timed again."""
LEAST_S, MOST_S = 1e-9, 1e6
"""Of a step that a kept file may say."""
BUSY_SHARE = 0.25
"""Of all processors' time, taken by other processes and other machines."""
BUSY_WORDS = "This machine was too busy to tune on it. Taken as it stands"

WAIT_S = 0.2
"""How long a lane that waits for its turn does not hear a stop."""

Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Took:
    """A form's best round: seconds a step by the clock, and of processor time."""

    wall_s: float
    cpu_s: float

    def best(self, other: "Took") -> "Took":
        """The shorter of each."""
        return Took(min(self.wall_s, other.wall_s), min(self.cpu_s, other.cpu_s))


@dataclass(frozen=True)
class Tuning:
    """What was measured, and where: the content of a kept file."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    where: dict[str, str]
    """What a choice holds for: machine, versions, network, batch, threads, device, forms."""
    form: str
    took: dict[str, Took]
    measured_at: PastDatetime
    seconds: Annotated[float, Field(ge=0)]

    @property
    def batch_size(self) -> int:
        """Images a step, as `where` says it."""
        return int(self.where["batch"])

    def words(self, earlier: bool) -> str:
        """For the run's summary: every form that was timed beside the stock one, and when that was."""
        stock = self.took[next(iter(self.took))]
        lines = [f"Tuned on this machine: {self.form}.", "images/s  by the clock  by processor time"]
        for form, took in self.took.items():
            rate, wall, cpu = self.batch_size / took.wall_s, stock.wall_s / took.wall_s, stock.cpu_s / took.cpu_s
            lines.append(f"{rate:>8,.0f}  x {wall:.2f}  x {cpu:.2f}  {form}")
        at = f"{self.measured_at:%d %B %Y, %H:%M} UTC"
        lines.append(f"Measured {'earlier, on' if earlier else 'before this run, on'} {at}, in {self.seconds:.1f} s.")
        return "\n".join(lines)


_KEPT = TypeAdapter(Tuning)


def tune(engine: Engine, settings: TrainSettings, threads: int, folder: Path, stopped: Stopped) -> str:
    """Sets the `form` of a fed engine that is not built yet; says in words which and why, "" where it has but one.

    On a machine that others keep busy no time can be trusted: the last of its forms is taken, and nothing is kept.
    Returns early, the form unchanged, where `stopped` says so.
    """
    forms = engine.forms(settings)
    if not forms:
        return ""
    path, where = folder / f"{engine.name}.json", _where(engine, settings, threads, forms)
    tuning = _kept(path, where, forms, engine.device)
    earlier = tuning is not None
    if tuning is None:
        with _turn(folder, stopped):
            began, clock = time.perf_counter(), ProcessorClock()
            took = _measured(engine, settings, forms, stopped)
            got = clock.read()
        if stopped():
            return ""
        if _busy(got):
            engine.form = forms[-1]
            return "\n".join([f"{BUSY_WORDS}: {engine.form}.", *engine.not_tried])
        seconds = time.perf_counter() - began
        tuning = Tuning(where, _fastest(took, engine.device), took, datetime.now(UTC), seconds)
        _keep(path, tuning)
    engine.form = tuning.form
    return "\n".join([tuning.words(earlier), *engine.not_tried])


@contextmanager
def _turn(folder: Path, stopped: Stopped) -> Iterator[None]:
    """Waits while another lane, which builds at the same time, tunes itself; the system frees what a dead one held."""
    lock = FileLock(folder / "lock")
    with suppress(OSError):  # a folder that cannot be written: two lanes then disturb each other
        folder.mkdir(parents=True, exist_ok=True)
        while not stopped():
            with suppress(Timeout):
                lock.acquire(timeout=WAIT_S)
                break
    try:
        yield
    finally:
        lock.release()


def _busy(got: ProcessorTime) -> bool:
    """Whether others took so much that a form may have been slow because of them."""
    return (got.others_share or 0) + (got.stolen_share or 0) >= BUSY_SHARE


def _where(engine: Engine, settings: TrainSettings, threads: int, forms: tuple[str, ...]) -> dict[str, str]:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(engine.versions().items()))
    processors = f"{usable_processors()} of {this_machine()['cores']}"
    return {
        "machine": f"{this_machine()['name']}, {this_machine()['processor']}, {processors}, threads {threads}",
        "device": engine.device if engine.device == "cpu" else engine.devices()[1],
        "versions": versions,
        "network": f"{engine.data}: {settings.network}, {settings.optimizer}, dropout {settings.drops}",
        "batch": str(settings.batch_size),
        "forms": "; ".join(forms),
    }


def _kept(path: Path, where: Mapping[str, str], forms: tuple[str, ...], device: str) -> Tuning | None:
    """What was measured here before. A file that is torn, or not ours, counts as none."""
    try:
        tuning: Tuning = _KEPT.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    if tuning.where != where or tuple(tuning.took) != forms:
        return None
    sound = tuning.form == _fastest(tuning.took, device)  # what it says follows from what it measured
    possible = all(LEAST_S < value < MOST_S for took in tuning.took.values() for value in (took.wall_s, took.cpu_s))
    return tuning if sound and possible else None


def _keep(path: Path, tuning: Tuning) -> None:
    """Keeps what was measured; a folder that cannot be written costs the next run the same seconds, no more."""
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(tuning), default=str), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()


def _measured(engine: Engine, settings: TrainSettings, forms: tuple[str, ...], stopped: Stopped) -> dict[str, Took]:
    """The best round of each form. Its first steps, in which frameworks trace and compile, are not timed."""
    began = time.perf_counter()
    built = {}
    for form in forms:
        if stopped():
            return {}
        built[form] = _built(engine, form, settings)
        _round(built[form], 1, 0, stopped)
    took: dict[str, Took] = {}
    left = list(forms)
    for number in range(ROUNDS):
        if number and time.perf_counter() - began > BUDGET_S:
            break
        for form in left if number % 2 else reversed(left):
            if stopped():
                return {}
            now = _round(built[form], 2 + number, STEPS_TIMED, stopped)
            took[form] = now.best(took.get(form, now))
        best = min(took[form].wall_s for form in left)
        left = [form for form in left if form == forms[0] or took[form].wall_s < HOPELESS * best]
    built.clear()
    gc.collect()
    return {form: took[form] for form in forms}


def _built(engine: Engine, form: str, settings: TrainSettings) -> Engine:
    """An engine aside, over as many of the images as a round takes, in full batches and whole executions."""
    aside = type(engine)(engine.name)
    aside.device, aside.form = engine.device, form
    at_once = settings.steps_per_execution
    rows = np.arange(settings.batch_size * (at_once + max(at_once, STEPS_TIMED))) % len(engine.images)
    aside.feed(engine.images[rows], engine.labels[rows], engine.data)
    aside.build(settings, None)
    return aside


def _round(engine: Engine, epoch: int, steps: int, stopped: Stopped) -> Took:
    """The beginning of an epoch of an engine aside: `steps` or a whole execution, after a first one."""
    first, marks = engine.steps_at_once, list[tuple[float, float]]()

    def on_step(_: int, __: float) -> bool:
        marks.append((time.perf_counter(), time.process_time()))
        return len(marks) < first + max(steps, bool(steps) * first) and not stopped()

    engine.train_epoch(epoch, on_step)
    (wall, cpu), (wall_end, cpu_end) = marks[min(first, len(marks)) - 1], marks[-1]
    timed = max(1, len(marks) - first)
    return Took((wall_end - wall) / timed, (cpu_end - cpu) / timed)


def _fastest(took: Mapping[str, Took], device: str) -> str:
    """Of the forms that are no slower than the stock one by either clock, the one that takes the least of both."""
    stock, *_ = took.values()
    if device != "cpu":  # a processor that waits for a GPU says nothing
        return min(took, key=lambda form: took[form].wall_s)
    able = [form for form, now in took.items() if now.wall_s <= stock.wall_s and now.cpu_s <= stock.cpu_s]
    return min(able, key=lambda form: took[form].wall_s * took[form].cpu_s)
