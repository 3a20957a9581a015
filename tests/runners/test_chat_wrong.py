"""What is wrong in an answer, byte by byte on real sockets: each has its cause, and no part of a key is kept of it."""

import asyncio
import json

import pytest

from lanes.runners.http.client import HttpClient
from lanes.runners.http.failures import LONGEST_SENTENCE, MOST_READ, AttemptFailed
from lanes_storage.law import AttemptCause
from tests.kit.asking import ask, refused
from tests.kit.ports import kept_port
from tests.kit.providers import provider
from tests.kit.rawserver import DONE, STREAM, Call, chunk, event, raw_server

CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def plain(status: str, body: bytes, content_type: str = "application/json", *more: str) -> bytes:
    """A whole answer."""
    head = [f"HTTP/1.1 {status}", f"content-type: {content_type}", f"content-length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


@pytest.mark.parametrize(
    ("said", "cause", "words"),
    [
        (STREAM, AttemptCause.CUT, "without a finish reason"),
        (STREAM + chunk("x"), AttemptCause.CUT, "without a finish reason"),
        (STREAM + chunk("x", "stop"), AttemptCause.CUT, r"without the terminal event \[DONE\]"),
        (STREAM + chunk("x") + DONE, AttemptCause.CUT, "without a finish reason"),
        (STREAM + chunk("x", "stop") + b"data: [DONE", AttemptCause.CUT, "terminal event"),
        (STREAM + chunk("x", "stop")[:-20], AttemptCause.CUT, "without a finish reason"),
        (STREAM + chunk("x", "error") + DONE, AttemptCause.SERVER_ERROR, "with an error"),
        (STREAM + b"data: [1]\n\n", AttemptCause.GARBAGE, r"not a JSON object: \[1\]"),
        (STREAM + b"data: \xff\n\n", AttemptCause.GARBAGE, "not UTF-8"),
        (STREAM + b"data: " + b"[" * 100_000 + b"\n\n", AttemptCause.GARBAGE, "not a JSON object"),
        (STREAM + event({"choices": "none"}), AttemptCause.GARBAGE, "not a list of objects"),
        (STREAM + b"event: error\n" + event({"code": "server_error", "message": "flat"}),
         AttemptCause.SERVER_ERROR, "flat"),
        (STREAM + chunk("x") + event({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
         AttemptCause.OVERLOADED, "busy"),
        (STREAM + event({"error": {"code": "insufficient_quota", "message": "no money"}}),
         AttemptCause.QUOTA, "no money"),
        (plain("200 OK", b'{"error": {"type": "server_error", "message": "late"}}'), AttemptCause.SERVER_ERROR, "late"),
        (plain("200 OK", b'{"choices": []}'), AttemptCause.GARBAGE, "application/json, not an event stream"),
        (plain("200 OK", b"<html>", "text/html"), AttemptCause.GARBAGE, "text/html, not an event stream"),
        (plain("204 No Content", b""), AttemptCause.GARBAGE, "HTTP 204"),
        (plain("307 Temporary Redirect", b"", "text/plain", "location: /other"), AttemptCause.BAD_REQUEST, "HTTP 307"),
        (plain("401 Unauthorized", b'{"error": {"message": "bad key"}}'), AttemptCause.AUTH, "HTTP 401: bad key"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", AttemptCause.GARBAGE, "no valid HTTP"),
        (b"", AttemptCause.CUT, "closed in the middle"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 500\r\n\r\n" + chunk("x"),
         AttemptCause.CUT, "closed in the middle"),
        (CHUNKED + b"5\r\ndata:", AttemptCause.CUT, "closed in the middle"),
        (CHUNKED + b"zz\r\n", AttemptCause.GARBAGE, "no valid HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\nno gzip at all",
         AttemptCause.GARBAGE, "no valid HTTP"),
    ],
)  # fmt: skip
async def test_wrong_answers(client: HttpClient, said: bytes, cause: AttemptCause, words: str) -> None:
    async def answer(call: Call) -> None:
        await call.say(said)

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url))
    assert failure.cause is cause
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(failure.message)


@pytest.mark.parametrize("broken", [b"zz\r\n", b"5\r\ndata:zz\r\n", b"-1\r\n"])
async def test_F1051_a_chunk_that_is_no_valid_http_ends_the_attempt_though_the_connection_stays_open(
    client: HttpClient, broken: bytes
) -> None:
    """The library closes the connection, and tells nobody who reads the body."""

    async def answer(call: Call) -> None:
        await call.say(CHUNKED, b"%x\r\n%b\r\n" % (len(chunk("x")), chunk("x")))
        await begun.wait()
        await call.say(broken)
        await call.until_left()

    begun = asyncio.Event()
    async with raw_server(answer) as url:
        with pytest.raises(AttemptFailed, match=r"^no valid HTTP: ") as failed:
            await ask(client, provider(url, idle_ms=600_000), emit=lambda _: begun.set())
    assert failed.value.cause is AttemptCause.GARBAGE


@pytest.mark.parametrize("behind", [b"", b"\n", b"\r"])
async def test_F849_the_blank_line_behind_the_last_event_may_be_missing(client: HttpClient, behind: bytes) -> None:
    async def answer(call: Call) -> None:
        await call.say(STREAM + chunk("x", "stop") + DONE.rstrip() + behind)

    async with raw_server(answer) as url:
        assert (await ask(client, provider(url))).text == "x"


async def test_a_status_is_enough_where_its_body_does_not_come(client: HttpClient) -> None:
    async def answer(call: Call) -> None:
        await call.say(b"HTTP/1.1 429 Too Many\r\nretry-after: 9\r\ncontent-length: 100\r\n\r\n{")
        call.reset()

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url))
    assert (failure.cause, failure.retry_after_ms) == (AttemptCause.RATE_LIMITED, 9_000)


