"""Claim 5, mistakes that nobody tells you of: the same five bugs planted in both frameworks, and what happens.

The article's network, on the CPU, on the 4,000 training images of mnist5k; every score is of the 1,000 test images:

- `shape`: the last layers are made for 1,600 inputs, 1,550 arrive;
- `softmax`: the network ends in softmax, the loss expects logits and applies it again;
- `axes`: the batch axis is moved before the activations are flattened, so that a row mixes many images;
- `labels`: the training labels are shuffled against the images;
- `broadcast`: the network reads the digit as a number from 0 to 1; outputs [batch, 1] meet targets [batch] under
  mean squared error, the same numbers that the right version has as [batch, 1].

What happened is found out, not written down: an exception before the first batch begins is `raised before
training`, a later one `raised at the step`; a Python warning that the right version does not give is `warned`; all
else is `silent`. What a bug costs is the difference to the right version, trained the same way from the same seed:
in accuracy, or for the number in its root mean squared error.
"""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.compare.probes.base import Part, PartFailed, Report
from core.data import datasets
from core.experiment.names import ENGINE_TITLES
from core.worker.engines.base import leave_out_unused

BUGS = ("shape", "softmax", "axes", "labels", "broadcast")
NUMBER_BUGS = ("broadcast",)
EPOCHS = 2
BATCH = 126
SEED = 0
LARGEST_DIGIT = 9
MESSAGE_LETTERS = 240

_ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Floats = npt.NDArray[np.float32]


def keras_trained(task: str, bug: str, epochs: int, data_dir: str) -> dict[str, Any]:
    """In a part: trains in Keras; `task` is `digit` or `number`, `bug` one of `BUGS` or empty. See `_watched`."""
    leave_out_unused()
    import keras
    from keras import layers, ops

    def build() -> Any:
        keras.utils.set_random_seed(SEED)
        flatten: Any = layers.Flatten()
        if bug == "shape":
            flatten = layers.Reshape((1600,))
        elif bug == "axes":
            flatten = layers.Lambda(lambda x: ops.reshape(ops.transpose(x, (3, 1, 2, 0)), (-1, 1550)))
        convolved = [layers.Conv2D(30, 3, activation="relu"), layers.MaxPooling2D(2)]
        convolved += [layers.Conv2D(62, 3, activation="relu"), layers.MaxPooling2D(2)]
        last = layers.Dense(1 if task == "number" else 10, activation="softmax" if bug == "softmax" else None)
        model = keras.Sequential([keras.Input((28, 28, 1)), *convolved, flatten, layers.Dropout(0.3), last])
        from_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", keras.losses.MeanSquaredError() if task == "number" else from_logits)
        return model

    x, y, x_test, y_test = _data(Path(data_dir), task, bug)

    def train(begun: Callable[[], None]) -> float:
        model = build()
        watch = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: begun())
        model.fit(x[..., np.newaxis], y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[watch])
        return _score(task, model.predict(x_test[..., np.newaxis], batch_size=BATCH, verbose=0), y_test)

    return _watched(train)


