"""What the simulated provider does for agents: it has their tools run commands, also in Gemini's dialect."""

import json
from typing import Any

import httpx
import pytest

from lanes.simulate.plays import ANSWER
from tests.runners.simulated import Simulated

TEXT = "[[sim-shell]] touch it [[sim-recall]]"
SCHEMA = {"type": "object", "required": ["command"], "properties": {"command": {"type": "string"}, "more": {}}}
NAMED = {"name": "shell", "description": "runs it"}


async def chat(url: str, *said: dict[str, Any]) -> dict[str, Any]:
    tools = [{"type": "function", "function": NAMED | {"parameters": SCHEMA}}]
    body = {"model": "sim-ok", "messages": [{"role": "user", "content": TEXT}, *said], "tools": tools}
    async with httpx.AsyncClient(verify=False) as client:
        answered = (await client.post(f"{url}/chat/completions", json=body)).json()
    return dict(answered["choices"][0]["message"])


async def gemini(url: str, method: str, *said: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of the answer."""
    tools = [{"functionDeclarations": [NAMED | {"parametersJsonSchema": SCHEMA}]}]
    body = {"contents": [{"role": "user", "parts": [{"text": TEXT}]}, *said], "tools": tools}
    async with httpx.AsyncClient(verify=False) as client:
        answered = await client.post(f"{url.removesuffix('v1')}v1beta/models/sim-ok:{method}?alt=sse", json=body)
    events = [answered.text] if method == "generateContent" else answered.text.removeprefix("data: ").split("data: ")
    return [part for event in events for part in json.loads(event)["candidates"][0]["content"]["parts"]]


async def test_a_command_is_run_by_the_tool_for_that(sim: Simulated) -> None:
    called = await chat(sim.url)
    (call,) = called["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("shell", {"command": "touch it"})
    done = await chat(sim.url, called, {"role": "tool", "tool_call_id": call["id"], "content": ""})
    assert done["content"] == TEXT


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent"])
async def test_the_dialect_of_gemini(sim: Simulated, method: str) -> None:
    (called,) = await gemini(sim.url, method)
    assert called == {"functionCall": {"name": "shell", "args": {"command": "touch it"}}}
    result = {"role": "user", "parts": [{"functionResponse": {"name": "shell", "response": {}}}]}
    done = await gemini(sim.url, method, {"role": "model", "parts": [called]}, result)
    assert "".join(part["text"] for part in done) == TEXT
    text = {"role": "user", "parts": [{"text": "hello"}]}
    assert "".join(part["text"] for part in await gemini(sim.url, method, text)) == ANSWER
