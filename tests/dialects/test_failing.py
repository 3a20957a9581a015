"""How a provider of each dialect fails, and how a client of each dialect is told."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from lanes.server.state import streaming
from lanes.simulate.app import Simulator
from lanes.simulate.server import serve
from tests.dialects.golden import ROUTES, gateway
from tests.kit.rawserver import STREAM, Call, raw_server
from tests.kit.until import until

DIALECTS = list(ROUTES)


def asking(dialect: str, text: str, **more: Any) -> dict[str, Any]:
    said = {"input": text} if dialect == "responses" else {"messages": [{"role": "user", "content": text}]}
    return said | {"model": "lanes"} | more


async def attempts(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    """The causes of what failed the only message of lane a, or has it parked, and their words."""

    async def told() -> list[tuple[str, str]]:
        (message,) = (await client.get("/api/lanes/a/messages")).json()
        return [(each["cause"], each["message"]) for each in message["attempts"]]

    return await until(told, "the attempt")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("sim-500", "server_error"), ("sim-quota", "quota"), ("sim-429-one-request", "rate_limited"),
        ("sim-529", "overloaded"), ("sim-403-input", "auth"), ("sim-context-overflow", "context_overflow"),
        ("sim-server-error", "server_error"), ("sim-cut", "cut"), ("sim-reset", "reset"), ("sim-garbage", "garbage"),
        ("sim-no-such-thing", "bad_request"),
    ],
)  # fmt: skip
async def test_each_fault_has_its_cause_in_each_dialect(tmp_path: Path, dialect: str, fault: str, cause: str) -> None:
    async with serve(simulator=Simulator(tempo=20)) as url, gateway(tmp_path, {"one": (dialect, url)}) as client:
        await client.post("/api/lanes/a/messages", json={"text": f"[[{fault}]]"})
        ((found, words),) = await attempts(client)
    assert found == cause, words


@pytest.mark.parametrize(
    ("dialect", "said", "words"),
    [
        ("messages", b"", "a stop reason"),
        ("messages", b'data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}\n\n', "message_stop"),
        ("responses", b'data: {"type": "response.created", "response": {}}\n\n', "response.completed"),
    ],
)
async def test_a_stream_without_its_terminal_event_is_cut(
    tmp_path: Path, dialect: str, said: bytes, words: str
) -> None:
    async def answer(call: Call) -> None:
        await call.say(STREAM, said)

    async with raw_server(answer) as url, gateway(tmp_path, {"one": (dialect, url)}) as client:
        await client.post("/api/lanes/a/messages", json={"text": "hi"})
        ((cause, message),) = await attempts(client)
    assert cause == "cut"
    assert words in message


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, "overloaded"),
        ({"type": "message_start", "message": 3}, "garbage"),
        ({"type": "content_block_start", "content_block": None}, "garbage"),
        ({"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}}, "garbage"),
        ({"type": "message_stop"}, "garbage"),
    ],
)
async def test_what_is_no_stream_of_messages(tmp_path: Path, said: dict[str, Any], cause: str) -> None:
    async def answer(call: Call) -> None:
        await call.say(STREAM, f"data: {json.dumps(said)}\n\n".encode())

    async with raw_server(answer) as url, gateway(tmp_path, {"one": ("messages", url)}) as client:
        await client.post("/api/lanes/a/messages", json={"text": "hi"})
        ((told, _),) = await attempts(client)
    assert told == cause


async def test_a_client_of_messages_is_told_in_its_own_envelope(tmp_path: Path) -> None:
    async with serve(simulator=Simulator(tempo=20)) as url, gateway(tmp_path, {"one": ("chat", url)}) as client:
        failed = await client.post(ROUTES["messages"], json=asking("messages", "[[sim-500]]"))
        cut = await client.post(ROUTES["messages"], json=asking("messages", "[[sim-cut]]", stream=True))
        wrong = await client.post(f"{ROUTES['messages']}/batches", json={})
    assert (failed.status_code, failed.json()["type"], failed.json()["error"]["type"]) == (502, "error", "api_error")
    assert failed.headers["x-should-retry"] == "false"
    assert wrong.json()["error"]["type"] == "not_found_error"
    event, data = cut.text.strip().split("\n\n")[-1].split("\n")
    assert (event, json.loads(data.removeprefix("data: "))["type"]) == ("event: error", "error")


async def test_F737_what_a_client_of_messages_recovers_from_keeps_its_code(tmp_path: Path) -> None:
    """Anthropic's tool runners tell a conversation again that is no longer kept. That is no fault of the provider. They
    say nothing new where an answer is to go on."""
    details = {"error_code": "thread_not_found"}
    body = json.dumps({"error": {"type": "not_found_error", "message": "lost", "details": details}}).encode()
    continued = {"thread": {"type": "continue", "previous_message_id": "msg_1"}, "max_tokens": 10}

    async def answer(call: Call) -> None:
        await call.say(
            b"HTTP/1.1 404 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body), body
        )

    async with raw_server(answer) as url, gateway(tmp_path, {"one": ("messages", url)}) as client:
        bodies = [asking("messages", "hi", **continued, stream=streamed) for streamed in (False, True)]
        bodies.append(asking("messages", "hi", **continued, messages=[]))
        told = await asyncio.gather(*(client.post(ROUTES["messages"], json=body) for body in bodies))
        status = (await client.get("/api/status")).json()
    assert [(each.status_code, each.json()["error"]["details"]) for each in told] == [(400, details)] * 3
    assert status["cooldowns"] == []


async def test_a_response_that_fails_in_the_middle_says_so_in_words_of_responses(tmp_path: Path) -> None:
    async with serve(simulator=Simulator(tempo=20)) as url, gateway(tmp_path, {"one": ("chat", url)}) as client:
        cut = await client.post(ROUTES["responses"], json=asking("responses", "[[sim-cut]]", stream=True))
    event, data = cut.text.strip().split("\n\n")[-1].split("\n")
    told = json.loads(data.removeprefix("data: "))
    assert (event, told["response"]["status"], told["response"]["error"]["code"]) == (
        "event: response.failed", "failed", "server_error",
    )  # fmt: skip
    assert told["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("dialect", "begun", "error"),
    [
        ("messages", {"type": "message_start", "message": {"model": "m"}}, {"type": "overloaded_error"}),
        ("responses", {"type": "response.created", "response": {"model": "m"}}, {"code": "server_error"}),
    ],
)
async def test_a_provider_that_began_and_said_nothing_is_followed_by_the_next(
    tmp_path: Path, dialect: str, begun: dict[str, Any], error: dict[str, Any]
) -> None:
    """What says nothing by itself is not handed on before there is content, and so rules nobody out."""
    failed = {"type": "error", "error": error | {"message": "busy"}}
    given = Path(__file__).with_name("cases") / f"{dialect}-{dialect}-text.json"
    said = json.loads(given.read_text(encoding="utf-8"))["answer"]

    async def fails(call: Call) -> None:
        await call.say(STREAM, f"data: {json.dumps(begun)}\n\n".encode())
        await asyncio.sleep(0)
        await call.say(f"data: {json.dumps(failed)}\n\n".encode())

    async def answers(call: Call) -> None:
        await call.say(STREAM, *(event.encode() for event in said))

    async with (
        raw_server(fails) as one,
        raw_server(answers) as two,
        gateway(tmp_path, {"one": (dialect, one), "two": (dialect, two)}) as client,
    ):
        told = await client.post(ROUTES[dialect], json=asking(dialect, "hi", stream=True))
    first = "message_start" if dialect == "messages" else "response.created"
    assert told.text.count(f"event: {first}\n") == 1
    assert "real" in told.text


@pytest.mark.parametrize(
    ("dialect", "sign"),
    [("messages", "event: ping"), ("responses", "event: response.in_progress")],
)
async def test_silence_is_kept_alive_by_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: str, sign: str
) -> None:
    """Some clients do not count comments. What is sent before the provider begins does not come again."""
    monkeypatch.setattr(streaming, "KEEPALIVE_S", 0.05)
    go_on = asyncio.Event()
    given = Path(__file__).with_name("cases") / f"{dialect}-{dialect}-text.json"
    said = json.loads(given.read_text(encoding="utf-8"))["answer"]

    async def answer(call: Call) -> None:
        await go_on.wait()
        await call.say(STREAM, *(event.encode() for event in said))

    async with raw_server(answer) as url, gateway(tmp_path, {"one": (dialect, url)}) as client:
        asked = asking(dialect, "hi", stream=True)
        async with client.stream("POST", ROUTES[dialect], json=asked) as response:
            lines: list[str] = []
            async for line in response.aiter_lines():
                lines.append(line)
                if lines.count(sign) >= 2:
                    go_on.set()
    first = "message_start" if dialect == "messages" else "response.created"
    assert lines.count(f"event: {first}") == 1
    last = "message_stop" if dialect == "messages" else "response.completed"
    assert f"event: {last}" in lines
    assert sum("wörld" in line or "w\\u00f6rld" in line for line in lines) >= 1


async def test_an_aborted_message_is_not_to_be_asked_again_in_any_dialect(tmp_path: Path) -> None:
    async with serve(simulator=Simulator(tempo=20)) as url, gateway(tmp_path, {"one": ("chat", url)}) as client:
        for dialect in ("responses", "messages"):
            asked = asking(dialect, "[[sim-hang]]", stream=True)
            headers = {"X-Lanes-Session": dialect}
            request = asyncio.create_task(client.post(ROUTES[dialect], json=asked, headers=headers))

            async def held(key: str = dialect) -> bool:
                shown = await client.get(f"/api/lanes/{key}")
                return shown.status_code == 200 and shown.json()["state"] == "running"

            await until(held, "the run")
            await client.post(f"/api/lanes/{dialect}/abort", json={"reason": "secret"})
            told = await request
            assert (told.status_code, told.headers["x-should-retry"]) == (423, "false")
            assert told.json()["error"]["type"] == "invalid_request_error"
            assert "secret" not in told.text
