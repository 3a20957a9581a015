"""Builds a reply from the events of a messages stream."""

import json
from typing import Any

from lanes.dialects.chat.pieces import chat_usage, tokens
from lanes.dialects.events import EventDraft, OpenPart
from lanes.dialects.gathering import garbage
from lanes.dialects.model import CallPiece, Piece, ReasoningPiece, TextPiece, Usage
from lanes.runners.base import Delta, Reply
from lanes.runners.http.failures import from_error
from lanes.runners.http.merging import Merger
from lanes.runners.http.objects import decode

#: The finish reason of chat for each stop reason of messages. Other stop reasons are kept as they are.
FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Block(OpenPart):
    """One block of content. ``came``: the block as it came, if the client speaks this dialect. ``given``: the tool
    input at the start of the block, where some servers send all of it."""

    def __init__(self, kind: str, call: int, came: Merger | None, given: Any) -> None:
        super().__init__(kind, call)
        self.came = came
        self._given = given
        self.arguments: list[str] = []

    def written(self) -> str:
        """Its tool input, as JSON."""
        return "".join(self.arguments) or json.dumps(self._given or {})


class MessagesDraft(EventDraft[_Block]):
    """Builds a reply. Raises AttemptFailed: an error in the stream, a block of an unknown type."""

    PLACE = "index"
    KNOWN = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})

    def __init__(self, model: str, native: bool) -> None:
        super().__init__(model, native)
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._last: dict[str, Any] = {}
        self._stop: str | None = None

    def take(self, event: dict[str, Any], pieces: list[Delta], name: str = "message") -> None:
        """Add one event, and its pieces for listeners to ``pieces``."""
        kind = event.get("type") or name
        if kind == "error" or event.get("error"):
            raise from_error(event)
        if kind == "content_block_delta":
            self._emit(event, self._delta(event), pieces)
        elif kind == "content_block_start":
            self._emit(event, self._start(event), pieces)
        elif kind == "content_block_stop":
            self._emit(event, self._end_block(event), pieces)
        elif kind == "message_start":
            self._begin(event)
            self._emit(event, [], pieces)
        elif kind == "message_delta":
            self._take_last(event)
        elif kind == "message_stop":
            if self._stop is None:
                raise garbage("it ended without a stop reason")
            self.finished = True
        elif kind != "ping":
            self._emit(event, [], pieces)

    @property
    def missing(self) -> str:
        """What is missing if the stream ends now."""
        return "the terminal event message_stop" if self._stop else "a stop reason"

    def reply(self) -> Reply:
        """The reply, once it is finished."""
        text = self._gathered.text()
        stop = self._stop or "end_turn"
        return Reply(
            text=text,
            finish_reason=FINISHES.get(stop, stop),
            message=self._gathered.message(text),
            usage=usage_in_chat(self._usage) if self._usage else None,
            model=self._model,
            native={"message": self._whole(), "last": self._last} if self._native else None,
        )

    def _begin(self, event: dict[str, Any]) -> None:
        message = event.get("message")
        if not isinstance(message, dict):
            raise garbage("its message is not an object")
        self._message = {name: value for name, value in message.items() if name != "content"}
        if isinstance(usage := message.get("usage"), dict):
            self._usage |= usage
        if isinstance(model := message.get("model"), str) and model:
            self._model = model

    def _start(self, event: dict[str, Any]) -> list[Piece]:
        block, index = event.get("content_block"), event.get("index")
        if not isinstance(block, dict) or not isinstance(index, int):
            raise garbage("a block of its content is not an object")
        kind = str(block.get("type"))
        if kind not in self.KNOWN and not self._native:
            raise garbage(f"its content has a block of type {kind}, which the client's dialect cannot express")
        came = Merger(self._gathered.spend) if self._native else None
        self._parts[index] = _Block(kind, self._calls, came, block.get("input"))
        if came is not None:
            came.add({name: value for name, value in block.items() if name != "input"})
        match kind:
            case "text":
                text = block.get("text")
                return [TextPiece(text)] if isinstance(text, str) and text else []
            case "thinking":
                text = block.get("thinking")
                return [ReasoningPiece(text, place=index)] if isinstance(text, str) and text else []
            case "tool_use":
                self._calls += 1
                return [CallPiece(self._calls - 1, "", str(block.get("id")), str(block.get("name")))]
            case "redacted_thinking":
                return [ReasoningPiece("", None, str(block.get("data")), index)]
        return []

    def _delta(self, event: dict[str, Any]) -> list[Piece]:
        delta, block = event.get("delta"), self._part(event)
        if not isinstance(delta, dict) or block is None:
            raise garbage("a piece belongs to no block of its content")
        kind = delta.get("type")
        if block.came is not None:
            self._keep(block, delta)
        if kind == "input_json_delta":
            arguments = str(delta.get("partial_json") or "")
            block.arguments.append(arguments)
            return [CallPiece(block.call, arguments)] if arguments and block.kind == "tool_use" else []
        if kind == "text_delta":
            return [TextPiece(text)] if isinstance(text := delta.get("text"), str) and text else []
        if kind == "thinking_delta":
            text = delta.get("thinking")
            return [ReasoningPiece(text, place=event["index"])] if isinstance(text, str) and text else []
        if kind == "signature_delta":
            return [ReasoningPiece("", str(delta.get("signature")), place=event["index"])]
        return []

    @staticmethod
    def _keep(block: _Block, delta: dict[str, Any]) -> None:
        """Add a piece to its block as it came."""
        assert block.came is not None
        match delta.get("type"):
            case "input_json_delta":
                pass
            case "citations_delta":
                block.came.add({"citations": [delta.get("citation")]})
            case _:
                block.came.add({name: value for name, value in delta.items() if name != "type"})

    def _end_block(self, event: dict[str, Any]) -> list[Piece]:
        block = self._part(event)
        if block is not None and block.kind == "tool_use" and not "".join(block.arguments):
            return [CallPiece(block.call, block.written())]
        return []

    def _take_last(self, event: dict[str, Any]) -> None:
        delta, usage = event.get("delta"), event.get("usage")
        self._last = event
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}
        if isinstance(delta, dict) and isinstance(reason := delta.get("stop_reason"), str) and reason:
            self._stop = reason
            self.contents += 1

    def _whole(self) -> dict[str, Any]:
        """The message for a client that did not ask for a stream."""
        ended = self._last.get("delta")
        content = [_as_it_came(block) for _, block in sorted(self._parts.items())]
        more = ended if isinstance(ended, dict) else {}
        return self._message | {"content": content} | more | {"usage": self._usage}


def _as_it_came(block: _Block) -> dict[str, Any]:
    assert block.came is not None
    made = block.came.result()
    if block.kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        made["input"] = input_of(block.written())
    return made


def input_of(arguments: str) -> dict[str, Any]:
    """The input of a tool call, empty without arguments. Arguments that are no JSON object, such as those of an answer
    that was cut off, are passed on as text."""
    text = (arguments or "{}").strip()
    try:
        value, end = decode(text)
    except (ValueError, RecursionError):
        value, end = None, 0
    return value if isinstance(value, dict) and end == len(text) else {"arguments": arguments}


def usage_in_chat(counts: dict[str, Any]) -> dict[str, Any]:
    """The usage, in the form of chat."""
    cached, written = tokens(counts, "cache_read_input_tokens"), tokens(counts, "cache_creation_input_tokens")
    input_tokens = (tokens(counts, "input_tokens") or 0) + (cached or 0) + (written or 0)
    return chat_usage(Usage(input_tokens, tokens(counts, "output_tokens") or 0, cached, written))
