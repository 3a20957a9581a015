"""Merges JSON that arrives in pieces: texts are appended, objects merged, list entries matched by ``index``."""

from collections.abc import Callable
from typing import Any

#: Fields that are sent once; some providers repeat them in every piece.
_ONCE = frozenset({"id", "type", "role", "name"})
#: What each value other than a text counts towards the size limit, in characters.
_NODE = 64


class _Text(list[str]):
    """A text that arrives in pieces; joined once, at the end."""


class _Entries(list[Any]):
    """A list that arrives in pieces, and those of its entries that have an index."""

    def __init__(self) -> None:
        self.by_index: dict[int | None, dict[str, Any]] = {}


class Merger:
    """Merges pieces into one object. ``spend`` is called with the size of what is kept, in characters; it raises at its
    limit."""

    def __init__(self, spend: Callable[[int], None]) -> None:
        self._spend = spend
        self._whole: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._whole)

    def add(self, piece: dict[str, Any]) -> None:
        """Merge one piece into the object. Raises RecursionError if it is nested too deeply."""
        self._merge(self._whole, piece)

    def result(self) -> dict[str, Any]:
        """The finished object."""
        whole: dict[str, Any] = plain(self._whole)
        return whole

    def _merge(self, into: dict[str, Any], piece: dict[str, Any]) -> None:
        for name, value in piece.items():
            if value is not None:
                into[name] = self._merged(name, into.get(name), value)

    def _merged(self, name: str, old: Any, new: Any) -> Any:
        if isinstance(new, str):
            if name in _ONCE and old:
                return old
            self._spend(len(new))
            return new if name in _ONCE else _grown(old, new)
        if isinstance(new, dict):
            node = old if isinstance(old, dict) else self._new({})
            self._merge(node, new)
            return node
        if isinstance(new, list):
            return self._merged_list(old if isinstance(old, _Entries) else self._new(_Entries()), new)
        return new

    def _merged_list(self, entries: "_Entries", pieces: list[Any]) -> "_Entries":
        for piece in pieces:
            if isinstance(piece, dict):
                index = index if isinstance(index := piece.get("index"), int) else None
                entry = entries.by_index.get(index)
                if entry is None:
                    entries.append(entry := self._new({}))
                if index is not None:
                    entries.by_index[index] = entry
                self._merge(entry, piece)
            else:
                self._spend(len(piece) if isinstance(piece, str) else _NODE)
                entries.append(piece)
        return entries

    def _new(self, node: Any) -> Any:
        self._spend(_NODE)
        return node


def whole(text: str) -> str:
    """The text with surrogate pairs joined; a lone surrogate becomes U+FFFD.

    JSON can contain surrogates one by one, and nothing that stores or sends text accepts them.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def plain(node: Any) -> Any:
    """The finished value: texts joined and whole, the indexes that only served to merge taken out."""
    if isinstance(node, _Text):
        return whole("".join(node))
    if isinstance(node, str):
        return whole(node)
    if isinstance(node, list):
        return [plain(entry) for entry in node]
    if isinstance(node, dict):
        return {whole(name): plain(value) for name, value in node.items() if name != "index"}
    return node


def _grown(old: Any, new: str) -> _Text:
    text = old if isinstance(old, _Text) else _Text()
    text.append(new)
    return text
