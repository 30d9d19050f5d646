"""Evidence of claim 10: errors, breakpoints and a step's time with and without compiling, in both frameworks.

Rule: the result supports `Keras: outdated, PyTorch: partly true` where both kinds of breakpoint stop at every step
with Keras' run_eagerly=True and in PyTorch's eager mode, and neither does so under Keras' compiled `fit`. What
`torch.compile` does is shown and does not decide: a machine without a C++ compiler has none.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.compare.evidence import Picture, Shown, Table
from core.experiment import metrics
from core.experiment.names import framework, joined
from core.results.charts import COLOURS, base_layout

TITLES = {
    "keras-fit": "Keras, compiled fit",
    "keras-eager": "Keras, run_eagerly",
    "torch-eager": "PyTorch, eager",
    "torch-compile": "PyTorch, torch.compile",
}
IN_WORDS = {
    "keras-fit": "Keras' compiled fit",
    "keras-eager": "Keras with run_eagerly",
    "torch-eager": "eager PyTorch",
    "torch-compile": "torch.compile",
}
"""The same in a sentence."""
ELSEWHERE = (
    "Claim 4 gives other milliseconds for the same network, with another layer of one's own, with shuffling and at "
    "another time: compare them within one claim only."
)
MISTAKES = {"shape": "a wrong shape", "value": "a wrong index"}

Mode = Mapping[str, Any]


def show(result: Mapping[str, Any]) -> Shown:
    """`result` is that of `probes.debugging`; a mode may be missing or have failed, times may be left out."""
    modes: Mapping[str, Mode] = result["modes"]
    ran = {name: mode for name, mode in modes.items() if "failed" not in mode}
    failed = [f"{TITLES[name]} could not run: {mode['failed']}." for name, mode in modes.items() if "failed" in mode]
    sentences = [_breakpoints(ran, result["hit_steps"]), _errors(ran), _price(ran), *failed]
    return Shown(
        finding=" ".join(filter(None, sentences)),
        supports=_supports(ran, result["hit_steps"]),
        pictures=[_bars(ran, result["hit_steps"])] if any("ms_per_step" in mode for mode in ran.values()) else [],
        tables=[_comfort(ran, result["hit_steps"]), _mistakes(ran)],
    )


def _supports(ran: Mapping[str, Mode], steps: int) -> bool:
    if not {"keras-fit", "keras-eager", "torch-eager"} <= set(ran):
        return False
    every = {name: [count >= steps for count in mode["hits"].values()] for name, mode in ran.items()}
    return all(every["keras-eager"]) and all(every["torch-eager"]) and not any(every["keras-fit"])


def _grouped(words: Mapping[str, str]) -> str:
    """Modes that have the same word stand together: every step in A and B; never in C."""
    modes: dict[str, list[str]] = {}
    for name, word in words.items():
        modes.setdefault(word, []).append(IN_WORDS[name])
    return "; ".join(f"{word} in {joined(titles)}" for word, titles in modes.items())


def _breakpoints(ran: Mapping[str, Mode], steps: int) -> str:
    if not ran:
        return ""
    words = {
        name: {0: "at no step", steps: "at every step"}.get(
            hits := mode["hits"]["debugger"], f"{hits} times in {steps} steps"
        )
        for name, mode in ran.items()
    }
    return f"A debugger's breakpoint in the user's layer stops {_grouped(words)}."


def _errors(ran: Mapping[str, Mode]) -> str:
    """For how many of the planted mistakes the traceback holds the user's line; deaths are told."""
    if not ran:
        return ""
    counts = {
        name: sum(fault.get("line_in") == "traceback" for fault in mode["faults"].values())
        for name, mode in ran.items()
    }
    words = {name: ("neither", "one", "both")[count] for name, count in counts.items()}
    sentence = f"Of two planted mistakes the traceback shows the user's own line for {_grouped(words)}."
    for name, mode in ran.items():
        for mistake, fault in mode["faults"].items():
            if fault.get("ended"):
                sentence += f" In {IN_WORDS[name]}, {MISTAKES[mistake]} raised nothing: {fault['ended']}."
            elif fault["raised"] is None:
                sentence += f" In {IN_WORDS[name]}, {MISTAKES[mistake]} passed in silence."
    return sentence


