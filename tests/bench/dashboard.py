"""``python -m tests.bench.dashboard``: the dashboard over many lanes, in a pseudo terminal, as its user has it.

First rows from process start, memory, processor time of one refresh, key to paint, and what goes to the terminal
while nothing changes. Figures belong to the machine; the targets are printed beside them.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.kit.crowd import crowd
from tests.tui.terminal import Terminal, terminal

LANES = 100_000
SIZE = (120, 40)
#: For how long nothing is done while processor time and traffic are counted, in seconds.
QUIET_S = 15.0
KEYS = 40


class Figure(NamedTuple):
    """One figure, its unit, and what it should stay below."""

    name: str
    value: float
    unit: str
    below: float

    def __str__(self) -> str:
        return f"{self.name:<44}{self.value:>9.1f} {self.unit:<6} target < {self.below:g} {self.unit}"


def processor_ms(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """The memory of a process that is its own: resident, less what it shares with files."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE") / 1e6


def quiet(opened: Terminal, seconds: float) -> int:
    """Let time pass; the bytes that were painted meanwhile."""
    before, until = len(opened.sent), time.monotonic() + seconds
    while time.monotonic() < until:
        opened.read()
    return len(opened.sent) - before


def paint_ms(opened: Terminal, key: str) -> float:
    """From a key to what it painted."""
    before, pressed = len(opened.sent), time.perf_counter()
    opened.press(key)
    opened.until(lambda: len(opened.sent) > before, "a change")
    return (time.perf_counter() - pressed) * 1000


def first_rows_s(database: Path) -> float:
    """From process start to the first lane on the screen."""
    started = time.perf_counter()
    with terminal(database, SIZE) as opened:
        opened.shows("▶ running", "session-")
        return time.perf_counter() - started


def measure(database: Path) -> list[Figure]:
    """All figures."""
    started = statistics.median(first_rows_s(database) for _ in range(5))
    with terminal(database, SIZE) as opened:
        opened.shows("session-")
        quiet(opened, 3.0)
        pid = opened.process.pid
        before = processor_ms(pid)
        sent = quiet(opened, QUIET_S)
        tick = (processor_ms(pid) - before) / QUIET_S
        keys = [paint_ms(opened, "j" if number % 8 else "k") for number in range(KEYS)]
        memory = memory_mb(pid)
        opened.press("v")  # without the detail
        quiet(opened, 2.0)
        bare = quiet(opened, QUIET_S)
    return [
        Figure("first rows from process start (median of 5)", started * 1000, "ms", 1_500),
        Figure("memory of its own", memory, "MB", 80),
        Figure("processor time of a refresh, one a second", tick, "ms", 40),
        Figure("key to paint (median)", statistics.median(keys), "ms", 50),
        Figure("to the terminal while nothing changes", sent / QUIET_S, "B/s", 1_000),
        Figure("the same without the detail", bare / QUIET_S, "B/s", 1_000),
    ]


def main(report: Callable[[str], None] = print) -> None:
    """Measure and report."""
    lanes = int(sys.argv[1]) if len(sys.argv) > 1 else LANES
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "lanes.db"
        crowd(database, lanes)
        report(f"the dashboard over {lanes:,} lanes, {SIZE[0]}x{SIZE[1]}")
        for figure in measure(database):
            report(f"  {figure}")


if __name__ == "__main__":
    main()
