"""Evidence of claim 9: files and bytes by language in the installed packages.

Rule: the result supports `Keras: true, PyTorch: false` where at least 95 % of the bytes of Keras' package are Python
and PyTorch's package has not one Lua file.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.compare.evidence import Picture, Shown, Table
from core.experiment.metrics import NO_BREAK
from core.experiment.names import joined
from core.results.charts import COLOURS, base_layout

PYTHON, LUA = "Python", "Lua"
LANGUAGES = ("Python", "C/C++/CUDA", "compiled libraries", "Lua", "other")
OPACITY = (1.0, 0.7, 0.4, 1.0, 0.2)
NAMES = {"keras": "Keras", "tensorflow": "TensorFlow", "torch": "PyTorch"}
MIB = 2**20

Counts = Mapping[str, Mapping[str, int]]


def show(result: Mapping[str, Any]) -> Shown:
    """`result` is that of `core.compare.probes.language`; a package that is not installed is None or missing."""
    counts: dict[str, Counts] = {
        package: result["packages"][package]["languages"] for package in NAMES if result["packages"].get(package)
    }
    missing = [NAMES[package] for package in NAMES if package not in counts]
    sentences = [_sentence(package, counted) for package, counted in counts.items()]
    lua = sum(counted[LUA]["files"] for counted in counts.values())
    sentences.append(f"Lua files in all of them: {lua:,}.")
    if missing:
        sentences.append(f"Not installed here: {joined(missing)}.")
    keras, torch = counts.get("keras"), counts.get("torch")
    return Shown(
        finding=" ".join(sentences),
        supports=bool(keras and torch)
        and _share(counts["keras"], PYTHON) >= 0.95
        and not counts["torch"][LUA]["files"],
        pictures=[_bars(counts)] if counts else [],
        tables=[_table(counts)],
    )


def _total(counted: Counts) -> int:
    return sum(language["bytes"] for language in counted.values())


def _share(counted: Counts, language: str) -> float:
    return counted[language]["bytes"] / max(1, _total(counted))


def _per_cent(share: float) -> str:
    """Whole per cents, and no rounding to nothing: 0.4 % is `under 1 %`."""
    return f"under 1{NO_BREAK}%" if 0 < share < 0.005 else f"{100 * share:.0f}{NO_BREAK}%"


def _parts(counted: Counts) -> str:
    said = [
        f"{language} {_per_cent(_share(counted, language))}" for language in LANGUAGES if counted[language]["files"]
    ]
    return ", ".join(said)


def _sentence(package: str, counted: Counts) -> str:
    files = sum(language["files"] for language in counted.values())
    return f"{NAMES[package]}: {files:,} files, by size {_parts(counted)}."


def _bars(counts: Mapping[str, Counts]) -> Picture:
    """A stacked bar a package, in shares of its bytes; the parts are told in words above it."""
    figure = go.Figure(layout=base_layout(260))
    for package, counted in counts.items():
        for language, opacity in zip(LANGUAGES, OPACITY, strict=True):
            figure.add_bar(
                x=[100 * _share(counted, language)],
                y=np.array([NAMES[package]]),
                orientation="h",
                width=0.36,
                marker={"color": COLOURS.get(package, COLOURS["other"]), "opacity": opacity, "line": {"width": 0}},
                name=language,
                hovertemplate=f"{NAMES[package]}, {language}: %{{x:.1f}} %<extra></extra>",
            )
        figure.add_annotation(x=0, y=NAMES[package], text=_parts(counted), showarrow=False, xanchor="left", yshift=22)
    figure.update_layout(barmode="stack")
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, ticksuffix="  ")
    figure.update_xaxes(title_text="per cent of the package's bytes", range=[0, 100], showgrid=True)
    return Picture(figure, "Share of bytes. " + " ".join(_sentence(*item) for item in counts.items()))


def _size(size: int) -> str:
    return f"{size / MIB:,.{0 if size >= 10 * MIB or not size else 1}f}{NO_BREAK}MiB"


def _table(counts: Mapping[str, Counts]) -> Table:
    rows: list[Sequence[str]] = []
    for language in LANGUAGES:
        cells = [f"{counted[language]['files']:,}, {_size(counted[language]['bytes'])}" for counted in counts.values()]
        rows.append([language, *cells])
    caption = (
        "Files and sizes as the installed packages list them (RECORD), without bytecode and metadata. C/C++/CUDA "
        "are the headers and the few sources that ship; the rest of that code is in the compiled libraries."
    )
    return Table(["language", *(NAMES[package] for package in counts)], rows, caption)
