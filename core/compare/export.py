"""The whole comparison as one file to take along: Markdown to read, CSV to reckon with."""

import csv
import io
from collections.abc import Sequence

from core.compare.claims import ARTICLE, ARTICLE_URL, AS_OF, Evidence, Judged, summary
from core.experiment.machine import machine_words

COLUMNS = (
    *("claim", "topic", "keras_the_article_says", "pytorch_the_article_says", "verdict_keras", "verdict_pytorch"),
    *("reason", "finding", "measured_on", "measured_at", "sources"),
)


def where_and_when(evidence: Evidence | None) -> tuple[str, str]:
    """The machine and the day of evidence; empty where there are none."""
    if evidence is None or evidence.machine is None or evidence.measured_at is None:
        return "", ""
    return machine_words(evidence.machine), evidence.measured_at[:10]


def as_markdown(rows: Sequence[Judged]) -> str:
    """Every row with its verdicts, reason, finding and sources."""
    article = f"The claims are those of the article [{ARTICLE}]({ARTICLE_URL}), shortened."
    parts = ["# Keras vs PyTorch: ten claims, tested", f"{summary(rows)} As of {AS_OF}. {article}"]
    for row in rows:
        claim, evidence = row.claim, row.evidence
        machine, day = where_and_when(evidence)
        parts += [
            f"## {claim.number}. {claim.topic}",
            "| | the article says | verdict |\n|---|---|---|\n"
            f"| Keras | {claim.says['keras']} | {row.verdicts['keras']} |\n"
            f"| PyTorch | {claim.says['pytorch']} | {row.verdicts['pytorch']} |",
            claim.why,
        ]
        if evidence is not None:
            where = f" Measured on {machine}, {day}." if machine else ""
            parts.append(f"Evidence: {evidence.shown.finding}{where}")
        parts.append("\n".join(f"- [{source.title}]({source.url}), {source.date}" for source in claim.sources))
    return "\n\n".join(parts) + "\n"


def as_csv(rows: Sequence[Judged]) -> str:
    """One line a row, under `COLUMNS`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        claim, evidence = row.claim, row.evidence
        finding = evidence.shown.finding if evidence else ""
        sources = "; ".join(source.url for source in claim.sources)
        says, verdicts = claim.says, row.verdicts
        said = (says["keras"], says["pytorch"], verdicts["keras"], verdicts["pytorch"])
        writer.writerow((claim.number, claim.topic, *said, claim.why, finding, *where_and_when(evidence), sources))
    return out.getvalue()
