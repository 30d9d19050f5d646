"""The code shown for a run: one complete script for each engine, with the run's settings.

A script does what the lane does, in the plain words of a user of that framework, and needs nothing of this
project. A framework's variants are conditions in its one template. The `# %%` cell markers name what each part is
for, so that two scripts can be laid side by side, row by row. The templates are the only source: what is shown is
what the tests run.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from core.experiment.layers import Flatten
from core.experiment.names import engine_title, framework
from core.experiment.network import Network
from core.experiment.settings import ENGINE_NAMES, EVALUATION_BATCH, Alignment, Device, TrainSettings

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


def listing(engine: str, settings: TrainSettings) -> Listing:
    """The script that does what `engine`'s lane does in a run with `settings`.

    Raises `KeyError`, with a sentence, for an engine without a listing.
    """
    if engine not in FILENAMES:
        raise KeyError(f"There is no listing for the engine {engine}: choose one of {', '.join(FILENAMES)}.")
    script = _TEMPLATES.get_template(f"{framework(engine)}.py.j2").render(_facts(settings), **_variant(engine))
    return Listing(engine, script, _split(script))


def _variant(engine: str) -> dict[str, Any]:
    """What the templates know of the engine: its name in words, Keras' backend, and which variant it is."""
    return {
        "title": engine_title(engine),
        "backend": _BACKENDS.get(engine, "tensorflow"),
        "eager": engine == "keras-eager",
        "compiled": engine == "torch-compile",
        "tuned": engine.endswith("-tuned"),
    }


def _facts(settings: TrainSettings) -> dict[str, Any]:
    """What the templates know: the run's settings and the network."""
    network = Network.of(settings.network)
    flat = next(node for node in network.nodes if isinstance(node.layer, Flatten))
    return {
        "run": settings,
        "evaluation_batch": EVALUATION_BATCH,
        "aligned": settings.alignment != Alignment.AS_SHIPPED,
        "twin": settings.alignment == Alignment.EXACT_TWIN,
        "on_cpu": settings.device == Device.CPU,
        "dtype": "float64" if settings.float64 else "float32",
        "layers": [
            {"kind": type(node.layer).__name__, "arriving": node.arrives[-1], **vars(node.layer)}
            for node in network.nodes
        ],
        "specs": [spec for spec in network.weights if spec.name.endswith(".weight")],
        "size": network.data.height,
        "features": flat.leaves[0],
        "grid": flat.arrives,  # [height, width, channels] before they are flattened
    }


def _split(script: str) -> dict[str, str]:
    """The script's parts by purpose. Raises `ValueError` where the markers are not those of `TITLES`."""
    before, *parts = f"\n{script}".split(f"\n{_MARKER}")
    titled = [part.partition("\n") for part in parts]
    if before or [title for title, _, _ in titled] != list(TITLES.values()):
        raise ValueError(f"A listing's markers must be {', '.join(TITLES.values())}, in this order.")
    return {purpose: code.strip("\n") for purpose, (_, _, code) in zip(PURPOSES, titled, strict=True)}