def _price(ran: Mapping[str, Mode]) -> str:
    """What a step costs in the mode that can be debugged, over the compiled one."""
    ms = {name: mode["ms_per_step"] for name, mode in ran.items() if "ms_per_step" in mode}
    said = []
    for title, eager, compiled in (
        ("Keras", "keras-eager", "keras-fit"),
        ("PyTorch, which does not compile by default", "torch-eager", "torch-compile"),
    ):
        if eager in ms and compiled in ms:
            long = metrics.as_long(ms[eager] / ms[compiled])
            said.append(f"{long} in {title} ({_ms(ms[eager])} against {_ms(ms[compiled])})")
    return f"Next to a compiled step, an uncompiled one takes {joined(said)}. {ELSEWHERE}" if said else ""


def _ms(value: float) -> str:
    return f"{value:,.{1 if value < 10 else 0}f}{metrics.NO_BREAK}ms"


def _stops(mode: Mode, steps: int) -> str:
    return f"breakpoint stops {mode['hits']['debugger']} times in {steps} steps"


def _bars(ran: Mapping[str, Mode], steps: int) -> Picture:
    """Milliseconds a step in each mode, from 0; the breakpoint's stops in words above."""
    figure = go.Figure(layout=base_layout(260))
    said = []
    for name, mode in ran.items():
        if "ms_per_step" not in mode:
            continue
        text = f"{_ms(mode['ms_per_step'])}, {_stops(mode, steps)}"
        figure.add_bar(
            x=[mode["ms_per_step"]],
            y=np.array([TITLES[name]]),
            orientation="h",
            width=0.36,
            marker={"color": COLOURS[framework(name)], "line": {"width": 0}},
            hovertemplate=f"{TITLES[name]}: {text}<extra></extra>",
        )
        figure.add_annotation(x=0, y=TITLES[name], text=text, showarrow=False, xanchor="left", yshift=17)
        said.append(f"{TITLES[name]}: {text}")
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, ticksuffix="  ")
    figure.update_xaxes(title_text="milliseconds a step", rangemode="tozero", showgrid=True)
    return Picture(figure, "A step's time. " + ". ".join(said) + ".")


def _comfort(ran: Mapping[str, Mode], steps: int) -> Table:
    rows = []
    for name, mode in ran.items():
        hits, timed = mode["hits"], "ms_per_step" in mode
        times = [_ms(mode["ms_per_step"]), metrics.duration(mode["first_step_s"])] if timed else [metrics.NOT_KNOWN] * 2
        rows.append([TITLES[name], f"{hits['statement']} of {steps}", f"{hits['debugger']} of {steps}", *times])
    caption = (
        "breakpoint() stands in the layer's code from the first step on; the debugger's breakpoint is set on the "
        "line after the first step. Under torch.compile breakpoint() breaks the compiled graph in two, so it still "
        "stops. A step: median of the article's network, on this machine's processors; the first step compiles."
    )
    columns = ["mode", "breakpoint() stops", "debugger stops", "a step", "first step"]
    return Table(columns, rows, caption)


def _mistakes(ran: Mapping[str, Mode]) -> Table:
    rows = []
    for name, mode in ran.items():
        for mistake, fault in mode["faults"].items():
            none = metrics.NOT_KNOWN
            if fault["raised"] is None:
                rows.append([TITLES[name], MISTAKES[mistake], fault.get("ended") or "nothing", "no", none, none])
                continue
            named = {"traceback": "yes", "message": "no, but in the message"}.get(fault["line_in"], "no")
            lengths = [f"{fault['frames']:,}", f"{fault['message_lines']:,}"]
            rows.append([TITLES[name], MISTAKES[mistake], fault["raised"], named, *lengths])
    caption = (
        "Frames: those of the traceback below the call of the training, as the framework shows it by default; Keras "
        "hides its own."
    )
    columns = ["mode", "mistake", "raised", "user's line in the traceback", "frames", "lines of message"]
    return Table(columns, rows, caption)
