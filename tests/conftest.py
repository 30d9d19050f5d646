"""What every layer of tests may need: the embedded data set, prepared once and kept between test sessions."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import hypothesis
import pytest

from core.data import datasets
from core.deployment.limits import environment
from tests.shell import make_the_same

make_the_same()
# A busy machine is slow, not wrong: no time limit on a single example.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("busy")

PREPARING = Path("core/data")
MARKS = ("more", "alone")


@pytest.hookimpl(tryfirst=True)  # before those are left out that are not asked for
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """A mark is named in the file whose tests bear it: `python -m tests` looks for the files so."""
    named: dict[Path, list[str]] = {}
    for item in items:
        if item.path not in named:
            text = item.path.read_text(encoding="utf-8")
            named[item.path] = [mark for mark in MARKS if f"mark.{mark}" in text]
        for mark in MARKS:
            if item.get_closest_marker(mark) and mark not in named[item.path]:
                raise pytest.UsageError(f"{item.nodeid} has the mark {mark}: write pytest.mark.{mark} in its own file.")


@pytest.fixture(autouse=True)
def _environment_of_its_own() -> None:
    """Each test is a process of its own to the `DUEL_*` environment, which is read once."""
    environment.cache_clear()


@pytest.fixture(scope="session")
def prepared_data_dir(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds the prepared mnist5k and nothing else: map it or copy from it, never write to it.

    Lies in pytest's cache under a digest of the code that made it, so that new code prepares anew.
    """
    cache = getattr(pytestconfig, "cache", None)
    if cache is None:
        folder = tmp_path_factory.mktemp("prepared")
    else:
        code = b"".join(path.read_bytes() for path in sorted((pytestconfig.rootpath / PREPARING).glob("*.py")))
        folder = cache.mkdir("prepared") / hashlib.sha256(code).hexdigest()[:12]
        for older in folder.parent.iterdir():
            if older != folder:
                shutil.rmtree(older, ignore_errors=True)
        folder.mkdir(exist_ok=True)
    datasets.prepare("mnist5k", folder)
    return folder
