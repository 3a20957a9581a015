"""Effects: what a verb does to a database, written once for blocking commands and for event loops.

An effect is one step, one query, a *look* of several queries, or a *procedure* where it waits: a generator that yields
what it needs (a write, a read, a pause) and gets the answer sent back. ``run`` carries one out for a blocking command,
``run_each`` several together; ``lanes.drivers.on_loop`` does both on asyncio.

A step, a query or a look may return an error in place of its result; ``raised`` raises it after the transaction. So a
refused step does not roll back the other steps of its transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any, Generic, TypeVar, cast
from typing import NamedTuple as GenericTuple

from lanes.base.errors import LanesError
from lanes_storage.clock import Clock, system_clock
from lanes_storage.interface import AsyncStore, Query, Reads, Row, Step, Store, Transaction
from lanes_storage.tuples import NamedTuple

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)

#: How often a waiting blocking caller checks whether the database changed: the first interval, and the longest.
LOOK_SOON_S = 0.001
LOOK_EVERY_S = 0.01


class Write(NamedTuple):
    """Run a step in a transaction; the answer is its value."""

    step: Step[Any]


class Read(NamedTuple):
    """Run a query; the answer is its result."""

    query: Query[Any]


class WaitForChange(NamedTuple):
    """Wait until the database changes, at most for ``seconds``."""

    seconds: float


Request = Write | Read | WaitForChange
Procedure = Generator[Request, Any, T]


class QueryBlock(GenericTuple, Generic[T_co]):
    """Several queries and a function of their results. On an event loop it runs in a separate thread."""

    look: Callable[[Reads], T_co]


class Blocking(GenericTuple, Generic[T_co]):
    """Work on a blocking store that may read the whole database. On asyncio it runs in a thread, one at a time."""

    work: Callable[[Store], T_co]


Effect = (
    Step[T | LanesError] | Query[T] | Query[T | LanesError] | QueryBlock[T | LanesError] | Blocking[T] | Procedure[T]
)


def made_of(query: Query[T], make: Callable[[T], U]) -> Query[U]:
    """A query that converts the result of another one by ``make``."""

    def shape(rows: list[Row]) -> U:
        return make(query.shape(rows))

    return Query(query.sql, query.params, shape, query.broad, query.point)


class InThread:
    """An asyncio store as a blocking one, for a thread beside its event loop."""

    def __init__(self, store: AsyncStore) -> None:
        reader = store.reader()
        self.name, self.write = reader.name, store.write_blocking
        self.read, self.look, self.version, self.close = reader.read, reader.look, reader.version, reader.close

    def interruptible(self) -> AbstractContextManager[None]:
        return nullcontext()  # signals go to the main thread, where the loop handles them


def write(step: Step[T | LanesError]) -> Procedure[T]:
    """Run a step in a transaction. Raises the error that it returns."""
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
    """Carry out an effect on a blocking store. Raises the error that the effect returns or raises, and StorageError."""
    if isinstance(effect, Blocking):
        return cast("T", effect.work(store))
    result: Any
    if isinstance(effect, Generator):
        ((_, result),) = run_each(store, [effect], clock, sleep)
    elif isinstance(effect, Query):
        result = store.read(effect)
    else:
        result = store.look(effect.look) if isinstance(effect, QueryBlock) else store.write(effect)
    return cast("T", raised(result))


def run_each(
    store: Store,
    effects: Iterable[Effect[T]],
    clock: Clock = system_clock,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[int, T | LanesError]]:
    """Carry out steps and procedures on a blocking store; their waits overlap.

    Yields the index of each effect, with its result or error, as it ends. A StorageError stops all of them.
    """
    under_way: EffectSet[T] = EffectSet()
    try:
        yield from under_way.begin(effects)
        while True:
            seen = store.version()  # a wait notices what others commit from here on
            while (round_ := under_way.next_round()) is not None:
                answers = list(map(store.read, round_.queries)) if round_.step is None else store.write(round_.step)
                yield from under_way.answer(round_.places, answers)
            if (seconds := under_way.waits_s) is None:
                return
            wait_since(store, seen, seconds, clock, sleep)
            yield from under_way.waited()
    finally:
        under_way.close()


def raised(result: T | LanesError) -> T:
    """The result of a step, a query or a look. Raises it if it is an error."""
    if isinstance(result, LanesError):
        raise result
    return result


def wait_since(
    store: Store, seen: int | None, seconds: float, clock: Clock, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait, at most for ``seconds``, for a commit of others since the store had the version ``seen``.

    Most waits are short, so the first checks are close together.
    """
    until, pause = clock().mono + seconds * 1000, LOOK_SOON_S
    while store.version() == seen and (left := until - clock().mono) > 0:
        sleep(min(pause, left / 1000))
        pause = min(2 * pause, LOOK_EVERY_S)


