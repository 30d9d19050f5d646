"""What `core.install` asks of pip on each kind of machine, and when it asks nothing."""

import ast
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core import install
from core.install import CPU_INDEX, InstallError, Machine, Request

ROOT = Path(__file__).resolve().parents[2]
PINS = {"torch": "2.14.1", "torchvision": "0.29.1"}
PINNED = ("torch==2.14.1", "torchvision==0.29.1")
CONSTRAINED = ("-c", "constraints.txt")
FROM_PYPI = ("install", "-r", "requirements.txt", *PINNED, *CONSTRAINED)
CPU_BUILD = (
    *("install", "-r", "requirements.txt", "torch==2.14.1+cpu", "torchvision==0.29.1+cpu"),
    *(*CONSTRAINED, "--extra-index-url", CPU_INDEX),
)


def never_asked() -> bool:
    raise AssertionError("the index was asked although its answer does not matter")


def machine(
    system: str = "Linux",
    *,
    gpu: bool = False,
    answers: Callable[[], bool] = never_asked,
    installed: dict[str, str] | None = None,
) -> Machine:
    return Machine(system, gpu, answers, installed or {})


def calls(request: Request, on: Machine) -> tuple[tuple[str, ...], ...]:
    return install.make_plan(request, on, PINS).pip_calls


def test_without_a_gpu_the_cpu_build_is_taken_where_its_index_answers() -> None:
    plan = install.make_plan(Request(), machine(answers=lambda: True), PINS)
    assert plan.pip_calls == (CPU_BUILD,)
    assert "about 4 GB" in plan.announcement


def test_without_a_gpu_pypi_s_build_is_taken_where_the_index_is_silent() -> None:
    plan = install.make_plan(Request(), machine(answers=lambda: False), PINS)
    assert plan.pip_calls == (FROM_PYPI,)
    assert "8.3 GB" in plan.announcement


def test_with_a_gpu_pypi_s_build_is_taken_and_the_index_not_asked() -> None:
    assert calls(Request(), machine(gpu=True)) == (FROM_PYPI,)


def test_torch_by_hand_wins_over_what_the_machine_has() -> None:
    assert calls(Request("cpu"), machine(gpu=True)) == (CPU_BUILD,)
    assert calls(Request("cuda"), machine()) == (FROM_PYPI,)


@pytest.mark.parametrize("system", ["Darwin", "Windows"])
@pytest.mark.parametrize("build", ["", "cpu", "cuda"])
def test_macos_and_windows_take_pypi_s_only_build(system: str, build: str) -> None:
    assert calls(Request(build), machine(system)) == (FROM_PYPI,)


@pytest.mark.parametrize("local", ["", "+cpu", "+cu130"])
def test_an_installed_torch_that_fits_is_kept_and_the_index_not_asked(local: str) -> None:
    installed = {name: pin + local for name, pin in PINS.items()}
    assert calls(Request(), machine(installed=installed)) == ((*FROM_PYPI, "--quiet"),)


