"""The interface that an engine implements: SQLite today, PostgreSQL beside it later.

A *step* is a function of one open transaction; it calls doors (``lanes_storage.doors``) and returns a
value. A *query* is one SELECT with the shape of its result (``lanes_storage.reads``). A store runs both,
and never lets anyone see a half-done step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lanes_storage.moment import Now

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Params = Mapping[str, Any]
Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """One SELECT and what becomes of its rows."""

    sql: str
    params: Params
    shape: Callable[[list[Row]], T]


class Transaction(Protocol):
    """One open write transaction. Statements use ``:name`` parameters."""

    def run(self, sql: str, params: Params) -> int:
        """Execute a statement; return the number of rows it changed."""
        ...

    def rows(self, sql: str, params: Params) -> list[Row]:
        """Execute a statement and return its rows (SELECT, or RETURNING)."""
        ...

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Call ``undo`` if this transaction does not commit."""
        ...


Step = Callable[[Transaction], T_co]


class Store(Protocol):
    """A database, used by blocking callers (commands, threads).

    Raises ``StorageError`` (see ``lanes_storage.errors``) from every method.
    """

    @property
    def name(self) -> str:
        """The database as people name it: a path or a URL without its password."""
        ...

    def write(self, step: Step[T]) -> T:
        """Run ``step`` in a transaction of its own or of a group; return once it is durable."""
        ...

    def read(self, query: Query[T]) -> T:
        """Run one query."""
        ...

    def version(self) -> int:
        """A number that differs whenever another connection committed since the last call. Costs about nothing."""
        ...

    def close(self) -> None:
        """Finish what was handed in, then release everything. Harmless twice."""
        ...


class AsyncStore(Protocol):
    """The same database, used from an event loop and, by ``write_blocking``, from threads."""

    @property
    def name(self) -> str:
        """The database as people name it."""
        ...

    async def write(self, step: Step[T]) -> T:
        """Run ``step`` in a group commit; return once it is durable."""
        ...

    def write_blocking(self, step: Step[T], timeout: float | None = None) -> T:
        """The same from a thread. Raises TimeoutError after ``timeout`` seconds; the step may still run."""
        ...

    async def read(self, query: Query[T]) -> T:
        """Run one query on the reading connection."""
        ...

    async def close(self) -> None:
        """Finish what was handed in, then release everything. Harmless twice."""
        ...


__all__ = ["AsyncStore", "Now", "Params", "Query", "Row", "Step", "Store", "Transaction"]
