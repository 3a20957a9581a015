"""``python -m tests.bench.dashboard``: the dashboard over many lanes, in a pseudo terminal, as its user has it.

Figures belong to the machine; the targets are printed beside them. What they mean:

- *A refresh* is one look that shows something new: twice a second some forty lanes change in one commit, two of them
  on the screen; those with nothing more that waits leave it, and the lines below them move up. All processor time of
  the process counts, every thread of it, also what it takes to ask ten times a second whether there is anything new.
- *A calm second* is the same with nothing committed: only ages and the time change.
- *Key to paint* is from the key until the terminal has what shows the cursor on another lane, among such refreshes and
  at any moment of them. Any other paint does not count; nor does what the terminal of this program needs to read it.

- *Idle* is what is sent in a whole minute: ages are told in minutes, so that each line says something else once in it.
- *In bulk* is the pause of 10,000 of the lanes, from the key that confirms it until all are reported; meanwhile the
  results are left, and one key after another moves the cursor among lanes that are being paused.

Earlier figures of a key are not to be compared with these: they held the 50 ms that pexpect waits before it types, and
ended with whatever was painted next, be it the time. Earlier figures of a refresh were those of a calm second.
"""

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lanes_tui.tables.cursor import CURSOR
from tests.bench.traffic import Traffic
from tests.kit.crowd import crowd
from tests.tui.terminal import Terminal, terminal

LANES = 100_000
SIZE = (120, 40)
#: For how long nothing is done while processor time and bytes are counted, in seconds.
QUIET_S = 60.0
#: A tenth of the agents of a crowd.
TENTH = "key:agent:0[0-3]:*"
#: So many refreshes are measured, so far apart.
REFRESHES, APART_S = 30, 0.5
#: Lanes change so many lines below the cursor.
BELOW = 4
KEYS = 60
KEY_OF_LANE = re.compile(r"session-[0-9]+")


class Figure(NamedTuple):
    """One figure, its unit, and what it should stay below."""

    name: str
    value: float
    unit: str
    below: float

    def __str__(self) -> str:
        return f"{self.name:<48}{self.value:>9.1f} {self.unit:<6} target < {self.below:g} {self.unit}"


class Look(NamedTuple):
    """What was measured of one dashboard."""

    first_ms: float  # from the start of its process to the first rows
    memory_mb: float
    refresh_ms: float  # its processor time for one
    calm_ms: float  # the same, for a second in which nothing changes
    key_ms: float  # from a key to what it paints, the median
    most_keys_ms: float  # the same, of nine in ten
    idle: float  # bytes a second to the terminal while nothing changes
    bare: float  # the same without the detail of a lane


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


def under_cursor(opened: Terminal) -> str:
    """The lane that the cursor stands on, as the screen shows it."""
    found = (KEY_OF_LANE.search(line) for line in opened.lines if line.startswith(CURSOR))
    return next((key[0] for key in found if key is not None), "")


def shows_change(opened: Terminal, changed: list[str]) -> None:
    """Wait until the screen says something else of these lanes than now."""
    stale = {line for line in opened.lines if any(key in line for key in changed)}
    opened.until(lambda: stale.isdisjoint(opened.lines), "the change")


def paint_ms(opened: Terminal, key: str) -> float:
    """From a key until the terminal has what shows the cursor on another lane."""
    was, pressed = under_cursor(opened), time.perf_counter()
    opened.press(key)
    opened.until(lambda: under_cursor(opened) not in (was, ""), "the cursor to move")
    return (opened.heard_at - pressed) * 1000


def refresh_ms(opened: Terminal, traffic: Traffic) -> float:
    """The processor time of a look that shows what changed."""
    pid = opened.process.pid
    before = processor_ms(pid)
    for _ in range(REFRESHES):
        due = time.monotonic() + APART_S
        shows_change(opened, traffic.burst(BELOW))
        quiet(opened, due - time.monotonic())
    return (processor_ms(pid) - before) / REFRESHES


def key_ms(opened: Terminal, traffic: Traffic) -> list[float]:
    """From each key to the cursor on another lane, among refreshes; the shortest first."""
    taken, place, due = [], 0, 0.0
    for number in range(KEYS):
        if time.monotonic() >= due:
            due = time.monotonic() + APART_S
            traffic.burst(place + BELOW)
        quiet(opened, 0.1 + 0.03 * (number % 8))  # at another moment of the refresh each time
        step = -1 if number % 8 == 7 else 1
        place += step
        taken.append(paint_ms(opened, "j" if step > 0 else "k"))
    return sorted(taken)


