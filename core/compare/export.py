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


def _where(evidence: Evidence | None) -> tuple[str, str]:
    measured = evidence.measurement if evidence else None
    return (machine_words(measured.machine), measured.measured_at[:10]) if measured else ("", "")


def as_markdown(rows: Sequence[Judged]) -> str:
    """Every row with its verdicts, reason, finding and sources."""
    article = f"The claims are those of the article [{ARTICLE}]({ARTICLE_URL}), shortened."
    parts = ["# Keras vs PyTorch: ten claims, tested", f"{summary(rows)} As of {AS_OF}. {article}"]
    for row in rows:
        claim, evidence = row.claim, row.evidence
        machine, day = _where(evidence)
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
        writer.writerow((claim.number, claim.topic, *said, claim.why, finding, *_where(evidence), sources))
    return out.getvalue()
