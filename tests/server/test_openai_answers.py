"""What OpenAI's client is told by a provider, it is told through a gateway: errors, figures and words of the reply."""

import asyncio
import json
from typing import Any

import openai
import pytest

from tests.kit.official import official_client
from tests.kit.rawserver import DONE, STREAM, Call, event, raw_server
from tests.kit.until import PATIENCE_S, until
from tests.server.conftest import Served, Start

ASKED: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
TOO_LONG = {
    "message": "This model's maximum context length is 8192 tokens.",
    "type": "invalid_request_error",
    "param": "messages",
    "code": "context_length_exceeded",
}


def refusing(status: int, error: dict[str, Any]) -> Any:
    body = json.dumps({"error": error}).encode()
    head = f"HTTP/1.1 {status} No\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"

    async def answer(call: Call) -> None:
        await call.say(head.encode() + body)

    return answer


def official(served: Served) -> openai.AsyncOpenAI:
    return official_client(f"{served.url}/v1")


@pytest.mark.parametrize("stream", [False, True])
async def test_what_every_provider_calls_the_callers_fault_comes_as_the_first_said_it(
    start: Start, stream: bool
) -> None:
    other = TOO_LONG | {"code": "other", "message": "too long here as well"}
    async with raw_server(refusing(400, TOO_LONG)) as one, raw_server(refusing(422, other)) as two:
        served = await start(providers={"one": one, "two": two})
        async with official(served) as client:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.chat.completions.create(
                    model="lanes", messages=ASKED, stream=stream, extra_headers={"X-Lanes-Session": "a"}
                )
    assert caught.value.body == TOO_LONG
    assert caught.value.response.headers["x-should-retry"] == "false"
    (message,) = (await served.client.get("/api/lanes/a/messages")).json()
    told = [
        tuple(each[name] for name in ("provider", "status", "type", "param", "code")) for each in message["attempts"]
    ]
    assert told == [
        ("one", 400, "invalid_request_error", "messages", "context_length_exceeded"),
        ("two", 422, "invalid_request_error", "messages", "other"),
    ]


@pytest.mark.parametrize(("status", "error"), [(500, {"message": "no"}), (404, {"code": "model_not_found"}), (401, {})])
async def test_one_that_failed_otherwise_makes_it_no_fault_of_the_caller(
    start: Start, status: int, error: dict[str, Any]
) -> None:
    async with raw_server(refusing(400, TOO_LONG)) as one, raw_server(refusing(status, error)) as two:
        served = await start(providers={"one": one, "two": two})
        answer = await served.post("/v1/chat/completions", {"messages": ASKED})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_failed")


HEAD = {"model": "gpt-real", "system_fingerprint": "fp_1", "service_tier": "flex"}
TOKEN = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}


async def fully(call: Call) -> None:
    first = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "logprobs": {"content": [TOKEN]}}
    second = {"index": 0, "delta": {"content": "!"}, "logprobs": {"content": [TOKEN | {"token": "!"}]}}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunks = [event(HEAD | {"choices": [choice]}) for choice in (first, second, last)]
    await call.say(STREAM, *chunks, event(HEAD | {"choices": [], "usage": {"total_tokens": 3}}), DONE)


async def test_what_a_reply_says_besides_its_text_is_the_same_whole_and_streamed(start: Start) -> None:
    async with raw_server(fully) as url:
        served = await start(providers={"one": url})
        body = {"messages": ASKED, "model": "lanes", "logprobs": True}
        whole = (await served.post("/v1/chat/completions", body, **{"X-Lanes-Session": "a"})).json()
        streamed = await served.post(
            "/v1/chat/completions", body | {"stream": True, "stream_options": {"include_usage": True}}
        )
    assert {name: whole[name] for name in HEAD} == HEAD
    (choice,) = whole["choices"]
    assert [token["token"] for token in choice["logprobs"]["content"]] == ["Hi", "!"]
    assert choice["logprobs"]["content"][0] == TOKEN
    chunks = [json.loads(line.removeprefix("data: ")) for line in streamed.text.split("\n\n")[:-2]]
    for chunk in chunks:
        assert {name: chunk[name] for name in HEAD} == HEAD
    logprobs = [choice["logprobs"] for chunk in chunks for choice in chunk["choices"] if "logprobs" in choice]
    assert [each["content"][0]["token"] for each in logprobs] == ["Hi", "!"]
    assert chunks[-1]["usage"] == whole["usage"] == {"total_tokens": 3}
    (message,) = (await served.client.get("/api/lanes/a/messages")).json()
    assert (message["provider"], message["model"], message["usage"]) == ("one", "gpt-real", {"total_tokens": 3})
    (completed,) = [e for e in await served.desk.events(key="a") if e.type == "complete"]
    assert completed.detail is not None
    assert (completed.detail["provider"], completed.detail["model"]) == ("one", "gpt-real")


