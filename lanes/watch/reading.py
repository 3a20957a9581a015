"""Reading what another program sends: any of it may be missing, of another type, huge, or hostile."""

import hashlib
from typing import Any, TypeVar

from lanes.base.errors import InvalidKey
from lanes.base.terminal import check_key, clean
from lanes.text.chats import dicts
from lanes_storage.law import MAX_KEY

T = TypeVar("T")

#: The longest word of another program that is kept: an id, a status.
MOST_WORD = 200
#: The longest key that is shown whole: it has to fit behind the name of its source.
MOST_KEY = MAX_KEY - 80


def typed(form: Any, name: str, kind: type[T], default: T) -> T:
    """A field of an object if it is of that type, else ``default``; a boolean is no number."""
    value = form.get(name) if isinstance(form, dict) else None
    return value if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) else default


def words(form: Any, name: str) -> str:
    """A text field, without control characters and cut; empty if there is none."""
    return clean(typed(form, name, str, ""))[:MOST_WORD]


def moment(form: Any, name: str) -> int | None:
    """A wall time in milliseconds; None if the field is missing or no possible time."""
    value = form.get(name) if isinstance(form, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e14:
        return None
    return int(value)


def latest(*moments: int | None) -> int | None:
    """The last of the moments that are known."""
    return max((at for at in moments if at is not None), default=None)


def objects(form: Any, name: str) -> list[dict[str, Any]]:
    """The objects of an array in an object."""
    return dicts(typed(form, name, list, []))


class ShownKeys:
    """Keys as they are shown here, and as their program knows them: an invalid session key is shown escaped, a long one
    cut."""

    def __init__(self) -> None:
        self._raw: dict[str, str] = {}

    def shown(self, raw: str) -> str:
        """The key under which it is shown."""
        shown = raw
        try:
            check_key(raw)
        except InvalidKey:
            shown = clean(raw.encode("utf-8", "replace").decode("utf-8")) or "?"
        if len(shown) > MOST_KEY:
            shown = f"{shown[: MOST_KEY - 9]}~{hashlib.sha256(raw.encode('utf-8', 'replace')).hexdigest()[:8]}"
        if shown != raw:
            self._raw[shown] = raw
        return shown

    def raw(self, shown: str) -> str:
        """The key as its program knows it."""
        return self._raw.get(shown, shown)
