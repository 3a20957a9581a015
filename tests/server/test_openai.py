"""The official client talks to ``/v1``, streaming and not, and gets typed errors."""

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest

from lanes_storage.law import MessageState
from lanes_storage.records import LaneFilter
from tests.server.conftest import Served


@pytest.fixture
async def client(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="unused", timeout=30) as one:
        yield one


def said(text: str) -> list[openai.types.chat.ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


async def test_whole(served: Served, client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="lanes", messages=said("hello"), extra_headers={"X-Lanes-Session": "a%2Fb"}
    )
    assert answer.choices[0].message.content == "hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    (message,) = await served.desk.messages("a/b")
    assert message.state is MessageState.DONE


async def test_streamed(served: Served, client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="chat", messages=said("one two three"), stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "one two three"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert len(served.simulator.requests) == 1


async def test_the_lane_may_be_named_in_the_metadata(served: Served, client: openai.AsyncOpenAI) -> None:
    await client.chat.completions.create(model="x", messages=said("hi"), metadata={"lanes_session": "m"})
    assert (await served.desk.lane("m")).state == "idle"


async def test_without_a_name_it_gets_a_lane_of_its_own_that_is_not_listed(
    served: Served, client: openai.AsyncOpenAI
) -> None:
    await client.chat.completions.create(model="lanes", messages=said("hi"))
    assert await served.desk.lanes(LaneFilter()) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failing_provider_is_a_typed_error_and_is_asked_once(
    served: Served, client: openai.AsyncOpenAI, stream: bool
) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(
            model="lanes", messages=said("[[sim-server-error]]"), stream=stream, extra_headers={"X-Lanes-Session": "a"}
        )
    assert caught.value.status_code == 502
    assert caught.value.code == "provider_failed"
    assert len(served.simulator.requests) == 1, "the client must not send it again"


async def test_a_failure_in_the_middle_is_an_error_in_the_stream(served: Served, client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="lanes", messages=said("[[sim-cut]]"), stream=True)
    with pytest.raises(openai.APIError) as caught:
        async for _ in stream:
            pass
    assert "cut" in str(caught.value)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_takes_its_message_with_it(served: Served, stream: bool) -> None:
    body = {"model": "lanes", "stream": stream, "messages": said("[[sim-hang]]")}
    asking = asyncio.create_task(served.post("/v1/chat/completions", body, **{"X-Lanes-Session": "a"}))
    waiting = asyncio.create_task(served.post("/v1/chat/completions", body, **{"X-Lanes-Session": "a"}))
    async with asyncio.timeout(20):
        while not served.simulator.requests or (await served.desk.lane("a")).queued != 1:
            await asyncio.sleep(0.01)
    for task in (asking, waiting):
        task.cancel()
    await asyncio.gather(asking, waiting, return_exceptions=True)
    async with asyncio.timeout(20):
        while {m.state for m in await served.desk.messages("a")} != {MessageState.ABORTED}:
            await asyncio.sleep(0.01)
    causes = {m.error.cause for m in await served.desk.messages("a") if m.error is not None}
    assert causes == {"client_gone"}
    assert len(served.simulator.requests) == 1, "what waited never ran"


async def test_a_detached_request_goes_on(served: Served) -> None:
    body = {"model": "lanes", "messages": said("[[sim-slow-5]] hello")}
    headers = {"X-Lanes-Session": "a", "X-Lanes-Detach": "true"}
    asking = asyncio.create_task(served.post("/v1/chat/completions", body, **headers))
    async with asyncio.timeout(20):
        while not served.simulator.requests:
            await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    (message,) = await served.desk.messages("a")
    assert (await served.desk.wait(message.id, timeout=20)).state is MessageState.DONE


async def test_models_and_envelope(served: Served, client: openai.AsyncOpenAI) -> None:
    assert [m.id async for m in client.models.list()] == ["lanes", "chat"]
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model="lanes", messages=[])
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="lanes", input="hello")
