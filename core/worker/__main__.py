"""One lane of one run: commands in on stdin, an engine in the middle, events out on stdout, JSON lines.

Run as `python -m core.worker ENGINE`. The worker owns everything that is the same for all engines: the epoch,
its times and figures, early stopping, stopping, and what is kept at the end. After its last event it ends
without ceremony; when its stdin closes (its owner is gone) it ends at once, whatever it is doing.
"""

import math
import queue
import sys
import threading
import time
import traceback
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import numpy as np

from core.data.datasets import DatasetError, prepared
from core.experiment import metrics
from core.experiment.epoch_weights import KeptEpochs, epochs_file
from core.experiment.logits import probabilities
from core.experiment.machine import ProcessorClock, peak_rss_mib
from core.experiment.settings import Alignment, TrainSettings
from core.experiment.weights import save_weights
from core.protocol import messages
from core.protocol.cluster_messages import Cancel, Execute
from core.protocol.messages import Command
from core.protocol.predictor_messages import Load, Look, Predict, Replay, Save
from core.protocol.stdio import Outbox, connect, leave, one_line, refuse
from core.worker import tuning
from core.worker.engines.base import EngineError, certificate_part, engine_class, start_of
from core.worker.inference import LoadedModels

if TYPE_CHECKING:
    from core.worker.engines.base import Engine

STEP_S = 0.1


class LaneError(Exception):
    """The lane cannot go on: the rest of a sentence, without its stop."""


class Stopping(Exception):
    """Raised between commands, never inside a framework, when the lane was told to stop."""


class EpochWatch:
    """What happens after every step: times, points for the live chart, a loss that explodes, a wish to stop."""

    def __init__(self, outbox: Outbox, stop: threading.Event, epoch: int, steps: int, every_step: bool) -> None:
        """`every_step` reports all losses: an aligned run compares them; else those that are kept."""
        self.outbox, self.stop, self.epoch, self.steps = outbox, stop, epoch, steps
        self.every_step = every_step
        self.points: list[list[float]] = []
        self.step = 0
        self.first_step_s = 0.0
        self.exploded: float | None = None
        self.began = self.sent = time.perf_counter()

    def on_step(self, step: int, loss: float) -> bool:
        """Takes one step's loss; False ends the epoch."""
        now = time.perf_counter()
        self.step = step
        if step == 1:
            self.first_step_s = now - self.began
        if not math.isfinite(loss) or loss > metrics.DIVERGED_LOSS:
            self.exploded = loss
            return False
        if self.every_step or metrics.step_is_kept(step, self.steps):
            self.points.append([step, loss])
        if now - self.sent >= STEP_S or step == 1:
            self.flush(now)
        return not self.stop.is_set()

    def flush(self, now: float) -> None:
        """Sends the points that wait."""
        if self.points:
            self.outbox.send(messages.Step(self.epoch, self.steps, self.points))
            self.points = []
        self.sent = now


