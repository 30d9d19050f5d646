"""What the command line prints: a table where it fits, paragraphs where not, and letters that every terminal has."""

import codecs
import io
import os

import pytest
from rich.console import Console

from core.cli import terminal
from core.cli.streams import OutputGone, StandardError, StandardOutput, to_ascii
from core.experiment.metrics import digits

TITLES = ("run", "state", "test\naccuracy")
ROWS = [
    ("20260101-000000-00000000", "finished, [bold] as typed", "Keras 97.1\u00a0%, PyTorch 97.3\u00a0%"),
    ("x", "", "-"),
]


def listed(monkeypatch: pytest.MonkeyPatch, width: int, prose: bool = False) -> list[str]:
    file = io.StringIO()
    monkeypatch.setattr(terminal, "out", Console(file=file, width=width))
    terminal.print_table(TITLES, ROWS, prose)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_table_stands_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listed(monkeypatch, 95)
    assert "accuracy" in lines[1]
    assert lines[3].split("   ")[1:] == list(ROWS[0][1:])
    assert len(lines) == 5


def test_a_column_of_sentences_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listed(monkeypatch, 82, prose=True)
    assert lines[3].endswith("Keras 97.1\u00a0%, PyTorch")
    assert lines[4].strip() == "97.3\u00a0%"


@pytest.mark.parametrize("width", [40, 80])
def test_where_it_does_not_fit_no_line_is_too_long_and_nothing_is_cut(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lines = listed(monkeypatch, width)
    assert max(map(len, lines)) <= width
    words = {word.rstrip(";") for line in lines for word in line.split()}
    assert words >= {word for row in ROWS for cell in row for word in cell.split()}
    assert lines[0] == "run 20260101-000000-00000000"
    assert any("97.3\u00a0%" in line for line in lines)  # a number keeps its unit


def test_a_full_disk_and_a_closed_pipe_are_told_apart_and_stderr_never_ends_a_command() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    statuses = []
    for descriptor in (os.open("/dev/full", os.O_WRONLY), writer):
        with os.fdopen(descriptor, "wb", 0) as full:
            with pytest.raises(OutputGone) as gone:
                StandardOutput(full, "utf-8", write_through=True).write("words")
            statuses.append(gone.value.status)
            assert StandardError(full, "utf-8", write_through=True).write("words") == 5
    assert statuses == [1, 141]


@pytest.mark.parametrize(
    ("text", "encoding", "written"),
    [
        ("97.1\u00a0%, 2\u202fs\u2026 \u2013 \u00e9\u2192\u00d7", "ascii", "97.1 %, 2 s... - e?x"),
        ("caf\u00e9 \u2026", "latin-1", "caf\u00e9 ..."),
        ("file\udcff.png", "utf-8", "file?.png"),
    ],
)
def test_letters_that_a_terminal_lacks_are_written_in_those_that_it_has(text: str, encoding: str, written: str) -> None:
    codecs.register_error("to_ascii", to_ascii)
    assert text.encode(encoding, "to_ascii").decode(encoding) == written


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", "4.4 × 10⁻¹⁶ of 1 × 10⁶"), ("ascii", "4.4e-16 of 1e6"), ("latin-1", "4.4e-16 of 1e6")],
)
@pytest.mark.parametrize("stream", [StandardOutput, StandardError])
def test_a_power_of_ten_is_readable_in_every_terminal(
    stream: type[io.TextIOWrapper], encoding: str, written: str
) -> None:
    codecs.register_error("to_ascii", to_ascii)
    raw = io.BytesIO()
    with stream(raw, encoding, "to_ascii", write_through=True) as out:
        text = f"{digits(4.4e-16)} of {digits(1e6)}"
        assert out.write(text) == len(text)
        assert raw.getvalue().decode(encoding).replace("\u00a0", " ") == written


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    file = io.StringIO()
    terminal.say("stopped\x1b[2J\x1b]52;c;aGk=\x07 by\r hand", Console(file=file, width=80))
    assert file.getvalue() == "stopped[2J]52;c;aGk= by hand\n"
