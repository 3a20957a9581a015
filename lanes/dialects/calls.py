"""Tool calls that come in pieces: to which call a piece belongs, and one call after the other."""

import json
from typing import Any, NamedTuple

from lanes.dialects.model import CallPiece


class _Begun(NamedTuple):
    """A call that has begun: its place among all calls, and the id and name in its first piece. ``whole``: that piece
    has all of the arguments."""

    place: int
    id: str | None
    name: str | None
    whole: bool


class CallPlaces:
    """Finds the place of each call among all calls of an answer.

    Usually that is the index in a piece, but some providers send none, and others the same one with each call.
    """

    def __init__(self) -> None:
        self._last: _Begun | None = None
        self._by_index: dict[int, _Begun] = {}
        self._taken = set[int]()
        self._next = 0

    def of(self, index: object, arguments: Any, call_id: str | None, name: str | None) -> int:
        """The place of the call to which a piece with these fields belongs."""
        index = index if isinstance(index, int) else None
        last = self._last if index is None else self._by_index.get(index)
        if last is None or not _goes_on(last, index, arguments, call_id, name):
            place = self._next if index is None or index in self._taken else index
            self._taken.add(place)
            self._next = max(self._next, place + 1)
            self._last = last = _Begun(place, call_id, name, _whole(arguments))
            if index is not None:
                self._by_index[index] = last
        return last.place

    def placed(self, pieces: list[Any]) -> list[Any]:
        """Pieces in the form of chat, each with the place of its call as its index."""
        return [self._placed(piece) if isinstance(piece, dict) else piece for piece in pieces]

    def _placed(self, piece: dict[str, Any]) -> dict[str, Any]:
        called = piece.get("function")
        called = called if isinstance(called, dict) else {}
        place = self.of(piece.get("index"), called.get("arguments"), piece.get("id"), called.get("name"))
        return piece | {"index": place}


def _goes_on(call: _Begun, index: int | None, arguments: Any, call_id: str | None, name: str | None) -> bool:
    """Whether a piece continues a call. Some providers repeat the name in each piece, some make up an id for each."""
    if call_id and call.id:
        return call_id == call.id or (index is not None and not name)
    if not (name and call.name):
        return True
    return name == call.name and (index is not None or bool(call.id)) and not (call.whole and arguments)


class CallOrder:
    """Puts interleaved calls one after the other, for dialects in which all pieces of a call come between its begin and
    its end. If a call begins while another one is incomplete, its pieces wait until all calls have ended.
    """

    def __init__(self) -> None:
        self._now: int | None = None
        self._arguments: list[str] = []
        self._waiting: dict[int | None, list[CallPiece]] = {}

    def take(self, piece: CallPiece) -> list[CallPiece]:
        """The pieces that can be written now."""
        if piece.place != self._now:
            if self._waiting or (self._now is not None and not _whole("".join(self._arguments))):
                self._waiting.setdefault(piece.place, []).append(piece)
                return []
            self._now, self._arguments = piece.place, []
        self._arguments.append(piece.arguments)
        return [piece]

    def rest(self) -> list[CallPiece]:
        """The pieces that wait, once all calls have ended."""
        waiting, self._waiting, self._now = self._waiting, {}, None
        return [piece for call in waiting.values() for piece in call]


def _whole(arguments: Any) -> bool:
    if not isinstance(arguments, str):
        return bool(arguments)
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True
