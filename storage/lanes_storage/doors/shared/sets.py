"""Sets of commands, as transitions take them."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeVar

from lanes_storage.interface import Transaction


class SetCommand(Protocol):
    """A command for a transition. ``about``: what no other command of the same set may change."""

    @property
    def about(self) -> Iterable[Hashable]: ...


C = TypeVar("C", bound=SetCommand)
T = TypeVar("T")
R = TypeVar("R")


def serialized(
    transition: Callable[[Transaction, Sequence[C]], list[R]],
) -> Callable[[Transaction, Sequence[C]], list[R]]:
    """Execute commands about the same thing one after another, in their order, and all others as one set.

    So the second of them is decided on what the first has changed.
    """

    @wraps(transition)
    def in_rounds(tx: Transaction, commands: Sequence[C]) -> list[R]:
        things = [thing for command in commands for thing in command.about] if len(commands) > 1 else []
        if len(things) == len(set(things)):  # nearly always
            return transition(tx, commands)
        results: list[Any] = [None] * len(commands)
        for places in rounds(commands, lambda command: command.about):
            for place, result in zip(places, transition(tx, [commands[p] for p in places]), strict=True):
                results[place] = result
        return results

    return in_rounds


def rounds(commands: Sequence[T], about: Callable[[T], Iterable[Hashable]]) -> list[list[int]]:
    """The places of the commands, in as few rounds as possible, such that no round is about one thing twice."""
    made: list[list[int]] = []
    first_free: dict[Hashable, int] = {}
    for place, command in enumerate(commands):
        things = [*about(command)]
        number = max(first_free.get(thing, 0) for thing in things)
        if number == len(made):
            made.append([])
        made[number].append(place)
        first_free.update(dict.fromkeys(things, number + 1))
    return made


def array(numbers: list[int] | list[list[int]]) -> str:
    """Integers as a JSON array, for ``json_each``."""
    return str(numbers)
