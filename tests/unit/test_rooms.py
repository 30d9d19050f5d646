"""The rooms keep their size and their walls: what import-linter cannot see of CONTRIBUTING's rules."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = ("keras", "tensorflow", "torch", "torchvision", "sklearn", "scipy", "mlxtend")
PAGES = sorted((ROOT / "pages").glob("*.py"))
CORE = sorted((ROOT / "core").rglob("*.py"))

PAGE_LINES, CORE_LINES, FUNCTION_LINES = 150, 400, 40
LONGER = {"core/data/prepare.py": 460}
"""Downloading, checking and converting in one process of its own: read there why."""

ELSEWHERE = re.compile(r"(?<!\w)/" + r"work\b|\b" + "shared" + r"/|\." + r"library\b")
"""Places outside the project; written in pieces, so that this file does not find itself."""


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def project_files() -> list[Path]:
    """What git holds or would hold; without git (an unpacked archive) what lies in the project's own folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if listed.returncode == 0:
        found = [ROOT / part.decode() for part in listed.stdout.split(b"\0") if part]
    else:
        folders = ("core", "pages", "tests", "docs", "benchmarks", ".streamlit", ".ci")
        found = [*ROOT.glob("*.*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    return [path for path in found if path.is_file()]


def web_modules() -> list[str]:
    """What the web process imports: core.web whole, what every page imports from core, and what those stand on."""
    wanted = {
        "core.launcher.launcher",
        "core.storage.runs",
        "core.results.listings",
        "core.experiment.names",
        "core.results.charts",
    }
    wanted |= {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "core/web").rglob("*.py")}
    for page in PAGES:
        for node in ast.walk(ast.parse(page.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "core":
                wanted.add(node.module)
    # navigation.py is a script that Streamlit runs; pages/ are run the same way.
    return sorted(module.removesuffix(".__init__") for module in wanted - {"core.web.navigation"})


def test_the_web_process_loads_no_framework() -> None:
    code = (
        f"import importlib, sys\nfor module in {['app', *web_modules()]!r}: importlib.import_module(module)\n"
        f"print(*sorted({{module.partition('.')[0] for module in sys.modules}} & set({FRAMEWORKS!r})))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []


def test_the_web_process_is_looked_at_whole() -> None:
    assert {"core.launcher.launcher", "core.storage.runs", "core.web"} <= set(web_modules())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_is_short(page: Path) -> None:
    assert lines(page) <= PAGE_LINES


@pytest.mark.parametrize("path", CORE, ids=name)
def test_a_core_file_is_one_subject(path: Path) -> None:
    assert lines(path) <= LONGER.get(name(path), CORE_LINES)


@pytest.mark.parametrize("path", [ROOT / "app.py", *PAGES, *CORE], ids=name)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]
    assert long == []


ROOMS = {path.parent.name for path in (ROOT / "core").glob("*/__init__.py")}


def test_the_unit_tests_have_the_rooms_of_core() -> None:
    folders = {path.parent.name for path in (ROOT / "tests/unit").glob("*/test_*.py")}
    assert folders <= ROOMS
    assert ROOMS - folders <= {"worker"}  # its engines need frameworks: tests/engines


def test_the_architecture_shows_every_room() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert {room for room in ROOMS if f"`{room}/`" not in text} == set()


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_itself_imports_nothing(room: str) -> None:
    """Else whoever wants one file of it gets them all."""
    tree = ast.parse((ROOT / "core" / room / "__init__.py").read_text(encoding="utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)] == []


def test_no_module_is_named_after_nothing() -> None:
    assert [name(path) for path in CORE if path.stem in {"utils", "helpers", "common", "manager"}] == []


def test_nothing_in_the_project_names_a_place_outside_it() -> None:
    assert ELSEWHERE.search("cp ../" + "shared" + "/datasets .")
    assert ELSEWHERE.search("see /" + "work" + "/main")
    assert not ELSEWHERE.search("core/worker/__main__.py, /workers, core/results/listings/shared.py.j2")
    found = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures, weights, arrays
        found += [f"{name(path)}: {match.group()}" for match in ELSEWHERE.finditer(text)]
    assert found == []
