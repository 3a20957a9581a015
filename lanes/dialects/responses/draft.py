"""Builds a reply from the events of a responses stream."""

from typing import Any

from lanes.dialects.chat.pieces import chat_usage, usage_in
from lanes.dialects.events import EventDraft, OpenPart
from lanes.dialects.gathering import garbage
from lanes.dialects.model import CallPiece, Piece, ReasoningPiece, RefusalPiece, TextPiece
from lanes.runners.base import Delta, Reply
from lanes.runners.http.failures import from_error
from lanes.text.chats import text_of

_THOUGHTS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_FINISHES = {"max_output_tokens": "length", "max_messages": "length"}


class _Item(OpenPart):
    """One item of the output. ``pieces``: how many pieces of it have come."""

    pieces = 0


class ResponsesDraft(EventDraft[_Item]):
    """Builds a reply. Raises AttemptFailed: an error in the stream, an item of an unknown type."""

    PLACE = "output_index"
    KNOWN = frozenset({"message", "function_call", "reasoning"})

    def __init__(self, model: str, native: bool) -> None:
        super().__init__(model, native)
        self._ended: dict[str, Any] = {}

    def take(self, event: dict[str, Any], pieces: list[Delta], name: str = "message") -> None:
        """Add one event, and its pieces for listeners to ``pieces``."""
        kind = str(event.get("type") or name)
        if kind == "error" or event.get("error"):
            raise from_error(event)
        response = event.get("response")
        if isinstance(response, dict):
            if isinstance(model := response.get("model"), str) and model:
                self._model = model
            if kind == "response.failed":
                raise from_error({"error": response.get("error") or {"message": "the response failed"}})
            if kind in ("response.completed", "response.incomplete"):
                self._ended, self.finished = event, True
                self.contents += 1
                return
        self._emit(event, list(self._pieces_of(kind, event)), pieces)

    @property
    def missing(self) -> str:
        """What is missing if the stream ends now."""
        return "the terminal event response.completed"

    def reply(self) -> Reply:
        """The reply, once it is finished."""
        response, text = self._ended["response"], self._gathered.text()
        return Reply(
            text=text,
            finish_reason=self._finish(response),
            message=self._gathered.message(text),
            usage=usage_in_chat(response.get("usage")),
            model=self._model,
            native={"response": response, "type": self._ended["type"]} if self._native else None,
        )

    def _finish(self, response: dict[str, Any]) -> str:
        if self._ended["type"] == "response.completed":
            return "tool_calls" if self._calls else "stop"
        details = response.get("incomplete_details")
        reason = str(details.get("reason")) if isinstance(details, dict) else "max_output_tokens"
        return _FINISHES.get(reason, reason)

    def _pieces_of(self, kind: str, event: dict[str, Any]) -> list[Piece]:
        if kind == "response.output_item.added":
            return self._begin(event)
        item = self._part(event)
        if kind == "response.output_item.done":
            return self._complete(event, item)
        delta = event.get("delta")
        if kind == "response.reasoning_summary_part.added" and event.get("summary_index"):
            return [ReasoningPiece("\n\n")]
        if not isinstance(delta, str) or not delta:
            return []
        if item is not None:
            item.pieces += 1
        if kind == "response.output_text.delta":
            return [TextPiece(delta)]
        if kind == "response.refusal.delta":
            return [RefusalPiece(delta)]
        if kind in _THOUGHTS:
            return [ReasoningPiece(delta)]
        if kind == "response.function_call_arguments.delta" and item is not None:
            return [CallPiece(item.call, delta)]
        return []

    def _begin(self, event: dict[str, Any]) -> list[Piece]:
        item, index = event.get("item"), event.get("output_index")
        if not isinstance(item, dict) or not isinstance(index, int):
            raise garbage("an item of its output is not an object")
        kind = str(item.get("type"))
        if kind not in self.KNOWN and not self._native:
            raise garbage(f"its output has an item of type {kind}, which the client's dialect cannot express")
        self._parts[index] = _Item(kind, self._calls)
        if kind != "function_call":
            return []
        self._calls += 1
        return [CallPiece(self._calls - 1, "", str(item.get("call_id")), str(item.get("name")))]

    @staticmethod
    def _complete(event: dict[str, Any], known: _Item | None) -> list[Piece]:
        """The content of an item at its end, for servers that sent no pieces of it before."""
        item = event.get("item")
        if known is None or known.pieces or not isinstance(item, dict):
            return []
        if known.kind == "function_call":
            return [CallPiece(known.call, str(item.get("arguments") or "{}"))]
        text = text_of(item.get("content")) if known.kind == "message" else ""
        return [TextPiece(text)] if text else []


def usage_in_chat(counts: Any) -> dict[str, Any] | None:
    """The usage, in the form of chat."""
    return chat_usage(usage_in(counts, "input", "output")) if isinstance(counts, dict) else None
