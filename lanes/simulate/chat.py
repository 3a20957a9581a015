"""The ``chat`` dialect of the simulated provider: what its answers look like on the wire."""

import json
import time
from typing import Any

from lanes.simulate.wire import Wire


class Chat:
    """One chat completion, sent as a stream of chunks or as one object, as the client asked."""

    def __init__(self, wire: Wire, request: dict[str, Any], model: str, sequence: int) -> None:
        options, messages = request.get("stream_options"), request.get("messages")
        self.wire = wire
        self.stream = request.get("stream") is True
        self._usage_asked = isinstance(options, dict) and options.get("include_usage") is True
        self._head = {"id": f"chatcmpl-sim-{sequence}", "created": int(time.time()), "model": model}
        self._prompt_words = sum(len(str(m).split()) for m in messages) if isinstance(messages, list) else 0
        self.sent: list[str] = []

    async def begin(self) -> None:
        """Start a stream with the chunk that names the role; nothing yet where one object was asked for."""
        if self.stream:
            await self.wire.start(200, "text/event-stream")
            await self._chunk({"role": "assistant", "content": ""})

    async def token(self, text: str) -> None:
        """Give one more piece of the answer."""
        self.sent.append(text)
        if self.stream:
            await self._chunk({"content": text})

    async def end(self) -> None:
        """Finish properly: the finish reason, the usage where it was asked for, the terminal event."""
        if not self.stream:
            await self.refuse(200, self._whole())
            return
        await self._chunk({}, finish_reason="stop")
        if self._usage_asked:
            await self._event(self._object("chat.completion.chunk", choices=[], usage=self._usage()))
        await self.wire.finish(b"data: [DONE]\n\n")

    async def cut(self) -> None:
        """End cleanly in the middle."""
        if self.stream:
            await self.wire.finish()
            return
        whole = json.dumps(self._whole()).encode()
        await self.wire.start(200, "application/json")
        await self.wire.finish(whole[: len(whole) // 2])

    async def error_event(self, error: dict[str, Any]) -> None:
        """Report an error under status 200, in the stream or as the one object."""
        if not self.stream:
            await self.refuse(200, {"error": error})
            return
        await self._event({"error": error})
        await self.wire.finish()

    async def garbage(self) -> None:
        """Send half an object and bytes that are no text."""
        noise = b'data: {"id": "chatcmpl-sim", "choices": [{"delta": {"cont\n\n\xff\xfe\x00<html>\n\n'
        await self.wire.start(200, "text/event-stream" if self.stream else "application/json")
        await self.wire.finish(noise)

    async def refuse(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        """Answer with one JSON object."""
        await self.wire.start(status, "application/json", headers)
        await self.wire.finish(json.dumps(body).encode())

    async def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        extra = {"usage": None} if self._usage_asked else {}
        await self._event(self._object("chat.completion.chunk", choices=[choice], **extra))

    async def _event(self, data: dict[str, Any]) -> None:
        await self.wire.send(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _object(self, kind: str, **rest: Any) -> dict[str, Any]:
        return {**self._head, "object": kind, **rest}

    def _whole(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(self.sent), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return self._object("chat.completion", choices=[choice], usage=self._usage())

    def _usage(self) -> dict[str, int]:
        asked, given = self._prompt_words, len(self.sent)
        return {"prompt_tokens": asked, "completion_tokens": given, "total_tokens": asked + given}


def error_body(message: str, kind: str, code: str | None) -> dict[str, Any]:
    """An error as OpenAI words it, for the inside of ``{"error": …}``."""
    return {"message": message, "type": kind, "param": None, "code": code}
