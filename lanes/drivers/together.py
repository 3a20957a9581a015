"""Several effects carried out together: what they write next is one transaction, what they read next is one look.

Each is a procedure, or a step. An error of one is its result, and concerns no other.
"""

from collections.abc import Callable, Generator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

from lanes.base.errors import LanesError
from lanes.base.procedure import Effect, Procedure, Read, Request, WaitForChange, Write, write
from lanes_storage.interface import Reads, Step, Transaction
from lanes_storage.tuples import NamedTuple

T = TypeVar("T")

#: Effects in one transaction, so that others get the write lock in between.
PAGE = 100


class Round(NamedTuple):
    """The next request of some effects: a step, or a look, that returns the answer for each."""

    places: Sequence[int]
    step: Step[list[Any]] | None
    look: Callable[[Reads], list[Any]]


class EffectSet(Generic[T]):
    """Effects in progress. Their driver carries out rounds until there are none, then waits for a change, and so on."""

    def __init__(self) -> None:
        self._begun = 0
        self._procedures: dict[int, Procedure[T]] = {}
        self._asked: dict[int, Request] = {}
        self._ended: list[tuple[int, T | LanesError]] = []

    def begin(self, effects: Sequence[Effect[T]]) -> None:
        """Add these effects; their places continue the count of all that were added."""
        for effect in effects:
            place, self._begun = self._begun, self._begun + 1
            self._procedures[place] = _as_procedure(effect)
            self._go_on(place, None)

    def take(self) -> list[tuple[int, T | LanesError]]:
        """The effects that have ended since the last call: the place and the result of each."""
        taken, self._ended = self._ended, []
        return taken

    def next_round(self) -> Round | None:
        """What to carry out next; None if all remaining effects wait."""
        for kind in (Write, Read):
            places = list(islice((place for place, ask in self._asked.items() if isinstance(ask, kind)), PAGE))
            if places:
                return _round([self._asked[place] for place in places], places)
        return None

    def answer(self, places: Sequence[int], answers: Sequence[Any]) -> None:
        """Hand the answers of a round to those that asked."""
        for place, answer in zip(places, answers, strict=True):
            self._go_on(place, answer)

    @property
    def waits_s(self) -> float | None:
        """How long the remaining effects wait at most for a change; None if none is left."""
        return min((ask.seconds for ask in self._asked.values() if isinstance(ask, WaitForChange)), default=None)

    def waited(self) -> None:
        """Continue the effects: the database has changed, or the time is over."""
        for place in [place for place, ask in self._asked.items() if isinstance(ask, WaitForChange)]:
            self._go_on(place, None)

    def close(self) -> None:
        """End the remaining effects."""
        for procedure in self._procedures.values():
            procedure.close()

    def _go_on(self, place: int, answer: Any) -> None:
        try:
            self._asked[place] = self._procedures[place].send(answer)
            return
        except StopIteration as end:
            result = end.value
        except LanesError as error:
            result = error
        del self._procedures[place]
        self._asked.pop(place, None)
        self._ended.append((place, result))


def _round(asked: Sequence[Request], places: Sequence[int]) -> Round:
    steps = [ask.step for ask in asked if isinstance(ask, Write)]
    queries = [ask.query for ask in asked if isinstance(ask, Read)]

    def step(tx: Transaction) -> list[Any]:
        return [each(tx) for each in steps]

    return Round(places, step if steps else None, lambda read: [read(query) for query in queries])


def _as_procedure(effect: Effect[T]) -> Procedure[T]:
    if isinstance(effect, Generator):
        return effect
    if not callable(effect):
        raise TypeError(f"{type(effect).__name__} is for one call at a time")
    return write(effect)
