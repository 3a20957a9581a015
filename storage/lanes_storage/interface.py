"""The interface that a database engine implements; SQLite is the only engine.

A *step* is a function of one open transaction; it calls doors (``lanes_storage.doors``) and returns a
value. A *transition* is a function of one open transaction and a set of commands, and a ``CommandStep`` is the step
that is one such command. A *query* is one SELECT with a function that converts its rows (``lanes_storage.reads``). A
store runs them; every step is atomic.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
C = TypeVar("C")

#: The most rows that a query may find on a thread that must not be blocked.
FEW_ROWS = 64

Params = Mapping[str, Any]
#: Parameters of a statement: by name, or as a tuple in the order in which the statement names them, which is fastest.
Bindings = Params | tuple[Any, ...]
Row = Sequence[Any]


class Query(NamedTuple, Generic[T_co]):
    """One SELECT and the function that converts its rows.

    ``broad``: its cost has no upper limit, so it must not block anything else.
    ``point``: it finds ``FEW_ROWS`` rows at most, each by a key or next to the previous one in an index, however large
    the database is. It is fast enough to run on the event loop.
    """

    sql: str
    params: Params
    shape: Callable[[list[Row]], T_co]
    broad: bool = False
    point: bool = False


class Reads(Protocol):
    """Runs queries, one after another."""

    def __call__(self, query: Query[T], /) -> T: ...


class Transaction(Protocol):
    """One open write transaction. Statements use ``:name`` parameters.

    A lone surrogate, which no database can encode, is stored as a question mark.
    """

    def run(self, sql: str, params: Bindings) -> int:
        """Execute a statement; return the number of rows it changed."""
        ...

    def many(self, sql: str, params: Sequence[Bindings]) -> int:
        """Execute a statement once for each of ``params``; return the number of rows that all of them changed."""
        ...

    def rows(self, sql: str, params: Bindings) -> list[Row]:
        """Execute a statement and return its rows (SELECT, or RETURNING)."""
        ...

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Call ``undo`` if this transaction does not commit."""
        ...


Step = Callable[[Transaction], T_co]


def within(tx: Transaction, query: Query[T]) -> T:
    """The result of a query in an open transaction."""
    return query.shape(tx.rows(query.sql, query.params))


#: A change of state for a set of commands. Returns one result for each, in their order.
Transition = Callable[[Transaction, Sequence[C]], Sequence[T]]


class CommandStep(Generic[T]):
    """A step that is one command for a transition. Called directly, it is a set of one command.

    A writer executes all waiting commands of one transition as one set. ``then`` takes the result of the
    command, in the same transaction, and returns the result of the step.
    """

    __slots__ = ("command", "then", "transition")

    def __init__(
        self, transition: Transition[Any, Any], command: Any, then: Callable[[Transaction, Any], T] | None = None
    ) -> None:
        self.transition, self.command, self.then = transition, command, then

    def __call__(self, tx: Transaction) -> T:
        """Execute this command as a set of one."""
        of_command = self.transition(tx, [self.command])[0]
        return of_command if self.then is None else self.then(tx, of_command)

    def and_then(self, further: Callable[[Transaction, T], U]) -> "CommandStep[U]":
        """This step, with ``further`` applied to its result."""
        then = self.then
        combined = further if then is None else lambda tx, of_command: further(tx, then(tx, of_command))
        return CommandStep(self.transition, self.command, combined)


def call(transition: Transition[C, T], command: C) -> CommandStep[T]:
    """Create the step that executes one command of a transition."""
    return CommandStep(transition, command)


def carry_out(tx: Transaction, steps: Sequence[Step[T]]) -> list[T]:
    """Execute the commands of each transition as one set, then the plain steps. Returns one result for each step.

    The steps are concurrent, so the order in which they were submitted is kept only within a set.
    """
    if len(steps) == 1:
        return [steps[0](tx)]
    sets: dict[Transition[Any, Any], list[tuple[int, CommandStep[Any]]]] = defaultdict(list)
    plain: list[tuple[int, Step[Any]]] = []
    for place, step in enumerate(steps):
        if isinstance(step, CommandStep):
            sets[step.transition].append((place, step))
        else:
            plain.append((place, step))
    results: list[Any] = [None] * len(steps)
    for transition, calls in sets.items():
        of_commands = transition(tx, [each.command for _, each in calls])
        for (place, each), result in zip(calls, of_commands, strict=True):
            results[place] = result if each.then is None else each.then(tx, result)
    for place, step in plain:
        results[place] = step(tx)
    return results


class Reader(Protocol):
    """A connection that reads, for one blocking thread. Raises ``StorageError`` from every method."""

    @property
    def name(self) -> str:
        """The name of the database for messages: a path, or a URL without its password."""
        ...

    def read(self, query: Query[T]) -> T:
        """Run one query."""
        ...

    def look(self, look: Callable[[Reads], T]) -> T:
        """Call ``look`` with a function that runs queries; all of them read the same snapshot of the database."""
        ...

    def version(self) -> int:
        """A number that changes whenever another connection has committed since the last call. Cheap."""
        ...

    def close(self) -> None:
        """Finish the submitted steps, then release everything. May be called twice."""
        ...


class Store(Reader, Protocol):
    """A database for a blocking caller, such as a command."""

    def write(self, step: Step[T]) -> T:
        """Run ``step`` in a transaction; return once it is durable."""
        ...

    def interruptible(self) -> AbstractContextManager[None]:
        """Within the block, Ctrl-C interrupts a long statement and raises KeyboardInterrupt."""
        ...


class AsyncStore(Protocol):
    """A database, used from an event loop and, by ``write_blocking``, from threads."""

    @property
    def name(self) -> str:
        """The name of the database for messages."""
        ...

    @property
    def changes_file(self) -> Path | None:
        """A file that each commit of any process writes to; None if there is no such file."""
        ...

    async def write(self, step: Step[T]) -> T:
        """Run ``step`` in a group commit; return once it is durable."""
        ...

    def write_blocking(self, step: Step[T], timeout: float | None = None) -> T:
        """``write`` for threads: blocks until the commit. Raises TimeoutError after ``timeout`` seconds.

        A step that has begun before the timeout continues and may commit; a step that has not begun is not executed.
        """
        ...

    async def read(self, query: Query[T]) -> T:
        """Run one query: a ``point`` query in this thread as long as that is fast, a ``broad`` query on one of the
        connections reserved for broad queries.

        A broad query is interrupted when its caller is cancelled. Its rows are converted in another thread.
        """
        ...

    async def look(self, look: Callable[[Reads], T]) -> T:
        """``Reader.look``, in a thread, like one broad query."""
        ...

    async def version(self) -> int:
        """See ``Reader.version``."""
        ...

    def reader(self) -> Reader:
        """A new connection that reads, for another thread."""
        ...

    def shorten_log(self) -> str | None:
        """Shorten the WAL if it is large. Call it from a thread: it may take a moment.

        Returns a message for people when two calls in a row failed for the same reason, otherwise None. Raises
        StorageError.
        """
        ...

    def check(self) -> None:
        """Check that the database is still the one that was opened. From any thread; cheap.

        Raises DatabaseReplaced while it is not; reads and writes raise it too.
        """
        ...

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after commits of this process, until the returned function is called.

        It is called in the event loop that opened the store, before the callers of the steps get their results. It must
        be fast. An exception that it raises is logged and has no other effect.
        """
        ...

    async def close(self) -> None:
        """Finish the submitted steps, then release everything. May be called twice."""
        ...
