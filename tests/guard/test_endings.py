"""What lanes ends is not asked again: 423 in the words of the dialect, and neither actor, host nor reason."""

import asyncio
import json
import zlib
from typing import Any

import httpx
import pytest

from lanes.runners.http.failures import AttemptFailed
from lanes.runners.passing.exchange import Exchange, PassedRequest
from lanes.runners.passing.patience import ClientPatience
from lanes.runners.passing.relay import relay
from lanes.runners.passing.runner import PassingRunner
from lanes_storage import doors
from lanes_storage.law import Cause
from tests.guard.conftest import Guard, Guarded
from tests.guard.mirror import mirror
from tests.kit.providers import SOON_MS
from tests.kit.rawserver import STREAM, Call, chunk, raw_server
from tests.kit.until import until

ASKED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "responses": {"input": "hi"},
    "messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 10},
}
BEGUN = {
    "chat/completions": b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
    "responses": b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_7"},'
    b'"sequence_number":0}\n\nevent: x\ndata: {"type":"response.output_text.delta","sequence_number":4}\n\n'
    b'event: error\ndata: {"type":"error","code":"server_error","message":"odd","sequence_number":5}\n\n',
    "messages": b'event: message_start\ndata: {"type":"message_start","message":{"id":"m"}}\n\n',
}
SESSION = {"x-lanes-session": "s"}


async def aborted(guarded: Guarded, route: str, *, stream: bool, **headers: str) -> httpx.Response:
    """The answer to a request that an operator aborts."""
    body = {"model": "sim-hang", "stream": stream, **ASKED[route]}
    asking = asyncio.create_task(guarded.client.post(f"{guarded.base}/{route}", json=body, headers=SESSION | headers))

    async def reached() -> bool:
        return len(guarded.simulator.requests) == 1

    await until(reached, "the provider to be asked")
    lane = await guarded.running()
    result = await guarded.desk.abort(lane.key, actor="alice", reason="the reason")
    assert result.outcome == "released"
    return await asking


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ASKED)
async def test_F293_an_aborted_request_ends_with_423(guard: Guard, route: str, stream: bool) -> None:
    guarded = await guard()
    answer = await aborted(guarded, route, stream=stream)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (423, "false")
    error = answer.json()["error"]
    assert (error["type"], error["message"]) == ("invalid_request_error", "This run was stopped.")
    assert "alice" not in answer.text
    assert "reason" not in answer.text

    async def left() -> bool:
        return [str(seen.outcome) for seen in guarded.simulator.requests] == ["client_left"]

    await until(left, "the provider to be left, once")


@pytest.mark.parametrize("route", ASKED)
async def test_F293_a_stream_that_had_begun_ends_with_an_error_event(guard: Guard, route: str) -> None:
    async with mirror(pieces=[BEGUN[route], asyncio.Event()]) as seen:
        guarded = await guard(seen.url)
        async with guarded.client.stream(
            "POST", f"{guarded.base}/{route}", json={"stream": True, **ASKED[route]}, headers=SESSION
        ) as answer:
            chunks = answer.aiter_raw()
            got = await anext(chunks)
            lane = await guarded.running()
            await guarded.desk.abort(lane.key, actor="alice", reason="the reason")
            got += b"".join([chunk async for chunk in chunks])
    assert got.startswith(BEGUN[route])
    last = json.loads(got.removeprefix(BEGUN[route]).decode().partition("data: ")[2])
    assert last["error"]["type"] == "invalid_request_error"
    assert b"alice" not in got
    if route == "responses":
        assert (last["response"]["id"], last["sequence_number"], last["response"]["error"]["code"]) == (
            "resp_7", 6, "invalid_prompt",
        )  # fmt: skip


async def test_F684_a_stream_that_its_provider_packs_where_it_may_ends_with_an_error_event(guard: Guard) -> None:
    """No event can be put into a packed stream: its client saw a connection that broke, and asked again."""

    async def answer(call: Call) -> None:
        packed = zlib.compressobj(wbits=31) if "gzip" in call.headers.get("accept-encoding", "") else None
        head, begun = STREAM, chunk("a")
        if packed is not None:
            head = STREAM.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
            begun = packed.compress(begun) + packed.flush(zlib.Z_SYNC_FLUSH)
        await call.say(head, begun)
        await call.until_left()

    async with raw_server(answer) as url:
        guarded = await guard(url)
        body, accepted = {"stream": True, **ASKED["chat/completions"]}, {"accept-encoding": "gzip, br"}
        async with guarded.client.stream(
            "POST", f"{guarded.base}/chat/completions", json=body, headers=SESSION | accepted
        ) as came:
            texts = came.aiter_text()
            got = await anext(texts)
            await guarded.desk.abort((await guarded.running()).key)
            got += "".join([text async for text in texts])
    assert got.startswith(chunk("a").decode())
    assert '"invalid_request_error"' in got


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ASKED)
async def test_F293_an_abort_may_end_as_an_ordinary_answer(guard: Guard, route: str, stream: bool) -> None:
    guarded = await guard(source={"on_abort": "answer", "abort_text": "Gestoppt."})
    answer = await aborted(guarded, route, stream=stream)
    assert answer.status_code == 200
    assert "Gestoppt." in answer.text
    terminal = {"chat/completions": "[DONE]", "responses": "response.completed", "messages": "message_stop"}
    assert (terminal[route] in answer.text) is stream


