"""The log: JSON lines, rotated, with the others' troubles, and read back for an operator."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.deployment import logs


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[list[dict[str, object]]]:
    """What was logged, once the test has logged it; filled by `read`."""
    logging.getLogger("streamlit.for_this_test").propagate = False
    close = logs.open_log(tmp_path)
    yield []
    close()


def read(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in logs.path_of(tmp_path).read_text().splitlines()]


def test_each_line_is_an_object_with_its_facts(lines: object, tmp_path: Path) -> None:
    logging.getLogger("core.launcher.launcher").info("ended", extra={"job": "x", "elapsed_s": 1.5})
    (found,) = read(tmp_path)
    assert {name: found[name] for name in ("level", "logger", "message", "job", "elapsed_s")} == {
        "level": "INFO",
        "logger": "core.launcher.launcher",
        "message": "ended",
        "job": "x",
        "elapsed_s": 1.5,
    }
    assert str(found["at"]).startswith("20")


def test_others_are_heard_when_something_is_wrong(lines: object, tmp_path: Path) -> None:
    other = logging.getLogger("streamlit.for_this_test")
    other.warning("beware")
    other.setLevel(logging.DEBUG)
    other.info("all is well")
    try:
        raise ValueError("what went wrong")
    except ValueError:
        other.exception("a page failed")
    assert [line["message"] for line in read(tmp_path)] == ["beware", "a page failed"]
    assert "ValueError: what went wrong" in str(read(tmp_path)[1]["traceback"])


def test_the_files_never_take_more_than_six_megabytes(
    lines: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("core.for_this_test")
    for number in range(9000):
        log.info("x" * 1000, extra={"number": number})
    files = sorted(logs.path_of(tmp_path).parent.iterdir())
    assert [path.name for path in files] == ["duel.jsonl", *(f"duel.jsonl.{n}" for n in range(1, 6))]
    assert sum(path.stat().st_size for path in files) <= 6_000_000


def test_the_newest_troubles_come_first_and_torn_lines_are_left_out(lines: object, tmp_path: Path) -> None:
    log = logging.getLogger("core.for_this_test")
    for number in range(8):
        log.warning("trouble %d", number)
    log.info("ended", extra={"state": "failed", "reason": "Keras failed."})
    for _ in range(5):
        log.info("nothing")
    with logs.path_of(tmp_path).open("a") as file:
        file.write('{"level": "ERROR", "mess')
    assert [one["message"] for one in logs.last_troubles(tmp_path, 3)] == ["ended", "trouble 7", "trouble 6"]


def test_a_folder_without_a_log_has_no_trouble(tmp_path: Path) -> None:
    assert logs.last_troubles(tmp_path) == []


def test_after_the_end_nothing_is_written(tmp_path: Path) -> None:
    close = logs.open_log(tmp_path)
    close()
    logging.getLogger("core.for_this_test").info("too late")
    assert read(tmp_path) == []
