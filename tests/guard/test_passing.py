"""A request goes out as it was made, and the answer of the provider comes back as it is, in every dialect."""

import asyncio
import gzip
import json
import re
from typing import Any

import httpx
import pytest

from lanes.server.asgi.bodies import MOST_VALUES, too_many_values
from tests.guard.conftest import TOKEN, Guard
from tests.guard.mirror import Mirror, mirror
from tests.kit.rawserver import Call, raw_server
from tests.kit.until import until

ROUTES: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "responses": {"input": "hi"},
    "messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 10},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ROUTES)
async def test_F291_what_the_provider_answers_comes_back_as_it_is(guard: Guard, route: str, stream: bool) -> None:
    guarded = await guard()
    body = {"model": "sim-ok", "stream": stream, **ROUTES[route]}
    direct_to = guarded.gateway.config.sources["bot"].provider.base_url
    headers = {"x-lanes-session": "s"}
    direct = await guarded.client.post(f"{direct_to}/{route}", json=body)
    through = await guarded.client.post(f"{guarded.base}/{route}", json=body, headers=headers)
    assert through.status_code == direct.status_code == 200
    assert _told(through) == _told(direct)
    (message,) = await guarded.messages()
    assert (message["state"], message["reply"]) == ("done", "")
    assert "sim-ok" in message["asked"]


def _told(answer: httpx.Response) -> tuple[Any, ...]:
    """What an answer says, without the ids and times that differ between any two."""
    plain = answer.text
    for name in ("id", "created", "created_at", "item_id"):
        plain = re.sub(rf'"{name}":\s*("[^"]*"|\d+)', f'"{name}": 0', plain)
    headers = {n: v for n, v in answer.headers.items() if n not in ("date", "content-length")}
    return plain, headers


@pytest.fixture
async def reflecting(guard: Guard) -> Any:
    """A provider that keeps what it is asked, byte by byte."""
    async with mirror() as seen:
        yield seen, await guard(seen.url)


async def test_F291_the_request_goes_out_as_it_was_made(reflecting: tuple[Mirror, Any]) -> None:
    seen, guarded = reflecting
    body = b'{ "model":"any/model", "stream" : true, "input":[{"role":"user","content":"h\\u00e9"}], "new":1e3 }'
    headers = {
        "authorization": "Bearer sk-client",
        "anthropic-beta": "a,b",
        "x-stainless-lang": "js",
        "accept": "text/event-stream",
        "accept-encoding": "gzip, br",
        "user-agent": "claude-cli/2",
        "content-type": "application/json; charset=utf-8",
        "x-lanes-session": "not for the provider",
    }
    await guarded.client.post(f"{guarded.base}/messages?beta=true&x=%2F", content=body, headers=headers)
    (asked,) = seen.requests
    assert (asked.method, asked.target, asked.body) == ("POST", "/v1/messages?beta=true&x=%2F", body)
    sent = {name: value for name, value in asked.headers if name not in ("host", "content-length", "connection")}
    kept = {name: value for name, value in headers.items() if not name.startswith("x-lanes-")}
    assert sent == kept | {"accept-encoding": "identity"}, "its answer is followed"
    await guarded.client.get(f"{guarded.base}/models", headers=headers)
    assert dict(seen.requests[-1].headers)["accept-encoding"] == "gzip, br", "this one is not"
    assert TOKEN not in asked.raw


async def test_F428_a_header_in_utf_8_goes_out_as_it_came(reflecting: tuple[Mirror, Any]) -> None:
    seen, guarded = reflecting
    sent = {b"x-title": "Café 漢字".encode(), b"x-latin": "Café".encode("latin-1"), b"x-plain": b"a, b"}
    await guarded.client.post(f"{guarded.base}/responses", json={"input": "x"}, headers=sent)
    came = {name: value.encode("latin-1") for name, value in seen.requests[0].headers}
    assert (came["x-title"], came["x-plain"]) == (sent[b"x-title"], sent[b"x-plain"])
    assert came["x-latin"].decode() == "Café"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_F291_a_packed_body_goes_out_packed(reflecting: tuple[Mirror, Any], encoding: str) -> None:
    seen, guarded = reflecting
    plain = json.dumps({"model": "m", "input": "x" * 2000, "prompt_cache_key": "s1"}).encode()
    packed = gzip.compress(plain) if encoding == "gzip" else b"\x28\xb5\x2f\xfd" + bytes(20)
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    await guarded.client.post(f"{guarded.base}/responses", content=packed, headers=headers)
    assert seen.requests[0].body == packed
    assert dict(seen.requests[0].headers)["content-encoding"] == encoding
    keys = [lane.key for lane in await guarded.desk.lanes()]
    assert any("s1" in key for key in keys) is (encoding == "gzip")