async def test_a_reset_before_any_answer(client: HttpClient) -> None:
    async def answer(call: Call) -> None:
        call.reset()

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url))
    assert failure.cause is AttemptCause.RESET


async def test_nobody_listens(client: HttpClient) -> None:
    with kept_port() as port:
        failure = await refused(client, provider(f"http://127.0.0.1:{port}/v1"))
    assert failure.cause is AttemptCause.UNREACHABLE
    assert "refused" in failure.message


async def test_a_name_that_does_not_exist(client: HttpClient) -> None:
    failure = await refused(client, provider("http://no-such-host.invalid/v1"))
    assert failure.cause is AttemptCause.UNREACHABLE
    assert failure.message.startswith("not reachable: ")


async def test_no_tls_where_tls_was_expected(client: HttpClient) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    assert (await refused(client, provider(url))).cause is AttemptCause.UNREACHABLE
    server.close()


async def test_an_endless_line_and_a_giant_reply_are_refused(client: HttpClient) -> None:
    async def line(call: Call) -> None:
        await call.say(STREAM + b"data: ")
        while True:
            await call.say(b"x" * 65536)

    async def giant(call: Call) -> None:
        await call.say(STREAM)
        while True:
            await call.say(chunk("x" * 1_000_000))

    async with raw_server(line) as url:
        failure = await refused(client, provider(url))
    assert failure.cause is AttemptCause.GARBAGE
    assert "line of more than" in failure.message
    async with raw_server(giant) as url:
        failure = await refused(client, provider(url))
    assert failure.cause is AttemptCause.GARBAGE
    assert "larger than lanes keeps" in failure.message


async def test_a_key_that_is_repeated_in_an_error_is_not_repeated_further(client: HttpClient) -> None:
    async def answer(call: Call) -> None:
        sentence = f"Incorrect API key provided: {call.headers['authorization'].removeprefix('Bearer ')}"
        await call.say(plain("401 Unauthorized", json.dumps({"error": {"message": sentence}}).encode()))

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url, api_key="sk-very-secret"))
    assert failure.cause is AttemptCause.AUTH
    assert failure.message == "HTTP 401: Incorrect API key provided: *** (see `api_key_env` of provider first)"


KEY = "sk-proj-0123456789abcdefGHIJ"


@pytest.mark.parametrize(
    "said",
    [
        "x" * (LONGEST_SENTENCE - 20) + KEY,  # across the cut
        KEY.upper(),
        KEY.swapcase() + KEY,
        f"it ends in {KEY[-12:]}",
        f"it begins with {KEY[:12]}",
        "x" * (MOST_READ - 13) + KEY,
    ],
)
@pytest.mark.parametrize("where", ["status", "object", "stream", "garbage", "code"])
async def test_no_part_of_a_key_is_kept_wherever_it_was_said(client: HttpClient, said: str, where: str) -> None:
    error = {"error": {"message": "no", "code": said} if where == "code" else {"message": said}}
    answers = {
        "status": plain("400 Bad Request", json.dumps(error).encode()),
        "code": plain("400 Bad Request", json.dumps(error).encode()),
        "object": plain("200 OK", json.dumps(error).encode()),
        "stream": STREAM + event(error),
        "garbage": STREAM + b"data: " + said.encode() + b"\n\n",
    }

    async def answer(call: Call) -> None:
        await call.say(answers[where])

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url, api_key=KEY))
    kept = f"{failure.message} {failure.words}".lower()
    assert not [KEY[at : at + 12] for at in range(len(KEY) - 11) if KEY[at : at + 12].lower() in kept]
    assert "***" in kept or "x" * 100 in kept


@pytest.mark.parametrize("header", ["retry-after", "llm_provider-retry-after"])
async def test_when_to_come_again_is_heard_through_a_litellm_proxy_too(client: HttpClient, header: str) -> None:
    async def answer(call: Call) -> None:
        await call.say(plain("429 Too Many Requests", b"{}", "application/json", f"{header}: 7"))

    async with raw_server(answer) as url:
        assert (await refused(client, provider(url))).retry_after_ms == 7_000


LLAMA = b'error: {"code": %d, "message": "%s", "type": "%s"}\n\n'


@pytest.mark.parametrize(
    ("said", "cause", "words"),
    [
        (LLAMA % (500, b"the slot was taken away", b"server_error"), AttemptCause.SERVER_ERROR, "the slot was taken"),
        (LLAMA % (400, b"the request exceeds the available context size", b"invalid_request_error"),
         AttemptCause.CONTEXT_OVERFLOW, "available context size"),
        (LLAMA.replace(b"\n\n", b"\r\n\r\n") % (503, b"Loading model", b"unavailable_error"),
         AttemptCause.SERVER_ERROR, "Loading model"),
    ],
)  # fmt: skip
async def test_F685_an_error_line_of_llama_cpp_is_no_stream_that_was_cut(
    client: HttpClient, said: bytes, cause: AttemptCause, words: str
) -> None:
    async def answer(call: Call) -> None:
        await call.say(STREAM + chunk("x") + said)

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url))
    assert words in failure.message
    assert failure.cause is cause
