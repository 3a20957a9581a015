"""What names a session: what the programs send, and nothing that many sessions share."""

import asyncio
import json
from typing import Any

import pytest

from lanes.config.declared.presets import PRESETS
from lanes.server.passing.naming import LONGEST, session_of
from tests.guard.conftest import Guard
from tests.guard.mirror import mirror

RUNTIME = "You are a bot.\nRuntime: agent=main | session=agent:main:feishu:group:oc_d497 | sessionId=6f | host=h\nBye."
USER_ID = json.dumps({"device_id": "d", "session_id": "s-claude"})
SENT: list[tuple[str, dict[str, str], dict[str, Any], str | None]] = [
    ("openclaw", {}, {"messages": [{"role": "user", "content": RUNTIME}]}, "agent:main:feishu:group:oc_d497"),
    ("openclaw", {}, {"system": [{"type": "text", "text": RUNTIME}]}, "agent:main:feishu:group:oc_d497"),
    ("openclaw", {}, {"instructions": RUNTIME, "prompt_cache_key": "p:0"}, "agent:main:feishu:group:oc_d497"),
    ("openclaw", {}, {"input": [], "prompt_cache_key": "6f:0"}, "6f:0"),
    ("openclaw", {}, {"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": RUNTIME}]}, None),
    ("codex", {"session-id": "s-codex"}, {"prompt_cache_key": "other"}, "s-codex"),
    ("codex", {}, {"prompt_cache_key": "thread"}, "thread"),
    ("claude", {"x-claude-code-session-id": "s-1"}, {"metadata": {"user_id": USER_ID}}, "s-1"),
    ("claude", {}, {"metadata": {"user_id": USER_ID}}, "s-claude"),
    ("claude", {}, {"metadata": {"user_id": "no json"}}, None),
    ("opencode", {"x-session-id": "ses_1", "x-session-affinity": "ses_1"}, {}, "ses_1"),
    ("hermes", {"x-session-affinity": "one per process"}, {"messages": []}, None),
    ("auto", {"x-session-affinity": "one per process"}, {"user": "u"}, None),
    ("auto", {"session-id": "s-codex"}, {}, "s-codex"),
    ("auto", {"session-id": "with a \x07 bell"}, {"prompt_cache_key": "p"}, "p"),
    ("auto", {"session-id": "x" * 600}, {}, None),
    ("auto", {}, {"prompt_cache_key": 7, "metadata": [], "messages": [None, 3]}, None),
]


@pytest.mark.parametrize(("preset", "headers", "body", "name"), SENT)
def test_F291_a_session_is_named_by_what_its_program_sends(
    preset: str, headers: dict[str, str], body: dict[str, Any], name: str | None
) -> None:
    assert session_of(PRESETS[preset].session_from, headers, body) == name


async def test_F291_a_lane_reads_as_the_session_of_the_program(guard: Guard) -> None:
    async with mirror(pieces=[asyncio.Event()]) as seen:
        guarded = await guard(seen.url, source={"preset": "openclaw"})
        bodies = [
            {"messages": [{"role": "user", "content": RUNTIME}]},
            {"messages": [{"role": "user", "content": "x"}]},
        ]
        for body in bodies:
            asking = asyncio.create_task(guarded.client.post(f"{guarded.base}/chat/completions", json=body))
            lane = await guarded.running()
            named = body is bodies[0]
            assert lane.key.startswith("bot:agent:main:feishu:group:oc_d497" if named else "bot:anonymous:")
            asking.cancel()
            await guarded.free()


async def test_F427_a_named_session_that_is_too_long_is_refused_instead_of_cut(guard: Guard) -> None:
    async with mirror() as seen:
        guarded = await guard(seen.url)
        for name, status in (("x" * LONGEST, 200), ("x" * LONGEST + "1", 400), ("x" * LONGEST + "2", 400)):
            headers = {"x-lanes-session": name}
            answer = await guarded.client.post(f"{guarded.base}/responses", json={"input": "x"}, headers=headers)
            assert answer.status_code == status
        assert f"at most {LONGEST}" in answer.text
        assert (len(seen.requests), [lane.key for lane in await guarded.desk.lanes()]) == (1, ["bot:" + "x" * LONGEST])


CREATED = b'data: {"type":"response.created","response":{"id":"resp_7"},"sequence_number":0}\n\n'
KEPT = {
    "responses": (CREATED, b"event: response.in_progress"),
    "messages": (b'data: {"type":"message_start","message":{}}\n\n', b"event: ping"),
    "chat/completions": (b'data: {"choices":[{"delta":{}}]}\n\n', b": still here"),
}


@pytest.mark.parametrize("route", KEPT)
async def test_F293_a_silent_stream_is_kept_alive_by_events_of_its_dialect(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    monkeypatch.setattr("lanes.runners.passing.keepalive.EVERY_S", 0.3)
    first, alive = KEPT[route]
    async with mirror(pieces=[first, asyncio.Event()]) as seen:
        guarded = await guard(seen.url)
        body = {"stream": True, "input": "x", "messages": []}
        async with guarded.client.stream("POST", f"{guarded.base}/{route}", json=body) as answer:
            got = b""
            async for chunk in answer.aiter_raw():
                got += chunk
                if alive in got:
                    break
    assert got.startswith(first)
    await guarded.free()
