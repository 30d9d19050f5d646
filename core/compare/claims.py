"""The article's ten rows as data: what it says, our verdicts, why, the sources, and the probe that measures each.

Verdicts are as of `AS_OF`. The rule: a side is `true` only if the claim holds as it is written. Row 7 has no
verdict of ours: it follows from what was measured, by the rule in `core.compare.evidence.speed`, and reads `measured`
before. A row holds only if both sides are `true`. Figures that age stand with their date.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.compare import study_evidence
from core.compare.evidence import Shown, shown, speed
from core.compare.study_evidence import Place
from core.experiment.names import NUMBER_WORDS
from core.experiment.order import Order
from core.experiment.order import Place as PagePlace
from core.results.study_outcome import StudyOutcome
from core.storage.measurements import Measurement
from core.storage.studies import StudyRecord

AS_OF = "November 2026"
VERDICTS = ("true", "partly true", "outdated", "misleading", "false", "no difference seen", "measured")
"""`measured` stands only where nothing has been measured yet."""
LABELS = {"measured": "not measured yet"}
"""What a reader sees, where it is not the verdict's own word."""
SIDES = {"keras": "Keras", "pytorch": "PyTorch"}
ARTICLE = "“Keras vs PyTorch” on Python Guides"
ARTICLE_URL = "https://pythonguides.com/keras-vs-pytorch/"


@dataclass(frozen=True)
class Source:
    """Where a fact can be read; `date` is the source's own, or the day of the snapshot."""

    title: str
    url: str
    date: str


@dataclass(frozen=True)
class Claim:
    """One row. `says`, `verdicts`: by side, `keras` and `pytorch`. Without a `probe` there is nothing to measure."""

    number: int
    topic: str
    says: Mapping[str, str]
    verdicts: Mapping[str, str]
    why: str
    sources: Sequence[Source]
    probe: str = ""
    measures: str = ""
    """What the probe does, as a phrase."""
    limit_s: float = 180.0

    @property
    def subject(self) -> str:
        """The name under which its measurements are kept."""
        return f"claim-{self.number}"

    @property
    def order(self) -> Order:
        """What the Launcher takes to measure it."""
        place = PagePlace("Compare", {"claim": str(self.number)}, f"Claim {self.number}: {self.topic}")
        return Order(self.subject, self.probe, {}, self.limit_s, place=place)


def _sides(keras: str, pytorch: str) -> dict[str, str]:
    return {"keras": keras, "pytorch": pytorch}


KERAS_3 = Source("Keras 3, introduction", "https://keras.io/keras_3/", "27 November 2023")
KERAS_GIT = Source("Keras, git history", "https://github.com/keras-team/keras/commits/master", "read November 2026")
PYTORCH_README = Source("PyTorch, README", "https://github.com/pytorch/pytorch#readme", "read November 2026")