LIMITED = [
    ({"first_byte_timeout": f"{SOON_MS}ms"}, [], "first_byte_timeout"),
    ({"idle_timeout": f"{SOON_MS}ms"}, [BEGUN["chat/completions"]], "idle_timeout"),
]


@pytest.mark.parametrize(("limits", "pieces", "cause"), LIMITED)
async def test_F293_a_spent_limit_ends_a_request_once(
    guard: Guard, limits: dict[str, str], pieces: list[bytes], cause: str
) -> None:
    async with mirror(pieces=[*pieces, asyncio.Event()]) as seen:
        guarded = await guard(seen.url, source=limits)
        body = {"stream": True, **ASKED["chat/completions"]}
        answer = await guarded.client.post(f"{guarded.base}/chat/completions", json=body, headers=SESSION)
        assert len(seen.requests) == 1
    (message,) = await guarded.messages()
    assert message["error"]["attempts"][0]["cause"] == cause
    assert '"invalid_request_error"' in answer.text
    assert cause in answer.text


async def test_F426_a_client_that_reads_slowly_is_no_silence_of_the_provider(guard: Guard) -> None:
    slow = asyncio.Event()
    async with mirror(pieces=[BEGUN["chat/completions"], slow, b"data: [DONE]\n\n"]) as seen:
        guarded = await guard(seen.url, source={"idle_timeout": "1s"})
        runner = guarded.gateway.specs["bot"].run
        assert isinstance(runner, PassingRunner)
        request = PassedRequest("POST", f"{seen.url}/chat/completions", b"{}", [], "chat", streamed=True)
        exchange = Exchange(request)

        async def send(message: Any) -> None:
            if message.get("body"):
                slow.set()
                await asyncio.sleep(1.2)  # longer than the provider may be silent

        exchange.connect(send)
        passed = await relay(runner.client, runner.source.provider, exchange, lambda *_: None, lambda: None)
    assert (passed.failed, exchange.whole) == (None, True)


async def test_F426_after_a_slow_client_a_silent_provider_is_ended(guard: Guard) -> None:
    provider = (await guard(source={"idle_timeout": "20ms"})).gateway.config.sources["bot"].provider

    async def silent() -> None:
        async with ClientPatience(provider, lambda *_: None) as patience:
            patience.content()
            with patience.sending():
                await asyncio.sleep(0.1)
            await asyncio.Event().wait()

    with pytest.raises(AttemptFailed, match="no further content within 20ms"):
        await silent()


async def test_F293_a_comment_and_a_ping_are_no_sign_of_life(guard: Guard) -> None:
    async with mirror(
        pieces=[BEGUN["messages"] + b'event: ping\ndata: {"type": "ping"}\n\n' * 3, asyncio.Event()]
    ) as seen:
        guarded = await guard(seen.url, source={"idle_timeout": "100ms"})
        answer = await guarded.client.post(
            f"{guarded.base}/messages", json={"stream": True, **ASKED["messages"]}, headers=SESSION
        )
    assert answer.text.count("ping") == 6
    assert "idle_timeout" in str(await guarded.messages())


async def test_F293_a_full_queue_is_423(guard: Guard) -> None:
    guarded = await guard(source={"concurrency": 1}, queue={"cap": 1})
    body = {"model": "sim-hang", **ASKED["responses"]}

    async def post() -> httpx.Response:
        return await guarded.client.post(f"{guarded.base}/responses", json=body, headers=SESSION)

    first = asyncio.create_task(post())
    await guarded.running()
    others = [asyncio.create_task(post()) for _ in range(2)]
    done, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
    refused = done.pop().result()
    assert (refused.status_code, refused.headers["x-should-retry"]) == (423, "false")
    assert refused.json()["error"]["code"] == "overflow"
    for task in (first, *others):
        task.cancel()


async def test_F293_a_gateway_that_stops_says_503(guard: Guard) -> None:
    guarded = await guard()
    body = {"model": "sim-hang", **ASKED["responses"]}
    asking = asyncio.create_task(guarded.client.post(f"{guarded.base}/responses", json=body, headers=SESSION))
    await guarded.running()
    guarded.stop.set()
    answer = await asking
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "drained")


async def test_F722_a_gateway_that_was_given_up_by_others_says_503(guard: Guard) -> None:
    guarded = await guard()
    now, owner = guarded.desk.context().now(), guarded.gateway.owner_id
    await guarded.desk.store.write(
        lambda tx: doors.end_owner(tx, owner, now, cause=Cause.OWNER_SILENT, by="another gateway")
    )
    answer = await guarded.client.post(f"{guarded.base}/responses", json=ASKED["responses"], headers=SESSION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "draining")
