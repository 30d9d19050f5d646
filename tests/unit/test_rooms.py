"""The rooms keep their size and their walls: what import-linter cannot see of CONTRIBUTING's rules."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = ("keras", "tensorflow", "torch", "torchvision", "sklearn", "scipy", "mlxtend")
PAGES = sorted((ROOT / "pages").glob("*.py"))
CORE = sorted((ROOT / "core").rglob("*.py"))

PAGE_LINES, CORE_LINES, FUNCTION_LINES = 150, 400, 40
LONGER = {"core/data/prepare.py": 460}
"""Downloading, checking and converting in one process of its own: read there why."""

LONE_SCRIPTS = re.compile(r"core/learn/lessons/\w+/|core/compare/probes/api_level_scripts/")
"""What a reader would write: nothing of the project imports it."""

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


@cache
def imports() -> grimp.ImportGraph:
    """Who imports what, inside functions too; packages of others are one module each."""
    return grimp.build_graph("core", "pages", include_external_packages=True, cache_dir=None)


def web_modules() -> list[str]:
    """What the web process imports at once or later: core.web, the pages, and all of core that those stand on."""
    graph = imports()
    wanted = {"core.web"} | graph.find_descendants("core.web")
    wanted |= graph.find_upstream_modules("core.web", as_package=True)
    wanted |= graph.find_upstream_modules("pages", as_package=True)
    # navigation.py is a script that Streamlit runs; pages/ are run the same way.
    return sorted(module for module in wanted - {"core.web.navigation"} if module.partition(".")[0] == "core")


def test_the_web_process_loads_no_framework() -> None:
    code = (
        f"import importlib, sys\nfor module in {['app', *web_modules()]!r}: importlib.import_module(module)\n"
        f"print(*sorted({{module.partition('.')[0] for module in sys.modules}} & set({FRAMEWORKS!r})))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []


def test_the_web_process_is_looked_at_whole() -> None:
    """What serves, a page's own import, and one that is three imports behind it."""
    assert {"core.web.server.routes", "core.compare.claims", "core.protocol.lines"} <= set(web_modules())


def scopes(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Each function of a module, and the module outside of them, with the packages that it imports itself."""
    waiting: list[tuple[str, ast.AST]] = [("the module", tree)]
    while waiting:
        called, scope = waiting.pop()
        packages: set[str] = set()
        inside = list(ast.iter_child_nodes(scope))
        while inside:
            node = inside.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                waiting.append((node.name, node))
                continue
            inside += ast.iter_child_nodes(node)
            match node:
                case ast.Import(names=names):
                    packages |= {alias.name.partition(".")[0] for alias in names}
                case ast.ImportFrom(module=str(module), level=0):
                    packages.add(module.partition(".")[0])
                case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                    packages.add(module.partition(".")[0])
        yield called, packages


def frameworks_together(source: str) -> list[str]:
    """The functions that import TensorFlow, or Keras that may be on it, and torch."""
    backends = {"tensorflow"} if "leave_tensorflow_out()" in source else {"tensorflow", "keras"}
    return [called for called, packages in scopes(ast.parse(source)) if packages & backends and "torch" in packages]


def test_no_module_reaches_tensorflow_and_torch() -> None:
    """Together in one process they crash. What a process has loaded at its end is looked at in tests/engines."""
    graph = imports()
    reached = {module: graph.find_upstream_modules(module) for module in graph.modules if module.startswith("core")}
    assert {"core.worker.engines.keras_eager"} <= {module for module, found in reached.items() if "tensorflow" in found}
    assert [module for module, found in reached.items() if {"tensorflow", "torch"} <= found] == []


@pytest.mark.parametrize("path", CORE, ids=name)
def test_no_function_imports_two_frameworks(path: Path) -> None:
    assert frameworks_together(path.read_text(encoding="utf-8")) == []


def test_two_frameworks_in_one_function_are_found() -> None:
    assert frameworks_together("import keras.ops\ndef one():\n    import torch\n") == []
    together = "def one():\n    if 1:\n        import torch.nn\n    keras = importlib.import_module('keras')\n"
    assert frameworks_together(together) == ["one"]
    assert frameworks_together("import torch\nfrom tensorflow import data\n") == ["the module"]
    assert frameworks_together("leave_tensorflow_out()\nimport keras\nimport torch\n") == []


@pytest.mark.parametrize("path", [*PAGES, *(ROOT / "core/web").rglob("*.py")], ids=name)
def test_what_the_installation_holds_is_asked_of_it_and_not_of_its_launcher(path: Path) -> None:
    of_launcher = re.compile(r"\blauncher\.(store|measurements|limits|deployment)\b")
    assert of_launcher.findall(path.read_text(encoding="utf-8")) == []


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


def assigned_lines(tree: ast.Module) -> dict[str, int]:
    """Each name that the module's own statements assign, and the line of the first of these."""
    found: dict[str, int] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
            found |= {name: statement.lineno for name in names if name not in found}
    return found


def named_too_early(source: str) -> list[str]:
    """The names that a module uses, inside functions too, above the line that assigns them."""
    tree = ast.parse(source)
    assigned = assigned_lines(tree)
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return sorted({f"{node.id}, line {node.lineno}" for node in used if node.lineno < assigned.get(node.id, 0)})


def asserted_on_import(source: str) -> list[int]:
    """The lines of the asserts that are in no function."""
    found, waiting = [], list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Assert):
            found.append(node.lineno)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return found


PROGRAM = [path for path in [*PAGES, *CORE] if not LONE_SCRIPTS.match(name(path))]


@pytest.mark.parametrize("path", PROGRAM, ids=name)
def test_a_module_names_nothing_before_it_is_assigned_and_asserts_nothing_on_import(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert named_too_early(source) == []
    assert asserted_on_import(source) == []


def test_a_late_name_and_an_assert_on_import_are_found() -> None:
    late = "def most(n=1):\n    return LIMIT * n\n\nclass A:\n    assert most\nif most:\n    assert most\nLIMIT = 3\n"
    assert named_too_early(late) == ["LIMIT, line 2"]
    assert sorted(asserted_on_import(late)) == [5, 7]
    early = "LIMIT = 3\ndef most():\n    assert LIMIT\n    return later()\ndef later():\n    return LIMIT\n"
    assert (named_too_early(early), asserted_on_import(early)) == ([], [])


ROOMS = {path.parent.name for path in (ROOT / "core").glob("*/__init__.py")}


def test_the_unit_tests_have_the_rooms_of_core() -> None:
    unit = ROOT / "tests/unit"
    assert {path.relative_to(unit).parts[0] for path in unit.glob("*/**/test_*.py")} == ROOMS


def test_the_unit_tests_of_the_web_have_its_folders() -> None:
    """Not each of them: what pages draw is looked at in tests/pages."""
    assert [path.name for path in (ROOT / "tests/unit/web").glob("test_*.py")] == []
    folders = {path.parent.name for path in (ROOT / "tests/unit/web").glob("*/test_*.py")}
    assert folders <= {path.parent.name for path in (ROOT / "core/web").glob("*/__init__.py")}


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
