"""Plain ``sqlite3`` doing the very statements of the doors, with nothing of ours in between.

The statements of each step are recorded once from the doors and replayed on a fresh copy of the same file, so
many steps of one kind to a transaction, as a group commit of so many callers has them.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lanes.bench import cycle
from lanes.bench.filling import copied
from lanes.bench.work import Work
from lanes_storage.interface import Params, Row
from lanes_storage.moment import system_clock
from lanes_storage.sqlite.connect import open_writer
from lanes_storage.sqlite.transaction import SqliteTransaction

#: One for each caller of the largest batch, so that a heartbeat names all that its owner holds.
OWNERS = 256

Statements = list[tuple[str, Params]]


class Recorder:
    """A transaction that notes every statement that passes it."""

    def __init__(self, tx: SqliteTransaction) -> None:
        self._tx = tx
        self.statements: Statements = []

    def run(self, sql: str, params: Params) -> int:
        self.statements.append((sql, params))
        return self._tx.run(sql, params)

    def many(self, sql: str, params: Sequence[Params]) -> int:
        self.statements += [(sql, row) for row in params]
        return self._tx.many(sql, params)

    def rows(self, sql: str, params: Params) -> list[Row]:
        self.statements.append((sql, params))
        return self._tx.rows(sql, params)

    def on_rollback(self, undo: Callable[[], None]) -> None:
        self._tx.on_rollback(undo)

    def taken(self) -> Statements:
        """What was noted since the last call."""
        statements, self.statements = self.statements, []
        return statements


def key_of(work: Work, number: int) -> str:
    """The lane of a cycle: all over the file, and never the same twice in a row."""
    return f"lane:{number * 7919 % work.size.lanes}"


def _owners(tx: SqliteTransaction) -> list[int]:
    return [cycle.register(tx, system_clock()) for _ in range(OWNERS)]


def recorded(work: Work) -> list[list[Statements]]:
    """The four steps of each cycle, as the doors word them."""
    return work.once("recorded", lambda: _record(work))


def _record(work: Work) -> list[list[Statements]]:
    work.progress("recording the statements")
    connection = open_writer(copied(work, work.size.lanes), create=False, synchronous="normal")
    now, cycles = system_clock(), []
    with SqliteTransaction(connection) as tx:
        owners = _owners(tx)
        recorder = Recorder(tx)
        for number in range(work.size.cycles):
            owner = owners[number % OWNERS]
            message = cycle.enqueue(key_of(work, number), now)(recorder)
            steps = [recorder.taken()]
            ticket = cycle.claim(owner, message, now)(recorder).ticket
            steps.append(recorder.taken())
            cycle.heartbeat(owner, ticket, now)(recorder)
            steps.append(recorder.taken())
            cycle.complete(ticket, now)(recorder)
            steps.append(recorder.taken())
            cycles.append(steps)
    connection.close()
    return cycles


def replay(work: Work, batch: int, synchronous: str = "full") -> float:
    """Cycles a second of plain sqlite3, so many steps to a transaction."""
    cycles = recorded(work)
    path: Path = copied(work, work.size.lanes)
    connection = open_writer(path, create=False, synchronous=synchronous)
    with SqliteTransaction(connection) as tx:
        _owners(tx)
    started = time.perf_counter()
    for at in range(0, len(cycles), batch):
        for steps in zip(*cycles[at : at + batch], strict=True):
            connection.execute("BEGIN IMMEDIATE")
            for statements in steps:
                for sql, params in statements:
                    connection.execute(sql, params).fetchall()
            connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    path.unlink()
    return len(cycles) / took
