"""Runs a listing as it stands and writes what epochs' training took: `python -P timed_script.py ENGINE SCRIPT OUT`.

The script is not edited. Two of its framework's methods note the time and then do what they always do: the one
with which an epoch's training begins, and the one with which the evaluation after it begins. So imports, data
and validation are outside, as they are outside a lane's `train_s`. Stands alone: it imports nothing of the project.
"""

import json
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any


class EpochTimes:
    """What training took, epoch by epoch: `train_s` by the clock, `cpu_s` of processor time over all threads."""

    def __init__(self) -> None:
        self.took: list[dict[str, float]] = []
        self._began: tuple[float, float] | None = None

    def begin(self) -> None:
        """Training begins, if it has not begun before."""
        if self._began is None:
            self._began = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """Training ends, where it had begun."""
        if self._began is not None:
            wall, cpu = self._began
            self.took.append({"train_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu})
            self._began = None


def watch_keras(times: EpochTimes) -> None:
    """From `fit`, or a later epoch's begin inside it, to `evaluate`, which `fit` calls for its validation.

    What `fit` does once for all epochs thus counts to the first one, as in a lane.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    class EpochBegins(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            times.begin()

    fit, evaluate = keras.Model.fit, keras.Model.evaluate

    def timed_fit(model: Any, *data: Any, callbacks: Any = None, **options: Any) -> Any:
        times.begin()
        return fit(model, *data, callbacks=[*(callbacks or []), EpochBegins()], **options)

    def timed_evaluate(model: Any, *data: Any, **options: Any) -> Any:
        times.end()
        return evaluate(model, *data, **options)

    keras.Model.fit, keras.Model.evaluate = timed_fit, timed_evaluate


def watch_torch(times: EpochTimes) -> None:
    """From `model.train()` to `model.eval()`; both come here, and their calls for the layers inside change nothing."""
    from torch import nn

    train = nn.Module.train

    def timed_train(module: Any, mode: bool = True) -> Any:
        if mode:
            times.begin()
        else:
            times.end()
        return train(module, mode)

    nn.Module.train = timed_train  # type: ignore[assignment, method-assign]


def main(engine: str, script: str, out: str) -> None:
    """Runs the script to its end, then writes what its epochs took as a JSON list."""
    times = EpochTimes()
    {"keras": watch_keras, "torch": watch_torch}[engine](times)
    runpy.run_path(script, run_name="__main__")
    Path(out).write_text(json.dumps(times.took))


if __name__ == "__main__":
    main(*sys.argv[1:])
