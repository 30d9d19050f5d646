"""Evidence of claim 5: five planted bugs in both frameworks, what each framework said, and what each bug cost.

A bug costs where the accuracy is more than `POINTS` below the right version's, or the error more than `TIMES` the
right version's. Rule: the result supports `Keras: misleading, PyTorch: partly true` where in each framework at least
one bug was silent and cost: then a simple network does need debugging in Keras, and PyTorch's good debugging does
not find everything either.
"""

from collections.abc import Mapping
from typing import Any

from core.compare.evidence import Shown, Table
from core.experiment import metrics
from core.experiment.names import joined

POINTS = 0.02
TIMES = 1.2
TITLES = {
    "shape": "Layers for 1,600 inputs, 1,550 arrive",
    "softmax": "Softmax applied twice",
    "axes": "Batch axis moved before flattening",
    "labels": "Labels shuffled",
    "broadcast": "Outputs [batch, 1] meet targets [batch]",
}

Framework = Mapping[str, Any]
Bug = Mapping[str, Any]


def show(result: Mapping[str, Any]) -> Shown:
    """`result` is that of `probes.silent_mistakes`; a framework that could not run has a reason and no bugs."""
    frameworks: Mapping[str, Framework] = result["frameworks"]
    counts = [_counts(found) for found in frameworks.values() if found["bugs"]]
    said = [f"Of {len(_names(frameworks))} planted bugs, {'; '.join(counts)}."] if counts else []
    said += _broadcast(frameworks)
    said += [f"{found['title']} could not run: {found['reason']}." for found in frameworks.values() if found["reason"]]
    return Shown(
        finding=" ".join(said),
        supports=len(frameworks) > 1 and all(_silent_and_costly(found) for found in frameworks.values()),
        tables=[_outcomes(result), _messages(frameworks)],
    )


def costs(framework: Framework, bug: Bug) -> bool:
    """Whether the bug made the trained network worse; see the module."""
    right = framework["right"][bug["task"]]
    if bug["score"] is None:
        return False
    worse = right * TIMES < bug["score"] if bug["task"] == "number" else bug["score"] < right - POINTS
    return bool(worse)


def _silent_and_costly(framework: Framework) -> list[str]:
    return [name for name, bug in framework["bugs"].items() if bug["outcome"] == "silent" and costs(framework, bug)]


def _counts(framework: Framework) -> str:
    outcomes = [bug["outcome"] for bug in framework["bugs"].values()]
    raised = sum(outcome.startswith("raised") for outcome in outcomes)
    silent, costly = outcomes.count("silent"), len(_silent_and_costly(framework))
    return (
        f"{framework['title']} raised an error for {raised}, warned of {outcomes.count('warned')} and let "
        f"{_passed(silent, costly)}"
    )


def _passed(silent: int, costly: int) -> str:
    """3 pass in silence, 2 of which did harm."""
    if silent < 2:
        harm = f", which did {'harm' if costly else 'no harm'}" if silent else ""
        return f"{silent or 'none'} pass in silence{harm}"
    some = "all" if costly == silent else costly or "none"
    return f"{silent} pass in silence, {some} of which did harm"


def _broadcast(frameworks: Mapping[str, Framework]) -> list[str]:
    """The famous one in a sentence: errors beside those of the right version."""
    words = []
    for framework in frameworks.values():
        bug = framework["bugs"].get("broadcast")
        if bug and bug["score"] is not None:
            right = framework["right"]["number"]
            words.append(f"{framework['title']} ends with an error of {bug['score']:.2f} ({right:.2f} without the bug)")
    return [f"Where outputs of shape [batch, 1] meet targets of shape [batch], {joined(words)}."] if words else []


def _cell(framework: Framework, name: str, images: int) -> str:
    """silent: 9.4 % read, right 90.2 %."""
    bug = framework["bugs"].get(name)
    if bug is None:
        return metrics.NOT_KNOWN
    if bug["score"] is None:
        return str(bug["outcome"])
    right = framework["right"][bug["task"]]
    if bug["task"] == "number":
        figures = f"error {bug['score']:.2f}, without the bug {right:.2f}"
    else:
        figures = f"{metrics.percent(bug['score'], images)} right, without the bug {metrics.percent(right, images)}"
    return f"{bug['outcome']}: {figures}" + ("" if costs(framework, bug) else ", no harm seen")


def _names(frameworks: Mapping[str, Framework]) -> list[str]:
    """The bugs in their order, whichever framework has them."""
    return list(dict.fromkeys(name for framework in frameworks.values() for name in framework["bugs"]))


def _outcomes(result: Mapping[str, Any]) -> Table:
    frameworks, images = result["frameworks"], result["test_images"]
    rows = [
        [TITLES.get(name, name), *(_cell(framework, name, images) for framework in frameworks.values())]
        for name in _names(frameworks)
    ]
    caption = (
        f"{result['epochs']} epochs each. Right: of {images:,} test images. Error: root mean squared, in digits, "
        "where the network gives the digit as a number."
    )
    return Table(["Planted bug", *(framework["title"] for framework in frameworks.values())], rows, caption)


def _messages(frameworks: Mapping[str, Framework]) -> Table:
    rows = [
        [TITLES.get(name, name), framework["title"], framework["bugs"][name]["message"]]
        for name in _names(frameworks)
        for framework in frameworks.values()
        if framework["bugs"].get(name, {}).get("message")
    ]
    return Table(["Planted bug", "Framework", "What it says"], rows)
