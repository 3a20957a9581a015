"""The common parts of the dialects whose streams consist of typed events: messages and responses."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from lanes.dialects.calls import CallOrder, CallPlaces
from lanes.dialects.chat.pieces import delta_of, delta_of_message, pieces
from lanes.dialects.dialect import StoredReply
from lanes.dialects.gathering import Gathering
from lanes.dialects.model import CallPiece, Piece
from lanes.runners.base import Delta


class OpenPart:
    """A part of the answer that has begun: its kind, and the place of its call among all calls."""

    def __init__(self, kind: str, call: int) -> None:
        self.kind = kind
        self.call = call


P = TypeVar("P", bound=OpenPart)


class EventDraft(Generic[P]):
    """Builds a reply from events.

    ``native``: the client speaks this dialect too. Then each piece carries the event itself, and the reply the whole
    answer, so that nothing that lanes does not know is lost.
    """

    #: The field of an event that says which part it belongs to, and the kinds of parts that the inner model knows.
    PLACE: ClassVar[str]
    KNOWN: ClassVar[frozenset[str]]

    def __init__(self, model: str, native: bool) -> None:
        self.contents = 0
        self.finished = False
        self._gathered = Gathering()
        self._native = native
        self._model = model
        self._model_sent = False
        self._held: list[Delta] = []  # pieces before any content: once sent, they would rule out another provider
        self._parts: dict[int, P] = {}
        self._calls = 0

    def end(self) -> None:
        """``[DONE]``, which these dialects do not need."""

    def _part(self, event: dict[str, Any]) -> P | None:
        """The part that an event belongs to."""
        return self._parts.get(event.get(self.PLACE, -1))

    def _emit(self, event: dict[str, Any], given: list[Piece], pieces: list[Delta]) -> None:
        """Pass on the pieces of an event, with the event itself if the client speaks this dialect."""
        deltas = [self._gather(delta_of(piece)) for piece in given]
        unknown = not deltas and self._is_unknown(event)
        self.contents += len(deltas) or unknown
        if self._native:
            first = deltas[0] if deltas else Delta(choice={} if unknown else None)
            deltas = [first._replace(native=event)]
        if deltas and not self._model_sent:
            deltas[0] = deltas[0]._replace(beside={"model": self._model})
            self._model_sent = True
        self._held += deltas
        if self.contents:
            pieces += self._held
            self._held.clear()

    def _gather(self, delta: Delta) -> Delta:
        if delta.choice is not None:
            self._gathered.more.add(delta.choice)
        return delta._replace(text=self._gathered.add(delta.text))

    def _is_unknown(self, event: dict[str, Any]) -> bool:
        """Whether the event belongs to a part that the inner model does not know."""
        part = self._part(event)
        return part is not None and part.kind not in self.KNOWN


class EventWriter(ABC):
    """Writes one answer: events of a provider of this dialect pass as they came, pieces of other dialects become
    events."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._started = False
        self._places = CallPlaces()
        self._order = CallOrder()

    def piece(self, delta: Delta) -> str:
        """The events of one piece."""
        if delta.beside is not None:
            self._model = delta.beside.get("model") or self._model
        if delta.native is not None:
            passed, self._started = self._passed(delta.native), True
            return passed
        return "".join((self._start(), *map(self._in_turn, pieces(delta))))

    def _in_turn(self, piece: Piece) -> str:
        if not isinstance(piece, CallPiece):
            return self._calls_left() + self._write(piece)
        piece = piece._replace(place=self._places.of(*piece))
        return "".join(map(self._write, self._order.take(piece)))

    def _calls_left(self) -> str:
        """The events of the calls that wait for their turn, once all calls have ended."""
        return "".join(map(self._write, self._order.rest()))

    def _all_of(self, reply: StoredReply) -> str:
        """The events of a whole answer, without its ending."""
        self._model = reply.detail.get("model") or self._model
        return self.piece(delta_of_message(reply.text, reply.detail.get("message")))

    def _start(self) -> str:
        """The events before the first piece; empty once they were written."""
        if self._started:
            return ""
        self._started = True
        return self._opening()

    @abstractmethod
    def _opening(self) -> str:
        """The events with which an answer begins."""

    @abstractmethod
    def _passed(self, event: dict[str, Any]) -> str:
        """An event of a provider of this dialect."""

    @abstractmethod
    def _write(self, piece: Piece) -> str:
        """The events of a piece of another dialect."""
