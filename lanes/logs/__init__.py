"""The log and the standard streams of a command that serves: they never block, and log lines cannot be forged.

Only the commands that serve use this. A program that embeds lanes keeps its own logging.
"""

import atexit
import io
import logging
import os
import sys
from pathlib import Path

from lanes.logs.lines import LineFormatter
from lanes.logs.unblocked import Unblocked, dropped, wait_for_all

#: How long the end of the process waits for the reader of the log (s).
LAST_WAIT_S = 0.5

#: Standard output and standard error, and the file of the log where there is one.
_standard: list[Unblocked] = []
_file: Unblocked | None = None


def log_to(level: str, file: Path | None = None) -> None:
    """Send the log to a file, or to standard error. From then on, no output of this process blocks it.

    Raises OSError if the file cannot be opened.
    """
    global _file
    _take_over()
    before, _file = _file, None if file is None else _opened(file)
    handler = logging.StreamHandler(sys.stderr if _file is None else _text(_file))
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # A line for each request to a provider, or for each start of a server, would bury what matters.
    for noisy in ("httpx", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if before is not None:
        before.end(LAST_WAIT_S)


def flush() -> None:
    """Wait until all output is written, but not for long: a reader that does not read must not hold up the exit."""
    wait_for_all([*_standard, *([] if _file is None else [_file])], LAST_WAIT_S)


def _take_over() -> None:
    """Let standard output and standard error never block: for ``print`` in a runner, tracebacks, messages, the log."""
    if _standard:
        return
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            unblocked = Unblocked(stream.fileno(), notice=_notice)
            _standard.append(unblocked)
            setattr(sys, name, _text(unblocked, stream.encoding))
    atexit.register(flush)


def _opened(file: Path) -> Unblocked:
    return Unblocked(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), notice=_notice, owns=True)


def _text(stream: Unblocked, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(stream, encoding, errors="backslashreplace", write_through=True)


def _notice(lines: int) -> str:
    """The notice about dropped lines, as a line of the log."""
    record = logging.LogRecord("lanes.log", logging.WARNING, __file__, 0, dropped(lines), None, None)
    return LineFormatter().format(record)
