"""A child's end of its pipes: commands in on stdin, events out on stdout, a beat every second.

`core.protocol.process` is the other end. Whatever a child is doing, it ends at once when its stdin closes (its owner
is gone, or has enough), so that no process outlives the one that started it.
"""

import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import NoReturn, TextIO, TypeVar

from core.protocol import lines, messages
from core.protocol.lines import ProtocolError
from core.protocol.messages import Call, Command, Event, Measure

C = TypeVar("C", Measure, Call)
BEAT_S = 1.0
MOST_REASON_LETTERS = 300


class Outbox:
    """Writes events as lines; several threads may send."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def send(self, event: Event) -> None:
        """Sends one event; a closed pipe means that nobody is left to work for, and the process ends.

        Raises `ValueError` or `TypeError` for what JSON cannot hold.
        """
        line = lines.encode(event) + "\n"
        try:
            with self._lock:
                self._out.write(line)
        except OSError:
            os._exit(1)


def connect(take: Callable[[Command], None]) -> Outbox:
    """Sets up the pipes; to be called once, before anything else can print or import a framework.

    `take` is called with each command, in a thread of its own. An error of `take`, and a line that is no command, end
    the process: one that does not listen would outlive its owner.
    """
    # Whatever libraries print to stdout goes into the log and tears no line of ours.
    outbox = Outbox(os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8"))
    os.dup2(2, 1)
    threading.Thread(target=_read, args=(take,), daemon=True).start()
    threading.Thread(target=_beat, args=(outbox,), daemon=True).start()
    return outbox


def refuse(command: Command) -> NoReturn:
    """Takes no command: a child has those of its kind alone. Raises `ProtocolError`."""
    raise ProtocolError(f"{command.kind!r} has no place here")


def taking(kind: type[C], commands: "queue.SimpleQueue[C]") -> Callable[[Command], None]:
    """Takes commands of one kind alone, into `commands`."""

    def take(command: Command) -> None:
        commands.put(command) if isinstance(command, kind) else refuse(command)

    return take


def _read(take: Callable[[Command], None]) -> None:
    try:
        for line in sys.stdin:
            take(lines.decode_command(line))
    except Exception:
        traceback.print_exc()
        leave(1)
    leave()


def _beat(outbox: Outbox) -> None:
    while True:
        outbox.send(messages.Beat())
        time.sleep(BEAT_S)


def leave(status: int = 0) -> NoReturn:
    """Ends this process without ceremony: a normal exit takes a framework over a second, and all lines are written."""
    sys.stderr.flush()
    os._exit(status)


def leave_after(program: Callable[[], int]) -> NoReturn:
    """Runs a program and ends this process with its status; what it raises is told on stderr, as Python would."""
    status = 1
    try:
        status = program()
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        leave(status)


def one_line(error: BaseException) -> str:
    """An exception as the rest of a sentence: its type and first line, without the stop that a library may have put."""
    text = (str(error).strip().splitlines() or [""])[0][:MOST_REASON_LETTERS].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