def torch_trained(task: str, bug: str, epochs: int, data_dir: str) -> dict[str, Any]:
    """In a part: trains in PyTorch; like `keras_trained`."""
    import torch
    from torch import nn

    class MovedAxes(nn.Module):
        """[N, C, H, W] to [C, N, H, W], then to rows of 1,550: what was one image's is spread over rows."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.permute(1, 0, 2, 3).reshape(-1, 1550)

    def build() -> nn.Module:
        torch.manual_seed(SEED)
        convolved = [nn.Conv2d(1, 30, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(30, 62, 3), nn.ReLU(), nn.MaxPool2d(2)]
        flatten = MovedAxes() if bug == "axes" else nn.Flatten()
        last: list[nn.Module] = [nn.Linear(1600 if bug == "shape" else 1550, 1 if task == "number" else 10)]
        last += [nn.Softmax(dim=1)] if bug == "softmax" else []
        return nn.Sequential(*convolved, flatten, nn.Dropout(0.3), *last)

    images, labels, test_images, y_test = _data(Path(data_dir), task, bug)
    x, y, x_test = (torch.from_numpy(array) for array in (images[:, np.newaxis], labels, test_images[:, np.newaxis]))

    def train(begun: Callable[[], None]) -> float:
        model = build()
        loss_of = nn.MSELoss() if task == "number" else nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(BATCH):  # type: ignore[no-untyped-call]
                begun()
                loss = loss_of(model(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        model.eval()
        with torch.no_grad():
            outputs = torch.cat([model(part) for part in x_test.split(BATCH)])  # type: ignore[no-untyped-call]
        return _score(task, outputs.numpy(), y_test)

    return _watched(train)


def _data(data_dir: Path, task: str, bug: str) -> tuple[Floats, npt.NDArray[Any], Floats, npt.NDArray[np.uint8]]:
    """Training images [N, 28, 28] in 0..1, targets as the task and the bug have them, test images, true digits."""
    found = datasets.prepared("mnist5k", data_dir)
    assert found is not None, "the Launcher prepares mnist5k"
    arrays = found.load().without_channels()
    images = np.concatenate([arrays.train_images, arrays.validation_images]).astype(np.float32) / np.float32(255)
    labels = np.concatenate([arrays.train_labels, arrays.validation_labels])
    if bug == "labels":
        labels = np.random.default_rng(SEED).permutation(labels)
    targets: npt.NDArray[Any] = labels.astype(np.int64)
    if task == "number":
        targets = labels.astype(np.float32) / np.float32(LARGEST_DIGIT)
        targets = targets if bug == "broadcast" else targets[:, np.newaxis]
    return images, targets, arrays.test_images.astype(np.float32) / np.float32(255), np.array(arrays.test_labels)


def _score(task: str, outputs: npt.NDArray[Any], digits: npt.NDArray[np.uint8]) -> float:
    """Accuracy of logits [N, 10], or the root mean squared error, in digits, of numbers [N, 1]: 0..1 for 0..9."""
    if task == "number":
        return float(np.sqrt(np.mean((LARGEST_DIGIT * outputs.reshape(-1) - digits.astype(float)) ** 2)))
    return float(np.mean(outputs.argmax(axis=1) == digits))


def _watched(train: Callable[[Callable[[], None]], float]) -> dict[str, Any]:
    """Trains under watch: the score, or what was raised and whether a batch had begun; and all that was warned."""
    begun: list[bool] = []
    found: dict[str, Any] = {"score": None, "raised": None, "message": None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found["score"] = train(lambda: begun.append(True))
        except Exception as error:
            found["raised"] = "raised at the step" if begun else "raised before training"
            found["message"] = _short(f"{type(error).__name__}: {error}")
    return found | {"warnings": list(dict.fromkeys(_short(str(warning.message)) for warning in caught))}


def _short(message: str) -> str:
    """The first two lines that say something (Keras' first one only names the layer), without terminal colours."""
    lines = [line.strip() for line in _TERMINAL_COLOUR.sub("", message).splitlines() if line.strip()]
    text = " ".join(lines[:2])
    return text if len(text) <= MESSAGE_LETTERS else text[: MESSAGE_LETTERS - 1] + "…"


def measure(report: Report, epochs: int = EPOCHS) -> dict[str, Any]:
    """All bugs in both. A framework that cannot run says why; `PartFailed` if neither can."""
    frameworks: dict[str, dict[str, Any]] = {}
    failures = []
    for place, engine in enumerate(("keras", "torch")):
        try:
            frameworks[engine] = _framework(report, engine, place, epochs) | {"reason": None}
        except PartFailed as failed:
            failures.append(failed)
            frameworks[engine] = {"title": ENGINE_TITLES[engine], "right": {}, "bugs": {}, "reason": failed.reason}
    if len(failures) == len(frameworks):
        raise failures[0]
    return {"epochs": epochs, "test_images": datasets.find("mnist5k").test_images, "frameworks": frameworks}


def _framework(report: Report, engine: str, place: int, epochs: int) -> dict[str, Any]:
    """The right version of both tasks, then every bug, in one framework's process."""
    title = ENGINE_TITLES[engine]
    trainings = [("digit", ""), ("number", ""), *(("number" if bug in NUMBER_BUGS else "digit", bug) for bug in BUGS)]
    right: dict[str, Any] = {}
    bugs: dict[str, Any] = {}
    with Part("core.compare.probes.silent_mistakes", title, environment=_ON_CPU) as part:
        for at, (task, bug) in enumerate(trainings):
            doing = f"the bug '{bug}'" if bug else f"the right version, {task}"
            report.progress((place + at / len(trainings)) / 2, f"{title}: {doing}")
            given: dict[str, Any] = {"task": task, "bug": bug, "epochs": epochs, "data_dir": str(report.data_dir)}
            found = part.call(f"{engine}_trained", **given)
            if bug:
                bugs[bug] = {"task": task} | _outcome(found, right[task])
            elif found["score"] is None:
                raise PartFailed(title, f"the right version failed: {found['message']}")
            else:
                right[task] = found
    return {"title": title, "right": {task: found["score"] for task, found in right.items()}, "bugs": bugs}


def _outcome(found: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """What happened in a word of the module, with the message; and the score, None where nothing was trained."""
    new = [warning for warning in found["warnings"] if warning not in right["warnings"]]
    if found["raised"]:
        return {"outcome": found["raised"], "message": found["message"], "score": None}
    return {"outcome": "warned" if new else "silent", "message": new[0] if new else None, "score": found["score"]}
