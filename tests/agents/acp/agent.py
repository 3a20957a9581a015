"""A small agent on top of the SDK: it answers with all texts of its session, which it keeps in its folder.

A text with "remove" asks for a permission first, one with "wait" waits until it is cancelled.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any, cast

from acp import (
    PROTOCOL_VERSION,
    InitializeResponse,
    LoadSessionResponse,
    NewSessionResponse,
    PromptResponse,
    RequestError,
    run_agent,
    start_tool_call,
    update_agent_message_text,
    update_user_message_text,
)
from acp.schema import AgentCapabilities, Cost, PermissionOption, ToolCallUpdate, Usage, UsageUpdate

OPTIONS = [
    PermissionOption(option_id="always", name="Always", kind="allow_always"),
    PermissionOption(option_id="yes", name="Yes", kind="allow_once"),
    PermissionOption(option_id="no", name="No", kind="reject_once"),
]


def kept(name: str) -> list[str]:
    """The texts in a file of its folder."""
    texts: list[str] = json.loads(Path(name).read_text(encoding="utf-8"))
    return texts


def keep(name: str, texts: list[str]) -> None:
    Path(name).write_text(json.dumps(texts), encoding="utf-8")


class SmallAgent:
    """One session at a time."""

    def __init__(self) -> None:
        self._cancelled = asyncio.Event()

    def on_connect(self, conn: Any) -> None:
        self._client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> InitializeResponse:
        able = AgentCapabilities(load_session=True)
        return InitializeResponse(protocol_version=PROTOCOL_VERSION, agent_capabilities=able)

    async def new_session(self, **_: Any) -> NewSessionResponse:
        number = len([name for name in os.listdir() if name.startswith("s-")]) + 1  # noqa: PTH208
        keep(f"s-{number}", [])
        return NewSessionResponse(session_id=f"s-{number}")

    async def load_session(self, session_id: str, **_: Any) -> LoadSessionResponse:
        if session_id not in os.listdir():  # noqa: PTH208
            raise RequestError.resource_not_found(session_id)
        for text in kept(session_id):
            await self._client.session_update(session_id, update_user_message_text(text))
            await self._client.session_update(session_id, update_agent_message_text(f"replayed {text}"))
        return LoadSessionResponse()

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> PromptResponse:
        self._cancelled.clear()
        text = prompt[0].text
        said = [*kept(session_id), text]
        keep(session_id, said)
        if "remove" in text:
            await self._say(session_id, "I ask.")
            said.append(await self._ask(session_id))
        if "wait" in text:
            await self._say(session_id, "I wait.")
            await self._cancelled.wait()
        if self._cancelled.is_set():
            keep("cancelled", [said[-1]])
            return PromptResponse(stop_reason="cancelled")
        for piece in ", ".join(said).partition(", "):
            await self._say(session_id, piece)
        cost = Cost(amount=0.25 * len(said), currency="USD")
        update = UsageUpdate(session_update="usage_update", used=100, size=200_000, cost=cost)
        await self._client.session_update(session_id, update)
        usage = Usage(input_tokens=100, output_tokens=7, total_tokens=107)
        return PromptResponse(stop_reason="end_turn", usage=usage)

    async def cancel(self, session_id: str, **_: Any) -> None:
        self._cancelled.set()

    async def _say(self, session_id: str, text: str) -> None:
        await self._client.session_update(session_id, update_agent_message_text(text))

    async def _ask(self, session_id: str) -> str:
        call = start_tool_call("call-1", "rm", kind="execute", raw_input={"command": "rm -r build"})
        await self._client.session_update(session_id, call)
        asked = ToolCallUpdate(tool_call_id="call-1", raw_input={"command": "rm -r build"})
        outcome = (await self._client.request_permission(session_id, asked, OPTIONS)).outcome
        return str(outcome.option_id if outcome.outcome == "selected" else outcome.outcome)


if __name__ == "__main__":
    asyncio.run(run_agent(cast("Any", SmallAgent())))
