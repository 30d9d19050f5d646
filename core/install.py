"""Puts what the program needs into `.venv`, as `python3 -m core.install`.

It runs before anything is installed, so it uses the standard library alone, and the file can be read by any
Python since 3.7: an old one gets a sentence instead of a syntax error.

On Linux, PyPI's torch carries CUDA, which is 5.5 GB of use only to a machine with an NVIDIA GPU. So without
one, torch's CPU build is taken where PyTorch's public index answers. `TORCH=cpu` or `TORCH=cuda` decides by
hand. A stamp in `.venv` makes the next call return at once. Last, what the pages load is compressed, once.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Python 3.8 cannot evaluate this line
    Runner = Callable[[Sequence[str], Path], int]

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CPU_INDEX_TIMEOUT_S = 3.0
OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 13)  # TensorFlow 2.21 has no build for a newer one
ASKABLE_BUILDS = ("cpu", "cuda")

COPIES = "core.web.server.copies"
"""Makes the compressed copies that are missing."""

CPU_SIZE = "about 4 GB"
CUDA_SIZE = "8.3 GB"


class InstallError(Exception):
    """Says in one sentence why nothing was installed; `exit_code` is what the shell gets."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Request:
    """What was asked for: `torch_build` is `cpu`, `cuda` or "" (choose), `dev` adds what the tests need.

    `cluster` adds what a cluster needs; the tests do, too.
    """

    torch_build: str = ""
    dev: bool = False
    cluster: bool = False


@dataclass(frozen=True)
class Machine:
    """What the choice of torch's build depends on.

    `installed` maps the names of what `.venv` already holds to versions. `cpu_index_answers` is asked only
    where the answer matters, since asking takes up to `CPU_INDEX_TIMEOUT_S`.
    """

    system: str
    has_nvidia_gpu: bool
    cpu_index_answers: Callable[[], bool]
    installed: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """Pip's argument lists, one a call, and the line that tells the user what they do."""

    pip_calls: tuple[tuple[str, ...], ...]
    announcement: str


def parse_request(arguments: Sequence[str], environment: Mapping[str, str]) -> Request:
    """The request in the command line and in `TORCH`. Raises `InstallError` for an unknown build."""
    parser = argparse.ArgumentParser(prog="python3 -m core.install", description="Install into .venv.")
    parser.add_argument("--dev", action="store_true", help="add what the checks and tests need")
    parser.add_argument("--cluster", action="store_true", help="add what studies on several machines need")
    options = parser.parse_args(arguments)
    torch_build = environment.get("TORCH", "").strip()
    if torch_build not in ("", *ASKABLE_BUILDS):
        raise InstallError(f"TORCH can be cpu or cuda, or left out; it is {torch_build!r}.", 2)
    return Request(torch_build, options.dev, options.cluster)


def check_python(version: tuple[int, int]) -> None:
    """Raises `InstallError` where the running Python is one that the pinned packages have no builds for."""
    if OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return
    oldest, newest, found = (".".join(map(str, v)) for v in (OLDEST_PYTHON, NEWEST_PYTHON, version))
    raise InstallError(
        f"This needs Python {oldest} to {newest}, and this is {found}: "
        f"name another one, for example `make run PYTHON=python{newest}`.",
        2,
    )


def torch_pins(requirements: str) -> dict[str, str]:
    """The versions of torch and torchvision in the text of requirements.txt, the only place that has them."""
    pins = dict(re.findall(r"^(torch|torchvision)==([^\s;#]+)", requirements, flags=re.MULTILINE))
    if set(pins) != {"torch", "torchvision"}:
        raise InstallError("requirements.txt does not pin torch and torchvision.", 1)
    return pins


