"""One open write transaction on a SQLite connection."""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from types import TracebackType

from lanes_storage.interface import Bindings, Row
from lanes_storage.sqlite.file.binding import placed
from lanes_storage.sqlite.file.identity import FileGuard
from lanes_storage.sqlite.file.locking import begin


class SqliteTransaction:
    """``BEGIN IMMEDIATE`` on entry, so that every guard is read under the write lock; COMMIT or ROLLBACK on exit.

    With a ``guard``, nothing is written to files that their paths no longer name: a page in a deleted WAL would be
    listed in the shared memory, where the processes with the new WAL would look for it. A commit during which they are
    replaced counts as not committed: it must not be acknowledged. Raises DatabaseReplaced in both cases, even in place
    of the error of a step, which may have read pages of two WALs.
    """

    def __init__(self, connection: sqlite3.Connection, guard: FileGuard | None = None) -> None:
        self._connection = connection
        self._guard = guard
        self._undo: list[Callable[[], None]] = []

    def run(self, sql: str, params: Bindings) -> int:
        return self._execute(sql, params).rowcount

    def many(self, sql: str, params: Sequence[Bindings]) -> int:
        if not params:
            return 0
        text, values = placed(sql)
        bindings = params if isinstance(params[0], tuple) else [values(row) for row in params]  # type: ignore[arg-type]
        before, left = self._connection.total_changes, iter(bindings)
        try:
            return self._connection.executemany(text, left).rowcount
        except UnicodeEncodeError:  # as below, for the failed row and the rows after it
            rest = params[len(params) - len([*left]) - 1 :]
            for row in rest:
                self._execute(sql, row)
            return self._connection.total_changes - before

    def rows(self, sql: str, params: Bindings) -> list[Row]:
        return self._execute(sql, params).fetchall()

    def on_rollback(self, undo: Callable[[], None]) -> None:
        self._undo.append(undo)

    def __enter__(self) -> "SqliteTransaction":
        begin(self._connection, None if self._guard is None else self._guard.lock)
        try:
            self._check()
        except BaseException:
            self._end(self._roll_back)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(self._commit if error is None else self._roll_back)
        if isinstance(error, Exception):
            self._check()

    def _end(self, how: Callable[[], None]) -> None:
        try:
            how()
        finally:
            if self._guard is not None:
                self._guard.lock.release()

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
            self._check()
        except BaseException:
            self._roll_back()
            raise

    def _check(self) -> None:
        if self._guard is not None:
            self._guard.check()

    def _execute(self, sql: str, params: Bindings) -> sqlite3.Cursor:
        text, values = placed(sql)
        bindings = params if isinstance(params, tuple) else values(params)
        try:
            return self._connection.execute(text, bindings)
        except UnicodeEncodeError:  # lone surrogates, which cannot be encoded: no message is lost because of one
            return self._connection.execute(text, [_encodable(value) for value in bindings])

    def _roll_back(self) -> None:
        """Call the undo functions, the last one first, then roll back. Each runs even if another one raises."""
        with contextlib.ExitStack() as undone:
            undone.callback(self._discard)
            for undo in self._undo:
                undone.callback(undo)

    def _discard(self) -> None:
        if self._connection.in_transaction:  # on a full disk, SQLite has already rolled back
            self._connection.execute("ROLLBACK")


def _encodable(value: object) -> object:
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
