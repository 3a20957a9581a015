"""Driving several procedures at once on one blocking store, so that one which waits holds up no other."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from lanes.errors import LanesError
from lanes.procedure import Nap, Procedure, Read, Tell, Write, looks
from lanes_storage.interface import Store
from lanes_storage.moment import Clock

T = TypeVar("T")


class Done(NamedTuple, Generic[T]):
    """What a procedure came to: its result, or the expected error that it raised."""

    result: T | LanesError


def together(
    store: Store,
    procedures: Sequence[Procedure[T]],
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[int, T | LanesError]]:
    """Run all of them, and yield the place and the result of each as it ends; an expected error is a result.

    Each is brought to its first pause before any is waited for. Raises StorageError, which ends them all.
    """
    version, pauses = store.version(), looks()
    wakes = dict.fromkeys(range(len(procedures)), 0.0)
    try:
        while wakes:
            for place in [place for place, at in wakes.items() if at <= clock().mono]:
                end = _advance(store, procedures[place], clock)
                if isinstance(end, Done):
                    del wakes[place]
                    yield place, end.result
                else:
                    wakes[place] = clock().mono + end.seconds * 1000
            if wakes:
                sleep(next(pauses))
            if version != (version := store.version()):
                wakes, pauses = dict.fromkeys(wakes, 0.0), looks()
    finally:
        for procedure in procedures:
            procedure.close()


def _advance(store: Store, procedure: Procedure[T], clock: Clock) -> Nap | Done[T]:
    """Bring one to its next pause, or to its end."""
    answer: Any = None
    try:
        while True:
            match procedure.send(answer):
                case Write(step):
                    answer = store.write(step)
                case Read(query):
                    answer = store.read(query)
                case Tell():
                    answer = clock()
                case Nap() as pause:
                    return pause
    except StopIteration as end:
        return Done(end.value)
    except LanesError as error:
        return Done(error)
