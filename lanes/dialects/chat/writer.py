"""Writes answers in the chat dialect."""

from typing import Any

from lanes.dialects.chat.draft import HEAD
from lanes.dialects.chat.pieces import delta_of_message
from lanes.dialects.dialect import ClientRequest, StoredReply, encoded, event
from lanes.records.problems import Problem
from lanes.runners.base import Delta


class ChatWriter:
    """One answer. The JSON around the text of a chunk is made once, since it is the same for nearly all chunks."""

    def __init__(self, request: ClientRequest) -> None:
        options = request.body.get("stream_options")
        self._usage = isinstance(options, dict) and options.get("include_usage") is True
        self._head: dict[str, Any] = {"model": request.model}
        self._id = f"chatcmpl-{request.message_id}"
        self._created = request.at
        self._begun = False
        self._before, self._after = self._around()

    def piece(self, delta: Delta) -> str:
        """One chunk."""
        if self._begun and delta.choice is delta.beside is None:
            return f'{self._before}{{"content": {encoded(delta.text)}}}{self._after}'
        choice = dict(delta.choice) if delta.choice is not None else {"content": delta.text}
        delta_text = encoded(choice if self._begun else {"role": "assistant"} | choice)
        self._begun = True
        before, after = self._before, self._after
        if delta.beside is not None:
            logprobs, head = _apart(delta.beside)
            self._head |= head
            self._before, self._after = self._around()
            before, after = (self._before, self._after) if logprobs is None else self._around(logprobs=logprobs)
        return f"{before}{delta_text}{after}"

    def ending(self, reply: StoredReply, *, begun: bool) -> str:
        """The last chunks."""
        detail, chunks = reply.detail, []
        if not begun:
            self._head |= _besides(detail)[1]
            self._before, self._after = self._around()
            whole = delta_of_message(reply.text, detail.get("message"))
            if whole.text or whole.choice:
                chunks.append(self.piece(whole if whole.choice is None else _with_text(whole)))
        chunks.append(self._chunk([{"index": 0, "delta": {}, "finish_reason": reply.finish}]))
        if self._usage:
            chunks.append(self._chunk([], usage=detail.get("usage")))
        return "".join((*chunks, "data: [DONE]\n\n"))

    def error(self, problem: Problem) -> str:
        """An error event."""
        return event(envelope(problem))

    def silence(self) -> str:
        """A comment, which clients of chat do not see."""
        return ": still here\n\n"

    def whole(self, reply: StoredReply) -> dict[str, Any]:
        """A chat completion."""
        detail = reply.detail
        message = detail.get("message") or {"role": "assistant", "content": reply.text}
        logprobs, head = _besides(detail)
        self._head |= head
        choice = {"index": 0, "message": message, "finish_reason": reply.finish, "logprobs": logprobs}
        return self._object("chat.completion", [choice], usage=detail.get("usage"))

    def _around(self, **more: Any) -> tuple[str, str]:
        """The parts of a chunk before and after its delta."""
        chunk = self._chunk([{"index": 0, "delta": "here", "finish_reason": None} | more])
        before, _, after = chunk.rpartition('"here"')
        return before, after

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> str:
        return event(self._object("chat.completion.chunk", choices, **more))

    def _object(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created} | self._head | {"choices": choices} | more


def envelope(problem: Problem) -> dict[str, Any]:
    """The error envelope of OpenAI."""
    kind = problem.members.get("error_type", "invalid_request_error" if problem.status < 500 else "server_error")
    return {
        "error": {
            "message": problem.sentence,
            "type": kind,
            "param": problem.members.get("param"),
            "code": problem.code,
        }
    }


def _with_text(whole: Delta) -> Delta:
    return whole._replace(choice=({"content": whole.text} if whole.text else {}) | (whole.choice or {}))


def _besides(detail: Any) -> tuple[Any, dict[str, Any]]:
    """The further fields of a stored reply, as ``_apart`` returns them."""
    model = {"model": detail["model"]} if detail.get("model") else {}
    return _apart(model | (detail.get("more") or {}))


def _apart(beside: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Split further fields into the logprobs and those for the whole answer."""
    return beside.get("logprobs"), {name: beside[name] for name in HEAD if name in beside}
