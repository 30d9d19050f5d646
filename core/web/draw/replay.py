"""The training replayed on the Draw page: how both models' answers to this very drawing grew, epoch by epoch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import streamlit as st

from core.data.dataset import Dataset
from core.experiment.names import engine_title, framework, joined
from core.experiment.titles import cut_apart
from core.launcher.answers import Replay
from core.launcher.launcher import LauncherUnavailable
from core.launcher.predictors import PredictorError
from core.results.models import Model
from core.web.components.training_replay import ReplayLane, ReplayLine, ReplayView, training_replay
from core.web.draw.drawing import Drawing
from core.web.draw.view import LABEL_LETTERS, MOST_ROWS, a_class, per_cent
from core.web.elements.markdown import literal
from core.web.server.installation import installation

FOLDED, LAST = "replay_training", "last_replay"
NONE_KEPT = "This run has no weights of its epochs, so its training cannot be replayed."
TRAIN_ONE = "One that is trained here from now on keeps them."
HOW = (
    "Each model answers with the weights that it had then. They are kept with 11 binary digits (float16), so that a "
    "probability may be some tenths of a point off; after the last epoch they are its own."
)
MOST_THIN_LINES = 2
"""Of a model: classes that it once read and no longer does."""

Reads = npt.NDArray[np.int64]


def section(models: Sequence[Model], drawing: Drawing, dataset: Dataset, why: str) -> None:
    """Folded away until wanted; `why` is why the models do not answer now, empty where they do."""
    with st.expander("Replay the training", key=FOLDED, on_change="rerun") as folded:
        if not folded.open:
            return
        kept = [model for model in models if model.epochs]
        if not kept or why or drawing.seen is None:
            st.markdown(literal(why or drawing.hint) if kept else none_kept())
            return
        try:
            found = replayed(kept, drawing.seen)
        except (LauncherUnavailable, PredictorError) as error:
            st.markdown(f":red[{literal(error)}]")
            return
        training_replay(replay_view(found, dataset.class_names), key="training_replay")
        st.caption(f"{HOW} {gaps(epochs_of(found))}", width=720)


def replayed(models: Sequence[Model], seen: npt.NDArray[np.uint8]) -> list[Replay]:
    """How the answers to the network input `seen` grew; asked for once a drawing. Raises `LauncherUnavailable`,
    `PredictorError`.
    """
    asked = ([model.slot for model in models], seen.shape, seen.tobytes())
    known, found = st.session_state.get(LAST, (None, []))
    if known != asked:
        found = installation().launcher.predictors.replay(models, seen[None])
        st.session_state[LAST] = asked, found
    return list(found)


def none_kept() -> str:
    """Why there is nothing to replay."""
    return f"{NONE_KEPT} {TRAIN_ONE}" if installation().deployment.epoch_weights else NONE_KEPT


def epochs_of(found: Sequence[Replay]) -> list[int]:
    """The epochs of which any model's weights are kept, in order."""
    return sorted({epoch for each in found for epoch in each.epochs})


def shares_of(found: Sequence[Replay]) -> npt.NDArray[np.float64]:
    """Each model's probabilities after each of `epochs_of`, [models, epochs, classes].

    A model that was not kept there, or that had ended, answers as it last did.
    """
    epochs = epochs_of(found)
    places = [np.searchsorted(each.epochs, epochs, side="right") - 1 for each in found]
    return np.array([each.probabilities[at, 0] for each, at in zip(found, places, strict=True)])


def replay_view(found: Sequence[Replay], classes: Sequence[str]) -> ReplayView:
    """What the component shows of the models' answers to one image."""
    epochs, shares = epochs_of(found), shares_of(found)
    reads: Reads = shares.argmax(2)
    titles = [engine_title(each.engine) for each in found]
    rows = shown_classes(shares)
    labels = cut_apart(classes, LABEL_LETTERS)
    return ReplayView(
        epochs=epochs,
        lanes=[
            ReplayLane(title, framework(each.engine), lane[:, rows].tolist())
            for title, each, lane in zip(titles, found, shares, strict=True)
        ],
        labels=[labels[row] for row in rows],
        lines=[line for lane, read in enumerate(reads) for line in lines_of(lane, read, rows)],
        words=[after(epoch, shares[:, place], classes, titles) for place, epoch in enumerate(epochs)],
        finding=" ".join(grew(title, read, epochs, classes) for title, read in zip(titles, reads, strict=True)),
    )


def shown_classes(shares: npt.NDArray[np.float64]) -> list[int]:
    """The classes that have a bar: all where there are few, else those that any model ever found likeliest."""
    best = shares.max((0, 1))
    if len(best) <= MOST_ROWS:
        return list(range(len(best)))
    final = shares[:, -1].argmax(1)
    return sorted({*map(int, final), *map(int, np.argsort(-best, kind="stable")[: MOST_ROWS // 2])})


def lines_of(lane: int, read: Reads, rows: Sequence[int]) -> list[ReplayLine]:
    """A model's lines: what it reads in the end, and what it read longest before; `read` [epochs] are classes."""
    final = int(read[-1])
    counts = np.bincount(read)
    before = [int(one) for one in np.argsort(-counts, kind="stable") if counts[one] and one != final and one in rows]
    shown = [(final, True), *((one, False) for one in before[:MOST_THIN_LINES])]
    return [ReplayLine(lane, rows.index(one), is_final) for one, is_final in shown]


def after(epoch: int, shares: npt.NDArray[np.float64], classes: Sequence[str], titles: Sequence[str]) -> str:
    """What each model reads after an epoch: probabilities [models, classes]."""
    read = [f"{a_class(classes[int(share.argmax())])} ({per_cent(share.max())})" for share in shares]
    first, *more = zip(titles, read, strict=True)
    parts = [f"{first[0]} reads {first[1]}", *(f"{title} {what}" for title, what in more)]
    when = f"After epoch {epoch}" if epoch else "Before the first epoch"
    return f"{when} {joined(parts)}."


def grew(title: str, read: Reads, epochs: Sequence[int], classes: Sequence[str]) -> str:
    """Since when a model reads what it reads in the end, and what it read before, as a sentence."""
    final = int(read[-1])
    others = np.flatnonzero(read != final)
    since = int(others[-1]) + 1 if len(others) else 0
    what = f"{title} reads {a_class(classes[final])}"
    if not since:
        return f"{what} from the start."
    earlier = list(dict.fromkeys(a_class(classes[int(one)]) for one in read[:since] if one != final))
    before = joined(earlier) if len(earlier) <= 2 else "other classes"
    when = "after the last epoch alone" if since == len(epochs) - 1 else f"from epoch {epochs[since]} on"
    return f"{what} {when}, before that {before}."


def gaps(epochs: Sequence[int]) -> str:
    """Which epochs are kept, as a sentence; empty where it is all."""
    if len(epochs) == epochs[-1] + 1:
        return ""
    return f"Of this run the start and epochs {joined([str(epoch) for epoch in epochs if epoch])} are kept."
