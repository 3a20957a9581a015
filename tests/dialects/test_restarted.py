"""A message that is run again while a client of another dialect than chat listens, and runners that are programs."""

import json
from pathlib import Path
from typing import Any

import pytest

from lanes.runners.base import Delta, RunContext
from tests.dialects.golden import ROUTES
from tests.kit.serving import client_of
from tests.server.test_restarted_streams import Twice, gateway

ASKED: dict[str, dict[str, Any]] = {
    "messages": {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9},
    "responses": {"input": "hello"},
}


async def streamed(url: str, dialect: str, runner: Twice) -> list[dict[str, Any]]:
    """The events of a stream; the runner goes on after the first piece of text."""
    events = []
    async with client_of(url) as client:
        asked = ASKED[dialect] | {"stream": True}
        async with client.stream("POST", ROUTES[dialect], json=asked, headers={"X-Lanes-Session": "a"}) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line.removeprefix("data: ")))
                    if "delta" in events[-1]:
                        runner.go.set()
    return events


def said(events: list[dict[str, Any]]) -> str:
    deltas = [event["delta"] for event in events if "delta" in event]
    return "".join(delta if isinstance(delta, str) else delta.get("text", "") for delta in deltas)


@pytest.mark.parametrize("dialect", ASKED)
@pytest.mark.parametrize("texts", [("one two ", "one two three"), ("one two ", "one "), ("one two ", "")])
async def test_F140_a_stream_goes_on_where_it_was_cut(tmp_path: Path, dialect: str, texts: tuple[str, str]) -> None:
    runner = Twice(*texts, reply="one two three")
    async with gateway(tmp_path, runner) as (url, _):
        events = await streamed(url, dialect, runner)
    assert said(events) == "one two three"
    kinds = [event["type"] for event in events]
    begins, ends = (
        ("message_start", "message_stop") if dialect == "messages" else ("response.created", "response.completed")
    )
    assert (kinds.count(begins), kinds[-1]) == (1, ends)


@pytest.mark.parametrize("dialect", ASKED)
async def test_F140_another_reply_is_an_error_and_not_the_rest_of_the_first(tmp_path: Path, dialect: str) -> None:
    runner = Twice("one two ", "quite another")
    async with gateway(tmp_path, runner) as (url, _):
        events = await streamed(url, dialect, runner)
    assert said(events) == "one two "
    assert events[-1]["type"] == ("error" if dialect == "messages" else "response.failed")


@pytest.mark.parametrize("dialect", ASKED)
async def test_a_program_that_runs_messages_sees_the_text_and_the_request(tmp_path: Path, dialect: str) -> None:
    seen: list[Any] = []

    async def runner(run: RunContext) -> str:
        seen.append((run.text, run.request))
        run.emit(Delta(choice={"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}))
        return "done"

    async with gateway(tmp_path, runner) as (url, _), client_of(url) as client:
        told = (await client.post(ROUTES[dialect], json=ASKED[dialect])).json()
    ((text, request),) = seen
    assert (text, request["lanes_dialect"]) == ("hello", dialect)
    part = told["content"][0] if dialect == "messages" else told["output"][0]["content"][0]
    assert part["text"] == "done"


async def test_a_dialect_that_nobody_speaks_is_refused(tmp_path: Path) -> None:
    async def runner(run: RunContext) -> str:
        return run.text

    async with gateway(tmp_path, runner) as (url, _), client_of(url) as client:
        request = {"messages": [{"role": "user", "content": "x"}], "lanes_dialect": "latin"}
        told = await client.post("/api/lanes/a/messages", json={"request": request})
        assert told.status_code == 400
        assert "chat, responses, messages" in told.json()["detail"]
