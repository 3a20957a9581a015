"""The native routes."""

import asyncio
from urllib.parse import quote

import httpx
import pytest

from lanes_storage.law import MessageState
from tests.kit.until import PATIENCE_S, until
from tests.server.conftest import Served, Start, drain_is_noted, drain_is_over, running

KEYS = ["agent:main:telegram:42", "a/b/c", "100% “real”?#&", "-dash", "会话 😀", "x" * 512, " "]


@pytest.mark.parametrize("key", KEYS)
async def test_every_key_works_in_path_and_query(served: Served, key: str) -> None:
    path = f"/api/lanes/{quote(key, safe='')}"
    sent = await served.post(f"{path}/messages?wait=100", {"text": "hello"})
    assert sent.status_code == 200, sent.text
    assert (sent.json()["key"], sent.json()["state"], sent.json()["reply"]) == (key, "done", "hello")
    assert (await served.client.get(path)).json()["key"] == key
    assert (await served.client.get("/api/lane", params={"key": key})).json()["key"] == key
    again = await served.client.post("/api/lane/messages", params={"key": key}, json={"text": "again"})
    assert again.status_code == 202


@pytest.mark.parametrize("key", ["%00", "%0a", "a%1b", "%C2%85", "y" * 513, "%FF"])
async def test_what_is_no_key_is_refused_and_stores_nothing(served: Served, key: str) -> None:
    refused = await served.post(f"/api/lanes/{key}/messages", {"text": "hello"})
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "invalid_key"
    assert (await served.client.get("/api/lanes")).json()["lanes"] == []


async def test_a_message_survives_and_is_told(served: Served) -> None:
    sent = await served.post("/api/lanes/a/messages", {"text": "hello"})
    assert sent.status_code == 202
    message = await served.desk.wait(int(sent.json()["id"]), timeout=PATIENCE_S)
    assert message.state is MessageState.DONE
    told = (await served.client.get(f"/api/messages/{message.id}")).json()
    assert (told["reply"], told["position"], told["interruptions"]) == ("hello", None, 0)
    assert (await served.client.get("/api/messages/999")).status_code == 404


async def test_the_202_says_that_its_lane_is_paused_and_why(served: Served) -> None:
    await served.post("/api/lanes/a/messages?wait=100", {"text": "hello"})
    await served.post("/api/lanes/a/pause", {"reason": "to look"})
    sent = await served.post("/api/lanes/a/messages", {"text": "hello"})
    assert sent.status_code == 202
    assert "paused until `lanes resume a`" in sent.json()["held_up"]
    assert "to look" in sent.json()["held_up"]


async def test_wait_that_runs_out_is_202(served: Served) -> None:
    sent = await served.post("/api/lanes/a/messages?wait=0.05", {"text": "[[sim-hang]]"})
    assert sent.status_code == 202
    assert sent.json()["state"] in ("queued", "running")


async def test_a_stream_tells_the_pieces_and_the_message(served: Served) -> None:
    headers = {"Accept": "text/event-stream"}
    async with served.client.stream("POST", "/api/lanes/a/messages", json={"text": "one two"}, headers=headers) as got:
        lines = [line async for line in got.aiter_lines()]
    assert "event: delta" in lines
    assert lines[-3] == "event: message"
    assert '"state": "done"' in lines[-2]


async def test_abort_pause_resume_ack_retry_drop(served: Served) -> None:
    hung = await served.post("/api/lanes/a/messages", {"text": "[[sim-hang]]"})
    waiting = await served.post("/api/lanes/a/messages", {"text": "hello"})
    epoch = await running(served, "a")
    changed = await served.post("/api/lanes/a/abort", {"epoch": epoch - 1})
    assert changed.json()["outcome"] == "changed"
    paused = await served.post("/api/lanes/a/pause", {"reason": "looking", "for": "10m"})
    assert paused.json()["paused"]["reason"] == "looking"
    aborted = await served.post("/api/lanes/a/abort", {"epoch": epoch, "reason": "stuck"})
    assert aborted.json()["outcome"] == "released"
    assert (await served.client.get(f"/api/messages/{hung.json()['id']}")).json()["error"]["cause"] == "aborted"
    assert (await served.post("/api/lanes/a/ack")).json()["state"] == "idle"
    dropped = await served.post(f"/api/messages/{waiting.json()['id']}/drop")
    assert dropped.json()["state"] == "dropped"
    assert (await served.post(f"/api/messages/{waiting.json()['id']}/retry")).status_code == 422
    assert (await served.post("/api/lanes/a/resume")).json()["paused"] is None
    assert (await served.post("/api/lanes/nobody/abort")).status_code == 404


