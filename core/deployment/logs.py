"""The dashboard's log: one JSON object a line in `<data folder>/logs/duel.jsonl`, rotated, for operators.

What visitors draw, name, note or upload is in no line, nor who they are: our own lines hold ids, states, counts and
seconds, and tracebacks hold code.
"""

import json
import logging
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from pythonjsonlogger.json import JsonFormatter

FOLDER, FILE = "logs", "duel.jsonl"
MAX_BYTES, BACKUPS = 1_000_000, 5
TAIL_BYTES = 100_000
SEVERE = ("WARNING", "ERROR", "CRITICAL")
OTHERS = ("streamlit", "uvicorn.error")
"""Whose warnings and errors are kept beside our own lines."""


def path_of(data_dir: Path) -> Path:
    """Where a data folder's log lies; the older parts end in .1 to .5."""
    return data_dir / FOLDER / FILE


def open_log(data_dir: Path) -> Callable[[], None]:
    """Begins to log; returns what ends it. Raises `OSError` where the file cannot be written.

    Warnings and worse of ours go to stderr, too, as plain lines.
    """
    path = path_of(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8")
    names = {"levelname": "level", "name": "logger", "asctime": "at", "exc_info": "traceback"}
    file.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=names))
    console = logging.StreamHandler()
    console.setLevel(logging.WARNING)
    ours = logging.getLogger("core")
    ours.setLevel(logging.INFO)
    attached: list[tuple[logging.Logger, logging.Handler]] = [(ours, file), (ours, console)]
    # Each of Streamlit's loggers stands alone: none hands its lines on.
    others = [name for name in list(logging.root.manager.loggerDict) if name.startswith(OTHERS)]
    severe = _Severe(file)
    attached += [(logging.getLogger(name), severe) for name in others]
    for logger, handler in attached:
        logger.addHandler(handler)

    def close() -> None:
        for logger, handler in attached:
            logger.removeHandler(handler)
        file.close()

    return close


class _Severe(logging.Handler):
    """Hands warnings and worse on to the file: the others' everyday lines are none of an operator's business."""

    def __init__(self, file: logging.Handler) -> None:
        super().__init__(logging.WARNING)
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        self._file.handle(record)


def last_troubles(data_dir: Path, most: int = 5) -> list[dict[str, Any]]:
    """The newest warnings, errors and failed runs, newest first; each has `at`, `level`, `logger`, `message`."""
    found: list[dict[str, Any]] = []
    path = path_of(data_dir)
    for part in (path, path.with_name(f"{FILE}.1")):
        for line in reversed(_tail(part)):
            try:
                record = json.loads(line)
            except ValueError:  # the first line of a tail is cut, the last one of a killed process torn
                continue
            if isinstance(record, dict) and (record.get("level") in SEVERE or record.get("state") == "failed"):
                found.append(record)
            if len(found) == most:
                return found
    return found


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
