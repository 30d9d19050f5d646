"""What stands on top of Compare: what of the article holds, what really differs, what made no difference. Computed.

Every sentence is of evidence: nothing is advised, and nothing is said of what was not measured.
"""

from collections.abc import Sequence

from core.compare import claims
from core.compare.claims import SIDES, Judged
from core.compare.differences.measured import Measured, in_points, leaves_zero_out
from core.experiment import metrics
from core.experiment.names import joined
from core.experiment.study import Finding

MOST_NAMED = 3
"""Rows that are called by name in a sentence."""


def lines(rows: Sequence[Judged], differences: Sequence[Measured]) -> list[tuple[str, str]]:
    """Each heading with what is to be said under it, as plain text."""
    return [
        ("What of the article holds.", holds(rows)),
        ("What really differs.", differs(differences)),
        ("What made no difference.", no_difference(rows, differences)),
    ]


def holds(rows: Sequence[Judged]) -> str:
    """How many claims hold, and which of their sides are true."""
    true = [
        f"{row.claim.topic} of {joined([name for side, name in SIDES.items() if row.verdicts[side] == 'true'])}"
        for row in rows
        if "true" in row.verdicts.values()
    ]
    sides = sum(verdict == "true" for row in rows for verdict in row.verdicts.values())
    of_sides = f"Of the {2 * len(rows)} sides {sides} are true: {joined(true)}." if true else ""
    return f"{claims.summary(rows)} {of_sides}".strip()


def differs(differences: Sequence[Measured]) -> str:
    """How many rows part when one default is turned on, and what the largest of them cost."""
    measured = [row for row in differences if row.evidence is not None]
    if not measured:
        return "Nothing has been measured yet."
    parting = [row for row in measured if row.parts_at]
    first = sum(row.parts_at == 1 for row in parting)
    found = [
        f"{len(parting):,} of {len(measured):,} measured defaults part the two frameworks, {first:,} of them at once."
    ]
    if wrong := sum(row.contradicts for row in measured):
        found.append(f"{wrong:,} of the measurements contradict{'s' if wrong == 1 else ''} our text.")
    costs = {row.difference.title: row.cost for row in differences if row.cost and leaves_zero_out(row.cost)}
    costly = sorted(costs, key=lambda title: _mean(costs[title]), reverse=True)
    if costly:
        named = joined([f"{title} ({metrics.digits(_mean(costs[title]))} points)" for title in costly[:MOST_NAMED]])
        most = "the most" if len(costly) > MOST_NAMED else "something"
        found.append(f"Alone in a twin, these cost {most} in test accuracy: {named}.")
    return " ".join(found)


def no_difference(rows: Sequence[Judged], differences: Sequence[Measured]) -> str:
    """Where none was seen, each with the margin that its measurement supports."""
    parts = []
    unseen = [
        f"{row.difference.title} (within {metrics.digits(max(map(abs, in_points(row.cost))))} points)"
        for row in differences
        if row.cost and not leaves_zero_out(row.cost)
    ]
    if unseen:
        parts.append(f"Alone in a twin, these cost nothing in test accuracy that was seen: {joined(unseen)}.")
    never = [row for row in differences if row.evidence is not None and not row.parts_at]
    if never:
        gap = max(row.evidence.parting.largest_gap for row in never if row.evidence)
        same = f"to {metrics.digits(gap)} of each number" if gap else "to the last bit"
        parts.append(f"Both computed the same {same}: {joined([row.difference.title for row in never])}.")
    for row in rows:
        if "no difference seen" in row.verdicts.values() and row.evidence is not None:
            parts.append(f"{row.claim.topic}, claim {row.claim.number}: {row.evidence.shown.finding}")
    return " ".join(parts) or "Nothing has been measured yet of which that could be said."


def _mean(cost: Finding) -> float:
    """The mean difference in points, without a sign."""
    assert cost.interval is not None
    return abs(100 * cost.interval.mean)
