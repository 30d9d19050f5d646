"""The claims on the Compare page, in words."""

from core.compare.claims import VERDICTS
from core.web.compare.claims import BADGES


def test_every_verdict_has_a_badge() -> None:
    assert set(BADGES) == set(VERDICTS)
