"""`python -m tests.engines.difference_code keras|torch`: runs the code of every row of the catalogue in one framework.

Prints a line for each that fails. What a row takes for given (a model, a batch, labels) is made anew for each.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from core.compare.differences.catalogue import DIFFERENCES
from core.compare.differences.difference import Part
from core.worker.engines.base import leave_out_unused

Names = dict[str, Any]


def of_keras(row: str) -> Names:
    keras = importlib.import_module("keras")
    keras.config.set_floatx("float32")
    x = np.random.default_rng(0).random((8, 4), np.float32)
    y = np.arange(8) % 2
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)
    shares = x / x.sum(1, keepdims=True)
    names = {"keras": keras, "np": np, "tf": importlib.import_module("tensorflow"), "model": model, "y": y}
    names |= {
        "optimizer": optimizer,
        "old_rate": 0.1,
        "new_rate": 0.01,
        "row": x[:1],
        "logits": x,
        "classes": 4,
        "n": 8,
    }
    names |= {"probabilities": shares, "output": shares, "target": shares, "labels": y * 1.0, "outputs": x[:, :1]}
    names |= {"kernel": np.ones((3, 12)), "order": np.arange(8), "steps_per_epoch": 3, "mask": np.ones((1, 5, 5), bool)}
    names["ExponentialDecay"] = keras.optimizers.schedules.ExponentialDecay
    names["x"] = np.ones((1, 5, 8), np.float32) if row == "attention-mask" else x
    return names


def of_torch(row: str) -> Names:
    torch, data = importlib.import_module("torch"), importlib.import_module("torch.utils.data")
    importlib.import_module("torchvision.transforms.v2")
    nn, x, y = torch.nn, torch.rand(8, 4), torch.arange(8) % 2
    model = nn.Sequential(nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(x).sum().backward()
    optimizer.step()
    names = {"torch": torch, "nn": nn, "F": nn.functional, "torchvision": importlib.import_module("torchvision")}
    names |= {"np": np, "DataLoader": data.DataLoader, "Subset": data.Subset, "dataset": data.TensorDataset(x, y)}
    names |= {"model": model, "optimizer": optimizer, "old_rate": 0.1, "new_rate": 0.01, "x": x, "y": y, "row": x[:1]}
    names |= {
        "layer": nn.Linear(784, 128),
        "embedding": nn.Embedding(9, 4),
        "lstm": nn.LSTM(32, 64),
        "gru": nn.GRU(3, 4),
    }
    names |= {"batches": [(1.0, x)], "batch_losses": [1.0], "loader": [x], "train": lambda batch: None, "step": 3}
    names |= {"scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5), "order": list(range(8))}
    names |= {"outputs": x[:, :1], "labels": y.float(), "logits": x, "weights": torch.ones(4)}
    names |= {"probabilities": x.softmax(1), "output": x.softmax(1), "target": x.softmax(1)}
    names |= {"keras_kernel": torch.ones(3, 12), "mask": torch.eye(5, dtype=torch.bool)}
    own: dict[str, Names] = {
        "attention-mask": {"x": torch.rand(1, 5, 8)},
        "flatten-order": {"x": torch.rand(1, 2, 3, 3)},
        "binary-accuracy": {"logits": x[:, 0], "labels": y},
    }
    return names | own.get(row, {})


def main(framework: str) -> None:
    leave_out_unused()
    given: Callable[[str], Names] = of_keras if framework == "keras" else of_torch
    fields = ("keras", "align_keras") if framework == "keras" else ("pytorch", "align_pytorch")
    for row in DIFFERENCES:
        for field in fields if row.part is not Part.GPU else ():
            try:
                exec(getattr(row, field), given(row.name))
            except Exception as error:
                print(f"FAILED {row.name}, {field}: {type(error).__name__}: {error}")
    print("all have run")


if __name__ == "__main__":
    os.environ |= {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    main(sys.argv[1])
