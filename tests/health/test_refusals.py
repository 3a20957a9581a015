"""Refusals in a stream, after an outage, or by a tiny limit: what they say of the provider, and of the message."""

import asyncio
from pathlib import Path

import pytest

from lanes_storage import reads
from lanes_storage.law import MessageState
from tests.health.busy import Busy, evenly, hour
from tests.health.conftest import Sim, night
from tests.kit.rawserver import DONE, STREAM, Call, chunk, event, raw_server
from tests.kit.until import until

OK = (STREAM, chunk("yes"), chunk(finish="stop"), DONE)
REFUSED = b"HTTP/1.1 %d No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(("cause", "type_"), [("overloaded", "overloaded_error"), ("rate_limited", "rate_limit_error")])
async def test_F632_a_refusal_in_the_stream_is_as_one_by_its_status(tmp_path: Path, cause: str, type_: str) -> None:
    asked, well = 0, False

    async def answer(call: Call) -> None:
        nonlocal asked
        asked += 1
        await call.say(*(OK if well else (STREAM, chunk(), event({"error": {"type": type_, "message": "no"}}))))

    async with raw_server(answer) as url, night(Sim(None, url).config(), tmp_path) as site:  # type: ignore[arg-type]
        sent = [message for number in range(8) for message in await site.send(f"lane:{number}", "hello")]
        for _ in range(240):
            await site.passes(1)
        assert set(await site.states(sent)) == {"queued"}
        (cooldown,) = (await site.desk.store.read(reads.providers())).values()
        assert (cooldown.cause, cooldown.tries >= 7) == (cause, True), "it doubles"
        assert asked <= 8 + 10
        well = True
        assert {message.state for message in await site.until_ended(sent)} == {MessageState.DONE}


async def test_F633_the_refusals_of_an_outage_are_not_those_of_a_message(tmp_path: Path) -> None:
    down, unlucky = True, 2

    async def answer(call: Call) -> None:
        nonlocal unlucky
        if down:
            await call.say(REFUSED % 529)
        elif "mine" in str(call.body) and unlucky:
            unlucky -= 1
            await call.say(REFUSED % 429)
        else:
            await call.say(*OK)

    config = Sim(None, "").config(max_park="1h")  # type: ignore[arg-type]
    async with raw_server(answer) as url:
        config["provider"][0]["base_url"] = url
        async with night(config, tmp_path) as site:
            (mine,) = await site.send("mine", "mine")
            for _ in range(40):
                await site.passes(1)
            down = False
            for number in range(400):
                await site.send(f"lane:{number}", "hello")
                await site.passes(1)
                if await site.states([mine]) != ["queued"]:
                    break
            assert (await site.states([mine]), unlucky) == (["done"], 0)


async def test_F633_a_tiny_limit_makes_no_message_fail(tmp_path: Path) -> None:
    busy = Busy(takes_s=5, a_minute=1)
    came = await hour(busy, evenly(0.5, 40), tmp_path)
    assert (came.sent, came.done) == (20, 20)
    assert busy.refused <= 6 * 20, "a few in each minute, of which one is answered: all would be 210"


async def test_F634_runs_that_failed_at_the_providers_of_each_other_do_not_wait_for_ever(tmp_path: Path) -> None:
    """One asks the first and then the second, the other one the other way round; one at a time may ask each."""
    asked, both = 0, asyncio.Event()

    async def answer(call: Call) -> None:
        nonlocal asked
        asked += 1
        first = asked <= 2
        await both.wait()
        await call.say(*((REFUSED % 500,) if first else OK))

    async with raw_server(answer) as url:
        config = Sim(None, url).config({"max_requests": 1}, {"max_requests": 1})  # type: ignore[arg-type]
        config["runner"].append(config["runner"][0] | {"name": "back", "providers": ["second", "first"]})
        config["policy"] = [{"match": "back", "runner": "back"}]
        async with night(config, tmp_path) as site:
            sent = [*await site.send("there", "hello"), *await site.send("back", "hello")]
            await until(lambda: asked == 2, "both to be asked")
            both.set()
            await until(lambda: site.gateway.held == 0, "the runs to end")
            assert await site.states(sent) == ["done", "done"]