CLAIMS = (
    Claim(
        1,
        "Release",
        _sides("Released in March 2015.", "Released in October 2016."),
        _sides("true", "misleading"),
        "Keras' first commit dates from 27 March 2015. October 2016 saw only PyTorch's fourth alpha: the first had "
        "come a month earlier, and the public release, from which PyTorch counts its years, followed in January 2017.",
        (
            KERAS_GIT,
            Source("PyTorch, releases", "https://github.com/pytorch/pytorch/releases", "from 1 September 2016"),
            Source("PyTorch, a year in", "https://pytorch.org/blog/a-year-in/", "19 January 2018"),
        ),
        "release",
        "Reads which versions are installed here.",
    ),
    Claim(
        2,
        "Level of the API",
        _sides("A high-level API.", "A low-level API."),
        _sides("true", "misleading"),
        "Both range from ready-made layers down to single tensors: PyTorch brings layers, losses and optimisers, and "
        "Keras can be used as a low-level language, too. What remains true: PyTorch itself has no fit().",
        (KERAS_3, PYTORCH_README),
        "api_level",
        "Counts the statements of the same network written three ways, and trains each.",
    ),
    Claim(
        3,
        "Size of the data",
        _sides("For smaller data sets.", "For large data sets and high performance."),
        _sides("false", "false"),
        "Neither is tied to a size: both train on one batch after another, wherever the data is kept. If Keras suited "
        "only small data sets, it would train fewer images a second on larger ones.",
        (
            Source("Keras, developer guides", "https://keras.io/guides/", "read November 2026"),
            Source("PyTorch, torch.utils.data", "https://docs.pytorch.org/docs/stable/data.html", "read November 2026"),
        ),
        "data_sizes",
        "Trains the same number of steps with 1,000, 10,000 and 100,000 images in memory.",
        480.0,
    ),
    Claim(
        4,
        "Graph",
        _sides("A static graph.", "A dynamic graph."),
        _sides("outdated", "partly true"),
        "Keras layers run eagerly when they are called; on TensorFlow, fit() compiles the step into a graph unless "
        "run_eagerly=True says otherwise. PyTorch is eager until torch.compile captures a graph.",
        (
            Source("Keras, Model.compile", "https://keras.io/api/models/model_training_apis/", "read November 2026"),
            Source(
                "PyTorch, torch.compile",
                "https://docs.pytorch.org/docs/stable/generated/torch.compile.html",
                "read November 2026",
            ),
        ),
        "graph",
        "Counts how often the Python body of a layer runs, in four modes.",
        480.0,
    ),
    Claim(
        5,
        "Debugging",
        _sides("Its networks are simple, so they rarely need debugging.", "Good debugging abilities."),
        _sides("misleading", "partly true"),
        "Simple networks have bugs, too, and neither framework catches them all. In a well-known report PyTorch's "
        "error was five times that of Keras: the targets had the wrong shape and were broadcast over the batch, a bug "
        "in the script and not in PyTorch.",
        (Source("PyTorch forum, topic 160720", "https://discuss.pytorch.org/t/160720", "2022"),),
        "silent_mistakes",
        "Plants the same five mistakes in both and notes what is said, when, and what each costs.",
    ),
    Claim(
        6,
        "Community",
        _sides("Less community support.", "Stronger community support."),
        _sides("partly true", "partly true"),
        "PyTorch leads in every count of a snapshot of October 2025, 13 months older than our other findings. But such "
        "counts measure use, not support, and downloads not even that: whoever installs TensorFlow gets Keras, too.",
        (
            Source(
                "best-of-ml-python, README at 09e118d",
                "https://github.com/lukasmasuch/best-of-ml-python/tree/09e118d",
                "16 October 2025",
            ),
        ),
    ),
    Claim(
        7,
        "Speed",
        _sides("Slow, so its performance is low.", "Fast, so its performance is high."),
        _sides("measured", "measured"),
        "It depends on the model, the mode and the machine. In the Keras team's own table, which PyTorch engineers "
        "contest over its compile settings, each is ahead somewhere: leave out a mode, and either can be the winner.",
        (
            Source("Keras, benchmarks", "https://keras.io/getting_started/benchmarks/", "2024"),
            Source(
                "keras-benchmarks, issues 1 and 2",
                "https://github.com/haifeng-jin/keras-benchmarks/issues",
                "2024",
            ),
        ),
        "speed",
        "Trains both over and over, in turns, as shipped and tuned.",
        480.0,
    ),
    Claim(
        8,
        "Backends",
        _sides("Has backends, TensorFlow among them.", "Has no backend."),
        _sides("true", "false"),
        "True of Keras, but incomplete: since version 3 it trains on TensorFlow, JAX or PyTorch, and its models can "
        "run on OpenVINO. PyTorch has backends, too: kernel libraries such as oneDNN under it, and compilers behind "
        "torch.compile. It is even a backend itself: of Keras.",
        (KERAS_3, Source("Keras, keras/src/backend", "https://github.com/keras-team/keras", "read November 2026")),
        "backends",
        "Runs the same Keras network on every backend installed here, and lists PyTorch's own.",
    ),
    Claim(
        9,
        "Language",
        _sides("Written in Python.", "Written in Lua."),
        _sides("true", "false"),
        "Lua was the language of its predecessor, Torch7. PyTorch grew out of Torch7's C libraries and is written in "
        "Python, C++ and CUDA.",
        (
            Source(
                "Soumith Chintala, PyTorch's design origins",
                "https://soumith.ch/posts/2023/12/pytorch-design-origins",
                "17 December 2023",
            ),
        ),
        "language",
        "Counts the files and bytes of the installed packages by language.",
    ),
    Claim(
        10,
        "Ease of debugging",
        _sides("Hard to debug, because of the graph.", "Easier and faster to debug."),
        _sides("outdated", "partly true"),
        "Inside a compiled fit() the code that runs is not the Python you wrote. run_eagerly=True brings it back, "
        "line by line, at a price; and under torch.compile PyTorch loses the same comfort.",
        (
            Source("Keras, debugging guide", "https://keras.io/getting_started/faq/", "read November 2026"),
            Source(
                "PyTorch, torch.compile troubleshooting",
                "https://docs.pytorch.org/docs/stable/torch.compiler_troubleshooting.html",
                "read November 2026",
            ),
        ),
        "debugging",
        "Plants a faulty line and a breakpoint in both, and times the mode that stops there.",
    ),
)