def choose_build(request: Request, machine: Machine, pins: Mapping[str, str]) -> str:
    """Which build of torch to take: `cpu`, `cuda`, `only` (there is one) or `kept` (the installed one fits).

    An installed torch of the right version is kept, whatever the index says today: its answer must not make
    pip swap gigabytes. Only an explicit `TORCH` changes a build.
    """
    if machine.system != "Linux":
        return "only"
    if request.torch_build:
        return request.torch_build
    if all(machine.installed.get(name, "").split("+")[0] == pin for name, pin in pins.items()):
        return "kept"
    if machine.has_nvidia_gpu or not machine.cpu_index_answers():
        return "cuda"
    return "cpu"


def make_plan(request: Request, machine: Machine, pins: Mapping[str, str]) -> Plan:
    """Pip's argument lists for this request on this machine, and the line to print before they run."""
    build = choose_build(request, machine, pins)
    local_version = "+cpu" if build == "cpu" else ""
    torch = tuple(f"{name}=={pin}{local_version}" for name, pin in pins.items())
    constraints = ("-c", "constraints.txt")
    more = ("-r", "requirements-cluster.txt") if request.cluster else ()
    more = ("-r", "requirements-dev.txt") if request.dev else more  # which includes it
    index = ("--extra-index-url", CPU_INDEX) if build == "cpu" else ()
    # A new venv shows pip's progress for minutes; a kept one would only show what is satisfied, line by line.
    quiet = ("--quiet",) if build == "kept" else ()
    calls = [("install", "-r", "requirements.txt", *more, *torch, *constraints, *index, *quiet)]
    if build == "cuda" and any(machine.installed.get(name, "").endswith("+cpu") for name in pins):
        # To pip, an installed 2.14.1+cpu is a 2.14.1, so the swap must be forced.
        calls.insert(0, ("install", "--force-reinstall", "--no-deps", *torch, *constraints))
    what = {
        "cpu": f"Installing into .venv with the CPU build of PyTorch, {CPU_SIZE} in all.",
        "cuda": f"Installing into .venv with the CUDA build of PyTorch, {CUDA_SIZE} in all.",
        "only": f"Installing into .venv, {CPU_SIZE} in all.",
        "kept": "Completing .venv; the PyTorch in it is kept.",
    }
    return Plan(tuple(calls), what[build])


def stamp_text(root: Path, request: Request) -> str:
    """A hash of the requirement files and of what was asked; nothing that changes by itself goes into it."""
    names = ["requirements.txt", "constraints.txt"]
    names += ["requirements-cluster.txt"] if request.cluster or request.dev else []
    names += ["requirements-dev.txt"] if request.dev else []
    digest = hashlib.sha256(f"torch={request.torch_build} dev={request.dev}\n".encode())
    for name in names:
        path = root / name
        # A deployment may leave requirements-dev.txt out.
        digest.update(f"{name}\n".encode() + (path.read_bytes() if path.exists() else b""))
    return digest.hexdigest()


def stamp_path(root: Path) -> Path:
    """Where the hash of the last complete installation is kept."""
    return root / ".venv" / "installed.sha256"


def is_installed(root: Path, request: Request) -> bool:
    """Whether `.venv` was completed for this request, or for one that asked for more."""
    if not (venv_python(root).exists() and stamp_path(root).exists()):
        return False
    builds = (request.torch_build,) if request.torch_build else ("", *ASKABLE_BUILDS)
    devs = (True,) if request.dev else (False, True)
    clusters = (True,) if request.cluster else (False, True)
    found = stamp_path(root).read_text(encoding="utf-8").strip()
    return found in {
        stamp_text(root, Request(build, dev, cluster)) for build in builds for dev in devs for cluster in clusters
    }


def venv_python(root: Path) -> Path:
    """The interpreter of `.venv`, there or not."""
    return root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def installed_versions(root: Path) -> dict[str, str]:
    """What `.venv` holds of torch and torchvision, by the names of their metadata folders."""
    folders = [*root.glob(".venv/lib/python3*/site-packages"), *root.glob(".venv/Lib/site-packages")]
    found = (path.name[: -len(".dist-info")].split("-", 1) for f in folders for path in f.glob("torch*.dist-info"))
    return {name: version for name, version in found if name in ("torch", "torchvision")}