def test_an_installed_torch_of_another_version_is_replaced() -> None:
    installed = {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu"}
    assert calls(Request(), machine(installed=installed, answers=lambda: True)) == (CPU_BUILD,)


def test_torch_cuda_forces_an_installed_cpu_build_out() -> None:
    installed = {name: f"{pin}+cpu" for name, pin in PINS.items()}
    swap = ("install", "--force-reinstall", "--no-deps", *PINNED, *CONSTRAINED)
    assert calls(Request("cuda"), machine(installed=installed)) == (swap, FROM_PYPI)


def test_dev_adds_what_the_tests_need() -> None:
    (call,) = calls(Request(dev=True), machine(gpu=True))
    assert call[:5] == ("install", "-r", "requirements.txt", "-r", "requirements-dev.txt")


def test_a_cluster_adds_what_it_needs_which_the_tests_need_too() -> None:
    (call,) = calls(Request(cluster=True), machine(gpu=True))
    assert call[:5] == ("install", "-r", "requirements.txt", "-r", "requirements-cluster.txt")
    assert calls(Request(cluster=True, dev=True), machine(gpu=True)) == calls(Request(dev=True), machine(gpu=True))
    assert (ROOT / "requirements-dev.txt").read_text().count("-r requirements-cluster.txt\n") == 1


def test_every_call_is_constrained() -> None:
    installed = {name: f"{pin}+cpu" for name, pin in PINS.items()}
    for build in ("", "cpu", "cuda"):
        for call in calls(Request(build), machine(installed=installed)):
            assert call[call.index("-c") + 1] == "constraints.txt"


def test_the_request_comes_from_torch_and_the_command_line() -> None:
    assert install.parse_request([], {}) == Request()
    assert install.parse_request(["--dev"], {"TORCH": "cpu"}) == Request("cpu", dev=True)
    assert install.parse_request([], {"TORCH": " "}) == Request()


@pytest.mark.parametrize("build", ["gpu", "CPU", "2.14.1", "rocm"])
def test_an_unknown_build_gets_one_sentence_and_exit_code_2(build: str) -> None:
    with pytest.raises(InstallError, match=rf"^TORCH can be cpu or cuda, or left out; it is '{build}'\.$") as raised:
        install.parse_request([], {"TORCH": build})
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 14), (4, 0)])
def test_a_python_without_builds_gets_a_sentence_and_exit_code_2(version: tuple[int, int]) -> None:
    with pytest.raises(InstallError, match=r"needs Python 3\.11 to 3\.13, and this is") as raised:
        install.check_python(version)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_the_pythons_with_builds_are_taken(version: tuple[int, int]) -> None:
    install.check_python(version)


def test_an_old_python_can_read_the_program_that_turns_it_away() -> None:
    ast.parse(Path(install.__file__).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_the_pins_are_read_from_the_requirements() -> None:
    assert install.torch_pins("torch==3.0\n# torch==1\ntorchvision==1.0  # why\n") == {
        "torch": "3.0",
        "torchvision": "1.0",
    }
    assert set(install.torch_pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))) == set(PINS)
    with pytest.raises(InstallError, match="does not pin"):
        install.torch_pins("torch>=3\n")


def test_the_constraints_hold_no_path_and_leave_torch_s_build_open() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert lines
    assert not [line for line in lines if "/" in line or "@" in line or "==" not in line]
    assert not [line for line in lines if line.startswith(("torch==", "torchvision=="))]


