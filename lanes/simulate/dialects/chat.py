"""The ``chat`` dialect of the simulated provider."""

import time
from typing import Any

from lanes.simulate.dialects.answer import SimulatedAnswer, halves
from lanes.simulate.incoming import SimulatedRequest
from lanes.simulate.wire import Wire


class SimulatedChat(SimulatedAnswer):
    """One chat completion."""

    def __init__(self, wire: Wire, request: SimulatedRequest, sequence: int) -> None:
        super().__init__(wire, request, sequence)
        options = request.body.get("stream_options")
        self._include_usage = isinstance(options, dict) and options.get("include_usage") is True
        self._head = {"id": f"chatcmpl-sim-{sequence}", "created": int(time.time()), "model": request.model}

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
        if self._include_usage:
            await self.event(self._object("chat.completion.chunk", choices=[], usage=self._usage()))
        await self.wire.finish(b"data: [DONE]\n\n")

    @property
    def _finish(self) -> str:
        return "length" if self.cut_short else "tool_calls" if self.calls else "stop"

    async def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        extra = {"usage": None} if self._include_usage else {}
        await self.event(self._object("chat.completion.chunk", choices=[choice], **extra))

    def _object(self, kind: str, **rest: Any) -> dict[str, Any]:
        return {**self._head, "object": kind, **rest}

    def _usage(self) -> dict[str, Any]:
        prompt, completion, thought = self.counts
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        return usage | ({"completion_tokens_details": {"reasoning_tokens": thought}} if thought else {})


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
