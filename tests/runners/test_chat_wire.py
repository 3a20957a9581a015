"""What well-behaved servers never send: answers written byte by byte on real sockets."""

import asyncio
import contextlib
import gzip
import socket
import time

import pytest

from lanes.base.errors import ConfigError
from lanes.runners.base import Delta
from lanes.runners.http.client import HttpClient, endpoint
from lanes_storage.law import AttemptCause
from tests.kit.asking import ask, refused
from tests.kit.providers import SOON_MS, provider
from tests.kit.rawserver import DONE, STREAM, Call, chunk, event, raw_server
from tests.kit.until import until

# ------------------------------------------------------------------------------- strange but right


async def test_a_character_split_over_packets(client: HttpClient) -> None:
    async def answer(call: Call) -> None:
        whole = 'data: {"choices":[{"delta":{"content":"漢😀é"},"finish_reason":"stop"}]}\n\n'.encode()
        await call.say(STREAM, *(bytes([byte]) for byte in whole), DONE)

    async with raw_server(answer) as url:
        assert (await ask(client, provider(url))).text == "漢😀é"


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
async def test_other_line_ends(client: HttpClient, end: bytes) -> None:
    async def answer(call: Call) -> None:
        body = chunk("one ") + b": comment\n\n" + chunk("two", "stop") + DONE
        await call.say(STREAM, *(bytes([byte]) for byte in body.replace(b"\n", end)))

    async with raw_server(answer) as url:
        assert (await ask(client, provider(url))).text == "one two"


async def test_chunked_and_compressed_against_our_wish(client: HttpClient) -> None:
    async def answer(call: Call) -> None:
        assert call.headers["accept-encoding"] == "identity"
        body = gzip.compress(chunk("packed", "stop") + DONE)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
        await call.say(head + b"transfer-encoding: chunked\r\n\r\n")
        for byte in body:
            await call.say(b"1\r\n" + bytes([byte]) + b"\r\n")
        await call.say(b"0\r\n\r\n")

    async with raw_server(answer) as url:
        assert (await ask(client, provider(url))).text == "packed"


async def test_a_stream_under_another_content_type(client: HttpClient) -> None:
    async def answer(call: Call) -> None:
        await call.say(STREAM.replace(b"text/event-stream", b"text/plain; charset=utf-8"), chunk("x", "stop"), DONE)

    async with raw_server(answer) as url:
        assert (await ask(client, provider(url))).text == "x"


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
async def test_F583_what_is_no_number_of_json_is_left_out_and_the_answer_kept(client: HttpClient, number: str) -> None:
    said = event({"choices": [{"delta": {"content": "a"}, "logprobs": {"content": [{"token": "a", "logprob": 4711}]}}]})
    said = said.replace(b"4711", number.encode())

    async def answer(call: Call) -> None:
        await call.say(STREAM, said, said, chunk(finish="stop") + DONE)

    async with raw_server(answer) as url:
        reply = await ask(client, provider(url))
    assert (reply.text, reply.more) == ("aa", {"logprobs": {"content": [{"token": "a"}, {"token": "a"}]}})


async def test_the_end_is_believed_though_the_connection_stays_open_or_breaks(client: HttpClient) -> None:
    async def hold(call: Call) -> None:
        await call.say(STREAM, chunk("x", "stop"), DONE)
        await call.until_left()

    async def breaks(call: Call) -> None:
        await call.say(STREAM, chunk("x", "stop"), DONE)
        call.reset()

    for answer in (hold, breaks):
        async with raw_server(answer) as url:
            # The limit is shorter than the wait for the connection's end, which must not count.
            assert (await ask(client, provider(url, idle_ms=20_000))).text == "x"


async def test_what_comes_slowly_but_in_time(client: HttpClient) -> None:
    async def answer(call: Call) -> None:
        await call.say(*(bytes([byte]) for byte in STREAM), chunk(role="assistant"), chunk("x"), chunk(finish="stop"))
        await call.say(event({"choices": [], "usage": {"total_tokens": 2}}), DONE)

    async with raw_server(answer) as url:
        reply = await ask(client, provider(url, model="asked-for"))
    assert (reply.text, reply.model, reply.usage) == ("x", "raw-1", {"total_tokens": 2})


async def test_a_connection_is_used_again(client: HttpClient) -> None:
    connections: set[int] = set()

    async def answer(call: Call) -> None:
        connections.add(id(call.writer))
        body = chunk("x", "stop") + DONE
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
        await call.say(head.encode() + body)

    async with raw_server(answer) as url:
        for _ in range(5):
            assert (await ask(client, provider(url), extra={"x-test": "keep"})).text == "x"
    assert len(connections) == 1


async def test_the_connections_of_many_at_once_are_used_again(client: HttpClient) -> None:
    """Many at once, twice: the second time nobody has to connect."""
    many = 20
    connections: set[object] = set()
    asked = 0

    async def answer(call: Call) -> None:
        nonlocal asked
        connections.add(call.writer.get_extra_info("peername"))
        asked += 1
        turn = -(-asked // many) * many
        await until(lambda: asked >= turn, "all requests of this turn")
        body = chunk("x", "stop") + DONE
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
        await call.say(head.encode() + body)

    async with raw_server(answer) as url:
        for _ in range(2):
            asking = (ask(client, provider(url), extra={"x-test": "keep"}) for _ in range(many))
            assert {reply.text for reply in await asyncio.gather(*asking)} == {"x"}
    assert len(connections) == many


async def test_a_provider_on_this_machine_is_not_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = HttpClient()

    async def answer(call: Call) -> None:
        await call.say(STREAM, chunk("direct", "stop"), DONE)

    async with raw_server(answer) as url, contextlib.aclosing(client):
        assert (await ask(client, provider(url))).text == "direct"
        assert (await ask(client, provider(url.replace("127.0.0.1", "localhost")))).text == "direct"


def test_a_proxy_that_cannot_be_used_is_a_matter_of_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:9")
    with pytest.raises(ConfigError, match="ALL_PROXY"):
        HttpClient()


# ------------------------------------------------------------------------------------------ silence


async def test_a_flood_of_comments_is_silence(client: HttpClient) -> None:
    async def answer(call: Call) -> None:
        await call.say(STREAM, chunk("x"))
        with contextlib.suppress(ConnectionError):
            while True:
                await call.say(b": still here\n\n")
                await asyncio.sleep(0.001)

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url, idle_ms=80))
    assert failure.cause is AttemptCause.IDLE_TIMEOUT


