"""Rules that extract values from an agent's JSON events: a JSON pointer, and the conditions under which it applies.

``/item/text ? /type=item.completed /item/type=agent_message`` takes the text of an item where both values are equal;
with ``!=`` they must differ. In a pointer, ``*`` stands for every element of an array. The presets are written in the
same way as a user's own rules.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

_RULE = re.compile(r"(?P<take>(/[^\s?/]+)+)(\s*\?(?P<when>(\s+(/[^\s=/]+)+=\S+)+))?\s*")


class Pointer(tuple[str, ...]):
    """A JSON pointer (RFC 6901), with ``*`` for every element of an array."""

    @classmethod
    def read(cls, text: str) -> "Pointer":
        """Parse a pointer."""
        return cls(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])

    def find(self, event: Any) -> list[Any]:
        """All values that it points to; none where the path does not exist."""
        found = [event]
        for part in self:
            found = [inner for value in found for inner in _inner(value, part)]
        return found


def _inner(value: Any, part: str) -> Sequence[Any]:
    if isinstance(value, dict):
        return [value[part]] if part in value else []
    if isinstance(value, list):
        if part == "*":
            return value
        return [value[int(part)]] if part.isdecimal() and int(part) < len(value) else []
    return []


class Rule(NamedTuple):
    """The pointer to a value, and the values that other pointers must find (``when``) or must not find (``unless``)."""

    take: Pointer
    when: tuple[tuple[Pointer, str], ...] = ()
    unless: tuple[tuple[Pointer, str], ...] = ()

    @classmethod
    def read(cls, text: str) -> "Rule":
        """Parse a rule. Raises ValueError, which says what is wrong."""
        match = _RULE.fullmatch(text)
        if match is None:
            raise ValueError("write a JSON pointer, and conditions behind a question mark: /text ? /type=message")
        when: list[tuple[Pointer, str]] = []
        unless: list[tuple[Pointer, str]] = []
        for condition in (match["when"] or "").split():
            where, _, value = condition.partition("=")
            (unless if where.endswith("!") else when).append((Pointer.read(where.removesuffix("!")), value))
        return cls(Pointer.read(match["take"]), tuple(when), tuple(unless))

    def applies(self, event: Any) -> bool:
        """Whether an event meets the conditions."""
        return all(_is(event, *each) for each in self.when) and not any(_is(event, *each) for each in self.unless)

    def find(self, event: Any) -> list[Any]:
        """The values that the rule takes from an event, except null, false and empty ones."""
        if not self.applies(event):
            return []
        return [found for found in self.take.find(event) if found or (found == 0 and found is not False)]


def _is(event: Any, where: Pointer, value: str) -> bool:
    return any(_as_text(found) == value for found in where.find(event))


def _as_text(value: Any) -> str:
    """A value in the form that conditions use."""
    return value if isinstance(value, str) else json.dumps(value)


def first(rules: Sequence[Rule], event: Any) -> Any:
    """The first value that any of the rules finds, in their order; None if there is none."""
    return next((found for rule in rules for found in rule.find(event)), None)