async def test_F291_a_body_that_unpacks_to_more_than_the_limit_is_refused(guard: Guard) -> None:
    async with mirror() as seen:
        guarded = await guard(seen.url, source={"max_body_bytes": 100_000})
        bomb = gzip.compress(bytes(200_000))
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        answer = await guarded.client.post(f"{guarded.base}/responses", content=bomb, headers=headers)
        plain = await guarded.client.post(f"{guarded.base}/responses", content=bytes(200_000))
    assert (answer.status_code, plain.status_code, seen.requests) == (413, 413, [])


@pytest.mark.parametrize(
    ("method", "below", "target"),
    [
        ("HEAD", "/", "/"),
        ("HEAD", "", ""),
        ("GET", "/v1/models", "/v1/models"),
        ("GET", "/v1/models/a%2Fb", "/v1/models/a%2Fb"),
        ("POST", "/v1/messages/count_tokens?beta=true", "/v1/messages/count_tokens?beta=true"),
        ("GET", "/props", "/props"),
    ],
)
async def test_F291_what_asks_no_model_passes_and_holds_no_lane(
    reflecting: tuple[Mirror, Any], method: str, below: str, target: str
) -> None:
    seen, guarded = reflecting
    answer = await guarded.client.request(method, f"{guarded.url}/g/bot/{TOKEN}{below}", headers={"x-api-key": "sk-c"})
    assert answer.status_code == 200
    assert answer.headers["x-from"] == "the provider"
    (asked,) = seen.requests
    assert (asked.method, asked.target) == (method, target or "/")
    assert dict(asked.headers)["x-api-key"] == "sk-c"
    assert await guarded.desk.lanes() == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
async def test_F291_a_refusal_of_the_provider_comes_back_at_once_and_unchanged(guard: Guard, status: int) -> None:
    async with mirror(status=status, body=b'{"error":{"code":"rate_limit_exceeded","message":"no sk-client"}}') as seen:
        guarded = await guard(seen.url)
        headers = {"authorization": "Bearer sk-client", "x-lanes-session": "s"}
        answer = await guarded.client.post(f"{guarded.base}/responses", json={"input": "hi"}, headers=headers)
        assert (answer.status_code, answer.content) == (status, seen.body)
        assert answer.headers["retry-after"] == "7"
        assert answer.headers["x-from"] == "the provider"
        assert len(seen.requests) == 1, "a source never asks again"
    lanes = await guarded.desk.lanes()
    assert [lane.state for lane in lanes if lane.last_error] == ["errored"]
    assert (await guarded.client.get(f"{guarded.url}/api/dead-letters")).json() == [], "nothing could send it again"
    assert (await guarded.desk.status()).cooldowns == ()


@pytest.mark.parametrize("encoding", [None, "identity", "gzip"])
async def test_F291_the_usage_of_an_answer_is_known_however_it_is_encoded(guard: Guard, encoding: str | None) -> None:
    body = b'{"model": "m-1", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}'
    async with mirror(body=gzip.compress(body) if encoding == "gzip" else body, encoding=encoding) as seen:
        guarded = await guard(seen.url)
        asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        await guarded.client.post(f"{guarded.base}/chat/completions", json=asked)
    (message,) = await guarded.messages()
    assert (message["model"], message["usage"]) == ("m-1", {"prompt_tokens": 3, "completion_tokens": 4})


@pytest.mark.parametrize("packed", [False, True])
async def test_F423_a_body_of_too_many_values_passes_unread(reflecting: tuple[Mirror, Any], packed: bool) -> None:
    seen, guarded = reflecting
    plain = b'{"prompt_cache_key": "s1", "messages": [' + b"[]," * MOST_VALUES + b"[]]}"
    body = gzip.compress(plain) if packed else plain
    answer = await guarded.client.post(
        f"{guarded.base}/responses", content=body, headers={"content-encoding": "gzip"} if packed else {}
    )
    assert (answer.status_code, seen.requests[0].body) == (200, body)
    assert "s1" not in str(await guarded.messages()), "the parser would block every thread for its time"


