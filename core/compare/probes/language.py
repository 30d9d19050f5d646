"""Files and bytes by language in the installed packages, as each package's own list of files (RECORD) has them."""

from importlib import metadata
from pathlib import PurePosixPath
from typing import Any

from core.compare.probes.base import PartFailed, Report

PACKAGES = ("keras", "tensorflow", "torch")
PYTHON, NATIVE, LIBRARIES, LUA, OTHER = "Python", "C/C++/CUDA", "compiled libraries", "Lua", "other"
LANGUAGES = (PYTHON, NATIVE, LIBRARIES, LUA, OTHER)
_BY_EXTENSION = {
    **dict.fromkeys((".py", ".pyi"), PYTHON),
    **dict.fromkeys((".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh", ".h", ".hh", ".hpp", ".hxx", ".inl", ".inc"), NATIVE),
    **dict.fromkeys((".so", ".dylib", ".dll", ".pyd", ".a", ".lib"), LIBRARIES),
    ".lua": LUA,
}


def measure(report: Report, packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """Per package its version and, per language, `files` and `bytes`; None for a package that is not installed.

    Raises `PartFailed` where none is installed.
    """
    found: dict[str, Any] = {}
    for number, package in enumerate(packages):
        report.progress(number / len(packages), f"The files of {package} are counted.")
        found[package] = count(package)
    if not any(found.values()):
        raise PartFailed("Packages", "none of them is installed")
    return {"packages": found}


def count(package: str) -> dict[str, Any] | None:
    """Files and bytes by language of one installed package.

    Bytecode that the installer made of the Python files is left out, and so is the package's own bookkeeping.
    """
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return None
    languages = {language: {"files": 0, "bytes": 0} for language in LANGUAGES}
    for path in distribution.files or ():
        if path.suffix == ".pyc" or any(part.endswith(".dist-info") for part in path.parts):
            continue
        # RECORD has no size for a file that was made at the installation.
        size = path.size if path.size is not None else _size(distribution, path)
        counted = languages[language_of(path)]
        counted["files"] += 1
        counted["bytes"] += size
    return {"version": distribution.version, "languages": languages}


def language_of(path: PurePosixPath) -> str:
    """One of `LANGUAGES`, by the file's extension; `libx.so.2` is a library."""
    if ".so." in path.name:
        return LIBRARIES
    return _BY_EXTENSION.get(path.suffix.lower(), OTHER)


def _size(distribution: metadata.Distribution, path: metadata.PackagePath) -> int:
    try:
        return int(distribution.locate_file(path).stat().st_size)  # type: ignore[attr-defined]
    except OSError:
        return 0
