"""What a process serves with, or why it cannot."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.deployment.limits import NO_LIMITS
from core.deployment.settings import DeploymentSettings
from core.launcher.launcher import LauncherUnavailable
from core.web.server.installation import Installation, installation, serve_with


@pytest.fixture(autouse=True)
def served_nothing() -> Iterator[None]:
    yield
    serve_with(None)


def test_before_anything_is_served_the_sentence_asks_for_patience() -> None:
    with pytest.raises(LauncherUnavailable, match="still starting: try again in a moment"):
        installation()


def test_a_wrong_environment_is_the_reason_why_nothing_is_served() -> None:
    serve_with(LauncherUnavailable("The environment is wrong."))
    with pytest.raises(LauncherUnavailable, match=r"^The environment is wrong\.$"):
        installation()


def test_without_a_launcher_the_history_can_be_read_and_its_reason_is_given(tmp_path: Path) -> None:
    none = LauncherUnavailable("Another process holds it.")
    serve_with(Installation(DeploymentSettings(data_dir=tmp_path), NO_LIMITS, none))
    assert installation().store.data_dir == installation().measurements.data_dir == tmp_path
    with pytest.raises(LauncherUnavailable, match=r"^Another process holds it\.$"):
        installation().launcher  # noqa: B018
