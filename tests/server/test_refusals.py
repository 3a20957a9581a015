"""What is refused, how it is said, and that nothing was stored for it."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.server.conftest import Served, Start
from tests.server.test_limits import HEAD, talking

MESSAGES = [{"role": "user", "content": "hi"}]


def envelope(answer: httpx.Response) -> str:
    """The code of an OpenAI error."""
    error = answer.json()["error"]
    assert answer.headers["content-type"] == "application/json"
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["code"], str)
    return error["code"]


def problem(answer: httpx.Response) -> str:
    """The code of a problem document."""
    document = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status_code
    assert isinstance(document["code"], str)
    return document["code"]


# --------------------------------------------------------------------------------------------- headers


ORIGINS = ["http://[::1", "http://[", "http://h]", "http://\u2100", "null", "", "://", "http://evil", "%"]
HOSTS = ["[::1", "[", "h]", "a b", "\u2100", "127.0.0.1:x", "user@127.0.0.1", "127.0.0.1/", "evil"]


@pytest.mark.parametrize("path", ["/api/status", "/v1/models", "/healthz", "/nowhere"])
async def test_an_origin_of_any_shape_is_foreign(start: Start, path: str) -> None:
    """Before the token is asked for."""
    served = await start(token_env="TOKEN")
    for origin in ORIGINS:
        answer = await served.client.get(path, headers=[(b"Origin", origin.encode())])
        assert answer.status_code == 403, origin
        assert (envelope(answer) if path.startswith("/v1/") else problem(answer)) == "origin"


async def test_a_host_of_any_shape_is_refused(served: Served) -> None:
    for host in HOSTS:
        answer = await served.client.get("/api/status", headers=[(b"Host", host.encode())])
        assert (answer.status_code, problem(answer)) == (403, "host"), host


async def test_a_health_check_of_http_1_0_need_not_name_a_host(served: Served) -> None:
    async with talking(served, b"GET /healthz HTTP/1.0\r\n\r\n") as (reader, _):
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")


async def test_an_origin_is_foreign_where_no_host_is_named(served: Served) -> None:
    for origin in ORIGINS:
        head = f"GET /healthz HTTP/1.0\r\nOrigin: {origin}\r\n\r\n".encode()
        async with talking(served, head) as (reader, _):
            assert (await reader.read()).startswith(b"HTTP/1.1 403 "), origin


@pytest.mark.parametrize(("path", "read"), [("/api/lanes/a/messages", problem), ("/v1/chat/completions", envelope)])
async def test_a_packed_body_is_refused_as_that(
    served: Served, path: str, read: Callable[[httpx.Response], str]
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await served.client.post(path, content=gzip.compress(b"{}"), headers=headers)
    assert (answer.status_code, read(answer)) == (415, "content_type")
    assert "gzip" in answer.text


async def test_a_body_may_begin_with_a_byte_order_mark(served: Served) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await served.client.post("/api/lanes/a/messages", content=b'\xef\xbb\xbf{"text": "x"}', headers=headers)
    assert answer.status_code == 202


async def test_the_same_origin_may_come(served: Served) -> None:
    host = httpx.URL(served.url).netloc.decode()
    assert (await served.client.get("/api/status", headers={"Origin": f"http://{host}"})).status_code == 200


async def test_F142_a_header_that_comes_twice_is_no_choice(served: Served) -> None:
    for name in ("Authorization", "Idempotency-Key", "X-Lanes-Session", "X-Lanes-Run", "Last-Event-ID"):
        answer = await served.client.get("/api/status", headers=[(name, "127.0.0.1"), (name, "127.0.0.1")])
        assert (answer.status_code, problem(answer)) == (400, "bad_header"), name


# ---------------------------------------------------------------------- words and types of a chat request

WRONG: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"metadata": {"lanes_session": 42}}, {}),
    ({"metadata": {"lanes_session": ""}}, {}),
    ({"metadata": {"lanes_session": {"id": "a"}}}, {}),
    ({"metadata": {"lanes_session": "a\nb"}}, {}),
    ({"metadata": {"lanes_session": "x" * 513}}, {}),
    ({"metadata": ["lanes_session"]}, {}),
    ({"conversation": 42}, {}),
    ({"conversation": ""}, {}),
    ({"conversation": {"name": "a"}}, {}),
    ({"user": 42}, {}),
    ({"user": ""}, {}),
    ({"model": 42}, {}),
    ({"stream": "yes"}, {}),
    ({"stream": 1}, {}),
    ({"stream_options": "include_usage"}, {}),
    ({"stream_options": {"include_usage": "yes"}}, {}),
    ({"n": 2}, {}),
    ({"n": 0}, {}),
    ({"n": "1"}, {}),
    ({"n": True}, {}),
    ({"messages": "hi"}, {}),
    ({"messages": [1]}, {}),
    ({}, {"X-Lanes-Session": ""}),
    ({}, {"X-Lanes-Session": "%FF"}),
    ({}, {"X-Lanes-Session": "a%0Ab"}),
    ({}, {"X-Lanes-Session": "x" * 513}),
    ({}, {"X-Lanes-Detach": "yes"}),
    ({}, {"X-Lanes-Detach": ""}),
    ({}, {"X-Lanes-Detach": "1"}),
    ({}, {"X-Lanes-Run": "x"}),
    ({}, {"Idempotency-Key": ""}),
    ({}, {"X-Chat": "x" * 513}),
    ({"metadata": {"chat": 3}}, {}),
    ({"metadata": {"chat": "a\x07"}}, {}),
]


async def test_F142_a_chat_request_with_a_wrong_part_is_refused_and_stores_nothing(start: Start) -> None:
    served = await start(session_from=["user", "header:X-Chat", "body:metadata.chat"])
    for body, headers in WRONG:
        answer = await served.post("/v1/chat/completions", {"messages": MESSAGES} | body, **headers)
        assert answer.status_code == 400, (body, headers, answer.text)
        assert envelope(answer)
    assert not any((await served.desk.counts()).lanes.values())
    assert not served.simulator.requests


async def test_what_says_nothing_is_no_mistake(served: Served) -> None:
    fine: list[dict[str, Any]] = [{"n": 1}, {"n": None}, {"metadata": None}, {"metadata": {}}, {"conversation": None}]
    for body in fine:
        answer = await served.post("/v1/chat/completions", {"messages": MESSAGES} | body, **{"X-Lanes-Detach": "false"})
        assert answer.status_code == 200, (body, answer.text)


# ------------------------------------------------------------------------- words and types of native calls


WRONG_NATIVE: list[tuple[str, dict[str, Any]]] = [
    ("/api/lanes/a/abort", {"scope": ""}),
    ("/api/lanes/a/abort", {"scope": "all"}),
    ("/api/lanes/a/abort", {"scope": 1}),
    ("/api/lanes/a/abort", {"force": "yes"}),
    ("/api/lanes/a/abort", {"grace": ""}),
    ("/api/lanes/a/abort", {"epoch": "1"}),
    ("/api/lanes/a/pause", {"for": ""}),
    ("/api/lanes/a/messages", {"text": 1}),
    ("/api/lanes/a/messages", {"text": "hi", "if_idle": "no"}),
    ("/api/lanes/a/messages", {"text": "hi", "idempotency_key": ""}),
    ("/api/lanes/a/messages?wait=", {"text": "hi"}),
    ("/api/lanes/a/messages?wait=1_0", {"text": "hi"}),
    ("/api/lanes/a/messages?wait=%D9%A1", {"text": "hi"}),
    ("/api/lanes/a/messages?wait=nan", {"text": "hi"}),
    ("/api/lanes/a/messages?wait=1&wait=2", {"text": "hi"}),
    ("/api/lanes/a/messages", {"request": {"messages": []}}),
    ("/api/lanes/a/messages", {"request": {"messages": MESSAGES, "n": 2}}),
    ("/api/search", {"sort": ""}),
]


async def test_a_native_call_with_a_wrong_part_is_refused_and_stores_nothing(served: Served) -> None:
    for path, body in WRONG_NATIVE:
        answer = await served.post(path, body)
        assert (answer.status_code, bool(problem(answer))) == (400, True), (path, body, answer.text)
    assert not any((await served.desk.counts()).lanes.values())


# ---------------------------------------------------------------------------------------- methods, bodies


@pytest.mark.parametrize("path", ["/api/status", "/v1/models", "/healthz"])
async def test_another_method_is_405_whatever_is_sent(served: Served, path: str) -> None:
    answer = await served.client.post(path, content=b"x", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    nowhere = await served.client.post("/nowhere", content=b"x")
    assert (nowhere.status_code, problem(nowhere)) == (404, "no_route")


@pytest.mark.parametrize(("path", "read"), [("/api/lanes/a/messages", problem), ("/v1/chat/completions", envelope)])
async def test_a_body_that_is_too_large_is_told_in_the_form_of_its_surface(start: Start, path: str, read: Any) -> None:
    served = await start(max_body_bytes=4096)
    answer = await served.post(path, {"text": "x" * 5_000})
    assert (answer.status_code, read(answer)) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "body", "read", "name"),
    [
        ("/api/lanes/a/messages", b'{"text": "one", "text": "two"}', problem, "text"),
        ("/api/lanes/a/messages", b'{"text": "one", "request": {"a": [{"b": 1, "\\u0062": 1}]}}', problem, "b"),
        (
            "/v1/chat/completions",
            b'{"metadata": {"lanes_session": "a"}, "messages": [{"role": "user", "content": "hi"}], "metadata": {}}',
            envelope,
            "metadata",
        ),
    ],
)
async def test_F220_a_name_that_stands_twice_in_an_object_is_refused(
    served: Served, path: str, body: bytes, read: Any, name: str
) -> None:
    """One reader takes the first, another the last: here the lane that was named would have been forgotten."""
    answer = await served.client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, read(answer)) == (400, "bad_json")
    assert f'"{name}" appears twice' in answer.json().get("detail", answer.text.replace("\\", ""))
    assert not any((await served.desk.counts()).lanes.values())


async def test_the_head_of_a_stream_ends_and_takes_no_place(served: Served) -> None:
    for _ in range(3):
        answer = await served.client.head("/api/events")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (await served.client.head("/api/status")).status_code == 200
    assert (await served.client.get("/metrics")).status_code == 200


# ------------------------------------------------------------------------------------------- connections

BODY = b'{"text": "hi"}'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


async def said(served: Served, *sent: bytes) -> bytes:
    """All that is answered to what is sent in pieces, after which nothing more comes."""
    async with talking(served) as (reader, writer):
        for piece in sent:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        return await reader.read()


def document(answer: bytes) -> dict[str, Any]:
    """The problem document at the end of what a connection said."""
    head, _, body = answer.rpartition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    return json.loads(body)  # type: ignore[no-any-return]


@pytest.mark.parametrize("begun", [b"GET /", b"POST /api/lanes/b/messages HTTP/1.1\r\nHo", b"G" * 10])
async def test_F143_a_message_with_the_beginning_of_another_request_behind_it_is_accepted(
    served: Served, begun: bytes
) -> None:
    big = b'{"text": "%s"}' % (b"x" * 100_000)
    async with talking(served, HEAD + b"Content-Length: %d\r\n\r\n" % len(big) + big + begun) as (reader, _):
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 202")
    assert len(await served.desk.messages("a")) == 1


@pytest.mark.parametrize("behind", [b"\x00\x01\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
async def test_F143_what_is_no_http_behind_a_message_takes_nothing_from_its_answer(
    served: Served, behind: bytes
) -> None:
    async with talking(served, WHOLE + behind) as (reader, _):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 202")
    assert answer.count(b"HTTP/1.1") == 1
    assert len(await served.desk.messages("a")) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_problem_document(served: Served, sent: bytes) -> None:
    async with talking(served, sent) as (reader, _):
        answer = await reader.read()
    assert (document(answer)["status"], document(answer)["code"]) == (400, "bad_http")


async def test_a_body_that_is_no_http_is_a_problem_document_and_stores_nothing(served: Served) -> None:
    async with talking(served, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n") as (reader, _):
        answer = await reader.read()
    assert (document(answer)["status"], document(answer)["code"]) == (400, "bad_http")
    assert (await served.client.get("/api/lanes/a")).status_code == 404


WISHES = [
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
]


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("cut", [1, 60, len(WHOLE) - 3])
async def test_F507_a_message_of_a_client_that_would_rather_speak_another_protocol_is_read_whole(
    served: Served, wish: bytes, cut: int
) -> None:
    """As some clients ask with each request. The parser takes what follows for that protocol."""
    line, _, rest = WHOLE.partition(b"\r\n")
    whole = b"%b\r\n%b%b" % (line, wish, rest)
    async with talking(served, whole[:cut]) as (reader, writer):
        writer.write(whole[cut:] + b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answers = await reader.read()
    assert answers.startswith(b"HTTP/1.1 202")
    assert answers.count(b"HTTP/1.1 200") == 1, "the connection goes on"
    (message,) = await served.desk.messages("a")
    assert message.text == "hi"


async def test_any_number_of_such_requests_in_one_piece_are_answered(served: Served) -> None:
    asked = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: %bupgrade\r\nUpgrade: h2c\r\n\r\n"
    async with talking(served, (asked % b"") * 999 + asked % b"close, ") as (reader, _):
        answers = await reader.read()
    assert answers.count(b"HTTP/1.1 200") == 1_000


#: What fails only once the head is there; the path of none can be told.
LATE = {
    b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: a\r\n\r\n": (405, "method"),
    b"GET http://127.0.0.1 HTTP/1.1\r\nHost: a\r\n\r\n": (400, "bad_http"),
    b"GET http://127.0.0.1:99999/healthz HTTP/1.1\r\nHost: a\r\n\r\n": (400, "bad_http"),
    b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 70_000): (431, "too_large"),
    b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Much: %b\r\n\r\n" % (b"a" * 70_000): (431, "too_large"),
}


@pytest.mark.parametrize("late", LATE)
async def test_F936_a_head_that_cannot_be_served_is_a_problem_document(served: Served, late: bytes) -> None:
    async with talking(served, late) as (reader, _):
        answer = await reader.read()
    assert (document(answer)["status"], document(answer)["code"]) == LATE[late]


@pytest.mark.parametrize("late", LATE)
async def test_F507_such_a_line_behind_a_message_takes_nothing_from_its_answer(served: Served, late: bytes) -> None:
    async with talking(served, WHOLE + late) as (reader, _):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 202")
    assert answer.count(b"HTTP/1.1") == 1
    assert len(await served.desk.messages("a")) == 1


@pytest.mark.parametrize("size", [{}, {"Content-Length": "20000000"}], ids=["chunked", "sized"])
async def test_a_client_that_sends_all_of_a_body_that_is_too_large_reads_the_answer(
    served: Served, size: dict[str, str]
) -> None:
    """It is read to its end: a client whose connection is closed meanwhile is told of a reset, and tries again."""
    address = urlsplit(served.url)

    def ask() -> tuple[int, int]:
        with contextlib.closing(HTTPConnection("127.0.0.1", address.port)) as client:
            body = iter([b"x" * 1_000_000] * 20)
            headers = {"Content-Type": "application/json"} | size
            client.request("POST", "/api/lanes/a/messages", body, headers, encode_chunked=not size)
            refused = client.getresponse()
            refused.read()
            client.request("GET", "/healthz")
            return refused.status, client.getresponse().status

    assert await asyncio.to_thread(ask) == (413, 200)


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(served: Served) -> None:
    async with talking(served, HEAD + b"Expect: 100-continue\r\nContent-Length: 9999999999\r\n\r\n") as (reader, _):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 413")
    assert document(answer)["code"] == "too_large"


async def test_a_refusal_names_what_is_wrong_of_a_path_and_of_a_query(served: Served) -> None:
    unknown = await served.post(f"/api/providers/{'p' * 600}/reset", {})
    assert (unknown.status_code, unknown.json()["detail"][:13]) == (404, "no provider '")
    long = await served.client.get("/api/gateways?" + "&".join(f"id={number}" for number in range(101)))
    assert (long.status_code, long.json()["detail"]) == (400, "the query has more than 100 parameters")
    half = await served.client.get("/api/gateways?id=%FF")
    assert (half.status_code, half.json()["detail"]) == (400, "the query is not percent-encoded UTF-8")
