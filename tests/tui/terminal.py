"""A real terminal for the dashboard: a pseudo terminal, a real process in it, and what it painted."""

import re
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]  # it has no hints
import pyte

from tests.kit.processes import PATIENCE_S, environment

#: What the toolkit itself may send: colours, moves, modes, queries. Everything else came from somewhere else.
HARMLESS = re.compile(
    rb"\x1b\[[0-9;]*m"  # looks
    rb"|\x1b\[[0-9;]*H"  # the place of what follows
    rb"|\x1b\[[0-9;]*[JK]"  # cleared lines
    rb"|\x1b\[\?[0-9]+[hl]"  # modes: alternate screen, mouse, cursor, paste, synchronous output
    rb"|\x1b\[\?[0-9]+\$p"  # whether a mode is known
    rb"|\x1b\[[<>][0-9;]*u"  # the keyboard's protocol
    rb"|\x1b\]22;[a-z-]*\x07"  # the shape of the pointer
)
OWN = re.compile(rb"[\x00-\x06\x08\x0b\x0c\x0e-\x1f\x7f]")
#: What would tell the program of another terminal.
UNWANTED = frozenset({"COLUMNS", "LINES", "NO_COLOR", "TMUX", "PYTHONWARNINGS"})
#: C1 controls, marks that turn the reading direction, zero width, joiners, line separators, tags.
UNSEEN = re.compile("[\x80-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0001-\U000e007f]")


def unwelcome(sent: bytes) -> list[str]:
    """Everything among the bytes sent to a terminal that the toolkit would not send of its own."""
    rest = HARMLESS.sub(b"", sent)
    found = [repr(rest[max(0, m.start() - 20) : m.end() + 20]) for m in OWN.finditer(rest)]
    return found + [ascii(m[0]) for m in UNSEEN.finditer(rest.decode("utf-8", "replace"))]


class Terminal:
    """The dashboard in a terminal of so many columns and rows."""

    def __init__(self, database: Path, size: tuple[int, int], *arguments: str, **more: str) -> None:
        self.sent = b""
        self.heard_at = 0.0  # when the last piece came, by time.perf_counter
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._lines: list[str] | None = None  # what was read of the screen since the last piece
        env = {name: value for name, value in environment(database.parent).items() if name not in UNWANTED}
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", "lanes", "dashboard", "--db", str(database), *arguments],
            dimensions=(size[1], size[0]),
            env=env | {"TERM": "xterm-256color", "COLORFGBG": "15;0"} | more,
            timeout=None,
        )
        self.before = self._attributes()

    def _attributes(self) -> list[Any]:
        attributes: list[Any] = termios.tcgetattr(self.process.child_fd)
        return attributes

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        if self._lines is None:  # the emulator takes longer to tell than the dashboard to paint
            self._lines = [line.rstrip() for line in self._screen.display]
        return self._lines

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines)

    def press(self, *keys: str) -> None:
        """Type keys."""
        for key in keys:
            self.process.send(key)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal, as dragging its corner does."""
        self._screen.resize(rows, columns)
        self._screen.reset()
        self._lines = None
        self.process.setwinsize(rows, columns)

    def shows(self, *wanted: str) -> str:
        """Wait until all of this stands on the screen."""
        return self.until(lambda: all(each in self.text for each in wanted), " and ".join(map(repr, wanted)))

    def hides(self, unwanted: str) -> str:
        """Wait until this stands on the screen no more."""
        return self.until(lambda: unwanted not in self.text, f"{unwanted!r} to go")

    def until(self, condition: Callable[[], bool], what: str) -> str:
        """Read what is painted until a condition holds; returns the screen."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"still waiting for {what}:\n{self.text}"
            if not self.read():
                assert condition(), f"it ended before {what}:\n{self.text}"
        return self.text

    def ends(self) -> int:
        """Wait until the process has ended; its exit code."""
        while self.read():
            pass
        self.process.wait()
        return int(self.process.exitstatus if self.process.exitstatus is not None else -self.process.signalstatus)

    def close(self) -> None:
        """End the process, however it is, and however busy the machine."""
        if self.process.isalive():
            self.process.kill(signal.SIGKILL)
            self.process.wait()
        self.process.close()

    def vanish(self) -> None:
        """Take the terminal away, as closing its window does."""
        self.process.ptyproc.fileobj.close()

    def is_sane(self) -> bool:
        """Whether the terminal was given back as it was found."""
        modes = dict(re.findall(rb"\x1b\[\?([0-9]+)([hl])", self.sent))  # the last switch of each
        shown = modes.pop(b"25") == b"h" and modes.pop(b"7") == b"h"
        return shown and set(modes.values()) == {b"l"} and self._attributes() == self.before

    def read(self) -> bool:
        """Read what there is; False once the process has ended and all is read."""
        try:
            piece = self.process.read_nonblocking(65_536, timeout=0.1)
            self.heard_at = time.perf_counter()
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.sent += piece
        self._stream.feed(piece)
        self._lines = None
        return True


@contextmanager
def terminal(database: Path, size: tuple[int, int] = (120, 40), *arguments: str, **more: str) -> Iterator[Terminal]:
    """A dashboard in a terminal, ended with the block."""
    opened = Terminal(database, size, *arguments, **more)
    try:
        yield opened
    finally:
        opened.close()
