"""Results on stdout, messages on stderr: the only place where commands write to the terminal.

All output passes through ``clean`` here, on a terminal and on a pipe alike. Colours are added after that, and only on a
terminal, so data cannot set any.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from lanes.base.terminal import clean, is_terminal
from lanes.commands.output.layout import OutputColumn, lay_out
from lanes_storage.tuples import NamedTuple

_COLOURS = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "strong": "1", "busy": "36"}


class Cell(NamedTuple):
    """A piece of text and how it looks: ``good``, ``bad``, ``warn``, ``busy``, ``dim``, ``strong`` or plain."""

    text: str
    look: str = ""


Piece = Cell | str

#: The environment variable that a shell sets when it asks for completions.
COMPLETING = "_LANES_COMPLETE"
#: How many rows a terminal shows, unless --limit says otherwise.
ON_A_TERMINAL = 50
#: Replaces a space at which a line must not be broken; a cleaned text contains no such character.
_NO_BREAK = "\x00"
#: The longest line of prose: longer ones are hard to read.
LONGEST_LINE = 100
#: The indent of texts below a row of a table.
_INDENT = "    "
#: Without a terminal, results are buffered up to this many characters.
COLLECTED = 1 << 16


class Output:
    """Where a command's results and talk go, and in which form.

    ``changed`` is set once the command has changed something. From then on a result that cannot be written is printed
    on stderr and is no failure: a script that repeats what failed would otherwise do it twice.
    """

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.changed = False
        self.tty = is_terminal(sys.stdout)
        self._collected: list[str] = []
        self._size = 0
        self._reader_left = False
        self._refused = False  # a result could not be written
        self._coloured = self.tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int | None:
        """The columns of the terminal; None on a pipe, where nothing is cut."""
        if not self.tty:
            return None
        import shutil

        return max(40, shutil.get_terminal_size((80, 24)).columns)

    @property
    def height(self) -> int:
        """The lines of the terminal."""
        import shutil

        return shutil.get_terminal_size((80, 24)).lines

    def limit(self, requested: int | None) -> int | None:
        """The most rows to print: as requested, else all for a program, and ON_A_TERMINAL for a person."""
        return ON_A_TERMINAL if requested is None and self.tty and not self.json else requested

    @property
    def is_interactive(self) -> bool:
        """Whether a person can be asked: stdin and stderr are terminals."""
        return is_terminal(sys.stdin, sys.stderr)

    @property
    def watched(self) -> bool:
        """Whether a person sees the talk while the command runs."""
        return is_terminal(sys.stderr)

    @property
    def has_reader(self) -> bool:
        """Whether somebody still takes the results: false once the reader of a pipe has left."""
        if sys.stdout is None or sys.stdout.closed or self._reader_left:
            return False
        if self.tty:
            return True
        import select

        watch = select.poll()
        watch.register(sys.stdout.fileno(), 0)
        return not watch.poll(0)

    def data(self, value: Any, *, one_line: bool = False) -> None:
        """A result as JSON, records too, ASCII-escaped; indented on a terminal unless each is to be ``one_line``."""
        self._write(self._as_json(value, one_line=one_line))

    def result(self, value: Any, sentence: str) -> None:
        """A result: as JSON if that is asked for, otherwise as a sentence."""
        if self.json:
            self.data(value)
        else:
            self.line(sentence)

    def found(self, records: Sequence[Any], show: Callable[[], object], nothing: str) -> None:
        """A list as the result: as JSON if that is asked for, otherwise by ``show``, or ``nothing`` if it is empty."""
        if self.json:
            self.data(records)
        elif records:
            show()
        else:
            self.talk(nothing)

    def pages(
        self, pages: Iterable[Sequence[Any]], show: Callable[[Any, bool], object], nothing: Callable[[], str]
    ) -> None:
        """As ``found``, page by page, for a list that may be larger than memory. ``show`` prints one page, with or
        without titles."""
        shown = False
        for page in filter(None, pages):
            if self.json:
                self._write(("," if shown else "[") + self._as_json(page)[1:-1].rstrip("\n"), end="")
            else:
                show(page, not shown)
            shown = True
            if self._reader_left:
                return
        if self.json:
            self._write("" if shown else "[", end="\n]\n" if shown and self.tty else "]\n")
        elif not shown:
            self.talk(nothing())

    def flush(self) -> None:
        """Write the buffered results. If the reader has left, the command continues without one.

        Raises ClickException if they cannot be written for another reason, and nothing was changed.
        """
        text, self._collected, self._size = "".join(self._collected), [], 0
        if not text:
            return
        if not self._refused:
            try:
                if sys.stdout is None:
                    raise OSError(errno.EBADF, "standard output is closed")
                sys.stdout.write(text)
                sys.stdout.flush()
                return
            except OSError as error:
                self._write_nowhere()
                if isinstance(error, BrokenPipeError):
                    self._reader_left = True
                    return
                self._refused = True
                if not self.changed:
                    raise click.ClickException(f"the output cannot be written: {error.strerror}") from error
                say(f"the output cannot be written ({error.strerror}); the command was carried out, and printed:")
        if self.changed:
            with contextlib.suppress(OSError):
                click.echo(text, err=True, nl=False)

    def _write_nowhere(self) -> None:
        """Redirect stdout to /dev/null, so that the rest of Python's buffer does not fail again at exit."""
        if sys.stdout is None:
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

    def clear(self) -> None:
        """Clear the terminal."""
        if self.tty:
            self._write("\x1b[H\x1b[J", end="")

    def line(self, *pieces: Piece) -> None:
        """One line of a result."""
        self._write("".join(self._paint(clean(cell.text), cell.look) for cell in map(_cell, pieces)))

    def block(self, text: str) -> None:
        """Text of several lines, such as a reply."""
        self._write(clean(text, keep_newlines=True))

    def paragraph(self, text: str) -> None:
        """Prose: wrapped on a terminal, one line on a pipe. A command in it stays on one line: it is pasted."""
        text = clean(text)
        self._write(text if self.width is None else _wrapped(text, min(self.width, LONGEST_LINE)))

    def table(self, columns: Sequence[OutputColumn], rows: Sequence[Sequence[Piece]], *, titles: bool = True) -> None:
        """Aligned columns, with their titles as the first line. On a terminal they fit its width; keys and last texts
        that do not fit into their row are shown below it."""
        cells = [[_cell(piece) for piece in row] for row in rows]
        texts = [[clean(cell.text) for cell in row] for row in cells]
        head, *lines = lay_out(columns, texts, self.width)
        if titles:
            self._write(self._paint("  ".join(head.cells).rstrip(), "dim"))
        for line, row in zip(lines, cells, strict=True):
            painted = [self._paint(text, cell.look) for text, cell in zip(line.cells, row, strict=True)]
            self._write("  ".join(painted).rstrip())
            for key in line.keys:
                self._write(_INDENT + key)  # on one line, however long, to be copied
            if line.rest:
                self._write(_wrapped(line.rest, min(self.width or LONGEST_LINE, LONGEST_LINE), _INDENT))

    def talk(self, text: str) -> None:
        """A message to the person; never part of the result."""
        say(text)

    def trouble(self, code: str, detail: str, exit_code: int, fix: str = "", **values: Any) -> int:
        """An error and what to do next, on one line of stderr; with --json as an object, whose ``code`` is for
        programs. Returns the exit code."""
        if self.json:
            import json

            document = {"code": code, "detail": detail, "fix": fix or None, "exit_code": int(exit_code), **values}
            say(json.dumps(document))
        else:
            say(f"lanes: {detail}" + (f": {fix}" if fix else ""))
        return exit_code

    def _as_json(self, value: Any, *, one_line: bool = False) -> str:
        import json

        from lanes.records import jsonable

        return json.dumps(jsonable(value), ensure_ascii=True, indent=2 if self.tty and not one_line else None)

    def _paint(self, text: str, look: str) -> str:
        if not look or not self._coloured or not text.strip():
            return text
        return f"\x1b[{_COLOURS[look]}m{text}\x1b[0m"

    def _write(self, text: str, end: str = "\n") -> None:
        self._collected += (text, end)
        self._size += len(text)
        if self.tty or self._size > COLLECTED:
            self.flush()


def say(text: str) -> None:
    """One line on stderr. If stderr cannot be written, the line is lost, without an error."""
    if COMPLETING in os.environ:
        return  # it would appear in the line that is being typed
    with contextlib.suppress(OSError):
        click.echo(clean(text), err=True)


def _wrapped(text: str, width: int, indent: str = "") -> str:
    """Prose in lines of at most that width; what is between backticks, a command, stays on one line."""
    import re
    import textwrap

    whole = re.sub("`[^`]*`", lambda command: command[0].replace(" ", _NO_BREAK), text)
    filled = textwrap.fill(
        whole, width, break_long_words=False, break_on_hyphens=False, initial_indent=indent, subsequent_indent=indent
    )
    return filled.replace(_NO_BREAK, " ")


def _cell(piece: Piece) -> Cell:
    return piece if isinstance(piece, Cell) else Cell(piece)
