"""One subject of ``make live``: what it tries, and the table that becomes of it."""

import datetime
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

#: A cell for what works. One for what does not begins with ``NO``, any other says what else holds.
YES, NO = "yes", "no: "


class Unavailable(Exception):
    """The subject cannot be tried here: why."""


class Table(NamedTuple):
    """What was tried: a row for each program, its version second."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def failed(self) -> bool:
        """Whether something did not work."""
        return any(cell.startswith(NO) for row in self.rows for cell in row[2:])

    def text(self) -> str:
        """As a table of a document."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tried. ``run`` gets a folder that is kept between runs, and a function that says how it goes on. It
    raises Unavailable where this machine does not have what it needs."""

    name: str
    document: Path
    run: Callable[[Path, Callable[[str], None]], Table]


def tried(attempt: Callable[[T], None], trial: T) -> str:
    """The cell of an attempt, which raises where it fails."""
    try:
        attempt(trial)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return f"{NO}{error}".replace("\n", " ")[:2000]
    return YES


def write(name: str, document: Path, table: Table, by: str = "live") -> None:
    """Write the table of that name into its document, with the date and the target of the Makefile that made it."""
    begin, end = f"<!-- {by}: {name} -->\n", f"<!-- end of {by}: {name} -->\n"
    said = f"Tried on {datetime.datetime.now(datetime.UTC):%Y-%m-%d} by `make {by}`:\n\n{table.text()}"
    text = document.read_text(encoding="utf-8")
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    assert found.search(text), f"{document} has no place for the table of {name}"
    document.write_text(found.sub(lambda _: f"{begin}{said}{end}", text), encoding="utf-8")
