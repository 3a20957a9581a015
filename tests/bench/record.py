"""Record the statements of 0.1.0: ``.venv-bench/bin/python tests/bench/record.py > lanes/bench/plain/0_1_0.json``.

To be run by a Python that has 0.1.0; ``make peers`` makes one. How a connection is set and how a file with many lanes
is made is taken from SQLite's trace, whose statements hold their values. The steps of a cycle are the calls that
``sqlite3`` got. Numbers that differ from cycle to cycle are found by setting them to what nothing else is.
"""

import json
import re
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

# Of 0.1.0, whatever the checkout holds by now.
cycle: Any = import_module("lanes.bench.cycle")
filling: Any = import_module("lanes.bench.filling")
connect: Any = import_module("lanes_storage.sqlite.connect")
transaction: Any = import_module("lanes_storage.sqlite.transaction")
moment: Any = import_module("lanes_storage.moment")

LANES, KEY, LANE = 4_321, "lane:1233", 1_234
MESSAGE, RUN, OWNER = 7_000_001, 8_000_001, 9_000_001
#: What takes the place of each number.
NAMES = {str(MESSAGE): "message", str(MESSAGE - 1): "before", str(RUN): "run", str(OWNER): "owner", str(LANE): "lane"}
NOW = moment.Now(1_764_000_000_000, 100_000_000, 100_000_000, "boot")
SETTING = re.compile(r"PRAGMA (?!busy_timeout)\w+ = ")
PLACE = re.compile(r"'[^']*'|\?(\d+)")


class Noting:
    """A connection that notes each statement with its values, in plain places."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.noted: list[tuple[str, list[Any]]] = []

    def execute(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        given = tuple(values)
        order = [int(place[1]) - 1 for place in PLACE.finditer(sql) if place[1]]
        plain = PLACE.sub(lambda place: "?" if place[1] else place[0], sql)
        self.noted.append((" ".join(plain.split()), [named(given[place]) for place in order]))
        return self._connection.execute(sql, given)


def named(value: Any) -> Any:
    """A value with names in the place of the numbers of its cycle."""
    if value == KEY or (isinstance(value, int) and str(value) in NAMES):
        return f"${NAMES.get(str(value), 'key')}"
    if isinstance(value, str):
        return re.sub(r"\d+", lambda number: f"${NAMES[number[0]]}" if number[0] in NAMES else number[0], str(value))
    return value


def traced(make: Callable[[], object]) -> list[str]:
    """The statements that ``sqlite3`` ran meanwhile, on whatever connection, with their values."""
    said: list[str] = []
    opened = sqlite3.connect

    def opening(*given: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = opened(*given, **named)
        connection.set_trace_callback(said.append)
        return connection

    sqlite3.connect = opening  # type: ignore[assignment]
    make()
    sqlite3.connect = opened
    return [" ".join(statement.replace(moment.boot_id(), "boot").split()) for statement in said]


def recorded(folder: Path) -> dict[str, list[Any]]:
    """Everything: what a connection is set to, how a file with ``:lanes`` lanes is made, and each step."""
    path = folder / "recorded.db"
    filling.system_clock = lambda: NOW
    made = traced(lambda: filling.fill(path, LANES))
    settings = traced(lambda: connect.open_writer(path, create=False).close())
    connection = connect.open_writer(path, create=False)
    for table, last in (("owners", OWNER - 1), ("messages", MESSAGE - 1)):
        connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (last, table))
    connection.execute("UPDATE counters SET value = ? WHERE name = 'epoch'", (RUN - 1,))
    noting, steps = Noting(connection), {}

    def step(name: str, door: Callable[..., Any], *given: Any) -> Any:
        with transaction.SqliteTransaction(noting) as tx:
            noting.noted.clear()  # the BEGIN
            came = door(tx, *given)
            steps[name] = list(noting.noted)
        return came

    step("owner", cycle.register, NOW, cycle.OWNER._replace(boot_id="boot"))
    step("enqueue", cycle.enqueue, KEY, NOW)
    claimed = step("claim", cycle.claim, OWNER, MESSAGE, NOW)
    step("heartbeat", cycle.heartbeat, OWNER, claimed.ticket, NOW)
    step("complete", cycle.complete, claimed.ticket, NOW)
    many = (one.replace(str(LANES), ":lanes").replace(str(LANES - 1), ":lanes - 1") for one in made)
    return {
        "settings": [one for one in settings if SETTING.match(one)],
        "file": [one for one in many if SETTING.match(one) or not one.startswith(("PRAGMA", "SELECT"))],
        **steps,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        parts = recorded(Path(scratch)).items()
    told = (f'"{name}": [\n ' + ",\n ".join(map(json.dumps, part)) + "\n]" for name, part in parts)
    sys.stdout.write("{" + ",\n".join(told) + "}\n")
