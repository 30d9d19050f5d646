"""Evidence of claim 8: the same Keras network on each backend that is installed, and what PyTorch runs on.

Rule: the result supports `Keras: true, PyTorch: false` where the Keras network trained on TensorFlow, and PyTorch
names at least one compiler backend or one kernel library that it has here.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.compare.evidence import Picture, Shown, Table
from core.experiment import metrics
from core.experiment.names import joined
from core.results.charts import COLOURS, base_layout

TITLES = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX", "openvino": "OpenVINO"}

Backend = Mapping[str, Any]


def show(result: Mapping[str, Any]) -> Shown:
    """`result` is that of `core.compare.probes.backends`; a backend may be missing, not installed or have failed."""
    backends: Mapping[str, Backend] = result["keras"]
    pytorch = result["pytorch"]
    trained = {name: backend for name, backend in backends.items() if backend.get("losses")}
    names_one = bool(_compilers(pytorch) or _kernels(pytorch))
    return Shown(
        finding=" ".join(filter(None, [_keras_sentence(result, trained), _rest(backends), _pytorch_sentence(pytorch)])),
        supports="tensorflow" in trained and names_one,
        pictures=[_bars(result["steps"], trained)] if trained else [],
        tables=[_table(result["steps"], backends), _pytorch_table(pytorch)],
    )


def _compilers(pytorch: Mapping[str, Any]) -> list[str]:
    return list(pytorch.get("compilers", ()))


def _kernels(pytorch: Mapping[str, Any]) -> list[str]:
    return [name for name, there in pytorch.get("kernels", {}).items() if there]


def _title(name: str) -> str:
    return TITLES.get(name, name)


def _largest(trained: Mapping[str, Backend]) -> float:
    """The largest relative difference of a step's loss between the first backend and any other."""
    first, *others = (np.array(backend["losses"]) for backend in trained.values())
    return max((float((np.abs(other - first) / np.abs(first)).max()) for other in others), default=0.0)


def _loss_difference(value: float) -> str:
    return metrics.digits(float(f"{value:.0e}"))


def _keras_sentence(result: Mapping[str, Any], trained: Mapping[str, Backend]) -> str:
    if not trained:
        return "The Keras network trained on no backend here."
    ran_on = joined([f"{_title(name)} {backend['version']}" for name, backend in trained.items()])
    losses = [metrics.loss(backend["losses"][-1]) for backend in trained.values()]
    sentence = f"The same Keras network trained {result['steps']} steps on {ran_on}; its loss ended at {joined(losses)}"
    if len(trained) > 1:
        sentence += f", and at no step do they differ by more than {_loss_difference(_largest(trained))} of the loss"
    return sentence + "."


def _rest(backends: Mapping[str, Backend]) -> str:
    """What read only, is not installed, or failed."""
    said = [
        f"{_title(name)} {backend['version']} ran it for inference."
        for name, backend in backends.items()
        if "start_logits" in backend and "losses" not in backend
    ]
    absent = [_title(name) for name, backend in backends.items() if not backend["installed"]]
    said += [f"Not installed here: {joined(absent)}."] if absent else []
    said += [f"On {_title(name)} it failed: {b['failed']}." for name, b in backends.items() if "failed" in b]
    return " ".join(said)


def _pytorch_sentence(pytorch: Mapping[str, Any]) -> str:
    if "failed" in pytorch:
        return f"PyTorch did not answer: {pytorch['failed']}."
    compilers, kernels = joined(_compilers(pytorch)) or "none", joined(_kernels(pytorch)) or "none"
    about = f"PyTorch {pytorch['version']} lists the compiler backends {compilers}"
    return f"{about}; its kernel libraries here: {kernels}."


def _bars(steps: int, trained: Mapping[str, Backend]) -> Picture:
    """Milliseconds a step per backend, from 0; the loss reached in words above."""
    figure = go.Figure(layout=base_layout(200 if len(trained) < 3 else 260))
    said = []
    for name, backend in trained.items():
        title, milliseconds = f"Keras on {_title(name)}", backend["ms_per_step"] or 0.0
        text = f"{_ms(backend['ms_per_step'])} a step, loss {metrics.loss(backend['losses'][-1])} after {steps}"
        figure.add_bar(
            x=[milliseconds],
            y=np.array([title]),
            orientation="h",
            width=0.36,
            marker={"color": COLOURS["keras"], "line": {"width": 0}},
            hovertemplate=f"{title}: {text}<extra></extra>",
        )
        figure.add_annotation(x=0, y=title, text=text, showarrow=False, xanchor="left", yshift=22)
        said.append(f"{title}: {text}")
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, ticksuffix="  ")
    figure.update_xaxes(title_text="milliseconds a step", rangemode="tozero", showgrid=True)
    caption = "One short run each, to show that it runs: no comparison of speed."
    return Picture(figure, ". ".join(said) + ".", caption)


def _ms(value: float | None) -> str:
    if value is None:
        return metrics.NOT_KNOWN
    return f"{value:,.{1 if value < 10 else 0}f}{metrics.NO_BREAK}ms"


def _table(steps: int, backends: Mapping[str, Backend]) -> Table:
    first = next((b["start_logits"] for b in backends.values() if "start_logits" in b), None)
    rows = []
    for name, backend in backends.items():
        none = metrics.NOT_KNOWN
        version = backend.get("version") or ("failed" if backend["installed"] else "not installed")
        losses, logits = backend.get("losses"), backend.get("start_logits")
        apart = _loss_difference(float(np.abs(np.array(logits) - np.array(first)).max())) if logits else none
        accuracy = metrics.percent(backend["accuracy"], backend["test_images"]) if losses else none
        trained = [metrics.loss(losses[-1]) if losses else none, accuracy, _ms(backend.get("ms_per_step"))]
        rows.append([_title(name), version, apart, *trained])
    columns = ["Keras on", "version", "start logits differ by", f"loss after {steps} steps", "test accuracy", "a step"]
    caption = (
        "Same code, start weights and batches, no dropout. Differences are from the first row. OpenVINO only predicts."
    )
    return Table(columns, rows, caption)


def _pytorch_table(pytorch: Mapping[str, Any]) -> Table:
    kernels = pytorch.get("kernels", {})
    rows = [
        ["compiler backends that it lists", ", ".join(_compilers(pytorch)) or metrics.NOT_KNOWN],
        ["kernel libraries here", ", ".join(_kernels(pytorch)) or metrics.NOT_KNOWN],
        [
            "kernel libraries not here",
            ", ".join(name for name, there in kernels.items() if not there) or metrics.NOT_KNOWN,
        ],
    ]
    return Table(["PyTorch", "which"], rows, "A listed compiler backend may need a package of its own.")
