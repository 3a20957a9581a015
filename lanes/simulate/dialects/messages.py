"""The ``messages`` dialect of the simulated provider."""

import json
from typing import Any

from lanes.simulate.dialects.answer import SimulatedAnswer, SimulatedError, halves

SIGNATURE = "c2ltdWxhdGVk"


class SimulatedMessages(SimulatedAnswer):
    """One message of Anthropic's API."""

    _index = -1
    _open: str | None = None

    def whole(self) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if self.thought:
            content.append({"type": "thinking", "thinking": "".join(self.thought), "signature": SIGNATURE})
        if self.text:
            content.append({"type": "text", "text": self.text})
        content += (
            {"type": "tool_use", "id": call_id, "name": name, "input": json.loads(arguments)}
            for call_id, name, arguments in self.calls
        )
        return self._message(content) | {"stop_reason": self._stop, "usage": self._usage()}

    def error(self, error: SimulatedError) -> dict[str, Any]:
        return {"type": "error", "error": {"type": error.anthropic, "message": error.sentence}}

    async def _begin(self) -> None:
        await self._send("message_start", message=self._message([]))
        await self._send("ping")

    async def _text(self, text: str) -> None:
        await self._within("text", {"type": "text", "text": ""})
        await self._delta("text_delta", text=text)

    async def _thought(self, text: str) -> None:
        await self._within("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        await self._delta("thinking_delta", thinking=text)

    async def _call(self, place: int, call_id: str, name: str, arguments: str) -> None:
        await self._within(f"call {place}", {"type": "tool_use", "id": call_id, "name": name, "input": {}})
        for half in halves(arguments):
            await self._delta("input_json_delta", partial_json=half)

    async def _end(self) -> None:
        await self._close()
        delta = {"stop_reason": self._stop, "stop_sequence": None}
        await self._send("message_delta", delta=delta, usage=self._usage())
        await self._send("message_stop")
        await self.wire.finish()

    async def _error(self, error: SimulatedError) -> None:
        await self.event(self.error(error), "error")

    @property
    def _stop(self) -> str:
        if self.refused:
            return "refusal"
        return "max_tokens" if self.cut_short else "tool_use" if self.calls else "end_turn"

    async def _within(self, holds: str, block: dict[str, Any]) -> None:
        if self._open == holds:
            return
        await self._close()
        self._open, self._index = holds, self._index + 1
        await self._send("content_block_start", index=self._index, content_block=block)

    async def _close(self) -> None:
        if self._open is None:
            return
        if self._open == "thinking":
            await self._delta("signature_delta", signature=SIGNATURE)
        self._open = None
        await self._send("content_block_stop", index=self._index)

    async def _delta(self, kind: str, **fields: str) -> None:
        await self._send("content_block_delta", index=self._index, delta={"type": kind, **fields})

    async def _send(self, kind: str, **more: Any) -> None:
        await self.event({"type": kind, **more}, kind)

    def _message(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        usage = {"input_tokens": self.request.words, "output_tokens": 1}
        head = {"id": f"msg_sim_{self.sequence}", "type": "message", "role": "assistant", "model": self.request.model}
        return {**head, "content": content, "stop_reason": None, "stop_sequence": None, "usage": usage}

    def _usage(self) -> dict[str, Any]:
        prompt, completion, _ = self.counts
        cache = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        return {"input_tokens": prompt, **cache, "output_tokens": completion}
