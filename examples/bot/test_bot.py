"""The bot without a network and without waiting: ``python -m pytest``."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from bot import CONFIG, answer, make_app

import lanes
from lanes.testing import TimedGateway, gateway


async def hangs(run: lanes.RunContext) -> str:
    """A model that never answers."""
    await asyncio.Event().wait()
    return run.text


def client(of: lanes.Gateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(make_app(of)), base_url="http://bot")


@pytest.fixture
async def timed() -> AsyncIterator[TimedGateway]:
    async with gateway(answer, config=CONFIG) as made:
        yield made


def events(response: httpx.Response) -> list[tuple[str, dict[str, object]]]:
    """The server-sent events of a whole response."""
    blocks = [block.split("\n") for block in response.text.split("\n\n") if block]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


async def test_a_reply_comes_in_pieces_and_as_a_whole(timed: TimedGateway) -> None:
    async with client(timed) as web:
        told = events(await web.post("/chats/42/messages", json={"text": "hello there"}))
        assert [name for name, _ in told] == ["accepted", "delta", "delta", "delta", "message"]
        assert told[-1][1] | {"id": 0} == {"id": 0, "state": "done", "reply": "1: hello there", "cause": None}
        again = events(await web.post("/chats/42/messages", json={"text": "and again"}))
        assert again[-1][1]["reply"] == "2: and again", "it remembers the chat"


async def test_the_same_message_twice_is_answered_once(timed: TimedGateway) -> None:
    async with client(timed) as web:
        key = {"Idempotency-Key": "update-7"}
        first, second = [
            events(await web.post("/chats/42/messages", json={"text": "hello"}, headers=key)) for _ in range(2)
        ]
        assert first[-1] == second[-1]


async def test_a_model_that_hangs_costs_one_message_and_two_minutes() -> None:
    async with gateway(hangs, config=CONFIG) as timed, client(timed) as web:
        asking = asyncio.create_task(web.post("/chats/42/messages", json={"text": "hello"}))
        while not timed.held:
            await timed.advance(0)
        await timed.advance("2m")
        assert events(await asking)[-1][1]["cause"] == "stall_timeout"


async def test_a_person_stops_a_run_and_a_chat_that_says_too_much_is_told() -> None:
    async with gateway(hangs, config=CONFIG) as timed, client(timed) as web:
        for text in "abcdef":  # one runs, five wait
            await timed.desk.send("bot:web:42", text)
            await timed.advance(0)
        assert (await web.post("/chats/42/messages", json={"text": "g"})).status_code == 429
        assert (await web.post("/chats/42/stop")).json() == {"outcome": "released"}
        assert (await web.post("/chats/43/stop")).status_code == 404


async def test_a_message_survives_the_death_of_the_bot() -> None:
    async with gateway(hangs, config=CONFIG) as timed:
        message = await timed.desk.send("bot:web:42", "hello")
        await timed.advance(0)
        await timed.crash()
        async with gateway(answer, desk=timed.desk) as again, client(again) as web:
            await again.desk.wait(message.id)
            assert (await web.get(f"/messages/{message.id}")).json()["reply"] == "1: hello"


async def test_a_bot_that_stops_is_not_ready(timed: TimedGateway) -> None:
    async with client(timed) as web:
        assert (await web.get("/readyz")).status_code == (await web.get("/healthz")).status_code == 200
        await timed.drain(by="test")
        assert (await web.get("/readyz")).status_code == 503
        assert (await web.post("/chats/42/messages", json={"text": "hello"})).status_code == 503
