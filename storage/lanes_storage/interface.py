"""The interface that an engine implements: SQLite today, PostgreSQL beside it later.

A *step* is a function of one open transaction; it calls doors (``lanes_storage.doors``) and returns a
value. A *transition* is a function of one open transaction and a set of commands, and a ``Call`` is the step that is
one such command. A *query* is one SELECT with the shape of its result (``lanes_storage.reads``). A store runs them,
and never lets anyone see a half-done step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)

#: So many rows may be found where nothing else goes on meanwhile.
FEW_ROWS = 64

Params = Mapping[str, Any]
#: What a statement is given: by name, or a tuple in the order in which it names its parameters, which costs least.
Given = Params | tuple[Any, ...]
Row = Sequence[Any]


class Query(NamedTuple, Generic[T]):
    """One SELECT and what becomes of its rows.

    ``broad``: it goes over as much as somebody asks for, so that it must not stand in the way of anything else.
    ``point``: it finds ``FEW_ROWS`` at most, each by a key or next to the one before in an index, whatever the database
    holds: it may stand in the way of everything else for a moment.
    """

    sql: str
    params: Params
    shape: Callable[[list[Row]], T]
    broad: bool = False
    point: bool = False


class Reads(Protocol):
    """Runs one query, and the next."""

    def __call__(self, query: Query[T], /) -> T: ...


class Transaction(Protocol):
    """One open write transaction. Statements use ``:name`` parameters.

    Half a character (a lone surrogate), for which no engine has a place, is stored as a question mark.
    """

    def run(self, sql: str, params: Given) -> int:
        """Execute a statement; return the number of rows it changed."""
        ...

    def many(self, sql: str, params: Sequence[Given]) -> int:
        """Execute a statement once for each of ``params``; return the number of rows that all of them changed."""
        ...

    def rows(self, sql: str, params: Given) -> list[Row]:
        """Execute a statement and return its rows (SELECT, or RETURNING)."""
        ...

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Call ``undo`` if this transaction does not commit."""
        ...


Step = Callable[[Transaction], T_co]


class Transition(Protocol[C_contra, T_co]):
    """A change of state for a set of commands. What came of each is returned, in their order."""

    def __call__(self, tx: Transaction, commands: Sequence[C_contra], /) -> Sequence[T_co]: ...


@dataclass(slots=True, eq=False)
class Call(Generic[T]):
    """A step that is one command for a transition. Called by itself, it is a set of one.

    A writer carries out all commands for one transition that wait for it as one set. ``then`` takes what came of the
    command, in the same transaction, and gives the result of the step.
    """

    transition: Transition[Any, Any]
    command: Any
    then: Callable[[Transaction, Any], T] | None = None

    def __call__(self, tx: Transaction) -> T:
        """Carry it out alone."""
        return self.result(tx, self.transition(tx, [self.command])[0])

    def result(self, tx: Transaction, came: Any) -> T:
        """The result of the step, from what came of its command."""
        return came if self.then is None else self.then(tx, came)

    def and_then(self, further: Callable[[Transaction, T], U]) -> "Call[U]":
        """The same, whose result goes through ``further``."""
        return Call(self.transition, self.command, lambda tx, came: further(tx, self.result(tx, came)))


def call(transition: Transition[C, T], command: C) -> Call[T]:
    """The step that is one command for a transition."""
    return Call(transition, command)


def as_call(step: Step[T]) -> Call[T]:
    """A step as a command. One that is a function is a command for the transition that calls each."""
    return step if isinstance(step, Call) else Call(_call_each, step)


def carry_out(tx: Transaction, steps: Sequence[Step[T]]) -> list[T]:
    """Carry out steps set by set, functions last; their results, in the order of the steps.

    They are taken as concurrent: only the order within a set is kept.
    """
    if len(steps) == 1:
        return [steps[0](tx)]
    calls = [as_call(step) for step in steps]
    sets: dict[Transition[Any, Any], list[int]] = {}
    for place, each in enumerate(calls):
        sets.setdefault(each.transition, []).append(place)
    results: list[Any] = [None] * len(calls)
    for transition in sorted(sets, key=lambda one: one is _call_each):
        places = sets[transition]
        came = transition(tx, [calls[place].command for place in places])
        for place, of_it in zip(places, came, strict=True):
            results[place] = calls[place].result(tx, of_it)
    return results


def _call_each(tx: Transaction, steps: Sequence[Step[Any]]) -> list[Any]:
    return [step(tx) for step in steps]


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
        """The same from a thread. Raises TimeoutError after ``timeout`` seconds.

        A step that has begun by then goes on and may commit; one that has not never runs.
        """
        ...

    async def read(self, query: Query[T]) -> T:
        """Run one query: a ``point`` in this thread where that is quick, a ``broad`` one apart from all others.

        A broad query ends when its caller is cancelled. Its rows are shaped in another thread.
        """
        ...

    async def look(self, look: Callable[[Reads], T]) -> T:
        """Several queries in a row and what is made of their results, in a thread, as a broad query is run."""
        ...

    async def version(self) -> int:
        """As ``Reader.version``."""
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
        """Call ``listener`` after commits of this process, until what is returned is called.

        In the event loop that opened the store, before the callers are told whose steps they were. It must be quick.
        What it raises is said in the log, and changes nothing.
        """
        ...

    async def close(self) -> None:
        """Finish what was handed in, then release everything. Harmless twice."""
        ...


__all__ = [
    "FEW_ROWS",
    "AsyncStore",
    "Call",
    "Given",
    "Params",
    "Query",
    "Reader",
    "Reads",
    "Row",
    "Step",
    "Store",
    "Transaction",
    "Transition",
    "as_call",
    "call",
    "carry_out",
]
