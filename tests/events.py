"""What lanes report, with plain figures where a test names none."""

from typing import Any

from core.experiment.parity import Certificate
from core.protocol.messages import Built, Epoch, Ready, Result, Step


def ready(engine: str = "keras", **said: Any) -> Ready:
    return Ready(**{"engine": engine, "import_s": 4.0, "versions": {}, "devices": ["cpu"], **said})


def built(**said: Any) -> Built:
    usual = {"data_s": 0.25, "build_s": 0.75, "parameters": 32_612, "summary": "layers", "device": "cpu"}
    return Built(**{**usual, **said})


def step(epoch: int = 1, steps_per_epoch: int = 40, points: Any = ()) -> Step:
    return Step(epoch, steps_per_epoch, list(points))


def epoch(number: int = 1, **said: Any) -> Epoch:
    figures = {"train_loss": 0.4, "train_accuracy": 0.85, "val_loss": 0.3, "val_accuracy": 0.9}
    times = {"train_s": 2.0, "val_s": 0.5, "images_per_s": 1800.0}
    return Epoch(**{"epoch": number, **figures, **times, **said})


def result(**said: Any) -> Result:
    figures = {"test_loss": 0.2, "test_accuracy": 0.95, "test_s": 0.25, "confusion": [], "rss_mib": 300}
    files = {"weights_file": "w.safetensors", "weights_sha256": "0", "predictions_file": "p.npz"}
    return Result(**{**figures, **files, **said})


def certificate(difference: float = 0.0) -> Certificate:
    return Certificate(difference, difference, logit_bound=1e-12, loss_bound=1e-12, steps=10, batch_size=126)