def test_F423_the_values_of_a_body_are_counted_in_one_pass() -> None:
    assert not too_many_values(b'{"text": "' + b"[]," * MOST_VALUES + b'"}'), "marks within texts do not count"
    assert too_many_values(b"[" + b'"",' * MOST_VALUES + b"1]")
    assert not too_many_values(b"[" + b'"' + b'\\",' * 1_000_000), "which no search may begin again and again"


@pytest.mark.parametrize(
    "told",
    [b'"usage": {"prompt_tokens": 3, "cost": NaN}', b'"model": "' + b"m" * 600 + b'"', b'"model": "\\ud800"'],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_F425_a_whole_answer_passes_whatever_it_tells_of_itself(
    guard: Guard, told: bytes, streamed: bool
) -> None:
    answer = b'{"choices": [{"delta": {"content": "hi"}}], ' + told + b"}"
    stream = b"data: " + answer + b"\n\ndata: [DONE]\n\n"
    async with mirror(body=answer, pieces=[stream] if streamed else None) as seen:
        guarded = await guard(seen.url)
        came = await guarded.client.post(f"{guarded.base}/chat/completions", json={"messages": [], "stream": streamed})
    assert (came.status_code, came.content) == (200, stream if streamed else answer)
    (message,) = await guarded.messages()
    assert message["state"] == "done"


async def test_F291_pieces_pass_as_they_come(guard: Guard) -> None:
    go_on = asyncio.Event()
    async with mirror(
        pieces=[b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', go_on, b"data: [DONE]\n\n"]
    ) as seen:
        guarded = await guard(seen.url)
        body = {"model": "m", "stream": True, "messages": []}
        async with guarded.client.stream("POST", f"{guarded.base}/chat/completions", json=body) as answer:
            chunks = answer.aiter_raw()
            assert b'"a"' in await anext(chunks)
            acts = (await guarded.running()).acts_next
            assert acts is None or acts.provider in (None, "real")
            go_on.set()
            rest = b"".join([chunk async for chunk in chunks])
    assert rest == b"data: [DONE]\n\n"
    await guarded.free()


LLAMA = b'{"code": 500, "message": "no slot", "type": "server_error"}'


@pytest.mark.parametrize(
    "said",
    [
        b"error: " + LLAMA,
        b"event: error\ndata: " + LLAMA,
        b'event: error\ndata: {"type": "error", "message": "no slot"}',
        b'data: {"type": "error", "message": "no slot"}',
        b'data: {"error": "no slot", "error_type": "generation"}',
    ],
)
async def test_F685_an_error_is_noted_in_whatever_form_a_provider_reports_it(guard: Guard, said: bytes) -> None:
    error = said + b"\n\n"
    async with mirror(pieces=[b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', error]) as seen:
        guarded = await guard(seen.url)
        body = {"stream": True, "messages": []}
        came = await guarded.client.post(f"{guarded.base}/chat/completions", json=body)
    assert came.content.endswith(error)
    (message,) = await guarded.messages()
    assert (message["state"], message["error"]["attempts"][0]["cause"]) == ("failed", "server_error")


CONTENT: dict[str, list[bytes]] = {
    "chat/completions": [b'data: {"choices":[{"delta":{"content":"a"}}]}'],
    "responses": [b'data: {"type":"response.output_text.delta","delta":"a"}'],
    "messages": [b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"a"}}'],
}
ENDS: dict[str, list[bytes]] = {
    "chat/completions": [b"data: [DONE]", b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}'],
    "responses": [b'data: {"type":"response.completed","response":{}}', b'data: {"type":"response.incomplete"}'],
    "messages": [
        b'event: message_stop\ndata: {"type":"message_stop"}',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}',
    ],
}


@pytest.mark.parametrize("route", ROUTES)
async def test_F717_a_stream_that_ends_before_its_answer_does_is_no_success(guard: Guard, route: str) -> None:
    """It passes as it came; in a list the session is one whose provider failed."""
    content = CONTENT[route]
    streams = [([], False), (content, False), *(([*content, end], True) for end in ENDS[route])]
    async with mirror() as seen:
        guarded = await guard(seen.url)
        for events, complete in streams:
            for behind in (b"\n\n", b""):  # some servers leave out the blank line behind the last event
                whole = b"\n\n".join(events) + behind if events else b""
                seen.pieces = [whole] if whole else []
                body = ROUTES[route] | {"stream": True}
                came = await guarded.client.post(f"{guarded.base}/{route}", json=body, headers={"x-lanes-session": "s"})
                assert (came.status_code, came.content) == (200, whole)
                message, lane = (await guarded.messages())[-1], await guarded.desk.lane("bot:s")
                if complete:
                    assert (message["state"], lane.last_error) == ("done", None), events
                else:
                    assert (message["state"], message["error"]["attempts"][0]["cause"]) == ("failed", "cut"), events
                    assert lane.last_error is not None


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (200, b'{"error": {"code": 429, "message": "wait"}}', "rate_limited"),
        (200, b'{"id": "r", "status": "failed", "error": {"code": "server_error"}}', "server_error"),
        (307, b"moved", "bad_request"),
    ],
)
async def test_F717_a_whole_answer_that_is_none_is_no_success(
    guard: Guard, status: int, body: bytes, cause: str
) -> None:
    async with mirror(status=status, body=body) as seen:
        guarded = await guard(seen.url)
        came = await guarded.client.post(f"{guarded.base}/responses", json={"input": "hi"})
    assert (came.status_code, came.content) == (status, body)
    (message,) = await guarded.messages()
    assert (message["state"], message["error"]["attempts"][0]["cause"]) == ("failed", cause)


