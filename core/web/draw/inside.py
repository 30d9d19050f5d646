"""Inside both models: what each layer makes of a drawing, Keras beside PyTorch, and which pixels the answers hang on.

What is shown is made of models and a drawing alone. All layers are computed once for both, and kept in the session:
choosing another layer only draws anew.
"""

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.data import images
from core.experiment.metrics import digits
from core.experiment.names import engine_title, framework
from core.experiment.network import Network, Node
from core.experiment.settings import Alignment
from core.experiment.switches import Switch
from core.launcher.answers import Inside
from core.launcher.launcher import LauncherUnavailable
from core.launcher.predictors import PredictorError
from core.results.charts import COLOURS
from core.results.models import Model, swapped
from core.web.draw import inside_words as words
from core.web.draw.layer_pictures import MOST_BARS, Scale, columns_of, picture
from core.web.draw.view import possessive
from core.web.elements.lanes import mark_html
from core.web.elements.markdown import literal
from core.web.server.installation import installation

Image = npt.NDArray[np.uint8]
OPEN, LOOKED = "inside_open", "inside_looked"
KEPT = 4
"""Drawings, or sets of weights, whose insides a session keeps: 0.3 MB each for the article's network, 8 MB at most."""


def folded(models: Sequence[Model], seen: Image | None, classes: Sequence[str], swap: bool, hint: str) -> None:
    """The insides below the answers, folded away until wanted; `hint` says why there is no answer, where there is none.

    `seen` uint8 [H, W, C] is what the models see; with `swap` both models have the same weights.
    """
    label = "Look inside both models" if len(models) == 2 else "Look inside the model"
    shown = st.expander(label, key=OPEN, on_change="rerun")
    if not shown.open:
        return
    with shown:
        if seen is None or hint:
            st.markdown(literal(hint))
        else:
            both(models, seen, classes, swap)


def look(models: Sequence[Model], image: Image) -> list[Inside]:
    """Inside each model, as the session keeps it, else computed now.

    Raises `LauncherUnavailable` and `PredictorError`.
    """
    kept: dict[object, list[Inside]] = st.session_state.setdefault(LOOKED, {})
    key = tuple((model.engine, model.sha256) for model in models), image.shape, image.tobytes()
    kept[key] = kept.pop(key) if key in kept else installation().launcher.predictors.look(models, image)
    while len(kept) > KEPT:
        kept.pop(next(iter(kept)))
    return kept[key]


@st.fragment
def both(models: Sequence[Model], seen: Image, classes: Sequence[str], swap: bool = False) -> None:
    """A choice of layers, and the chosen one in pictures and words: a fragment, so that choosing reruns no more."""
    titles = [engine_title(model.engine) for model in models]
    own = len(models) < 2 or not swap
    asked = models if own else [swapped(models)[0], models[1], models[0], swapped(models)[1]]
    try:
        looked = look(asked, seen)
    except (LauncherUnavailable, PredictorError) as error:
        st.markdown(f":red[{literal(error)}]")
        return
    pair, back = looked[:2], looked[2:]
    layers = list(pair[0].outputs)
    layer = _chosen(layers)
    names = titles if own else [f"{titles[0]} with {possessive(titles[1])} weights", titles[1]]
    sentences = [words.shape_words(*_placed(models[0], pair[0], layer))]
    if len(pair) == 2:
        found = words.partings(*pair)
        settings = models[0].settings
        as_shipped = settings.alignment == Alignment.AS_SHIPPED or bool(settings.keep)
        sentences.append(words.parting_words(found[layers.index(layer)]))
        sentences.append(
            words.most_words(found, own_starts=not settings.aligns(Switch.INITIALISERS))
            if own
            else words.same_weights_words(titles, found, words.partings(*back), as_shipped)
        )
    st.html(
        f'<div class="inside"><p>{escape(" ".join(sentences))}</p>{layer_html(pair, names, layer)}'
        f"<h3>Which pixels it looks at</h3><p>{escape(words.gradient_words(pair, names, classes))}</p>"
        f"{gradient_html(pair, names)}</div>"
    )


def _chosen(layers: Sequence[str]) -> str:
    """The layer that is shown: the first until another one is chosen; arrow keys choose, too."""
    key = f"layer_of_{'_'.join(layers)}"
    default = None if key in st.session_state else layers[0]
    chosen: str | None = st.segmented_control(
        "Layer", layers, default=default, required=True, key=key, wrap=True, persist_state="session"
    )
    return chosen or layers[0]


def _placed(model: Model, inside: Inside, layer: str) -> tuple[Node, int]:
    """A layer in its network, and how many of its maps or numbers came."""
    nodes = {node.name: node for node in Network.of(model.settings.network, model.data).nodes}
    return nodes[layer], inside.outputs[layer].shape[-1]


def layer_html(pair: Sequence[Inside], names: Sequence[str], layer: str) -> str:
    """One layer of each model as a picture, and of two models their difference, in one scale that a line explains."""
    outputs = [inside.outputs[layer] for inside in pair]
    scale = Scale.over(outputs)
    figures = [
        _figure(
            picture(output, scale, COLOURS[framework(inside.engine)]),
            _heading(inside.engine, name),
            f"{layer} in {name}",
            output,
        )
        for inside, name, output in zip(pair, names, outputs, strict=True)
    ]
    if len(outputs) == 2:
        apart = np.abs(outputs[0] - outputs[1])
        drawn = picture(apart, scale.of_differences, COLOURS["other"])
        figures.append(
            _figure(drawn, "Difference", f"Their difference at {layer}: at most {digits(float(apart.max()))}", apart)
        )
    shades = outputs[0].ndim == 3 or outputs[0].shape[0] > MOST_BARS
    return f'<div class="inside-row">{"".join(figures)}</div><p>{escape(words.scale_words(scale, shades))}</p>'


def gradient_html(pair: Sequence[Inside], names: Sequence[str]) -> str:
    """How strongly each pixel moves each model's answer, in one scale."""
    maps = [words.strength(inside.gradient) for inside in pair]
    scale = Scale.over(maps)
    figures = [
        _figure(picture(drawn, scale, ""), _heading(inside.engine, name), f"The pixels that {name} looks at", drawn)
        for inside, name, drawn in zip(pair, names, maps, strict=True)
    ]
    return f'<div class="inside-row inside-small">{"".join(figures)}</div>'


def _heading(engine: str, name: str) -> str:
    return f"{mark_html(engine)} {escape(name)}"


def _figure(drawn: Image, heading: str, alt: str, output: npt.NDArray[np.float32]) -> str:
    """A picture under its heading, which is HTML. Few maps are not blown up to the whole width."""
    kind = "inside-maps" if output.ndim == 3 else "inside-flat"
    columns = columns_of(output.shape[-1]) if output.ndim == 3 else 0
    return (
        f'<figure class="{kind}" style="--columns: {columns}"><figcaption>{heading}</figcaption>'
        f'<img src="{images.data_url(drawn)}" alt="{escape(alt)}"/></figure>'
    )