async def test_a_provider_that_names_no_model_answers_as_the_one_it_was_asked_for(start: Start) -> None:
    async def nameless(call: Call) -> None:
        choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}
        await call.say(STREAM, event({"choices": [choice]}), DONE)

    async with raw_server(nameless) as url:
        served = await start(providers={"one": url})
        whole = (await served.post("/v1/chat/completions", {"messages": ASKED})).json()
        streamed = (await served.post("/v1/chat/completions", {"messages": ASKED, "stream": True})).text
    models = {json.loads(line.removeprefix("data: "))["model"] for line in streamed.split("\n\n")[:-2]}
    assert models == {whole["model"]} == {"sim-echo"}


async def test_one_model(served: Served) -> None:
    async with official(served) as client:
        assert (await client.models.retrieve("chat")).id == "chat"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("gpt/5")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_message_that_was_ended_is_423_and_tells_nobody_who_or_why(served: Served, stream: bool) -> None:
    body = {"model": "lanes", "stream": stream, "messages": [{"role": "user", "content": "[[sim-hang]]"}]}
    asking = asyncio.create_task(served.post("/v1/chat/completions", body, **{"X-Lanes-Session": "a"}))
    await until(lambda: served.simulator.requests, "the provider to be asked")
    await served.post("/api/lanes/a/abort", {"reason": "the secret reason"})
    answer = await asking
    assert (answer.status_code, answer.headers["x-should-retry"]) == (423, "false")
    assert answer.json()["error"] == {
        "message": "the run was aborted", "type": "invalid_request_error", "param": None, "code": "aborted",
    }  # fmt: skip


async def test_a_message_that_is_ended_in_the_middle_of_its_stream_is_an_error_of_that_type(served: Served) -> None:
    body = {"model": "lanes", "stream": True, "messages": [{"role": "user", "content": "[[sim-stall]]"}]}
    async with served.client.stream(
        "POST", "/v1/chat/completions", json=body, headers={"X-Lanes-Session": "a"}
    ) as told:
        lines = told.aiter_lines()
        assert "content" in await anext(lines)
        await served.post("/api/lanes/a/abort", {"reason": "the secret reason"})
        rest = [line async for line in lines if line]
    assert json.loads(rest[-1].removeprefix("data: "))["error"]["type"] == "invalid_request_error"
    assert "secret" not in rest[-1]


async def test_F144_failover_is_told_once_and_each_message_says_who_answered(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """The primary is dead: everybody is answered all the same, which nobody would notice."""
    asked = 0

    async def flaky(call: Call) -> None:
        nonlocal asked
        asked += 1
        await (refusing(500, {"message": "dead"}) if asked <= 3 else fully)(call)

    async with raw_server(flaky) as one, raw_server(fully) as two:
        served = await start(providers={"one": one, "two": two})
        answers = []
        for _ in range(5):
            answers.append((await served.post(f"/api/lanes/a/messages?wait={PATIENCE_S}", {"text": "hi"})).json())
            await served.desk.reset_provider("one")  # else it would be tried last for a while
    assert [answer["provider"] for answer in answers] == ["two", "two", "two", "one", "one"]
    assert [[each["cause"] for each in answer["attempts"]] for answer in answers] == [["server_error"]] * 3 + [[], []]
    events = [event for event in await served.desk.events() if event.type.startswith("provider_")]
    assert [(event.type, event.cause, (event.detail or {})["provider"]) for event in events] == [
        ("provider_failing", "server_error", "one"),
        ("provider_answers", None, "one"),
    ]
    assert events[1].detail is not None
    assert events[1].detail["failures"] == 3
    completed = [event.detail or {} for event in await served.desk.events() if event.type == "complete"]
    assert completed[0]["attempts"] == ["one: server_error"]
    assert len([line for line in caplog.messages if line.startswith("provider 'one' fails")]) == 1
    figures = (await served.client.get("/metrics")).text
    assert 'lanes_provider_attempts{provider="one",outcome="answered"} 2' in figures
    assert 'lanes_provider_failing{provider="one"} 0' in figures