async def test_F717_a_refusal_that_says_it_is_a_stream_is_no_success(guard: Guard) -> None:
    refusal = b'data: {"message": "busy"}\n\n'

    async def answer(call: Call) -> None:
        await call.say(b"HTTP/1.1 429 Busy\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n", refusal)

    async with raw_server(answer) as url:
        guarded = await guard(url)
        came = await guarded.client.post(f"{guarded.base}/chat/completions", json={"messages": [], "stream": True})
    assert (came.status_code, came.content) == (429, refusal)
    (message,) = await guarded.messages()
    assert (message["state"], message["error"]["attempts"][0]["cause"]) == ("failed", "rate_limited")


async def test_F291_what_the_provider_breaks_off_is_broken_off(guard: Guard) -> None:
    async with mirror(pieces=[b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', None]) as seen:
        guarded = await guard(seen.url)
        with pytest.raises(httpx.RemoteProtocolError):
            await guarded.client.post(f"{guarded.base}/chat/completions", json={"stream": True, "messages": []})
        assert len(seen.requests) == 1
    await guarded.free()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nx-odd: a\x01b", b"HTTP/1.1 999 Odd"])
@pytest.mark.parametrize("route", ["chat/completions", "files"])
async def test_F584_an_answer_with_a_head_that_cannot_be_passed_on_is_502(
    guard: Guard, head: bytes, route: str
) -> None:
    async def answer(call: Call) -> None:
        await call.say(head + b"\r\ncontent-length: 2\r\n\r\n{}")

    async with raw_server(answer) as url:
        guarded = await guard(url)
        came = await guarded.client.post(f"{guarded.base}/{route}", json={"messages": []})
        assert (came.status_code, came.json()["error"]["type"]) == (502, "server_error")
        messages = await guarded.messages()
    assert [message["error"]["cause"] for message in messages] == ["provider_failed"] * (route != "files")


async def test_F291_a_provider_that_is_not_there_is_told_like_one(guard: Guard) -> None:
    guarded = await guard("http://127.0.0.1:9/v1")
    answer = await guarded.client.post(f"{guarded.base}/chat/completions", json={"messages": []})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "unreachable")
    assert "x-should-retry" not in answer.headers


async def test_a_client_that_leaves_frees_its_lane(guard: Guard) -> None:
    guarded = await guard()
    body = {"model": "sim-hang", "messages": [{"role": "user", "content": "x"}]}
    asking = asyncio.create_task(guarded.client.post(f"{guarded.base}/chat/completions", json=body))
    await guarded.running()
    await until(lambda: guarded.simulator.requests, "the request to reach the provider")
    asking.cancel()
    await guarded.free()
    await until(lambda: _left(guarded), "the provider to see the client leave")


async def _left(guarded: Any) -> bool:
    return [str(seen.outcome) for seen in guarded.simulator.requests] == ["client_left"]
