"""Writes answers in the messages dialect."""

from typing import Any

from lanes.dialects.chat.pieces import delta_of_message, pieces, usage_of
from lanes.dialects.dialect import ClientRequest, StoredReply, encoded, event
from lanes.dialects.events import EventWriter
from lanes.dialects.messages.draft import FINISHES, input_of
from lanes.dialects.model import CallPiece, Piece, ReasoningPiece, RefusalPiece, TextPiece
from lanes.dialects.writing import present
from lanes.records.problems import Problem

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use"}
_STOPS |= {"content_filter": "refusal"}
#: The error type of messages, by status.
_ERRORS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
#: The error code that tells Anthropic's tool runners to go on without the refused field, by that field.
_CODES = {"thread": "thread_unsupported_request"}


class MessagesWriter(EventWriter):
    """One answer."""

    def __init__(self, request: ClientRequest) -> None:
        super().__init__(request.model)
        self._id = f"msg_{request.message_id}"
        self._open: tuple[int, Any] | None = None  # the block that is open: its index, and what it holds
        self._next = 0

    def ending(self, reply: StoredReply, *, begun: bool) -> str:
        """The last events."""
        native, events = reply.detail.get("native") or {}, ""
        if not begun and native:
            events = self._replayed(native["message"])
        elif not begun:
            events = self._all_of(reply)
        last = native.get("last") or {
            "type": "message_delta",
            "delta": {"stop_reason": _stop_of(reply), "stop_sequence": None},
            "usage": _usage(reply),
        }
        return "".join((events, self._calls_left(), self._close(), _event(last), _event({"type": "message_stop"})))

    def error(self, problem: Problem) -> str:
        """An error event."""
        return _event(envelope(problem))

    def silence(self) -> str:
        """A ping, which clients of this dialect expect."""
        return _event({"type": "ping"})

    def whole(self, reply: StoredReply) -> dict[str, Any]:
        """A message."""
        if (native := reply.detail.get("native")) is not None:
            message: dict[str, Any] = native["message"]
            return message
        self._model = reply.detail.get("model") or self._model
        content: list[dict[str, Any]] = []
        for piece in pieces(delta_of_message(reply.text, reply.detail.get("message"))):
            _add(content, piece)
        return self._message(content) | {"stop_reason": _stop_of(reply), "usage": _usage(reply)}

    def _passed(self, came: dict[str, Any]) -> str:
        """An event as it came."""
        return _event(came)

    def _replayed(self, message: dict[str, Any]) -> str:
        """A whole message as a stream."""
        blank: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
        events: list[dict[str, Any]] = [{"type": "message_start", "message": message | blank}]
        for index, block in enumerate(message["content"]):
            empty, deltas = _taken_apart(block)
            events.append({"type": "content_block_start", "index": index, "content_block": empty})
            events += ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
            events.append({"type": "content_block_stop", "index": index})
        return "".join(map(_event, events))

    def _opening(self) -> str:
        return _event({"type": "message_start", "message": self._message([])})

    def _message(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }

    def _write(self, piece: Piece) -> str:
        match piece:
            case TextPiece(text) | RefusalPiece(text):
                return self._within("text", {"type": "text", "text": ""}) + self._delta("text_delta", text=text)
            case ReasoningPiece(_, _, data, _) if data:
                return self._within(None, {"type": "redacted_thinking", "data": data}) + self._close()
            case ReasoningPiece(text, signature, _, place):
                events = self._within(("thinking", place), {"type": "thinking", "thinking": "", "signature": ""})
                events += self._delta("thinking_delta", thinking=text) if text else ""
                return events + (self._delta("signature_delta", signature=signature) if signature else "")
            case CallPiece(place, arguments, id, name):
                block = {"type": "tool_use", "id": id or f"toolu_{place}", "name": name or "", "input": {}}
                events = self._within(("call", place), block)
                return events + (self._delta("input_json_delta", partial_json=arguments) if arguments else "")

    def _within(self, holds: Any, block: dict[str, Any]) -> str:
        """Open a block unless one that holds this is open."""
        if self._open is not None and holds is not None and self._open[1] == holds:
            return ""
        closed = self._close()
        self._open, self._next = (self._next, holds), self._next + 1
        return closed + _event({"type": "content_block_start", "index": self._open[0], "content_block": block})

    def _delta(self, kind: str, **fields: str) -> str:
        assert self._open is not None
        return _event({"type": "content_block_delta", "index": self._open[0], "delta": {"type": kind} | fields})

    def _close(self) -> str:
        if self._open is None:
            return ""
        (index, _), self._open = self._open, None
        return _event({"type": "content_block_stop", "index": index})


def envelope(problem: Problem) -> dict[str, Any]:
    """The error envelope of this dialect."""
    kind = _ERRORS.get(problem.status, "invalid_request_error" if problem.status < 500 else "api_error")
    code = _CODES.get(problem.members.get("param", ""), problem.code)
    return {"type": "error", "error": {"type": kind, "message": problem.sentence, "details": {"error_code": code}}}


def _add(content: list[dict[str, Any]], piece: Piece) -> None:
    """Add a piece of a whole message to its content."""
    match piece:
        case TextPiece(text) | RefusalPiece(text):
            content.append({"type": "text", "text": text})
        case ReasoningPiece(_, _, data, _) if data:
            content.append({"type": "redacted_thinking", "data": data})
        case ReasoningPiece(text, signature, _, _):
            content.append({"type": "thinking", "thinking": text, "signature": signature or ""})
        case CallPiece(place, arguments, id, name):
            called = {"type": "tool_use", "id": id or f"toolu_{place}", "name": name}
            content.append(called | {"input": input_of(arguments)})


def _taken_apart(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and the pieces that complete it."""
    match block.get("type"):
        case "text":
            return block | {"text": ""}, [{"type": "text_delta", "text": block.get("text", "")}]
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": block.get("thinking", "")}
            return block | {"thinking": "", "signature": ""}, [
                thought, {"type": "signature_delta", "signature": block.get("signature", "")},
            ]  # fmt: skip
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            return block | {"input": {}}, [
                {"type": "input_json_delta", "partial_json": encoded(block.get("input", {}))}
            ]
    return block, []


def _stop_of(reply: StoredReply) -> str:
    message = reply.detail.get("message") or {}
    if message.get("refusal"):
        return "refusal"
    if reply.finish == "stop" and message.get("tool_calls"):
        return "tool_use"  # some chat providers end an answer that has calls with "stop"
    known = _STOPS.get(reply.finish)
    return known or (reply.finish if reply.finish in FINISHES else "end_turn")


def _usage(reply: StoredReply) -> dict[str, Any]:
    usage = usage_of(reply.detail.get("usage"))
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    cached, written = usage.cached or 0, usage.cache_written or 0
    return present(
        input_tokens=max(0, usage.input - cached - written),
        output_tokens=usage.output,
        cache_read_input_tokens=usage.cached,
        cache_creation_input_tokens=usage.cache_written,
    )


def _event(data: dict[str, Any]) -> str:
    return event(data, data["type"])
