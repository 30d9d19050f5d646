"""What can be taken from the Draw page: the drawing with both answers, and the weights in three formats."""

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st
from PIL import Image, ImageDraw, ImageFont, ImageOps

from core.data.images import png, rasterise
from core.experiment.metrics import digits
from core.experiment.names import engine_title, framework
from core.launcher.answers import Prediction
from core.launcher.launcher import LauncherUnavailable
from core.launcher.predictors import PredictorError, Predictors
from core.results.listings import loading_lines
from core.results.models import Model, swapped
from core.results.outcome import Outcome
from core.web.draw.drawing import Drawing
from core.web.draw.view import framework_file, in_words, largest_difference, possessive
from core.web.elements.code import Code, code_blocks
from core.web.elements.lanes import marked
from core.web.elements.markdown import literal
from core.web.elements.presses import READ_S
from core.web.elements.table import table
from core.web.server.installation import installation


def picture(drawing: Drawing, answers: Sequence[Prediction], classes: Sequence[str], names: Sequence[str]) -> None:
    """A button for the drawing with both answers as one PNG."""
    st.download_button(
        "Download picture and answers",
        lambda: answer_png(drawing, answers, classes, names),
        "picture.png",
        "image/png",
        icon=":material/download:",
        on_click="ignore",
    )


def answer_png(drawing: Drawing, answers: Sequence[Prediction], classes: Sequence[str], names: Sequence[str]) -> bytes:
    """The drawing beside what the models saw, and below them what they said; 680 pixels wide."""
    words = in_words(answers, classes, names)
    lines = [words.headline, words.detail]
    lines += [f"{name}: {top}" for name, top in zip(names, words.tops, strict=True)]
    sheet = Image.new("RGB", (680, 336 + 30 * len(lines)), "white")
    seen = np.zeros((1, 1, 1), np.uint8) if drawing.seen is None else drawing.seen
    drawn = rasterise(drawing.strokes, 280) if drawing.strokes else seen
    for left, pixels in ((40, drawn), (360, seen)):
        with Image.open(io.BytesIO(png(pixels))) as picture:
            sheet.paste(ImageOps.pad(picture.convert("RGB"), (280, 280), Image.Resampling.NEAREST), (left, 24))
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        draw.text((40, 320 + 30 * i), line.replace("\u00a0", " "), fill="black", font=ImageFont.load_default(18))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def logits(predictors: Predictors, models: Sequence[Model], seen: npt.NDArray[np.uint8]) -> None:
    """Both models' logits for each set of weights, and the largest difference."""
    own, other = predictors.ask(models, seen[None]), predictors.ask(swapped(models), seen[None])
    columns, sentences = {}, []
    for i, model in enumerate(models):
        pair = (own[i], other[1 - i])
        difference, scale = largest_difference(*pair)
        same = "the same answer" if difference <= 1e-5 * scale else "another answer"
        whose = engine_title(model.engine)
        sentences.append(
            f"With the weights that {whose} learnt: **{digits(difference)}** of at most {scale:.1f}, {same}."
        )
        for answer in pair:
            name = f"{possessive(whose)} weights in {engine_title(answer.engine)}"
            columns[name] = [f"{value:.6f}" for value in answer.logits[0]]
    st.markdown("Largest difference of the outputs. " + " ".join(sentences), width=720)
    st.markdown("What was learnt is in the weights, not in the framework: the framework is not the model.", width=720)
    with st.expander("All outputs (logits)"):
        table(pd.DataFrame(columns).rename_axis("Output"))


def why_not(predictors: Predictors, drawn: Mapping[str, str], failed: Sequence[tuple[float, str]]) -> None:
    """Why some files cannot be written now, or just could not be; the whole page again when that has changed."""
    now = {engine: predictors.cannot_save(engine) for engine in drawn}
    if [bool(why) for why in now.values()] != [bool(why) for why in drawn.values()]:
        st.rerun()
    if reasons := [why for why in now.values() if why]:
        st.markdown(f"Some of these files cannot be written yet. {literal(reasons[0])}")
    elif failed and time.monotonic() - failed[-1][0] < READ_S:
        st.markdown(f":red[{literal(f'The file was not written. {failed[-1][1]}')}]")


def _keep(failed: list[tuple[float, str]], error: PredictorError) -> None:
    """The last refusal as a sentence: an exception would hold the weights that its frames know, for the session."""
    failed[:] = [(time.monotonic(), str(error))]


def weights(outcome: Outcome, models: Sequence[Model]) -> None:
    """Each lane's weights as safetensors, Keras file and PyTorch state dict, with the lines that load them."""
    st.header("Take the weights", anchor=False)
    try:
        predictors = installation().launcher.predictors
    except LauncherUnavailable as error:
        st.markdown(literal(error))
        return
    engines = {framework(model.engine): model.engine for model in models}
    cannot = {engine: predictors.cannot_save(engine) for engine in engines.values()}
    failed: list[tuple[float, str]] = st.session_state.setdefault("weights_failed", [])
    for column, model in zip(st.columns(len(models), gap="medium"), models, strict=True):
        with column:
            st.markdown(f"**{marked(model.engine)}**")
            with st.container(horizontal=True):
                st.download_button(
                    f"{model.engine}.safetensors",
                    model.weights_file.read_bytes,
                    f"{model.engine}.safetensors",
                    on_click="ignore",
                    key=f"safetensors_{model.engine}",
                )
                for suffix, writer in ((".keras", engines.get("keras")), (".pt", engines.get("torch"))):
                    if writer is None:
                        continue
                    same = replace(model, engine=writer)
                    st.download_button(
                        f"{model.engine}{suffix}",
                        framework_file(predictors, same, suffix, partial(_keep, failed)),
                        f"{model.engine}{suffix}",
                        on_click="ignore",
                        key=f"{suffix}_{model.engine}",
                        disabled=bool(cannot[writer]),
                    )
    # Each look travels over somebody's line: seldom while all can be written.
    st.fragment(why_not, run_every=2 if any(cannot.values()) else 10)(predictors, cannot, failed)
    run = outcome.run
    with st.expander("The lines that load them"):
        for kind, lines in loading_lines(run.settings, run.dataset, models[0].engine).items():
            code_blocks(Code(lines, f"lines that load {kind}"))
