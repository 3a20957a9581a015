"""The dialect of Google's Gemini API, as the gemini command speaks it: no runner of lanes asks in it."""

import json
from collections.abc import Iterator
from typing import Any

from lanes.simulate import incoming
from lanes.simulate.dialects.answer import SimulatedAnswer, SimulatedError
from lanes.simulate.incoming import SimulatedRequest
from lanes.text.chats import dicts


class SimulatedGemini(SimulatedAnswer):
    """One generated content."""

    @classmethod
    def read(cls, body: dict[str, Any], path: dict[str, str]) -> SimulatedRequest:
        tools = [each for tool in dicts(body.get("tools")) for each in dicts(tool.get("functionDeclarations"))]
        schemas = [each | {"parameters": each.get("parametersJsonSchema", each.get("parameters"))} for each in tools]
        stream = path["method"] == "streamGenerateContent"
        messages = list(_messages(body.get("contents")))
        return incoming.read({"model": path["model"], "stream": stream, "messages": messages, "tools": schemas})

    def whole(self) -> dict[str, Any]:
        thoughts = [{"text": "".join(self.thought), "thought": True}] if self.thought else []
        texts = [{"text": self.text}] if self.text else []
        return self._content(
            [*thoughts, *texts, *(_call(name, arguments) for _, name, arguments in self.calls)], self._finish
        )

    def error(self, error: SimulatedError) -> dict[str, Any]:
        fields = {"code": error.status, "message": error.sentence, "status": (error.code or error.type).upper()}
        return {"error": fields}

    async def _begin(self) -> None:
        pass

    async def _text(self, text: str) -> None:
        await self.event(self._content([{"text": text}]))

    async def _thought(self, text: str) -> None:
        await self.event(self._content([{"text": text, "thought": True}]))

    async def _call(self, _place: int, _id: str, name: str, arguments: str) -> None:
        await self.event(self._content([_call(name, arguments)]))

    async def _end(self) -> None:
        await self.event(self._content([], self._finish))
        await self.wire.finish()

    @property
    def _finish(self) -> str:
        return "SAFETY" if self.refused else "MAX_TOKENS" if self.cut_short else "STOP"

    def _content(self, parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
        response = {"responseId": f"sim-{self.sequence}", "modelVersion": self.request.model, "candidates": [candidate]}
        if finish is None:
            return response
        candidate["finishReason"] = finish
        prompt, completion, thought = self.counts
        counts = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": completion - thought,
            "thoughtsTokenCount": thought,
        }
        return response | {"usageMetadata": counts | {"totalTokenCount": prompt + completion}}


def _call(name: str, arguments: str) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": json.loads(arguments)}}


def _messages(contents: Any) -> Iterator[dict[str, Any]]:
    """The contents as chat messages, which the rest of the simulated provider reads."""
    for content in dicts(contents):
        parts = dicts(content.get("parts"))
        if any("functionResponse" in part for part in parts):
            yield {"role": "tool", "content": ""}
        elif texts := [{"type": "text", "text": part["text"]} for part in parts if "text" in part]:
            yield {"role": "assistant" if content.get("role") == "model" else "user", "content": texts}
