"""Writes answers in the responses dialect."""

from typing import Any, NamedTuple

from lanes.dialects.chat.pieces import usage_of
from lanes.dialects.chat.writer import envelope
from lanes.dialects.dialect import ClientRequest, StoredReply, event
from lanes.dialects.events import EventWriter
from lanes.dialects.model import CallPiece, Piece, ReasoningPiece, RefusalPiece, TextPiece
from lanes.dialects.responses.requests import SEALED, SIGNED
from lanes.records.problems import Problem

#: The fields of a request that its response repeats, with their defaults.
_REPEATED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class _OpenItem(NamedTuple):
    """The item that is being written: what it holds, the item itself, and its texts so far."""

    holds: Any
    item: dict[str, Any]
    texts: list[str]


class ResponsesWriter(EventWriter):
    """One answer. All of its events are numbered here, also those that pass."""

    def __init__(self, request: ClientRequest) -> None:
        super().__init__(request.model)
        self._id = request.message_id
        self._head = {"id": f"resp_{request.message_id}", "object": "response", "created_at": request.at}
        repeated = {name: request.body.get(name) for name in _REPEATED}
        self._repeated = {name: _REPEATED[name] if given is None else given for name, given in repeated.items()}
        self._count = 0
        self._done: list[dict[str, Any]] = []
        self._open: _OpenItem | None = None

    def ending(self, reply: StoredReply, *, begun: bool) -> str:
        """The last events."""
        native, events = reply.detail.get("native"), ""
        if not begun:
            events = self._all_of(reply)
        events += self._calls_left() + self._close()
        if native is not None:
            return events + self._event(native["type"], response=native["response"])
        response = self._response(reply)
        return events + self._event(f"response.{response['status']}", response=response)

    def error(self, problem: Problem) -> str:
        """The event of a response that failed. OpenAI's own client looks for ``error`` beside it, and raises."""
        status = problem.status
        code = "rate_limit_exceeded" if status == 429 else "invalid_prompt" if status < 500 else "server_error"
        response = self._begun() | {"status": "failed", "error": {"code": code, "message": problem.sentence}}
        return self._event("response.failed", response=response, **envelope(problem))

    def silence(self) -> str:
        """An event, since some clients do not count comments as a sign of life."""
        return self._start() or self._event("response.in_progress", response=self._begun())

    def whole(self, reply: StoredReply) -> dict[str, Any]:
        """A response."""
        if (native := reply.detail.get("native")) is not None:
            response: dict[str, Any] = native["response"]
            return response
        self._all_of(reply)
        self._calls_left()
        self._close()
        return self._response(reply)

    def _passed(self, came: dict[str, Any]) -> str:
        kind = str(came.get("type"))
        if kind == "response.created" and self._started:
            return ""  # sent already, while the stream was silent
        return self._event(kind, **{name: value for name, value in came.items() if name != "type"})

    def _opening(self) -> str:
        response = self._begun()
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def _begun(self) -> dict[str, Any]:
        rest: dict[str, Any] = {
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": [],
            "usage": None,
        }
        return self._head | {"status": "in_progress"} | rest | self._repeated

    def _response(self, reply: StoredReply) -> dict[str, Any]:
        """The response as it ends."""
        reason = _INCOMPLETE.get(reply.finish)
        made = self._begun() | {"output": self._done, "usage": _usage(reply)}
        if reason is None:
            return made | {"status": "completed"}
        return made | {"status": "incomplete", "incomplete_details": {"reason": reason}}

    # ------------------------------------------------------------------------------------------------- items

    def _write(self, piece: Piece) -> str:
        match piece:
            case TextPiece(text):
                events = self._within("text", self._item("message", "msg", role="assistant", content=[]))
                return events + self._text("response.output_text.delta", text, content_index=0, logprobs=[])
            case RefusalPiece(text):
                events = self._within("refusal", self._item("message", "msg", role="assistant", content=[]))
                return events + self._text("response.refusal.delta", text, content_index=0)
            case ReasoningPiece(text, signature, data, place):
                events = self._within(_Thought(place), self._item("reasoning", "rs", summary=[]))
                assert self._open is not None
                if signature or data:
                    self._open.item["encrypted_content"] = f"{SIGNED}{signature}" if signature else f"{SEALED}{data}"
                return events + (self._thought(text) if text else "")
            case CallPiece(place, arguments, id, name):
                fresh = self._item("function_call", "fc", call_id=id or f"call_{place}", name=name or "", arguments="")
                events = self._within(("call", place), fresh)
                return events + (self._text("response.function_call_arguments.delta", arguments) if arguments else "")

    def _item(self, kind: str, prefix: str, **more: Any) -> dict[str, Any]:
        return {"id": f"{prefix}_{self._id}_{len(self._done)}", "type": kind, "status": "in_progress"} | more

    def _within(self, holds: Any, item: dict[str, Any]) -> str:
        """Begin an item unless one that holds this is open."""
        if self._open is not None and self._open.holds == holds:
            return ""
        events = self._close()
        if events:
            item = item | {"id": f"{item['id'].rpartition('_')[0]}_{len(self._done)}"}
        self._open = _OpenItem(holds, item, [])
        events += self._event("response.output_item.added", output_index=len(self._done), item=dict(item))
        if holds in ("text", "refusal"):
            return events + self._of_item("response.content_part.added", content_index=0, part=_part(holds, ""))
        return events

    def _thought(self, text: str) -> str:
        assert self._open is not None
        events = ""
        if not self._open.texts:
            part = {"type": "summary_text", "text": ""}
            events = self._of_item("response.reasoning_summary_part.added", summary_index=0, part=part)
        return events + self._text("response.reasoning_summary_text.delta", text, summary_index=0)

    def _text(self, kind: str, text: str, **more: Any) -> str:
        assert self._open is not None
        self._open.texts.append(text)
        return self._of_item(kind, delta=text, **more)

    def _close(self) -> str:
        """End the item that is open."""
        if self._open is None:
            return ""
        holds, item, texts = self._open
        text, events = "".join(texts), ""
        match holds:
            case "text" | "refusal":
                part = _part(holds, text)
                kind = "output_text" if holds == "text" else "refusal"
                more: dict[str, Any] = {"logprobs": []} if holds == "text" else {}
                whole = {"text" if holds == "text" else "refusal": text}
                events = self._of_item(f"response.{kind}.done", content_index=0, **whole, **more)
                events += self._of_item("response.content_part.done", content_index=0, part=part)
                item["content"] = [part]
            case _Thought():
                if texts:
                    part = {"type": "summary_text", "text": text}
                    events = self._of_item("response.reasoning_summary_text.done", summary_index=0, text=text)
                    events += self._of_item("response.reasoning_summary_part.done", summary_index=0, part=part)
                    item["summary"] = [part]
            case _:
                events = self._of_item("response.function_call_arguments.done", name=item["name"], arguments=text)
                item["arguments"] = text
        item["status"] = "completed"
        events += self._event("response.output_item.done", output_index=len(self._done), item=item)
        self._done.append(item)
        self._open = None
        return events

    def _of_item(self, kind: str, **more: Any) -> str:
        assert self._open is not None
        return self._event(kind, item_id=self._open.item["id"], output_index=len(self._done), **more)

    def _event(self, kind: str, **more: Any) -> str:
        events = event({"type": kind} | more | {"sequence_number": self._count}, kind)
        self._count += 1
        return events


class _Thought(NamedTuple):
    """Marks an open item of reasoning, with its place among the blocks that are signed separately."""

    place: int | None


def _part(holds: str, text: str) -> dict[str, Any]:
    if holds == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(reply: StoredReply) -> dict[str, Any] | None:
    usage = usage_of(reply.detail.get("usage"))
    if usage is None:
        return None
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached or 0, "cache_write_tokens": usage.cache_written or 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.input + usage.output,
    }