def test_installing_and_serving_need_the_standard_library_alone() -> None:
    command = [sys.executable, "-S", "-c", "import core.install, core.serve"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


class FakePip:
    """Stands for venv and pip: remembers the commands, makes what venv would make, fails on order."""

    def __init__(self, failing: str = "") -> None:
        self.commands: list[list[str]] = []
        self.failing = failing

    def __call__(self, command: Sequence[str], folder: Path) -> int:
        self.commands.append(list(command))
        if self.failing and self.failing in command:
            return 1
        if "venv" in command:
            python = install.venv_python(folder)
            python.parent.mkdir(parents=True)
            python.touch()
            (folder / ".venv/lib/python3.11/site-packages/pip").mkdir(parents=True)
        return 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text("torch==2.14.1\ntorchvision==0.29.1\n")
    (tmp_path / "requirements-dev.txt").write_text("pytest==9.2.0\n")
    (tmp_path / "constraints.txt").write_text("six==1.17.0\n")
    return tmp_path


def run_install(project: Path, request: Request, pip: FakePip, *, answers: bool = False) -> int:
    """Installs with fakes, and returns how many commands that took."""
    before = len(pip.commands)
    install.install(project, request, lambda _: machine(answers=lambda: answers), pip)
    return len(pip.commands) - before


def test_the_first_call_makes_the_venv_and_says_so_in_one_line(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = FakePip()
    run_install(project, Request(), pip)
    assert [command[1:4] for command in pip.commands] == [
        ["-m", "venv", ".venv"],
        ["-m", "pip", pip.commands[1][3]],
    ]
    assert pip.commands[1][0] == str(install.venv_python(project))
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_the_second_call_asks_nothing_and_says_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pip = FakePip()
    run_install(project, Request(), pip)
    capsys.readouterr()
    install.install(project, Request(), lambda _: pytest.fail("the machine was looked at"), pip)
    assert len(pip.commands) == 2
    assert capsys.readouterr().out == ""


def test_what_the_index_answers_today_leaves_the_stamp_alone(project: Path) -> None:
    pip = FakePip()
    run_install(project, Request(), pip, answers=True)
    assert run_install(project, Request(), pip, answers=False) == 0


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_a_changed_requirement_calls_pip_again(project: Path, name: str) -> None:
    pip = FakePip()
    run_install(project, Request(), pip)
    (project / name).write_text((project / name).read_text() + "rich==15.0.0\n")
    assert run_install(project, Request(), pip) == 1


def test_a_stamp_covers_requests_for_less_and_none_for_more(project: Path) -> None:
    pip = FakePip()
    run_install(project, Request(dev=True), pip)
    assert run_install(project, Request(), pip) == 0
    assert run_install(project, Request(cluster=True), pip) == 0
    assert run_install(project, Request("cpu"), pip) == 1
    assert run_install(project, Request(), pip) == 0
    assert run_install(project, Request("cuda"), pip) == 1
    assert run_install(project, Request(cluster=True), pip) == 1
    assert run_install(project, Request(), pip) == 0
    assert run_install(project, Request(dev=True), pip) == 1


def test_changed_dev_requirements_matter_to_dev_alone(project: Path) -> None:
    pip = FakePip()
    run_install(project, Request(), pip)
    (project / "requirements-dev.txt").write_text("pytest==10\n")
    assert run_install(project, Request(), pip) == 0


def test_a_deployment_may_leave_the_dev_requirements_out(project: Path) -> None:
    pip = FakePip()
    (project / "requirements-dev.txt").unlink()
    run_install(project, Request(), pip)
    assert run_install(project, Request(), pip) == 0


def test_a_failed_pip_gets_a_sentence_and_exit_code_1_and_leaves_no_stamp(project: Path) -> None:
    run_install(project, Request(), FakePip())
    (project / "requirements.txt").write_text("torch==2.15.0\ntorchvision==0.30.0\n")
    with pytest.raises(InstallError, match="pip could not install everything") as raised:
        run_install(project, Request(), FakePip(failing="pip"))
    assert raised.value.exit_code == 1
    assert not install.stamp_path(project).exists()


def test_a_failed_venv_gets_a_sentence_and_exit_code_1(project: Path) -> None:
    with pytest.raises(InstallError, match=r"could not make the folder \.venv") as raised:
        run_install(project, Request(), FakePip(failing="venv"))
    assert raised.value.exit_code == 1


def test_a_lost_interpreter_makes_the_stamp_worthless(project: Path) -> None:
    run_install(project, Request(), FakePip())
    install.venv_python(project).unlink()
    assert not install.is_installed(project, Request())


def test_installed_versions_are_read_from_the_venv(project: Path) -> None:
    folder = project / ".venv/lib/python3.11/site-packages"
    for name in ("torch-2.14.1+cpu", "torchvision-0.29.1+cpu", "torchmetrics-1.0", "six-1.17.0"):
        (folder / f"{name}.dist-info").mkdir(parents=True)
    assert install.installed_versions(project) == {"torch": "2.14.1+cpu", "torchvision": "0.29.1+cpu"}


def test_a_garbage_torch_ends_the_program_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert install.main([], {"TORCH": "garbage"}) == 2
    assert capsys.readouterr().err == "TORCH can be cpu or cuda, or left out; it is 'garbage'.\n"


def test_the_real_stamped_call_returns_at_once() -> None:
    if not install.is_installed(ROOT, Request()):
        pytest.skip("this folder's .venv was not made by core.install")
    command = [sys.executable, "-m", "core.install"]  # 0.1 s alone, where pip would take far longer than this limit
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def with_sources(project: Path) -> list[str]:
    """Puts the program that compresses into the project; the command that runs it."""
    path = project / "core/web/server/copies.py"
    path.parent.mkdir(parents=True)
    path.touch()
    assert (ROOT / path.relative_to(project)).exists()
    return [str(install.venv_python(project)), "-m", "core.web.server.copies"]


def test_what_the_pages_load_is_compressed_last_and_looked_at_each_time(project: Path) -> None:
    compress, pip = with_sources(project), FakePip()
    run_install(project, Request(), pip)
    assert pip.commands[-1] == compress
    assert run_install(project, Request(), pip) == 1
    assert pip.commands[-1] == compress


def test_an_installation_is_complete_without_the_copies(project: Path) -> None:
    with_sources(project)
    run_install(project, Request(), FakePip(failing="core.web.server.copies"))
    assert install.is_installed(project, Request())
