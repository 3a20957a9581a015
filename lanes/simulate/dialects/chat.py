"""The ``chat`` dialect of the simulated provider."""

import time
from typing import Any

from lanes.simulate.asked import SimulatedRequest
from lanes.simulate.dialects.answer import SimulatedAnswer, halves
from lanes.simulate.wire import Wire


class SimulatedChat(SimulatedAnswer):
    """One chat completion."""

    def __init__(self, wire: Wire, asked: SimulatedRequest, sequence: int) -> None:
        super().__init__(wire, asked, sequence)
        options = asked.body.get("stream_options")
        self._usage_asked = isinstance(options, dict) and options.get("include_usage") is True
        self._head = {"id": f"chatcmpl-sim-{sequence}", "created": int(time.time()), "model": asked.model}

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text, "refusal": None}
        if self.refused:
            message |= {"content": None, "refusal": self.text}
        if self.thought:
            message["reasoning_content"] = "".join(self.thought)
        if self.calls:
            message["content"] = self.text or None
            message["tool_calls"] = [_call(*call) for call in self.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        return self._object("chat.completion", choices=[choice], usage=self._usage())

    async def _begin(self) -> None:
        await self._chunk({"role": "assistant", "content": ""})

    async def _text(self, text: str) -> None:
        await self._chunk({"content": text})

    async def _thought(self, text: str) -> None:
        await self._chunk({"reasoning_content": text})

    async def _refusal(self, text: str) -> None:
        await self._chunk({"refusal": text})

    async def _call(self, place: int, call_id: str, name: str, arguments: str) -> None:
        await self._chunk({"tool_calls": [{"index": place, **_call(call_id, name, "")}]})
        for half in halves(arguments):
            await self._chunk({"tool_calls": [{"index": place, "function": {"arguments": half}}]})

    async def _end(self) -> None:
        await self._chunk({}, finish_reason=self._finish)
        if self._usage_asked:
            await self.event(self._object("chat.completion.chunk", choices=[], usage=self._usage()))
        await self.wire.finish(b"data: [DONE]\n\n")

    @property
    def _finish(self) -> str:
        return "length" if self.cut_short else "tool_calls" if self.calls else "stop"

    async def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        extra = {"usage": None} if self._usage_asked else {}
        await self.event(self._object("chat.completion.chunk", choices=[choice], **extra))

    def _object(self, kind: str, **rest: Any) -> dict[str, Any]:
        return {**self._head, "object": kind, **rest}

    def _usage(self) -> dict[str, Any]:
        asked, given, thought = self.counts
        usage: dict[str, Any] = {"prompt_tokens": asked, "completion_tokens": given, "total_tokens": asked + given}
        return usage | ({"completion_tokens_details": {"reasoning_tokens": thought}} if thought else {})


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
