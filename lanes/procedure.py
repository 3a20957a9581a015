"""Procedures: what an operator can do, written once for blocking commands and for event loops.

A procedure is a generator that yields what it needs (a write, a read, the time, a pause) and gets the answer
sent back. ``run`` drives one for a blocking command; ``lanes.desk`` drives the same one on asyncio.
"""

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple, TypeVar, cast

from lanes_storage.interface import Query, Step, Store
from lanes_storage.moment import Clock, Now, system_clock

T = TypeVar("T")

#: How often a blocking caller looks whether the database changed while it waits: at first, and at last.
LOOK_SOON_S = 0.001
LOOK_EVERY_S = 0.01


class Write(NamedTuple):
    """Run a step in a transaction; the answer is its value."""

    step: Step[Any]


class Read(NamedTuple):
    """Run a query; the answer is its result."""

    query: Query[Any]


class Tell(NamedTuple):
    """Tell the time; the answer is a ``Now``."""


class Nap(NamedTuple):
    """Wait for so many seconds, or less when the database changes."""

    seconds: float


Request = Write | Read | Tell | Nap
Procedure = Generator[Request, Any, T]


def write(step: Step[T]) -> Procedure[T]:
    """Run a step in a transaction."""
    return cast("T", (yield Write(step)))


def read(query: Query[T]) -> Procedure[T]:
    """Run a query."""
    return cast("T", (yield Read(query)))


def tell() -> Procedure[Now]:
    """What time it is."""
    return cast("Now", (yield Tell()))


def nap(seconds: float) -> Procedure[None]:
    """Wait, at most for ``seconds``, for the database to change."""
    yield Nap(max(0.0, seconds))


def run(
    store: Store,
    procedure: Procedure[T],
    clock: Clock = system_clock,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Drive a procedure to its end on a blocking store. Raises what the procedure and the store raise."""
    answer: Any = None
    store.version()  # from here on, a nap notices what others commit
    try:
        while True:
            request = procedure.send(answer)
            match request:
                case Write(step):
                    answer = store.write(step)
                case Read(query):
                    answer = store.read(query)
                case Tell():
                    answer = clock()
                case Nap(seconds):
                    answer = None
                    _nap(store, seconds, clock, sleep)
    except StopIteration as end:
        return cast("T", end.value)
    finally:
        procedure.close()


def looks() -> Iterator[float]:
    """The pauses between looks at the database, in seconds: what is waited for mostly comes soon."""
    pause = LOOK_SOON_S
    while True:
        yield pause
        pause = min(2 * pause, LOOK_EVERY_S)


def _nap(store: Store, seconds: float, clock: Clock, sleep: Callable[[float], None]) -> None:
    before, pauses = store.version(), looks()
    until = clock().mono + seconds * 1000
    while (left := until - clock().mono) > 0:
        sleep(min(next(pauses), left / 1000))
        if store.version() != before:
            return
