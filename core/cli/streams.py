"""Standard output and standard error that may be closed, full, or unable to write every letter."""

import codecs
import contextlib
import io
import os
import sys
import unicodedata

from core.experiment.metrics import in_ascii

ASCII_LETTERS = str.maketrans(
    {"\u2013": "-", "\u2014": "-", "\u2212": "-", "\u00d7": "x", "\u2018": "'", "\u2019": "'"}
)
BROKEN_PIPE = 141
"""What a shell says of a program that ends because nobody reads what it writes."""


class OutputGone(Exception):
    """Standard output takes nothing more. Not an `OSError`, which whoever writes a file takes for the file's."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.status = BROKEN_PIPE if isinstance(error, BrokenPipeError) else 1

    def end(self) -> int:
        """Says why, but to nobody who has read enough and left; returns the exit status."""
        # What is buffered yet would be written, and fail, once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if self.status != BROKEN_PIPE:
            print(f"The output cannot be written: {self}.", file=sys.stderr)
        return self.status


def encodable(text: str, encoding: str) -> str:
    """Powers of ten as 4.4e-16 where an encoding has no raised digits: letter by letter they would read 10?16."""
    try:
        "\u207b".encode(encoding)
    except UnicodeEncodeError:
        return in_ascii(text)
    return text


class StandardOutput(io.TextIOWrapper):
    """Standard output: where it takes nothing more, that is `OutputGone`."""

    def write(self, text: str) -> int:
        """Writes, or raises `OutputGone`."""
        try:
            super().write(encodable(text, self.encoding))
            return len(text)
        except OSError as error:
            raise OutputGone(error) from error

    def flush(self) -> None:
        """Flushes, or raises `OutputGone`."""
        try:
            super().flush()
        except OSError as error:
            raise OutputGone(error) from error


class StandardError(io.TextIOWrapper):
    """Standard error: where it takes nothing more, nobody is there to be told, and the work goes on."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            super().write(encodable(text, self.encoding))
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            return


def to_ascii(error: UnicodeError) -> tuple[str, int]:
    """An error handler of `codecs`: letters that an encoding lacks, in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(ASCII_LETTERS)
    parts = ["".join(c for c in unicodedata.normalize("NFKD", letter) if c.isascii()) or "?" for letter in text]
    return "".join(parts), error.end


def replace_streams() -> None:
    """Sets `sys.stdout` and `sys.stderr` to these streams, where the process has any."""
    codecs.register_error("to_ascii", to_ascii)
    if sys.stdout is not None:
        sys.stdout = StandardOutput(
            sys.stdout.buffer, sys.stdout.encoding, "to_ascii", line_buffering=sys.stdout.isatty()
        )
    if sys.stderr is not None:
        sys.stderr = StandardError(sys.stderr.buffer, sys.stderr.encoding, "to_ascii", line_buffering=True)
