"""Effects: what a verb does to a database, written once for blocking commands and for event loops.

An effect is one step, one query, a *look* of several queries, or a *procedure* where it waits: a generator that yields
what it needs (a write, a read, a pause) and gets the answer sent back. ``run`` carries one out for a blocking
command; ``lanes.desk`` does on asyncio.

A step, a query and a look may give an error in place of its result; what carries it out raises that. So a step that is
refused costs nobody else in its transaction anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar, cast
from typing import NamedTuple as GenericTuple

from lanes.base.errors import LanesError
from lanes_storage.clock import Clock, system_clock
from lanes_storage.interface import AsyncStore, Query, Reads, Row, Step, Store, Transaction
from lanes_storage.tuples import NamedTuple

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)

#: How often a blocking caller looks whether the database changed while it waits: at first, and at last.
LOOK_SOON_S = 0.001
LOOK_EVERY_S = 0.01


class Write(NamedTuple):
    """Run a step in a transaction; the answer is its value."""

    step: Step[Any]


class Read(NamedTuple):
    """Run a query; the answer is its result."""

    query: Query[Any]


class WaitForChange(NamedTuple):
    """Wait for so many seconds, or less when the database changes."""

    seconds: float


Request = Write | Read | WaitForChange
Procedure = Generator[Request, Any, T]


class QueryBlock(GenericTuple, Generic[T_co]):
    """Several queries and a function of their results. On an event loop it runs in a separate thread."""

    look: Callable[[Reads], T_co]


class Blocking(GenericTuple, Generic[T_co]):
    """Work on a blocking store that may go over the whole database: in a thread beside an event loop, one at a time."""

    work: Callable[[Store], T_co]


Effect = (
    Step[T | LanesError] | Query[T] | Query[T | LanesError] | QueryBlock[T | LanesError] | Blocking[T] | Procedure[T]
)


def made_of(query: Query[T], make: Callable[[T], U]) -> Query[U]:
    """A query whose result is made of that of another one."""

    def shape(rows: list[Row]) -> U:
        return make(query.shape(rows))

    return Query(query.sql, query.params, shape, query.broad, query.point)


class InThread:
    """The store of an event loop as a blocking one, for a thread beside it."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._reader = store.reader()
        self.write = store.write_blocking

    @property
    def name(self) -> str:
        return self._reader.name

    def read(self, query: Query[T]) -> T:
        return self._reader.read(query)

    def look(self, look: Callable[[Reads], T]) -> T:
        return self._reader.look(look)

    def version(self) -> int:
        return self._reader.version()

    def close(self) -> None:
        self._reader.close()


def within(tx: Transaction, query: Query[T]) -> T:
    """The result of a query in an open transaction."""
    return query.shape(tx.rows(query.sql, query.params))


def write(step: Step[T | LanesError]) -> Procedure[T]:
    """Run a step in a transaction. Raises the error that it gives."""
    return raised(cast("T", (yield Write(step))))


def read(query: Query[T]) -> Procedure[T]:
    """Run a query."""
    return cast("T", (yield Read(query)))


def wait_for_change(seconds: float) -> Procedure[None]:
    """Wait, at most for ``seconds``, for the database to change."""
    yield WaitForChange(max(0.0, seconds))


def run(
    store: Store,
    effect: Effect[T],
    clock: Clock = system_clock,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Carry out an effect on a blocking store. Raises what the effect gives or raises, and what the store does."""
    if isinstance(effect, Generator):
        return _driven(store, effect, clock, sleep)
    if isinstance(effect, Query):
        return cast("T", raised(store.read(effect)))
    if isinstance(effect, Blocking):
        return cast("T", effect.work(store))
    given: Any = effect.look(store.read) if isinstance(effect, QueryBlock) else store.write(effect)
    return cast("T", raised(given))


def raised(given: T | LanesError) -> T:
    """The result of a step, a query or a look. Raises it if it is an error."""
    if isinstance(given, LanesError):
        raise given
    return given


def _driven(store: Store, procedure: Procedure[T], clock: Clock, sleep: Callable[[float], None]) -> T:
    answer: Any = None
    seen = store.version()  # from here on, a wait notices what others commit
    try:
        while True:
            match procedure.send(answer):
                case Write(step):
                    answer = store.write(step)
                case Read(query):
                    answer = store.read(query)
                case WaitForChange(seconds):
                    answer = None
                    wait_since(store, seen, seconds, clock, sleep)
                    seen = store.version()
    except StopIteration as end:
        return cast("T", end.value)
    finally:
        procedure.close()


def wait_since(
    store: Store, seen: int, seconds: float, clock: Clock, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait, at most for ``seconds``, for a commit of others since the store had the version ``seen``. What is waited
    for mostly comes soon, so the first looks are close together."""
    until, pause = clock().mono + seconds * 1000, LOOK_SOON_S
    while store.version() == seen and (left := until - clock().mono) > 0:
        sleep(min(pause, left / 1000))
        pause = min(2 * pause, LOOK_EVERY_S)