# ------------------------------------------------------------------------------------ several at a time

#: The most effects in one transaction, so that others get the write lock in between.
PAGE = 100


#: The index of each effect that has ended, with its result or error.
Ended = list[tuple[int, T | LanesError]]


class Round(NamedTuple):
    """The next requests of the effects with the indexes ``places``: one step for all of them, or a query for each."""

    places: Sequence[int]
    step: Step[list[Any]] | None
    queries: Sequence[Query[Any]]


class EffectSet(Generic[T]):
    """Effects in progress, whose next writes form one transaction and whose next reads form one look.

    A driver carries out rounds until there are none, then waits for a change, and repeats. Each method returns the
    effects that it brought to their end. An error is the result of its own effect and does not affect the others.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._procedures: dict[int, Procedure[T]] = {}
        self._requests: dict[int, Request] = {}

    def begin(self, effects: Iterable[Effect[T]]) -> Ended[T]:
        """Add effects; their indexes continue those of the effects added before."""
        added = dict(enumerate([_as_procedure(effect) for effect in effects], self._begun))
        self._begun += len(added)
        self._procedures |= added
        return self._go_on(dict.fromkeys(added))

    def next_round(self) -> Round | None:
        """What to carry out next; None if all remaining effects wait."""
        for kind in (Write, Read):
            places = list(
                islice((place for place, request in self._requests.items() if isinstance(request, kind)), PAGE)
            )
            if places:
                return _round([self._requests[place] for place in places], places)
        return None

    def answer(self, places: Sequence[int], answers: Sequence[Any]) -> Ended[T]:
        """Pass the answers of a round to its effects."""
        return self._go_on(dict(zip(places, answers, strict=True)))

    @property
    def waits_s(self) -> float | None:
        """The shortest time for which a remaining effect waits for a change; None if none waits."""
        return min(
            (request.seconds for request in self._requests.values() if isinstance(request, WaitForChange)), default=None
        )

    @property
    def several(self) -> bool:
        """Whether more than one effect remains."""
        return len(self._procedures) > 1

    def waited(self) -> Ended[T]:
        """Continue the effects: the database has changed, or the time is over."""
        return self._go_on(
            dict.fromkeys(place for place, request in self._requests.items() if isinstance(request, WaitForChange))
        )

    def close(self) -> None:
        """End the remaining effects."""
        for procedure in self._procedures.values():
            procedure.close()

    def _go_on(self, answers: Mapping[int, Any]) -> Ended[T]:
        ended: Ended[T] = []
        for place, answer in answers.items():
            try:
                self._requests[place] = self._procedures[place].send(answer)
                continue
            except StopIteration as end:
                result = end.value
            except LanesError as error:
                result = error
            del self._procedures[place]
            self._requests.pop(place, None)
            ended.append((place, result))
        return ended


def _round(requests: Sequence[Request], places: Sequence[int]) -> Round:
    steps = [request.step for request in requests if isinstance(request, Write)]
    queries = [request.query for request in requests if isinstance(request, Read)]

    def step(tx: Transaction) -> list[Any]:
        return [each(tx) for each in steps]

    return Round(places, step if steps else None, queries)


def _as_procedure(effect: Effect[T]) -> Procedure[T]:
    if isinstance(effect, Generator):
        return effect
    if not callable(effect):
        raise TypeError(f"{type(effect).__name__} is for one call at a time")
    return write(effect)