SPEED = 7
"""The row of which studies tell, too."""
SNAPSHOT = "community"
"""The evidence of the row that has no probe: dated constants."""


def claim(number: int) -> Claim:
    """A row by its number. Raises `KeyError`, with a sentence."""
    for found in CLAIMS:
        if found.number == number:
            return found
    raise KeyError(f"There is no claim {number}: choose 1 to {len(CLAIMS)}.")


@dataclass(frozen=True)
class Evidence:
    """A measurement, or a study, and what it shows; neither where it is the snapshot."""

    measurement: Measurement | None
    shown: Shown
    study: StudyRecord | None = None

    @property
    def source(self) -> str:
        """Where it is from: `here`, `recorded` or `snapshot`."""
        found = self.measurement or self.study
        return found.source if found else "snapshot"

    @property
    def machine(self) -> dict[str, Any] | None:
        """What it was measured on."""
        found = self.measurement or self.study
        return found.machine if found else None

    @property
    def measured_at(self) -> str | None:
        """ISO 8601 in UTC: when a measurement ended, or a study began."""
        if self.measurement:
            return self.measurement.measured_at
        return self.study.created_at if self.study else None


@dataclass(frozen=True)
class Judged:
    """A row with its verdicts, and the evidence: measured here, and what came with the project."""

    claim: Claim
    verdicts: Mapping[str, str]
    here: Evidence | None
    recorded: Evidence | None
    studies: Mapping[Place, Evidence] = field(default_factory=dict)
    """Those that are stronger than what was measured in the same place."""

    @property
    def every(self) -> list[Evidence]:
        """All evidence, the strongest first: this machine's own before what came with the project."""
        found = (self.studies.get("here"), self.here, self.studies.get("recorded"), self.recorded)
        return [one for one in found if one is not None]

    @property
    def evidence(self) -> Evidence | None:
        """What the verdict stands on."""
        return next(iter(self.every), None)

    @property
    def holds(self) -> bool:
        """Whether the row is true as the article writes it, both sides."""
        return set(self.verdicts.values()) == {"true"}

    @property
    def unmeasured(self) -> bool:
        """Whether its verdict waits for a measurement."""
        return "measured" in self.verdicts.values()

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """(verdict, label) of each badge: one where both sides have the same, else one a side."""
        keras, pytorch = self.verdicts["keras"], self.verdicts["pytorch"]
        if keras == pytorch:
            return ((keras, f"Both: {LABELS.get(keras, keras)}"),)
        return ((keras, f"Keras: {keras}"), (pytorch, f"PyTorch: {pytorch}"))


