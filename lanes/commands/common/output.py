"""Results on stdout, talk on stderr: the one seam between commands and the terminal.

Whatever is printed passes ``clean`` here, on a terminal and on a pipe alike. Colour comes after it and only on a
terminal, so nothing in data can be one.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TextIO

import click

from lanes.commands.common.table import Column, lay_out
from lanes.text import clean

_COLOURS = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "strong": "1", "busy": "36"}


class Cell(NamedTuple):
    """A piece of text and how it looks: ``good``, ``bad``, ``warn``, ``busy``, ``dim``, ``strong`` or plain."""

    text: str
    look: str = ""


Piece = Cell | str


class Output:
    """Where a command's results and talk go, and in which form."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.tty = _is_terminal(sys.stdout)
        self._coloured = self.tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int | None:
        """The columns of the terminal; None on a pipe, where nothing is cut."""
        if not self.tty:
            return None
        import shutil

        return max(40, shutil.get_terminal_size((80, 24)).columns)

    @property
    def asks(self) -> bool:
        """Whether there is somebody to ask: a terminal to read from and one to ask on."""
        return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)

    def data(self, value: Any) -> None:
        """A result as JSON, ASCII-escaped; indented on a terminal."""
        import json

        self._write(json.dumps(value, ensure_ascii=True, indent=2 if self.tty else None))

    def line(self, *pieces: Piece) -> None:
        """One line of a result."""
        self._write("".join(self._dress(_cell(piece)) for piece in pieces))

    def block(self, text: str) -> None:
        """Text of several lines, such as a reply."""
        self._write(clean(text, keep_newlines=True))

    def paragraph(self, text: str) -> None:
        """Prose: wrapped on a terminal, one line on a pipe."""
        text = clean(text)
        if self.width is not None:
            import textwrap

            text = textwrap.fill(text, min(self.width, 100), break_on_hyphens=False)
        self._write(text)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Piece]]) -> None:
        """Aligned columns with a head line; on a terminal they fit its width."""
        cells = [[_cell(piece) for piece in row] for row in rows]
        texts = [[clean(cell.text) for cell in row] for row in cells]
        head, *lines = lay_out(columns, texts, self.width)
        self._write(self._paint("  ".join(head).rstrip(), "dim"))
        for line, row in zip(lines, cells, strict=True):
            painted = [self._paint(text, cell.look) for text, cell in zip(line, row, strict=True)]
            self._write("  ".join(painted).rstrip())

    def talk(self, text: str) -> None:
        """A word to the person; never part of the result."""
        say(text)

    def _dress(self, cell: Cell) -> str:
        return self._paint(clean(cell.text), cell.look)

    def _paint(self, text: str, look: str) -> str:
        if not look or not self._coloured or not text.strip():
            return text
        return f"\x1b[{_COLOURS[look]}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        with writing():
            if sys.stdout is not None:
                sys.stdout.write(text + "\n")
                if self.tty:
                    sys.stdout.flush()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Around every write to stdout. A reader that left is no error: the command goes on, to nobody.

    Raises ClickException when the output cannot be written for another reason.
    """
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except OSError as error:
        raise click.ClickException(f"the output cannot be written: {error.strerror}") from error


def say(text: str) -> None:
    """One line on stderr. If nobody reads that, it is lost, which is no reason to fail."""
    with contextlib.suppress(OSError):
        click.echo(clean(text), err=True)


def _cell(piece: Piece) -> Cell:
    return piece if isinstance(piece, Cell) else Cell(piece)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()
