"""The interface that an engine implements: SQLite today, PostgreSQL beside it later.

A *step* is a function of one open transaction; it calls doors (``lanes_storage.doors``) and returns a
value. A *query* is one SELECT with the shape of its result (``lanes_storage.reads``). A store runs both,
and never lets anyone see a half-done step.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Params = Mapping[str, Any]
Row = Sequence[Any]


class Query(NamedTuple, Generic[T]):
    """One SELECT and what becomes of its rows.

    ``broad``: it goes over as much as somebody asks for, so that it must not stand in the way of anything else.
    """

    sql: str
    params: Params
    shape: Callable[[list[Row]], T]
    broad: bool = False


class Dialect(NamedTuple):
    """The statements that an engine words in its own way."""

    name: str
    #: Set the progress of the open runs of ``:owner`` that ``:beats`` names, a JSON array of
    #: ``[run, progress, progress_at, progress_boot, busy_until_boot, reply_so_far, progress_slept_ms,
    #: body_ended_at]``; they are left out no longer.
    heartbeat_runs: str


class Transaction(Protocol):
    """One open write transaction. Statements use ``:name`` parameters.

    Half a character (a lone surrogate), for which no engine has a place, is stored as a question mark.
    """

    @property
    def dialect(self) -> Dialect:
        """How this engine words what is not portable."""
        ...

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


class Reader(Protocol):
    """A connection that reads, for one blocking thread. Raises ``StorageError`` from every method."""

    @property
    def name(self) -> str:
        """The database as people name it: a path or a URL without its password."""
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


class Store(Reader, Protocol):
    """A database for a blocking caller: a command, say."""

    def write(self, step: Step[T]) -> T:
        """Run ``step`` in a transaction; return once it is durable."""
        ...


class AsyncStore(Protocol):
    """The same database, used from an event loop and, by ``write_blocking``, from threads."""

    @property
    def name(self) -> str:
        """The database as people name it."""
        ...

    @property
    def changes_file(self) -> Path | None:
        """A file that is written to by each commit of any process; None where there is none to watch."""
        ...

    async def write(self, step: Step[T]) -> T:
        """Run ``step`` in a group commit; return once it is durable."""
        ...

    def write_blocking(self, step: Step[T], timeout: float | None = None) -> T:
        """The same from a thread. Raises TimeoutError after ``timeout`` seconds; the step may still run."""
        ...

    async def read(self, query: Query[T]) -> T:
        """Run one query: on the reading connection of the engine, or where it is ``broad`` on another one.

        A broad query ends when its caller is cancelled. Its rows are shaped in another thread.
        """
        ...

    async def version(self) -> int:
        """As ``Reader.version``, on the reading connection."""
        ...

    def reader(self) -> Reader:
        """A reader of its own for a thread."""
        ...

    def shorten_log(self) -> str | None:
        """Keep what the engine writes beside the data short. From a thread; may take a moment.

        Returns a sentence when something stands in the way. Raises StorageError.
        """
        ...

    def check(self) -> None:
        """Whether the database is still the one that was opened. From any thread; costs about nothing.

        Raises DatabaseReplaced while it is not, as do reads and writes.
        """
        ...

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every commit of this process, in another thread, until what is returned is called.

        It must be quick. What it raises is said in the log, and changes nothing.
        """
        ...

    async def close(self) -> None:
        """Finish what was handed in, then release everything. Harmless twice."""
        ...


__all__ = ["AsyncStore", "Dialect", "Params", "Query", "Reader", "Row", "Step", "Store", "Transaction"]