def judged(
    row: Claim,
    here: Measurement | None,
    recorded: Measurement | None,
    studies: Mapping[Place, StudyOutcome] = {},
) -> Judged:
    """A row with what was measured of it, and the verdicts that follow; `studies` tell of claim 7 alone."""
    found = [None if one is None else Evidence(one, shown(row.probe, one.result or {})) for one in (here, recorded)]
    if not row.probe:
        found[1] = Evidence(None, shown(SNAPSHOT, {}))
    stronger = _stronger({"here": here, "recorded": recorded}, studies) if row.number == SPEED else {}
    open_row = Judged(row, row.verdicts, found[0], found[1], stronger)
    decisive = next((one.shown.verdicts for one in open_row.every if one.shown.verdicts), {})
    return replace(open_row, verdicts={**row.verdicts, **decisive})


def _stronger(
    measured: Mapping[Place, Measurement | None], studies: Mapping[Place, StudyOutcome]
) -> dict[Place, Evidence]:
    """The studies that have more pairs than the measurement of the same place has repeats."""
    found = {}
    for place, study in studies.items():
        own = measured[place]
        if study_evidence.pairs(study) > (speed.repeats(own.result or {}) if own else 0):
            found[place] = Evidence(None, study_evidence.show(study), study.record)
    return found


def all_judged(
    here: Mapping[str, Measurement],
    recorded: Mapping[str, Measurement],
    studies: Mapping[Place, StudyOutcome] = {},
) -> list[Judged]:
    """Every row, from the newest results by subject, and from the strongest studies by their place."""
    return [judged(row, here.get(row.subject), recorded.get(row.subject), studies) for row in CLAIMS]


def summary(rows: Sequence[Judged]) -> str:
    """How many rows hold as the article writes them, in a sentence."""
    holding = sum(row.holds for row in rows)
    waiting = sum(row.unmeasured for row in rows)
    if not holding and not waiting:
        return f"None of the {NUMBER_WORDS[len(rows)]} claims holds as written."
    parts = [f"{NUMBER_WORDS[holding]} hold{'s' if holding < 2 else ''} as written"]
    parts.append(f"{NUMBER_WORDS[len(rows) - holding - waiting]} do not")
    if waiting:
        parts.append(
            f"{NUMBER_WORDS[waiting]} is not measured yet" if waiting == 1 else f"{NUMBER_WORDS[waiting]} are not yet"
        )
    return f"Of {NUMBER_WORDS[len(rows)]} claims {', '.join(parts)}."


def counts(rows: Sequence[Judged]) -> dict[str, int]:
    """How many sides have each verdict, two a row, in the order of `VERDICTS`, without the absent ones."""
    sides = [verdict for row in rows for verdict in row.verdicts.values()]
    found = {verdict: sides.count(verdict) for verdict in VERDICTS}
    return {verdict: number for verdict, number in found.items() if number}


def as_json(row: Judged) -> dict[str, Any]:
    """A row as one JSON object."""
    evidence = row.evidence
    measured = evidence.measurement if evidence else None
    return {
        "claim": row.claim.number,
        "topic": row.claim.topic,
        "verdict": dict(row.verdicts),
        "reason": row.claim.why,
        "evidence": {
            "finding": evidence.shown.finding,
            "supports": evidence.shown.supports,
            "result": measured.result if measured else None,
            "source": evidence.source,
            "study": evidence.study.id if evidence.study else None,
        }
        if evidence
        else None,
        "sources": [vars(source) for source in row.claim.sources],
        "machine": evidence.machine if evidence else None,
        "measured_at": evidence.measured_at if evidence else None,
    }
