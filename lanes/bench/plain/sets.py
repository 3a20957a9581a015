"""A baseline with the statements of today's doors, recorded as ``sqlite3`` gets them from the store."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from lanes.bench.kit import cycle
from lanes.bench.kit.filling import copied
from lanes.bench.kit.work import Work, key_of
from lanes.bench.plain.replaying import Statement, Statements, replay
from lanes_storage.clock import system_clock
from lanes_storage.interface import CommandStep, carry_out
from lanes_storage.sqlite.file.connect import open_writer
from lanes_storage.sqlite.file.transaction import SqliteTransaction
from lanes_storage.sqlite.file.wal import LONG_LOG_FRAMES

T = TypeVar("T")


class Noting:
    """A connection that records the statements it is given."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._noted: Statements = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        self._noted.append(Statement(sql, tuple(values)))
        return self._connection.execute(sql, self._noted[-1].values)

    def executemany(self, sql: str, rows: Iterable[Iterable[Any]]) -> sqlite3.Cursor:
        self._noted.append(Statement(sql, [tuple(row) for row in rows], many=True))
        return self._connection.executemany(sql, self._noted[-1].values)

    def taken(self) -> Statements:
        """The statements since the last call."""
        noted, self._noted = self._noted, []
        return noted


def cycles_a_second(work: Work, batch: int) -> float:
    """Cycles a second of plain sqlite3 with the statements of today's doors, in sets of ``batch``."""
    doing = work.once(f"sets of {batch}", lambda: transactions(work, batch))
    path, connection, _ = opened(work, batch)
    connection.execute(f"PRAGMA wal_autocheckpoint = {LONG_LOG_FRAMES}")  # where lanes copies the log back, too
    connection.execute("PRAGMA synchronous = FULL")
    took = replay(connection, doing)
    connection.close()
    path.unlink()
    return work.size.cycles / took


def opened(work: Work, owners: int) -> tuple[Path, sqlite3.Connection, list[int]]:
    """A fresh copy of the file with that many owners, one for each caller, whose heartbeat names all that it holds."""
    path = copied(work, work.size.lanes)
    connection = open_writer(path, create=False)
    with SqliteTransaction(connection) as tx:
        return path, connection, [cycle.register(tx, system_clock()) for _ in range(owners)]


def transactions(work: Work, batch: int) -> list[Statements]:
    """The transactions of the doors for the cycles of a round, recorded on a fresh file."""
    work.progress(f"recording sets of {batch}")
    path, connection, owners = opened(work, batch)
    connection.execute("PRAGMA synchronous = OFF")
    noting, now, recorded = Noting(connection), system_clock(), list[Statements]()

    def step(calls: Sequence[CommandStep[T]]) -> list[T]:
        with SqliteTransaction(cast("sqlite3.Connection", noting)) as tx:
            noting.taken()  # the BEGIN
            results = carry_out(tx, calls)
            recorded.append(noting.taken())
        return results

    for first in range(0, work.size.cycles, batch):
        keys = [key_of(work, number) for number in range(first, min(first + batch, work.size.cycles))]
        messages = step([cycle.enqueue(key, now) for key in keys])
        pairs = list(zip(owners, messages, strict=False))  # the last batch may be smaller
        tickets = [one.ticket for one in step([cycle.claim(owner, message, now) for owner, message in pairs])]
        step([cycle.heartbeat(owner, ticket, now) for owner, ticket in zip(owners, tickets, strict=False)])
        step([cycle.complete(ticket, now) for ticket in tickets])
    connection.close()
    path.unlink()
    return recorded