def first_rows_s(database: Path) -> float:
    """From process start to the first lane on the screen."""
    started = time.perf_counter()
    with terminal(database, SIZE) as opened:
        opened.shows("▶ running", "session-")
        return time.perf_counter() - started


class Bulk(NamedTuple):
    """An action on many: how long it took, and the slowest key meanwhile."""

    taken_s: float
    worst_ms: float


def bulk(database: Path, lanes: int) -> Bulk:
    """Pause a tenth of so many lanes, and move about meanwhile."""
    many = f"{lanes // 10:,}"
    with terminal(database, SIZE) as opened:
        opened.process.delaybeforesend = None
        opened.shows("session-")
        opened.press("/", TENTH)
        opened.shows(f"match {many}")
        opened.press("\x01")
        opened.shows(f"marked {many}")
        opened.press("p")
        opened.shows(f"Pause {many} lanes?")
        began = time.perf_counter()
        opened.press("\r")
        opened.shows(f"of {many} lanes")
        opened.press("\x1b")
        opened.hides("^k stop")
        ended, worst, step = f"{many} paused", 0.0, "j"
        quiet(opened, 0.2)  # until the list has the keys
        while ended not in opened.text:
            was, pressed = under_cursor(opened), time.perf_counter()
            opened.press(step)
            opened.until(lambda was=was: ended in opened.text or under_cursor(opened) not in (was, ""), "a paint")  # type: ignore[misc]
            worst = max(worst, (opened.heard_at - pressed) * 1000)
            step = "k" if step == "j" else "j"
            quiet(opened, 0.05)
        return Bulk(time.perf_counter() - began, worst)


def measure(database: Path, owner: int) -> Look:
    """All figures, of a database that ``crowd`` made for ``owner``."""
    started = statistics.median(first_rows_s(database) for _ in range(5))
    with terminal(database, SIZE) as opened, Traffic(database, owner) as traffic:
        opened.process.delaybeforesend = None  # else it waits before each key, as a person would
        opened.shows("session-")
        quiet(opened, 3.0)
        before = processor_ms(opened.process.pid)
        sent = quiet(opened, QUIET_S)
        calm = (processor_ms(opened.process.pid) - before) / QUIET_S
        opened.press("v")  # without the detail
        quiet(opened, 2.0)
        bare = quiet(opened, QUIET_S)
        opened.press("v")
        quiet(opened, 2.0)
        refresh = refresh_ms(opened, traffic)
        keys = key_ms(opened, traffic)
        memory = memory_mb(opened.process.pid)
    return Look(
        first_ms=started * 1000,
        memory_mb=memory,
        refresh_ms=refresh,
        calm_ms=calm,
        key_ms=statistics.median(keys),
        most_keys_ms=keys[len(keys) * 9 // 10],
        idle=sent / QUIET_S,
        bare=bare / QUIET_S,
    )


def main(report: Callable[[str], None] = print) -> None:
    """Measure and report."""
    lanes = int(sys.argv[1]) if len(sys.argv) > 1 else LANES
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "lanes.db"
        owner = crowd(database, lanes)
        report(f"the dashboard over {lanes:,} lanes, {SIZE[0]}x{SIZE[1]}")
        look = measure(database, owner)
        for figure in (
            Figure("first rows from process start (median of 5)", look.first_ms, "ms", 1_500),
            Figure("its memory", look.memory_mb, "MB", 80),
            Figure("refresh: its processor time", look.refresh_ms, "ms", 40),
            Figure("calm second: its processor time", look.calm_ms, "ms", 40),
            Figure("key to paint (median)", look.key_ms, "ms", 50),
            Figure("key to paint (nine of ten)", look.most_keys_ms, "ms", 50),
            Figure("idle, to the terminal", look.idle, "B/s", 500),
            Figure("the same without the detail", look.bare, "B/s", 500),
        ):
            report(f"  {figure}")
        paused = bulk(database, lanes)
        report(f"  {Figure('a tenth of them paused in bulk', paused.taken_s, 's', 10)}")
        report(f"  {Figure('the slowest key meanwhile', paused.worst_ms, 'ms', 100)}")


if __name__ == "__main__":
    main()
