"""Helpers for transitions, which take sets of commands."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeVar

from lanes_storage.interface import Transaction, Transition


class SetCommand(Protocol):
    """A command for a transition. ``about`` names the things that no other command of the same set may change."""

    @property
    def about(self) -> Iterable[Hashable]: ...


C = TypeVar("C", bound=SetCommand)
T = TypeVar("T")
R = TypeVar("R")


def serialized(transition: Transition[C, R]) -> Transition[C, R]:
    """Execute commands about the same thing one after another, in their order, and all other commands as one set.

    So each command is decided after the changes of the earlier commands about the same thing.
    """

    @wraps(transition)
    def in_rounds(tx: Transaction, commands: Sequence[C]) -> Sequence[R]:
        subjects = [subject for command in commands for subject in command.about] if len(commands) > 1 else []
        if len(subjects) == len(set(subjects)):  # almost always true
            return transition(tx, commands)
        results: list[Any] = [None] * len(commands)
        for places in rounds(commands, lambda command: command.about):
            for place, result in zip(places, transition(tx, [commands[p] for p in places]), strict=True):
                results[place] = result
        return results

    return in_rounds


def rounds(commands: Sequence[T], about: Callable[[T], Iterable[Hashable]]) -> list[list[int]]:
    """Divide the commands (given by their positions) into as few rounds as possible, such that no two commands of a
    round are about the same thing."""
    result: list[list[int]] = []
    first_free: dict[Hashable, int] = {}
    for place, command in enumerate(commands):
        subjects = [*about(command)]
        number = max(first_free.get(subject, 0) for subject in subjects)
        if number == len(result):
            result.append([])
        result[number].append(place)
        first_free.update(dict.fromkeys(subjects, number + 1))
    return result


def array(numbers: list[int]) -> str:
    """Integers as a JSON array, for ``json_each``."""
    return str(numbers)
