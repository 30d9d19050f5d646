"""What axe-core finds on a page, but for what is Streamlit's own and out of our reach."""

from collections.abc import Sequence

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

STREAMLITS = {
    (
        "presentation-role-conflict",
        'data-testid="stFileUploaderDropzone"',
    ): "a file's dropzone: no control, but labelled",
}
"""Rule, and what the element itself bears, to what it is. Nothing of ours, and no whole rule, belongs here."""
NO_PASSES = ["violations"]
AXE = Axe()


def found(page: Page, *rules: str) -> list[str]:
    """Each fault as rule, selector, what is wrong and the element; of these rules alone where some are named."""
    options: dict[str, object] = {"resultTypes": NO_PASSES}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    violations = AXE.run(page, options=options).response["violations"]
    return [
        f"{violation['id']} {selector(node['target'])} ({node['failureSummary']}) {node['html'][:300]}"
        for violation in violations
        for node in violation["nodes"]
        if not any(violation["id"] == rule and mark in own_tag(node["html"]) for rule, mark in STREAMLITS)
    ]


def own_tag(html: str) -> str:
    """The element without what is in it."""
    return html.partition(">")[0]


def selector(target: Sequence[str | list[str]]) -> str:
    """Where it is: the selectors into frames or shadow roots joined by ' > '."""
    return " > ".join(part if isinstance(part, str) else " >>> ".join(part) for part in target)
