"""Compressed copies of the files that every browser fetches; `python -m core.web.server.copies` makes what is missing.

Brotli at its best takes 40 s of two cores for all of them, so they are made when the project is installed, and the
server only looks whether there is one. `core.install` asks for them each time: where nothing is to be made, this takes
the standard library alone and a tenth of a second.
"""

import gzip
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from core.web.server import merged

FOLDER = Path(sys.prefix) / "compressed"
"""Below the environment, as the files themselves are."""
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}
"""What is compressed, by the end of its name, and its type. Pictures and woff2 are compressed in themselves."""


def _brotli(data: bytes) -> bytes:
    import brotli  # the server's process never loads it

    compressed: bytes = brotli.compress(data, mode=brotli.MODE_TEXT, quality=11)
    return compressed


COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "br": _brotli,
    "gzip": lambda data: gzip.compress(data, 9, mtime=0),
}
"""By the names that HTTP has for them, the one that makes smaller files first."""


def _package(name: str) -> Path:
    """An installed package's folder; nothing of it is imported."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


ASSETS = {path.name: path for path in (Path(__file__).parents[1] / "components").rglob("*.js")}
ASSETS["plotly.min.js"] = _package("plotly") / "package_data" / "plotly.min.js"
"""What our components load, by the name below `assets/`."""


def merged_file() -> Path:
    """Where Streamlit's scripts lie as one, once that has been made."""
    return FOLDER / merged.merged_name()


def originals() -> dict[str, Path]:
    """Every file that is worth a copy, by its address below the dashboard's own."""
    folder = merged.static_folder()
    files = {path.relative_to(folder).as_posix(): path for path in (folder / "static").rglob("*")}
    files |= {f"assets/{name}": path for name, path in ASSETS.items()}
    if merged_file().is_file():
        files[merged.PLACE + merged.merged_name()] = merged_file()
    return {address: path for address, path in files.items() if path.suffix in TYPES}


def copy_path(folder: Path, address: str, original: os.stat_result, encoding: str) -> Path:
    """Where the copy of such an original is: a changed one has none, since its size and time are in the name.

    The time in whole seconds: the layers of a Docker image keep no more of it.
    """
    return folder / f"{address}.{original.st_size}-{original.st_mtime_ns // 10**9}.{encoding}"


def make_copies(files: Mapping[str, Path], folder: Path) -> int:
    """Makes what is missing, on all cores, and removes those of Streamlit's that no file has any more.

    Returns how many were made. Copies of our own few scripts stay: another checkout may use the same environment. So
    does what another installation is writing just now. Raises `OSError` where the folder cannot be written to.
    """
    wanted = {
        copy_path(folder, address, path.stat(), encoding): (path, encoding)
        for address, path in files.items()
        for encoding in COMPRESSORS
    }
    for found in (folder / "static").rglob("*"):
        if found not in wanted and found.suffix[1:] in COMPRESSORS:
            found.unlink(missing_ok=True)
    missing = [copy for copy in wanted if not copy.exists()]
    if not missing:
        return 0
    print("Compressing the files that the pages load. This is done once.", flush=True)
    # The largest first, so that all cores end together. Neither compressor holds the interpreter's lock.
    missing.sort(key=lambda copy: wanted[copy][0].stat().st_size, reverse=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda copy: _write(copy, *wanted[copy]), missing))
    return len(missing)


def make_merged_file() -> None:
    """Makes it where it is missing. Raises `OSError` where the folder cannot be written to."""
    if not merged_file().is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = merged_file().with_suffix(f".{os.getpid()}")
        unfinished.write_text(merged.merged_script(), encoding="utf-8")
        unfinished.replace(merged_file())


def _write(copy: Path, original: Path, encoding: str) -> None:
    """Writes one copy, with its original's time; it is there whole or not at all."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
    before = original.stat()
    unfinished.write_bytes(COMPRESSORS[encoding](original.read_bytes()))
    os.utime(unfinished, ns=(before.st_mtime_ns, before.st_mtime_ns))
    unfinished.replace(copy)


def main() -> int:
    """The command line: 0 when every copy is there, 1 where the disk or its rights are in the way, 130 after Ctrl-C."""
    try:
        make_merged_file()
        make_copies(originals(), FOLDER)
    except OSError as error:
        print(f"The pages' files are sent uncompressed, since no copies could be kept: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
