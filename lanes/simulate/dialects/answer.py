"""One answer of the simulated provider, in any dialect."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from lanes.simulate import incoming
from lanes.simulate.incoming import SimulatedRequest
from lanes.simulate.wire import Wire


class SimulatedError(NamedTuple):
    """An error: its status and sentence, OpenAI's type and code for it, and Anthropic's type."""

    status: int
    sentence: str
    type: str
    code: str | None
    anthropic: str


class SimulatedAnswer(ABC):
    """One answer, sent as a stream of events or as one object, as the client asked."""

    def __init__(self, wire: Wire, request: SimulatedRequest, sequence: int) -> None:
        self.wire = wire
        self.stream = request.stream
        self.request = request
        self.sequence = sequence
        self.sent: list[str] = []  # the pieces of its text
        self.thought: list[str] = []
        self.refused = False
        self.cut_short = False
        self.ended = False  # properly, with the terminal event
        self.calls: list[tuple[str, str, str]] = []  # id, name, arguments

    @classmethod
    def read(cls, body: dict[str, Any], path: dict[str, str]) -> SimulatedRequest:  # noqa: ARG003 - for Gemini
        """Read a request. ``path``: the parameters in its path."""
        return incoming.read(body)

    async def begin(self) -> None:
        """Start a stream with the events before any content; send nothing yet if one object was asked for."""
        if self.stream:
            await self.wire.start(200, "text/event-stream")
            await self._begin()

    async def token(self, text: str) -> None:
        """Send one more piece of the text."""
        self.sent.append(text)
        if self.stream:
            await self._text(text)

    async def think(self, text: str) -> None:
        """Send one more piece of the reasoning before the text."""
        self.thought.append(text)
        if self.stream:
            await self._thought(text)

    async def refuse_to(self, text: str) -> None:
        """Refuse with a text, as a model does."""
        self.refused = True
        self.sent.append(text)
        if self.stream:
            await self._refusal(text)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Call a tool."""
        self.calls.append((f"call_{self.sequence}_{len(self.calls)}", name, json.dumps(arguments)))
        if self.stream:
            await self._call(len(self.calls) - 1, *self.calls[-1])

    async def end(self) -> None:
        """Finish properly, with the terminal event of the dialect."""
        if self.stream:
            await self._end()
        else:
            await self.object(200, self.whole())
        self.ended = True

    async def cut(self) -> None:
        """End cleanly in the middle."""
        if self.stream:
            await self.wire.finish()
            return
        whole = json.dumps(self.whole()).encode()
        await self.wire.start(200, "application/json")
        await self.wire.finish(whole[: len(whole) // 2])

    async def error_event(self, error: SimulatedError) -> None:
        """Report an error under status 200, in the stream or as the one object."""
        if not self.stream:
            await self.object(200, self.error(error))
            return
        await self._error(error)
        await self.wire.finish()

    async def garbage(self) -> None:
        """Send half an object and bytes that are no text."""
        noise = b'data: {"id": "chatcmpl-sim", "choices": [{"delta": {"cont\n\n\xff\xfe\x00<html>\n\n'
        await self.wire.start(200, "text/event-stream" if self.stream else "application/json")
        await self.wire.finish(noise)

    async def refuse(self, error: SimulatedError, headers: Mapping[str, str] | None = None) -> None:
        """Answer with an error and its status."""
        await self.object(error.status, self.error(error), headers)

    async def object(self, status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        """Answer with one JSON object."""
        await self.wire.start(status, "application/json", headers)
        await self.wire.finish(json.dumps(body).encode())

    async def event(self, data: dict[str, Any], name: str | None = None) -> None:
        """Send one event."""
        head = f"event: {name}\n" if name else ""
        await self.wire.send(f"{head}data: {json.dumps(data)}\n\n".encode())

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.sent)

    @property
    def counts(self) -> tuple[int, int, int]:
        """The tokens of the request, of the answer, and those of the answer that are reasoning."""
        return self.request.words, len(self.sent) + len(self.thought) + len(self.calls), len(self.thought)

    @abstractmethod
    def whole(self) -> dict[str, Any]:
        """The answer as one object."""

    def error(self, error: SimulatedError) -> dict[str, Any]:
        """The object that reports an error, in OpenAI's form."""
        return {"error": {"message": error.sentence, "type": error.type, "param": None, "code": error.code}}

    @abstractmethod
    async def _begin(self) -> None: ...

    @abstractmethod
    async def _text(self, text: str) -> None: ...

    @abstractmethod
    async def _thought(self, text: str) -> None: ...

    async def _refusal(self, text: str) -> None:
        await self._text(text)

    @abstractmethod
    async def _call(self, place: int, call_id: str, name: str, arguments: str) -> None: ...

    @abstractmethod
    async def _end(self) -> None: ...

    async def _error(self, error: SimulatedError) -> None:
        await self.event(self.error(error))


def halves(text: str) -> tuple[str, str]:
    """Split a text in two, as providers stream the arguments of a tool call."""
    return text[: len(text) // 2], text[len(text) // 2 :]