def has_nvidia_gpu() -> bool:
    """Whether the driver's own tool lists a GPU, or its first device file is there."""
    if Path("/dev/nvidia0").exists():
        return True
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        listing = subprocess.run([tool, "-L"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0 and b"GPU" in listing.stdout


def cpu_index_answers() -> bool:
    """Whether PyTorch's CPU index lists torch within `CPU_INDEX_TIMEOUT_S`, name look-up included."""
    from urllib.request import urlopen  # takes 50 ms to import, and most calls never get here

    answered = threading.Event()

    def ask() -> None:
        try:
            with urlopen(f"{CPU_INDEX}/torch/", timeout=CPU_INDEX_TIMEOUT_S):
                answered.set()
        except (OSError, ValueError):
            pass

    # urlopen's own limit does not cover the name look-up, so a thread is left behind when time is up.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(CPU_INDEX_TIMEOUT_S)
    return answered.is_set()


def this_machine(root: Path) -> Machine:
    """The machine that this runs on."""
    return Machine(platform.system(), has_nvidia_gpu(), cpu_index_answers, installed_versions(root))


def run_in(command: Sequence[str], folder: Path) -> int:
    """Runs a command in a folder, its output going where ours goes, and returns its exit code."""
    return subprocess.run(list(command), cwd=folder, check=False).returncode


def make_venv(root: Path, run: Runner) -> None:
    """Makes `.venv` where it is missing or has no pip, as an interrupted making leaves it."""
    python = venv_python(root)
    has_pip = any(root.glob(".venv/lib/python3*/site-packages/pip")) or (root / ".venv/Lib/site-packages/pip").is_dir()
    if python.exists() and has_pip:
        return
    if run([sys.executable, "-m", "venv", ".venv"], root) != 0:
        raise InstallError(
            "Python could not make the folder .venv: its own words are above. "
            "On Debian and Ubuntu the package python3-venv may be missing.",
            1,
        )


def install(root: Path, request: Request, machine: Callable[[Path], Machine], run: Runner) -> None:
    """Installs what was asked for, unless the stamp says that it is there, and compresses what the pages load.

    Raises `InstallError`.
    """
    if not is_installed(root, request):
        install_packages(root, request, machine, run)
    # In a Docker image the sources come later. Where copies cannot be kept, which is then said, pages work without.
    if root.joinpath(*COPIES.split(".")).with_suffix(".py").exists():
        run([str(venv_python(root)), "-m", COPIES], root)


def install_packages(root: Path, request: Request, machine: Callable[[Path], Machine], run: Runner) -> None:
    """Calls pip, and leaves the stamp. Raises `InstallError`."""
    pins = torch_pins((root / "requirements.txt").read_text(encoding="utf-8"))
    plan = make_plan(request, machine(root), pins)
    print(f"{plan.announcement} This is done once.", flush=True)
    make_venv(root, run)
    stamp_path(root).unlink(missing_ok=True)  # what fails from here on leaves no stamp
    pip = [str(venv_python(root)), "-m", "pip", "--disable-pip-version-check"]
    for arguments in plan.pip_calls:
        if run([*pip, *arguments], root) != 0:
            raise InstallError(
                "pip could not install everything: its own words are above. Check the network, then call again.",
                1,
            )
    stamp_path(root).write_text(stamp_text(root, request) + "\n", encoding="utf-8")


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The command line: 0 when all is installed, 1 when pip failed, 2 when the request cannot be met."""
    root = Path(__file__).resolve().parents[1]
    try:
        check_python(sys.version_info[:2])
        request = parse_request(arguments, environment)
        install(root, request, this_machine, run_in)
    except InstallError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:  # a full disk, a folder that may not be written to
        print(f"The installation stopped: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the next call goes on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
