"""docs/hosting.md says what is so: every limit, the switch of `make run`, and what `make cloud` writes."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from core import install
from core.deployment.limits import HostedLimits, Limits

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/hosting.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `DUEL_LIMIT_(\w+)` \| (\S+) \|", re.MULTILINE)


def written(value: object) -> str:
    """A default as it stands in the table, which is how its variable would say it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_table_holds_every_limit_with_its_default_and_no_other() -> None:
    hosted = {name: written(field.default) for name, field in HostedLimits.model_fields.items()}
    assert {name.lower(): default for name, default in ROW.findall(PAGE)} == hosted
    assert set(hosted) == set(Limits.model_fields)


@pytest.mark.parametrize(("name", "default"), ROW.findall(PAGE))
def test_what_the_table_says_is_what_the_variable_takes(
    name: str, default: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DUEL_LIMIT_{name}", default)
    assert getattr(Limits(), name.lower()) == HostedLimits.model_fields[name.lower()].default


def test_every_file_that_the_page_names_is_there() -> None:
    for name in ("Dockerfile", *re.findall(r"\]\(([\w.]+)\)", PAGE)):
        assert (ROOT / "docs" / name).exists() or (ROOT / name).exists(), name


def make(*arguments: str, **environment: str) -> str:
    """What make prints, without what the machine's own environment says of profiles."""
    clean = {"PATH": "/usr/bin:/bin:/usr/local/bin", **environment}
    done = subprocess.run(["make", *arguments], cwd=ROOT, env=clean, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "profile"),
    [((), {}, ""), (("PROFILE=hosted",), {}, "hosted"), ((), {"DUEL_PROFILE": "hosted"}, "hosted")],
)
def test_make_run_hands_the_profile_on(
    arguments: tuple[str, ...], environment: dict[str, str], profile: str, tmp_path: Path
) -> None:
    asking = tmp_path / "asking.mk"
    asking.write_text('include Makefile\nask:\n\t@echo "profile: $$DUEL_PROFILE"\n')
    assert make("-s", "-f", str(asking), "ask", *arguments, **environment) == f"profile: {profile}\n"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make cloud` writes."""
    folder = tmp_path_factory.mktemp("cloud")
    make("-s", "cloud", f"CLOUD={folder}")
    return folder


def test_the_cloud_branch_has_our_requirements_with_pytorch_s_cpu_build(cloud: Path) -> None:
    ours = (ROOT / "requirements.txt").read_text()
    text = (cloud / "requirements.txt").read_text()
    pins = install.torch_pins(ours)
    for name, pin in pins.items():
        assert f"\n{name}=={pin}+cpu\n" in text
        assert f"\n--find-links {install.CPU_INDEX}/{name}/\n" in text
    assert "\n-c constraints.txt\n" in text
    named = [line for line in text.splitlines() if "==" in line]
    assert [line.removesuffix("+cpu") for line in named] == [line for line in ours.splitlines() if "==" in line]


def test_the_cloud_branch_is_reached_from_outside_and_takes_small_uploads(cloud: Path) -> None:
    ours, theirs = (
        tomllib.loads((folder / ".streamlit/config.toml").read_text(encoding="utf-8")) for folder in (ROOT, cloud)
    )
    assert "address" in ours["server"]
    del ours["server"]["address"]
    ours["server"]["maxUploadSize"] = 1
    assert theirs == ours