class Worker:
    """Turns commands into engine calls and events."""

    def __init__(self, engine: "Engine", outbox: Outbox, stop: threading.Event) -> None:
        self.engine = engine
        self.outbox, self.stop = outbox, stop
        self.val_losses: list[float] = []
        self.watch: EpochWatch | None = None
        """The epoch that is trained, while it is."""
        self.kept: KeptEpochs | None = None
        """The weights after each epoch, where they are wanted."""

    @property
    def place(self) -> tuple[int, int]:
        """Epoch and step under way; zeros where none is."""
        if self.watch is None:
            return 0, 0
        return self.watch.epoch, self.watch.step + 1 if self.watch.step < self.watch.steps else 0

    def take(self, command: Command) -> bool:
        """Carries out one command; False after the lane's last event."""
        if self.stop.is_set():
            raise Stopping
        match command:
            case messages.Train():
                self._order(command)
            case messages.Certify():
                self._certify()
            case messages.Build():
                self._build()
            case messages.Go(epoch):
                return self._epoch(epoch)
            case messages.Finish():
                self._finish()
                return False
            case Load() | Predict() | Look() | Replay() | Save():
                self.outbox.send(self.models.answer(command))
            case messages.Stop() | messages.Measure() | messages.Call() | Execute() | Cancel():
                refuse(command)
            case _:
                assert_never(command)
        return True

    @cached_property
    def models(self) -> LoadedModels:
        """Makes this worker a predictor: it then predicts with models of its own and trains none."""
        return LoadedModels(self.engine)

    def _order(self, command: messages.Train) -> None:
        self.order = command
        self.settings = TrainSettings.parse(command.settings)
        self.device = self.engine.use_device(command.device, command.threads)
        if command.threads and command.device == "cpu":
            self.device += f" ({command.threads} thread{'s' * (command.threads > 1)})"

    def _load(self) -> None:
        began = time.perf_counter()
        found = prepared(self.settings.dataset, Path(self.order.data_dir))
        if found is None:
            raise LaneError(f"the prepared files of {self.settings.dataset} are gone")
        try:
            self.arrays, self.data = found.load(), found.dataset.shape
        except DatasetError as error:
            what = f"the files of {found.dataset.title} in {found.folder} are damaged"
            raise LaneError(f"{what}: delete that folder and try again") from error
        self.data_s = time.perf_counter() - began

    def _certify(self) -> None:
        """Ten steps of an engine of its own, which is then dropped: the run's network stays untouched."""
        self._load()
        engine = type(self.engine)(self.engine.name)
        engine.device = self.engine.device
        images, labels = self.arrays.train_images, self.arrays.train_labels
        logits, losses = certificate_part(
            engine, self.settings, images, labels, self.data, lambda *_: not self.stop.is_set()
        )
        if self.stop.is_set():
            raise Stopping
        self.outbox.send(messages.Certified(logits, losses))

    def _build(self) -> None:
        self._load()
        began = time.perf_counter()
        self.engine.feed(self.arrays.train_images, self.arrays.train_labels, self.data)
        fed_s = time.perf_counter() - began
        kept = Path(self.order.data_dir) / tuning.FOLDER
        tuned = tuning.tune(self.engine, self.settings, self.order.threads, kept, self.stop.is_set)
        if self.stop.is_set():
            raise Stopping
        began = time.perf_counter()
        self.engine.build(self.settings, start_of(self.settings, self.data))
        built_s = fed_s + time.perf_counter() - began
        if self.order.epoch_weights:
            self.kept = KeptEpochs()
            self.kept.take(0, self.engine.weights)
        summary, parameters = "\n\n".join(filter(None, (self.engine.summary(), tuned))), self.engine.parameters()
        self.outbox.send(messages.Built(self.data_s, built_s, parameters, summary, self.device))

    def _epoch(self, epoch: int) -> bool:
        """Trains and validates one epoch; False where its loss exploded."""
        images = len(self.arrays.train_images)
        steps, aligned = -(-images // self.settings.batch_size), self.settings.alignment != Alignment.AS_SHIPPED
        clock = ProcessorClock()
        self.watch = watch = EpochWatch(self.outbox, self.stop, epoch, steps, aligned)
        trained = self.engine.train_epoch(epoch, watch.on_step)
        train_s = time.perf_counter() - watch.began
        got = clock.read()
        watch.flush(0)
        if watch.exploded is not None:
            self.outbox.send(self._exploded("loss", watch.exploded, epoch, watch.step))
            return False
        if self.stop.is_set():
            raise Stopping
        began = time.perf_counter()
        validated = self.engine.evaluate(self.arrays.validation_images, self.arrays.validation_labels)
        val_s = time.perf_counter() - began
        if not math.isfinite(validated.loss):
            self.outbox.send(self._exploded("validation loss", validated.loss, epoch))
            return False
        self.watch = None
        self.val_losses.append(validated.loss)
        row = messages.Epoch(
            epoch,
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            val_loss=validated.loss,
            val_accuracy=validated.accuracy,
            train_s=train_s,
            val_s=val_s,
            images_per_s=images / train_s,
            first_step_s=watch.first_step_s if epoch == 1 else None,
            **asdict(got),
        )
        self._end_epoch(row)
        return True

    def _end_epoch(self, row: messages.Epoch) -> None:
        """Sends the row, marked where no epoch follows it; else keeps the weights, where they are wanted, before that.

        So neither this lane's times, which have been taken, nor the other's, whose turn comes with the row, hold it.
        """
        early = metrics.stops_early(self.val_losses, self.settings.patience)
        last = early or row.epoch == self.settings.epochs
        if self.kept is not None and not last:
            self.kept.take(row.epoch, self.engine.weights)
        self.outbox.send(replace(row, last=last))

    def _exploded(self, name: str, loss: float, epoch: int, step: int = 0) -> messages.Failed:
        grown = "became NaN" if math.isnan(loss) else "became infinite" if math.isinf(loss) else f"grew to {loss:.0e}"
        return messages.Failed(f"the {name} {grown}", epoch, step, self._cause(), diverged=True)

    def _cause(self) -> str:
        # Usual rates are 1e-4 to 1e-1; what explodes far above them explodes because of them.
        rate = self.settings.learning_rate
        return f"a learning rate of {rate:,.10g}" if rate >= 0.1 else ""

    def _finish(self) -> None:
        images, labels = self.arrays.test_images, self.arrays.test_labels
        began = time.perf_counter()
        tested = self.engine.evaluate(images, labels)
        logits = self.engine.predict(images).astype("float64")
        test_s = time.perf_counter() - began
        predicted = logits.argmax(1)
        classes = self.data.classes
        cells = np.bincount(labels.astype(int) * classes + predicted, minlength=classes**2)
        confusion = cells.reshape(classes, classes)
        folder = Path(self.order.artifacts)
        name = self.engine.name
        sha256 = save_weights(self.engine.weights(), folder / f"{name}.safetensors")
        self._keep_predictions(folder / f"{name}.npz", logits)
        epochs_sha256 = self.kept.save(epochs_file(folder / f"{name}.safetensors")) if self.kept else ""
        self.outbox.send(
            messages.Result(
                tested.loss,
                tested.accuracy,
                test_s,
                confusion.tolist(),
                peak_rss_mib(),
                f"{name}.safetensors",
                sha256,
                f"{name}.npz",
                epochs_sha256,
            )
        )

    @staticmethod
    def _keep_predictions(path: Path, logits: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> None:
        """Class (uint8 [N]) and its probability (float32 [N]) for every test image."""
        surest = probabilities(logits).max(1)
        temporary = path.with_suffix(".part")
        with temporary.open("wb") as file:
            np.savez_compressed(file, classes=logits.argmax(1).astype("uint8"), probabilities=surest.astype("float32"))
        temporary.replace(path)


def work(name: str, outbox: Outbox, commands: "queue.SimpleQueue[Command]", stop: threading.Event) -> None:
    """Imports the engine, says so, then takes commands until the lane ends."""
    began = time.perf_counter()
    worker = None
    try:
        engine = engine_class(name)(name)
        import_s = time.perf_counter() - began
        outbox.send(messages.Ready(name, import_s, engine.versions(), engine.devices()))
        worker = Worker(engine, outbox, stop)
        while worker.take(commands.get()):
            pass
    except Stopping:
        outbox.send(messages.Stopped(*worker.place) if worker else messages.Stopped(0, 0))
    except Exception as error:
        traceback.print_exc()
        place = worker.place if worker else (0, 0)
        said = str(error) if isinstance(error, LaneError | EngineError) else one_line(error)
        outbox.send(messages.Failed(said, *place))


def main() -> None:
    """Sets up the pipes before anything else can print, then works."""
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    stop = threading.Event()

    def take(command: Command) -> None:
        if isinstance(command, messages.Stop):
            stop.set()
        commands.put(command)

    work(sys.argv[1], connect(take), commands, stop)
    leave()


if __name__ == "__main__":
    main()
