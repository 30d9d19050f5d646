"""Which versions are installed here, and what their own metadata says of them; no date is made up."""

from importlib import metadata
from typing import Any

from core.compare.probes.base import PartFailed, Report

PACKAGES = ("keras", "tensorflow", "torch")
STATUS = "Development Status :: "


def measure(report: Report, packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """Per package its version, its development status in its own words and the Python it asks for; or None.

    None stands for a package that is not installed. Raises `PartFailed` where none is.
    """
    report.progress(0.0, "The installed packages are looked up.")
    found = {package: about(package) for package in packages}
    if not any(found.values()):
        raise PartFailed("Packages", "none of them is installed")
    return {"packages": found}


def about(package: str) -> dict[str, str | None] | None:
    """What one installed package says of itself."""
    try:
        fields = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return None
    stages = [line.removeprefix(STATUS) for line in fields.get_all("Classifier", []) if line.startswith(STATUS)]
    return {
        "version": fields["Version"],
        "status": stages[0].partition(" - ")[2] if stages else None,
        "python": next(iter(fields.get_all("Requires-Python", [])), None),
    }
