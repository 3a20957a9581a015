"""The official client talks to ``/v1``, streaming and not, and gets typed errors."""

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest

from lanes.server.state import streaming
from lanes_storage import doors
from lanes_storage.law import Cause, MessageState
from lanes_storage.records import LaneFilter
from tests.kit.official import official_client
from tests.kit.until import PATIENCE_S, until
from tests.server.conftest import Served, Start, drain_is_noted, drain_is_over, running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with official_client(f"{served.url}/v1") as one:
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


@pytest.mark.parametrize("kind", [[], {"function": {}}, None, 1])
async def test_F491_a_tool_whose_kind_is_no_word_is_the_providers_to_judge(served: Served, kind: object) -> None:
    asked = {"model": "lanes", "messages": said("hello"), "tools": [{"type": kind}]}
    answer = await served.post("/v1/chat/completions", asked, **{"X-Lanes-Session": "a"})
    assert (answer.status_code, len(served.simulator.requests)) == (200, 1)


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


@pytest.mark.parametrize(
    ("word", "headers", "body"),
    [
        ("user", {}, {"user": "s-1"}),
        ("prompt_cache_key", {}, {"prompt_cache_key": "s-1"}),
        ("header:X-Chat-Id", {"x-chat-id": "s-1"}, {}),
        ("body:metadata.chat", {}, {"metadata": {"chat": "s-1"}}),
        ("body:metadata.user_id:session_id", {}, {"metadata": {"user_id": '{"session_id": "s-1"}'}}),
        ("runtime:session", {}, {"messages": [{"role": "system", "content": "Runtime: a=b | session=s-1 | c=d"}]}),
    ],
)
async def test_F219_each_word_of_session_from_names_the_lane(
    start: Start, word: str, headers: dict[str, str], body: dict[str, object]
) -> None:
    served = await start(session_from=[word])
    answer = await served.post("/v1/chat/completions", {"messages": said("hi")} | body, **headers)
    assert answer.status_code == 200, answer.text
    assert [lane.key for lane in await served.desk.lanes()] == ["s-1"]


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
    await until(lambda: served.simulator.requests, "the first to be asked")

    async def one_waits() -> bool:
        return (await served.desk.lane("a")).queued == 1

    await until(one_waits, "the second to wait")
    for task in (asking, waiting):
        task.cancel()
    await asyncio.gather(asking, waiting, return_exceptions=True)

    async def both_ended() -> bool:
        return {m.state for m in await served.desk.messages("a")} == {MessageState.ABORTED}

    await until(both_ended, "both to end")
    causes = {m.error.cause for m in await served.desk.messages("a") if m.error is not None}
    assert causes == {"client_gone"}
    assert len(served.simulator.requests) == 1, "what waited never ran"


async def test_a_detached_request_goes_on(served: Served) -> None:
    body = {"model": "lanes", "messages": said("[[sim-slow-5]] hello")}
    headers = {"X-Lanes-Session": "a", "X-Lanes-Detach": "true"}
    asking = asyncio.create_task(served.post("/v1/chat/completions", body, **headers))
    await until(lambda: served.simulator.requests, "the provider to be asked")
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    (message,) = await served.desk.messages("a")
    assert (await served.desk.wait(message.id, timeout=PATIENCE_S)).state is MessageState.DONE


async def test_models_and_envelope(served: Served, client: openai.AsyncOpenAI) -> None:
    assert [m.id async for m in client.models.list()] == ["lanes", "chat"]
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model="lanes", messages=[])
    assert (await client.responses.create(model="lanes", input="hello")).output_text == "hello"


async def test_F933_the_query_that_a_client_sends_with_each_request_means_nothing(
    served: Served, client: openai.AsyncOpenAI
) -> None:
    """As `beta=true` of Anthropic's, `limit=1000` of Claude Code, `client_version` of codex."""
    asking = client.with_options(default_query={"api-version": "2026-01-01", "limit": "1000"})
    assert [m.id async for m in asking.models.list()] == ["lanes", "chat"]
    assert (await asking.models.retrieve("chat")).id == "chat"
    assert (await asking.responses.create(model="lanes", input="hello")).output_text == "hello"
    assert (await asking.chat.completions.create(model="lanes", messages=said("hi"))).choices[0].message.content == "hi"
    counted = await served.post("/v1/messages/count_tokens?beta=true&x=%ff", {"messages": said("hi")})
    assert counted.json()["input_tokens"] > 0


async def refusal(served: Served, client: openai.AsyncOpenAI, key: str, text: str = "hi") -> openai.APIStatusError:
    """The error of a request that has to be refused at once, asked without a second try."""
    with pytest.raises(openai.APIStatusError) as caught:
        await client.with_options(max_retries=0).chat.completions.create(
            model="lanes", messages=said(text), extra_headers={"X-Lanes-Session": key}
        )
    return caught.value


async def test_a_full_queue_is_a_rate_limit(served: Served, client: openai.AsyncOpenAI) -> None:
    await served.desk.send("a", "[[sim-hang]]")
    await running(served, "a")
    for _ in range(3):
        await served.desk.send("a", "hi", cap=10)
    error = await refusal(served, client, "a")
    assert isinstance(error, openai.RateLimitError)
    assert (error.code, "retry-after" in error.response.headers) == ("queue_full", True)
    assert "x-should-retry" not in error.response.headers, "nothing was stored: it may be sent again"


