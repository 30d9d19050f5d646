"""Claim 2, the level of the API: one network written three ways, counted and run.

The three scripts of `api_level_scripts` are what a user writes: Keras with `fit`, Keras with a loop of one's own,
PyTorch with the loop that it expects. Each one is a file that this probe reads, counts and runs as it stands.

What is counted: statements in Python's syntax tree (`ast.stmt`), at any depth, in the parts Model, Training and
Evaluation; a `for`, a `with` or a `def` counts once, and so does each statement inside it. Imports, docstrings and
the part Data (imports, loading, scaling, the seed) are left out: they are alike in all three. All three print a
line for each epoch; `fit` needs no statement for that, the loops need theirs, and print the loss alone.
"""

import ast
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from core.compare.probes.base import Part, PartFailed, Report
from core.data import datasets
from core.worker.engines.base import leave_out_unused

SCRIPTS = Path(__file__).with_name("api_level_scripts")
WAYS = {"keras_fit": "Keras fit", "keras_loop": "Keras loop", "torch_loop": "PyTorch loop"}
PARTS = ("Model", "Training", "Evaluation")
EPOCHS = 5

_MARKER = "# %% "
# The accuracies must compare, so both compute on the CPU.
_ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def statements(source: str) -> dict[str, int]:
    """How many statements each of `PARTS` has in a script; see the module for what counts."""
    starts = [(line.removeprefix(_MARKER), i) for i, line in enumerate(source.splitlines(), 1) if _MARKER in line]
    counts = dict.fromkeys(PARTS, 0)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt) or isinstance(node, ast.Import | ast.ImportFrom) or _is_docstring(node):
            continue
        part = next((name for name, start in reversed(starts) if start < node.lineno), "")
        if part in counts:
            counts[part] += 1
    return counts


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def run(script: str, folder: str) -> float:
    """In a part: runs a script where its data lie; the test accuracy (a fraction) that it ends with."""
    import os
    import runpy

    os.chdir(folder)
    leave_out_unused()
    ended = runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    return float(ended["accuracy"])


def measure(report: Report, epochs: int = EPOCHS) -> dict[str, Any]:
    """Counts and runs all three. A way that cannot run keeps its count and says why; `PartFailed` if none can."""
    ways, failures = [], []
    with tempfile.TemporaryDirectory() as folder:
        images = _write_data(report.data_dir, Path(folder), epochs)
        for place, (name, title) in enumerate(WAYS.items()):
            source = (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")
            way: dict[str, Any] = {"name": name, "title": title, "statements": statements(source), "script": source}
            try:
                ways.append(way | {"accuracy": _accuracy(report, name, place, folder, epochs), "reason": None})
            except PartFailed as failed:
                failures.append(failed)
                ways.append(way | {"accuracy": None, "reason": failed.reason})
    if len(failures) == len(WAYS):
        raise failures[0]
    return {"epochs": epochs, "test_images": images, "ways": ways}


def _write_data(data_dir: Path, folder: Path, epochs: int) -> int:
    """The file that each script loads: uint8 images, integer labels, the epochs. Returns the number of test images."""
    found = datasets.prepared("mnist5k", data_dir)
    assert found is not None, "the Launcher prepares mnist5k"
    arrays = found.load().without_channels()
    np.savez(
        folder / "mnist5k.npz",
        x_train=np.concatenate([arrays.train_images, arrays.validation_images]),
        y_train=np.concatenate([arrays.train_labels, arrays.validation_labels]).astype(np.int64),
        x_test=arrays.test_images,
        y_test=arrays.test_labels.astype(np.int64),
        epochs=epochs,
    )
    return len(arrays.test_images)


def _accuracy(report: Report, name: str, place: int, folder: str, epochs: int) -> float:
    """The test accuracy that one script reaches, in a process of its own."""
    title = WAYS[name]

    def on_print(line: str) -> None:
        report.printed(title, line)
        if at := re.match(r"Epoch (\d+)/", line):
            report.progress((place + int(at[1]) / (epochs + 1)) / len(WAYS), f"{title}: epoch {at[1]} of {epochs}")

    report.progress(place / len(WAYS), f"{title}: starting")
    with Part("core.compare.probes.api_level", title, on_print, _ON_CPU) as part:
        return float(part.call("run", script=f"{name}.py", folder=folder))
