"""The program that runs the layers: nothing is forgotten, nothing is left, and what failed is said last."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests import __main__ as layers
from tests import conftest

ROOT = Path(__file__).resolve().parents[2]
SLEEPS = "import time; print('asleep', flush=True); time.sleep(60)"


def part(folder: Path, name: str, code: str) -> layers.Part:
    return layers.Part(name, [sys.executable, "-c", code], folder / f"{name}.txt")


def test_every_folder_with_tests_is_a_layer() -> None:
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders == set(layers.LAYERS)
    assert len(layers.LAYERS) == len(folders)


def test_every_test_belongs_to_one_call() -> None:
    """Whatever its marks are: with its layer or alone, now or with the rest."""
    calls = [(rest, alone) for rest in (False, True) for alone in (False, True)]
    for more, timed in calls:
        belongs = []
        for rest, alone in calls:
            part = layers.layer("processes", rest, alone, Path())
            assert part is not None
            expression = part.command[part.command.index("-m", 3) + 1]
            belongs.append(eval(expression, {"more": more, "alone": timed}))
        assert belongs.count(True) == 1, (more, timed)


def test_all_is_each_test_once_whatever_its_marks_are() -> None:
    parts = [layers.layer("processes", None, alone, Path()) for alone in (False, True)]
    expressions = [part.command[part.command.index("-m", 3) + 1] for part in parts if part is not None]
    for more in (False, True):
        assert [eval(one, {"more": more, "alone": True}) for one in expressions] == [False, True]
        assert [eval(one, {"more": more, "alone": False}) for one in expressions] == [True, False]


@pytest.mark.parametrize(("rest", "alone", "marks"), [(True, False, ["more"]), (True, True, ["more", "alone"])])
def test_of_tests_with_a_mark_the_files_that_name_it_are_read(rest: bool, alone: bool, marks: list[str]) -> None:
    part = layers.layer("processes", rest, alone, Path())
    assert part is not None
    read = part.command[part.command.index("-m", 3) + 2 :]
    assert "tests/processes/test_real_engines.py" in read
    assert all(f"mark.{mark}" in (ROOT / path).read_text() for path in read for mark in marks)


def test_a_layer_in_which_nothing_has_the_mark_is_no_part(tmp_path: Path) -> None:
    assert layers.naming(["more"], ROOT / "tests" / "pages") == []
    assert layers.layer("pages", rest=True, alone=False, folder=tmp_path) is None


def test_a_mark_that_a_file_does_not_name_itself_is_refused() -> None:
    class Item:
        path, nodeid = ROOT / "tests" / "shell.py", "tests/shell.py::test_x"

        def get_closest_marker(self, name: str) -> bool:
            return name == "more"

    with pytest.raises(pytest.UsageError, match=r"test_x has the mark more: write pytest\.mark\.more in its own file"):
        conftest.pytest_collection_modifyitems([Item()])  # type: ignore[list-item]


def test_what_failed_is_said_last_with_how_long_each_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = "print('.....F'); print('=== FAILURES ==='); print('why'); print('FAILED tests/x.py::test_y'); exit(1)"
    parts = [part(tmp_path, "wrong", log), part(tmp_path, "right", "print('== 3 passed in 0.1s ==')")]
    layers.run(parts, 2, 60)
    assert not layers.account(parts, 61)
    said = capsys.readouterr().out
    assert "right passed: 3 passed in 0.1s\n" in said
    assert "=== FAILURES ===\nwhy" in said
    assert "....F" not in said
    assert "3 passed" not in said.partition("########")[2]
    assert said.splitlines()[-2:] == [
        "FAILED tests/x.py::test_y",
        f"FAILED: wrong. wrong {layers.clock(parts[0].took_s)}, right {layers.clock(parts[1].took_s)}; together 1:01.",
    ]


def test_all_that_passed_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part(tmp_path, "right", "")]
    layers.run(parts, 1, 60)
    assert layers.account(parts, 725)
    assert capsys.readouterr().out.splitlines()[-1] == "All passed. right 0:00; together 12:05."


def test_a_layer_of_which_no_test_is_found_has_failed_unless_the_rest_is_asked_for() -> None:
    now, rest = (layers.layer("engines", rest=rest, alone=False, folder=Path()) for rest in (False, True))
    assert now is not None
    assert rest is not None
    assert now.right == (0,)
    assert 5 in rest.right


def test_one_that_hangs_is_interrupted_at_its_limit_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [part(tmp_path, "hangs", SLEEPS), part(tmp_path, "right", "print('fine')")]
    layers.run(parts, 1, limit_s=2)
    assert not layers.account(parts, 3)
    said = capsys.readouterr().out
    assert "KeyboardInterrupt" in said, "it says where it was"
    assert "FAILED hangs: it was ended after 2 s.\n" in said
    assert "right passed: fine" in said


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_that_was_started(tmp_path: Path, number: int, ignored: bool) -> None:
    """SIGTERM always; Ctrl-C not where a script has put it into the background."""
    code = "import sys; sys.argv = ['tests']; from tests import __main__ as layers; from pathlib import Path\n"
    code += f"layers.CHECKS = [sys.executable, '-c', {SLEEPS!r}]\n"
    code += f"layers.layer = lambda *_: layers.Part('one', layers.CHECKS, Path({str(tmp_path)!r}) / 'log')\n"
    code += "layers.LAYERS = ('one',); sys.exit(layers.main())"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        runner = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    children: list[psutil.Process] = []
    until = time.monotonic() + 20
    while len(children) < 2 and time.monotonic() < until:
        time.sleep(0.05)
        children = psutil.Process(runner.pid).children()
    runner.send_signal(number)
    if ignored and number == signal.SIGINT:
        with pytest.raises(subprocess.TimeoutExpired):
            runner.wait(1)
        runner.terminate()
    assert runner.communicate(timeout=30)[0].endswith("Stopped.\n")
    assert runner.returncode == 130
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