async def test_a_lane_that_rejects_is_423_and_no_conflict(start: Start) -> None:
    served = await start(policies=[{"match": "r:*", "mode": "reject"}])
    await served.desk.send("r:a", "[[sim-hang]]")
    async with official_client(f"{served.url}/v1") as client:
        error = await refusal(served, client, "r:a")
    assert (error.status_code, error.code) == (423, "lane_busy")
    native = await served.post("/api/lanes/r%3Aa/messages", {"text": "hi"})
    assert (native.status_code, native.json()["key"]) == (423, "r:a")
    assert len(await served.desk.messages("r:a")) == 1


async def test_F722_a_gateway_that_was_given_up_by_others_refuses_until_it_knows(start: Start) -> None:
    """It was suspended for longer than stale_after. Accepted, the message would wait for ever, and its lane with it."""
    served = await start()
    given_up = served.gateway.owner_id
    now = served.desk.context().now()
    await served.desk.store.write(
        lambda tx: doors.end_owner(tx, given_up, now, cause=Cause.OWNER_SILENT, by="another gateway")
    )
    body = {"model": "lanes", "messages": said("hello")}
    refused = await served.post("/v1/chat/completions", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
    assert "retry-after" in refused.headers
    await until(lambda: served.gateway.owner_id != given_up, "it to register again")
    assert (await served.post("/v1/chat/completions", body)).status_code == 200


async def test_a_draining_gateway_says_when_to_come_back(start: Start) -> None:
    served = await start(drain_timeout="60s")
    await served.desk.send("a", "[[sim-hang]]")
    await running(served, "a")
    served.stop.set()
    await drain_is_noted(served)
    async with official_client(f"{served.url}/v1") as client:
        error = await refusal(served, client, "b")
    await drain_is_over(served)
    assert isinstance(error, openai.InternalServerError)
    assert (error.status_code, error.code, "retry-after" in error.response.headers) == (503, "draining", True)


@pytest.mark.parametrize("stream", [False, True])
async def test_F937_a_gateway_that_stops_in_the_middle_says_so_once(
    served: Served, client: openai.AsyncOpenAI, stream: bool
) -> None:
    asking = asyncio.create_task(
        client.chat.completions.create(
            model="lanes", messages=said("[[sim-hang]]"), stream=stream, extra_headers={"X-Lanes-Session": "a"}
        )
    )
    await running(served, "a")
    served.stop.set()
    with pytest.raises(openai.APIStatusError) as caught:
        await asking
    assert (caught.value.status_code, caught.value.response.headers["x-should-retry"]) == (423, "false")
    assert "or its gateway has ended" in str(caught.value)
    (message,) = await served.desk.messages("a")
    assert (message.state, message.error and message.error.cause) == ("aborted", "client_gone")
    assert len(served.simulator.requests) == 1


async def test_an_aborted_run_is_an_error_that_is_not_repeated(served: Served, client: openai.AsyncOpenAI) -> None:
    asking = asyncio.create_task(
        client.chat.completions.create(
            model="lanes", messages=said("[[sim-hang]]"), extra_headers={"X-Lanes-Session": "a"}
        )
    )
    await until(lambda: served.simulator.requests, "the provider to be asked")
    await served.post("/api/lanes/a/abort", {"reason": "stuck"})
    with pytest.raises(openai.APIStatusError) as caught:
        await asking
    assert (caught.value.status_code, caught.value.code, len(served.simulator.requests)) == (423, "aborted", 1)


async def test_silence_in_the_queue_is_kept_alive(
    served: Served, client: openai.AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments while it waits, which the client does not see."""
    monkeypatch.setattr(streaming, "KEEPALIVE_S", 0.05)
    blocker = await served.desk.send("a", "[[sim-hang]]")
    await running(served, "a")
    body = {"model": "lanes", "stream": True, "messages": said("hello")}
    headers = {"X-Lanes-Session": "a"}
    async with served.client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status_code == 200
        lines = response.aiter_lines()
        assert await anext(lines) == ": still here"
        await served.post("/api/lanes/a/abort")
        assert [line async for line in lines if line][-1] == "data: [DONE]"
    assert (await served.desk.message(blocker.id)).state is MessageState.ABORTED


async def test_the_same_idempotency_key_is_one_message(served: Served, client: openai.AsyncOpenAI) -> None:
    headers = {"X-Lanes-Session": "a", "Idempotency-Key": "once"}
    answers = [
        await client.chat.completions.create(model="lanes", messages=said("hello"), extra_headers=headers)
        for _ in range(2)
    ]
    assert answers[0].id == answers[1].id
    assert len(served.simulator.requests) == 1
    with pytest.raises(openai.UnprocessableEntityError):
        await client.chat.completions.create(model="lanes", messages=said("other"), extra_headers=headers)


@pytest.mark.parametrize("detached", ["true", "false"])
async def test_F69_a_request_without_a_session_is_sent_again_under_its_name(served: Served, detached: str) -> None:
    body = {"model": "lanes", "messages": said("hello")}
    headers = {"Idempotency-Key": "once", "X-Lanes-Detach": detached}
    asked = [await served.post("/v1/chat/completions", body, **headers) for _ in range(2)]
    assert [answer.status_code for answer in asked] == [200, 200]
    assert asked[0].json()["id"] == asked[1].json()["id"]
    assert (await served.post("/v1/chat/completions", body | {"messages": said("other")}, **headers)).status_code == 422
    assert len(served.simulator.requests) == 1
    assert (await served.client.get("/api/lanes")).json()["lanes"] == []


async def test_a_token_that_is_wrong(start: Start) -> None:
    served = await start(token_env="TOKEN")
    async with official_client(f"{served.url}/v1", "wrong") as wrong:
        with pytest.raises(openai.AuthenticationError):
            await wrong.models.list()
    async with official_client(f"{served.url}/v1", "secret") as right:
        assert [m.id async for m in right.models.list()]
