"""The ``responses`` dialect of the simulated provider."""

import time
from typing import Any

from lanes.simulate.dialects.answer import SimulatedAnswer, SimulatedError, halves
from lanes.simulate.incoming import SimulatedRequest
from lanes.simulate.wire import Wire


class SimulatedResponses(SimulatedAnswer):
    """One response of OpenAI's newer API."""

    def __init__(self, wire: Wire, request: SimulatedRequest, sequence: int) -> None:
        super().__init__(wire, request, sequence)
        self._head = {"id": f"resp_sim_{sequence}", "object": "response", "created_at": int(time.time())}
        self._count = 0
        self._holds: str | None = None
        self._item: dict[str, Any] = {}
        self._output: list[dict[str, Any]] = []

    def whole(self) -> dict[str, Any]:
        output: list[dict[str, Any]] = []
        if self.thought:
            output.append(self._thinking(0, "".join(self.thought)))
        if self.text:
            output.append(self._message(len(output), self.text))
        output += (self._called(len(output) + at, *call) for at, call in enumerate(self.calls))
        return self._ended(output)

    async def _begin(self) -> None:
        await self._send("response.created", response=self._response("in_progress", []))
        await self._send("response.in_progress", response=self._response("in_progress", []))

    async def _text(self, text: str) -> None:
        await self._open_message("output_text", "text")
        await self._of_item("response.output_text.delta", content_index=0, delta=text, logprobs=[])

    async def _refusal(self, text: str) -> None:
        await self._open_message("refusal", "refusal")
        await self._of_item("response.refusal.delta", content_index=0, delta=text)

    async def _thought(self, text: str) -> None:
        if self._holds != "reasoning":
            await self._close()
            await self._open("reasoning", self._thinking(len(self._output), "") | {"summary": []})
            part = {"type": "summary_text", "text": ""}
            await self._of_item("response.reasoning_summary_part.added", summary_index=0, part=part)
        await self._of_item("response.reasoning_summary_text.delta", summary_index=0, delta=text)

    async def _call(self, place: int, call_id: str, name: str, arguments: str) -> None:
        await self._close()
        await self._open(
            f"call {place}", self._called(len(self._output), call_id, name, "") | {"status": "in_progress"}
        )
        for half in halves(arguments):
            await self._of_item("response.function_call_arguments.delta", delta=half)

    async def _end(self) -> None:
        await self._close()
        ended = self._ended(self._output)
        await self._send(f"response.{ended['status']}", response=ended)
        await self.wire.finish()

    async def _error(self, error: SimulatedError) -> None:
        failed = self._response("failed", []) | {"error": {"code": error.code or error.type, "message": error.sentence}}
        await self._send("response.failed", response=failed)

    async def _open_message(self, kind: str, field: str) -> None:
        if self._holds != kind:
            await self._close()
            empty = self._message(len(self._output), "") | {"content": [], "status": "in_progress"}
            await self._open(kind, empty)
            more: dict[str, Any] = {"annotations": [], "logprobs": []} if kind == "output_text" else {}
            part = {"type": kind, field: "", **more}
            await self._of_item("response.content_part.added", content_index=0, part=part)

    async def _open(self, holds: str, item: dict[str, Any]) -> None:
        self._holds, self._item = holds, item
        await self._send("response.output_item.added", output_index=len(self._output), item=item)

    async def _close(self) -> None:
        if self._holds is None:
            return
        at, whole = len(self._output), self._item
        match self._holds:
            case "output_text" | "refusal":
                whole = self._message(at, self.text)
                (part,) = whole["content"]
                field = "text" if self._holds == "output_text" else "refusal"
                more: dict[str, Any] = {"logprobs": []} if field == "text" else {}
                done = {"content_index": 0, field: self.text, **more}
                await self._of_item(f"response.{self._holds}.done", **done)
                await self._of_item("response.content_part.done", content_index=0, part=part)
            case "reasoning":
                whole = self._thinking(at, "".join(self.thought))
                (part,) = whole["summary"]
                await self._of_item("response.reasoning_summary_text.done", summary_index=0, text=part["text"])
                await self._of_item("response.reasoning_summary_part.done", summary_index=0, part=part)
            case _:
                ended = sum(item["type"] == "function_call" for item in self._output)
                whole = self._called(at, *self.calls[ended])
                call = {"name": whole["name"], "arguments": whole["arguments"]}
                await self._of_item("response.function_call_arguments.done", **call)
        self._holds = None
        await self._send("response.output_item.done", output_index=at, item=whole)
        self._output.append(whole)

    async def _of_item(self, kind: str, **more: Any) -> None:
        await self._send(kind, item_id=self._item["id"], output_index=len(self._output), **more)

    async def _send(self, kind: str, **more: Any) -> None:
        await self.event({"type": kind, "sequence_number": self._count, **more}, kind)
        self._count += 1

    def _message(self, at: int, text: str) -> dict[str, Any]:
        part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        part = {"type": "refusal", "refusal": text} if self.refused else part
        return self._named("msg", at) | {
            "type": "message", "role": "assistant", "status": "completed", "content": [part],
        }  # fmt: skip

    def _thinking(self, at: int, text: str) -> dict[str, Any]:
        return self._named("rs", at) | {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}

    def _called(self, at: int, call_id: str, name: str, arguments: str) -> dict[str, Any]:
        call = {
            "type": "function_call",
            "status": "completed",
            "call_id": call_id,
            "name": name,
            "arguments": arguments,
        }
        return self._named("fc", at) | call

    def _named(self, prefix: str, at: int) -> dict[str, Any]:
        return {"id": f"{prefix}_sim_{self.sequence}_{at}"}

    def _ended(self, output: list[dict[str, Any]]) -> dict[str, Any]:
        prompt, completion, thought = self.counts
        usage = {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": thought},
            "total_tokens": prompt + completion,
        }
        more = {"incomplete_details": {"reason": "max_output_tokens"}} if self.cut_short else {}
        return self._response("incomplete" if self.cut_short else "completed", output) | {"usage": usage} | more

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        rest = {"error": None, "incomplete_details": None, "model": self.request.model, "output": output, "usage": None}
        return {**self._head, "status": status, **rest, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
