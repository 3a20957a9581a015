"""Kill points: the real program kills itself (SIGKILL) at one of its commits.

    python -m lanes.testing --at before:17 -- gateway --db lanes.db

``before:N`` just before COMMIT of the Nth transaction that writes anything, with all of it written; ``after:N`` just
after that COMMIT, before any caller is told; ``mid:N`` within it, right after the first statement that writes, and
``mid:N.M`` right after the Mth. Commits are counted from the start of the process. The code under test is unaware of
it: ``arm`` replaces the stores' class of transactions.
"""

import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from lanes_storage.interface import Bindings, Row
from lanes_storage.sqlite import store, writer
from lanes_storage.sqlite.file import transaction
from lanes_storage.sqlite.file.transaction import SqliteTransaction

_WORDS = re.compile(r"(before|after|mid):([1-9][0-9]*)(?:\.([1-9][0-9]*))?")


@dataclass(frozen=True, slots=True)
class KillPoint:
    """Where a process kills itself: ``where`` is ``before``, ``after`` or ``mid``, ``commit`` counts from 1.

    ``write``, for ``mid``: after which of the transaction's writing statements, from 1.
    """

    where: str
    commit: int
    write: int = 1

    @classmethod
    def parse(cls, words: str) -> "KillPoint":
        """Parse ``before:17``. Raises ValueError."""
        found = _WORDS.fullmatch(words)
        if found is None or (found[3] and found[1] != "mid"):
            raise ValueError(f"{words!r} is no kill point: say before:N, after:N, mid:N or mid:N.M")
        return cls(found[1], int(found[2]), int(found[3] or 1))

    def __str__(self) -> str:
        return f"{self.where}:{self.commit}" + (f".{self.write}" if self.write > 1 else "")

    def arm(self) -> None:
        """Make this process kill itself there; commits to all databases count, from this call on."""
        _Doomed.point, _Doomed.commits = self, 0
        for module in (store, transaction, writer):
            vars(module)["SqliteTransaction"] = _Doomed


class _Doomed(SqliteTransaction):
    """A transaction that may be the last of its process."""

    point: KillPoint
    commits = 0  # in this process since ``arm``

    def run(self, sql: str, params: Bindings) -> int:
        changed = super().run(sql, params)
        self._wrote()
        return changed

    def many(self, sql: str, params: Sequence[Bindings]) -> int:
        changed = super().many(sql, params)
        self._wrote()
        return changed

    def rows(self, sql: str, params: Bindings) -> list[Row]:
        found = super().rows(sql, params)
        self._wrote()
        return found

    def __enter__(self) -> "_Doomed":
        super().__enter__()
        self._before = self._seen = self._connection.total_changes
        self._statements = 0  # those that wrote something
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        writes = error is None and self._connection.total_changes != self._before
        if writes:
            self._reached("before", _Doomed.commits + 1)
        super().__exit__(kind, error, trace)
        if writes:
            _Doomed.commits += 1
            self._reached("after", _Doomed.commits)

    def _wrote(self) -> None:
        changes = self._connection.total_changes
        if changes != self._seen:
            self._seen, self._statements = changes, self._statements + 1
            if self._statements == self.point.write:
                self._reached("mid", _Doomed.commits + 1)

    def _reached(self, where: str, commit: int) -> None:
        if (where, commit) == (self.point.where, self.point.commit):
            os.kill(os.getpid(), signal.SIGKILL)
