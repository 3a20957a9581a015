"""A baseline that never changes: plain ``sqlite3`` running the statements of 0.1.0 on its schema.

``0_1_0.json`` was written once by ``tests/bench/record.py``. ``$NAME`` in a value stands for a value of the cycle.
"""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from lanes.bench.kit.work import Work, key_of
from lanes.bench.plain.replaying import Statement, Statements, replay, run

STEPS = ("enqueue", "claim", "heartbeat", "complete")
#: One for each caller of the largest batch, so that a heartbeat names all that its owner holds.
OWNERS = 256


@cache
def _recorded() -> dict[str, list[Any]]:
    parts: dict[str, list[Any]] = json.loads(Path(__file__).with_name("0_1_0.json").read_text(encoding="utf-8"))
    return parts


def copied(work: Work, lanes: int) -> Path:
    """A database of 0.1.0 with that many idle lanes ``lane:0``, ``lane:1``, …, each with one finished message."""

    def make() -> Path:
        work.progress(f"making {lanes:,} lanes of 0.1.0")
        path = work.fresh("filled-0.1.0.db")
        connection = sqlite3.connect(path, isolation_level=None)
        for sql in _recorded()["file"]:
            connection.execute(sql, {"lanes": lanes} if ":lanes" in sql else ())
        connection.close()
        return path

    path = work.fresh("copied-0.1.0.db")
    shutil.copyfile(work.once(f"filled by 0.1.0: {lanes}", make), path)
    return path


def cycles_a_second(work: Work, batch: int, cycles: int, synchronous: str = "full") -> float:
    """Cycles a second of plain sqlite3 with the statements of 0.1.0's doors, ``batch`` steps to a transaction."""
    doing = work.once(f"0.1.0, {cycles} by {batch}", lambda: transactions(work, batch, cycles))
    path = copied(work, work.size.lanes)
    connection = opened(path)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    took = replay(connection, doing)
    connection.close()
    path.unlink()
    return cycles / took


def opened(path: Path) -> sqlite3.Connection:
    """A connection with the settings of 0.1.0, and all owners registered."""
    connection = sqlite3.connect(path, isolation_level=None)
    for setting in _recorded()["settings"]:
        connection.execute(setting)
    connection.execute("BEGIN IMMEDIATE")
    for owner in range(OWNERS):
        run(connection, _step("owner", {"owner": _owner(owner)}))
    connection.execute("COMMIT")
    return connection


def _owner(number: int) -> int:
    return 2 + number % OWNERS  # the first one made the file


def transactions(work: Work, batch: int, cycles: int) -> list[Statements]:
    """The transactions of ``cycles`` cycles on a fresh file."""
    numbered = [_numbers(work, number) for number in range(cycles)]
    return [
        [statement for names in numbered[first : first + batch] for statement in _step(step, names)]
        for first in range(0, cycles, batch)
        for step in STEPS
    ]


def _numbers(work: Work, number: int) -> dict[str, Any]:
    """The values that replace the names in a cycle; in a fresh file the next ids are known."""
    key, following = key_of(work, number), work.size.lanes + 1 + number
    lane = int(key.partition(":")[2]) + 1
    return {
        "key": key,
        "lane": lane,
        "before": following - 1,
        "message": following,
        "run": following,
        "owner": _owner(number),
    }


def _step(name: str, numbers: Mapping[str, Any]) -> Statements:
    return [Statement(sql, [_filled(value, numbers) for value in values]) for sql, values in _recorded()[name]]


def _filled(value: Any, numbers: Mapping[str, Any]) -> Any:
    if not isinstance(value, str) or "$" not in value:
        return value
    return numbers[value[1:]] if value[1:] in numbers else Template(value).substitute(numbers)
