"""The fields of a body, each asked for by name and type, and ids as they are given."""

from enum import StrEnum
from typing import Any, TypeVar

from lanes.base import durations
from lanes.server.asgi.errors import HttpProblem

T = TypeVar("T")
W = TypeVar("W", bound=StrEnum)

#: The largest number that a database holds.
MOST_NUMBER = 2**63 - 1


class Fields:
    """The fields of a body, each asked for with its type; what nobody asked for is refused by ``done``."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._asked: set[str] = set()

    def get(self, name: str, kind: type[T]) -> T | None:
        """A field that may be missing or null. Raises HttpProblem."""
        value = self.any(name)
        if kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)  # 1.0 is a whole number of JSON
        if value is None or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
            return value
        raise HttpProblem(400, "bad_request", f"{name} must be {_CALLED[kind]}", param=name)

    def any(self, name: str) -> Any:
        """A field of whatever type."""
        self._asked.add(name)
        return self._body.get(name)

    def number(self, name: str) -> int | None:
        """A whole number that is not negative."""
        value = self.get(name, int)
        if value is not None and not 0 <= value <= MOST_NUMBER:
            raise HttpProblem(400, "bad_request", f"{name} must be a whole number, 0 or more")
        return value

    def id(self, name: str) -> int | None:
        """The id of something, a string of digits."""
        return None if (value := self.get(name, str)) is None else as_id(name, value)

    def span(self, name: str) -> int | None:
        """A duration, ``30s``, in milliseconds."""
        value = self.get(name, str)
        try:
            return None if value is None else durations.parse(value)
        except ValueError as error:
            raise HttpProblem(400, "bad_request", f"{name}: {error}") from error

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.get(name, bool)
        return default if value is None else value

    def word(self, name: str, words: type[W], default: W) -> W:
        """One of these words."""
        value = self.get(name, str)
        if value is None:
            return default
        if value not in set(words):
            raise HttpProblem(400, "bad_request", f"{name} is one of {', '.join(words)}", param=name)
        return words(value)

    def done(self) -> None:
        """Raises HttpProblem for a field that does not exist: a mistyped one must not be taken for none."""
        unknown = sorted(self._body.keys() - self._asked)
        if unknown:
            known = ", ".join(sorted(self._asked)) or "none"
            raise HttpProblem(400, "bad_request", f"there is no field {unknown[0]!r} here; there are: {known}")


_CALLED: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def as_id(name: str, given: str) -> int:
    """The id of something, given as digits. Raises HttpProblem."""
    if not (given.isascii() and given.isdecimal() and len(given) < 19):
        raise HttpProblem(400, "bad_parameter", f"{name} is an id: digits")
    return int(given)
