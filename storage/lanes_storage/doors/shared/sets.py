"""Sets of commands, as transitions take them."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeVar

from lanes_storage.interface import Transaction

C = TypeVar("C")
R = TypeVar("R")


def apart(
    about: Callable[[C], Iterable[Hashable]],
) -> Callable[[Callable[[Transaction, Sequence[C]], list[R]]], Callable[[Transaction, Sequence[C]], list[R]]]:
    """A transition whose sets hold nothing twice.

    Commands that are ``about`` the same thing are carried out one after another, in their order, so that the second
    is decided on what the first has changed.
    """

    def decorate(
        transition: Callable[[Transaction, Sequence[C]], list[R]],
    ) -> Callable[[Transaction, Sequence[C]], list[R]]:
        @wraps(transition)
        def in_rounds(tx: Transaction, commands: Sequence[C]) -> list[R]:
            if len(commands) == 1:
                return transition(tx, commands)
            things = [thing for command in commands for thing in about(command)]
            if len(things) == len(set(things)):  # nearly always
                return transition(tx, commands)
            came: list[Any] = [None] * len(commands)
            for places in rounds(commands, about):
                for place, of_it in zip(places, transition(tx, [commands[p] for p in places]), strict=True):
                    came[place] = of_it
            return came

        return in_rounds

    return decorate


def array(numbers: list[int] | list[list[int]]) -> str:
    """Integers as a JSON array, for ``json_each``."""
    return str(numbers)


def rounds(commands: Sequence[C], about: Callable[[C], Iterable[Hashable]]) -> list[list[int]]:
    """The places of the commands, in as few rounds as it takes for none to hold a thing twice."""
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