@pytest.mark.parametrize("empty", [chunk(role="assistant"), chunk(""), event({"choices": []}), b": ping\n\n", b"\n"])
async def test_a_flood_of_nothing_is_no_first_content(client: HttpClient, empty: bytes) -> None:
    async def answer(call: Call) -> None:
        await call.say(STREAM)
        with contextlib.suppress(ConnectionError):
            while True:
                await call.say(empty)
                await asyncio.sleep(0.001)

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url, first_ms=80))
    assert failure.cause is AttemptCause.FIRST_BYTE_TIMEOUT


async def test_headers_that_never_end(client: HttpClient) -> None:
    async def answer(call: Call) -> None:
        with contextlib.suppress(ConnectionError):
            await call.say(b"HTTP/1.1 200 OK\r\n")
            while True:
                await call.say(b"x-a: b\r\n")
                await asyncio.sleep(0.005)

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url, first_ms=80))
    assert failure.cause is AttemptCause.FIRST_BYTE_TIMEOUT


async def test_reasoning_and_tool_calls_are_content(client: HttpClient) -> None:
    go_on = asyncio.Event()
    pieces: list[Delta] = []

    async def answer(call: Call) -> None:
        await call.say(STREAM, chunk(reasoning_content="hm"))
        await go_on.wait()
        await call.say(chunk(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]))
        await call.say(chunk(finish="tool_calls"), DONE)

    async with raw_server(answer) as url:
        # Were the reasoning no content, the limit of the first content would still count here, and be met.
        attempt = asyncio.create_task(ask(client, provider(url, first_ms=2_000), emit=pieces.append))
        await until(lambda: pieces, "the reasoning")
        go_on.set()
        reply = await attempt
    assert pieces[0].choice == {"reasoning_content": "hm"}
    assert reply.message is not None
    assert reply.message["tool_calls"][0]["id"] == "c"


async def test_a_body_that_is_never_read_is_no_connection_problem(client: HttpClient) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    failure = await refused(client, provider(url, first_ms=80), "x" * 20_000_000)
    assert failure.cause is AttemptCause.FIRST_BYTE_TIMEOUT
    server.close()


async def test_no_connection_in_time(client: HttpClient) -> None:
    with contextlib.ExitStack() as stack:
        # A full backlog: the kernel leaves the next connection unanswered.
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        failure = await refused(client, provider(f"http://127.0.0.1:{address[1]}/v1", connect_ms=80))
    assert failure.cause is AttemptCause.CONNECT_TIMEOUT
    assert failure.message.startswith("no connection within 80ms; waited ")


async def test_a_cancellation_stays_one_while_a_limit_is_met(client: HttpClient) -> None:
    """Whoever cancels from outside gets a CancelledError, whatever else happens at that moment."""

    async def answer(call: Call) -> None:
        await call.until_left()

    async with raw_server(answer) as url:
        for delay_ms in range(24, 36):
            attempt = asyncio.create_task(ask(client, provider(url, first_ms=30)))
            asyncio.get_running_loop().call_later(delay_ms / 1000, attempt.cancel)
            done, _ = await asyncio.wait({attempt})
            assert done
            if not attempt.cancelled():
                failure = attempt.exception()
                assert getattr(failure, "cause", None) is AttemptCause.FIRST_BYTE_TIMEOUT


async def test_an_event_loop_that_was_held_up_is_not_the_providers_silence(client: HttpClient) -> None:
    pieces: list[Delta] = []
    go_on = asyncio.Event()

    async def answer(call: Call) -> None:
        await call.say(STREAM, chunk("one "))
        await go_on.wait()
        await call.say(chunk("two", "stop"), DONE)

    async with raw_server(answer) as url:
        attempt = asyncio.create_task(ask(client, provider(url, idle_ms=SOON_MS), emit=pieces.append))
        await until(lambda: pieces, "the first piece")
        go_on.set()
        time.sleep(1.2)  # noqa: ASYNC251 # what is tested: the loop stands still for longer than the limit
        assert (await attempt).text == "one two"


# ------------------------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://h/v1", "http://h/v1/chat/completions"),
        ("http://h/v1/", "http://h/v1/chat/completions"),
        ("https://h:8443", "https://h:8443/chat/completions"),
        ("https://h/openai?api-version=2", "https://h/openai/chat/completions?api-version=2"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/chat/completions"),
    ],
)
def test_endpoints(base: str, expected: str) -> None:
    assert endpoint(base, "chat/completions") == expected


@pytest.mark.parametrize("base", ["ftp://h/v1", "h/v1", "", "http://", "http://h:x/v1"])
def test_what_is_no_base_url(base: str) -> None:
    with pytest.raises(ConfigError):
        endpoint(base, "chat/completions")