async def test_a_full_queue_says_when_to_try_again(served: Served) -> None:
    for _ in range(4):
        await served.post("/api/lanes/a/messages", {"text": "[[sim-hang]]"})
        await running(served, "a")
    full = await served.post("/api/lanes/a/messages", {"text": "one too many"})
    assert (full.status_code, full.json()["code"]) == (429, "queue_full")
    assert full.headers["retry-after"]


async def test_idempotency(served: Served) -> None:
    first = await served.post("/api/lanes/a/messages", {"text": "hello"}, **{"Idempotency-Key": "k"})
    again = await served.post("/api/lanes/a/messages", {"text": "hello"}, **{"Idempotency-Key": "k"})
    other = await served.post("/api/lanes/a/messages", {"text": "other"}, **{"Idempotency-Key": "k"})
    assert first.json()["id"] == again.json()["id"]
    assert other.status_code == 422


@pytest.mark.parametrize(
    "body", [b"{", b'{"text": NaN}', b'{"text": "\\ud800"}', b"\xff", b"[]", b'{"text": 1}', b"{}", b"[" * 100_000]
)
async def test_hostile_bodies_are_refused_whole(served: Served, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    refused = await served.client.post("/api/lanes/a/messages", content=body, headers=headers)
    assert refused.status_code == 400
    assert (await served.client.get("/api/lanes/a")).status_code == 404


async def test_a_giant_body_is_refused_while_it_is_read(start: Start) -> None:
    served = await start(max_body_bytes=2048)
    headers = {"Content-Type": "application/json"}
    refused = await served.client.post("/api/lanes/a/messages", content=b'"' + b"x" * 4000, headers=headers)
    assert refused.status_code == 413


async def test_the_guard(start: Start) -> None:
    served = await start(token_env="TOKEN")
    send, bearer = {"text": "hello"}, {"Authorization": "Bearer secret"}
    assert (await served.post("/api/lanes/a/messages", send)).status_code == 401
    assert (await served.post("/api/lanes/a/messages", send, Authorization="Bearer wrong")).status_code == 401
    assert (await served.post("/api/lanes/a/messages", send, **bearer)).status_code == 202
    assert (await served.post("/api/lanes/a/messages", send, Origin="http://evil.test", **bearer)).status_code == 403
    assert (await served.post("/api/lanes/a/messages", send, Host="evil.test", **bearer)).status_code == 403
    plain = await served.client.post("/api/lanes/a/messages", content="{}", headers=bearer)
    assert plain.status_code == 415
    assert (await served.client.get("/healthz")).status_code == 200


async def test_status_health_and_what_is_not_there(served: Served) -> None:
    async def ready() -> bool:
        return (await served.client.get("/readyz")).status_code == 200

    await until(ready, "readiness")
    assert (await served.client.get("/api/status")).json()["gateways"][0]["alive"] is True
    assert (await served.client.get("/api/nothing")).status_code == 404
    assert (await served.client.get("/api/messages/1/retry")).status_code == 405


async def test_a_drain_refuses_and_ends_everything(start: Start) -> None:
    served = await start(drain_timeout="60s")
    waiting = asyncio.create_task(served.post("/api/lanes/a/messages?wait=600", {"text": "[[sim-hang]]"}))
    await running(served, "a")
    served.stop.set()
    await drain_is_noted(served)
    assert (await served.client.get("/readyz")).status_code == 503
    refused = await served.post("/api/lanes/b/messages", {"text": "hello"})
    assert (refused.status_code, refused.json()["code"]) == (503, "draining")
    await drain_is_over(served)
    try:
        assert (await waiting).status_code == 202
    except httpx.TransportError:
        pytest.fail("who waits is answered, not cut off")
    await served.serving
    lane = await served.desk.lane("a")
    assert (lane.state, lane.queued) == ("errored", 1)
