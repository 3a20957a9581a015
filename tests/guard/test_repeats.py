"""What lanes has just ended is not passed on again, however often a program asks."""

import asyncio
from typing import Any

import httpx
import pytest

from lanes_storage.doors.shared.loops import EndedRequest, judge
from tests.guard.conftest import Guard, Guarded
from tests.guard.mirror import mirror
from tests.kit.providers import SOON_MS

BODY: dict[str, Any] = {"model": "sim-hang", "messages": [{"role": "user", "content": "hi"}]}


async def ask(guarded: Guarded, session: str | None = "s", **more: Any) -> httpx.Response:
    headers = {} if session is None else {"x-lanes-session": session}
    return await guarded.client.post(f"{guarded.base}/messages", json=BODY | more, headers=headers)


async def aborted(guarded: Guarded, **more: Any) -> httpx.Response:
    asking = asyncio.create_task(ask(guarded, **more))
    lane = await guarded.running()
    assert (await guarded.desk.abort(lane.key)).outcome == "released"
    return await asking


async def test_F295_the_same_request_after_an_abort_is_refused_at_once(guard: Guard) -> None:
    guarded = await guard()
    assert (await aborted(guarded)).status_code == 423
    for stream in (False, True):  # some programs ask again without a stream
        again = await ask(guarded, stream=stream)
        assert (again.status_code, again.headers["x-should-retry"]) == (423, "false")
    assert len(guarded.simulator.requests) <= 1
    assert "was asked a third time and is refused" in await guarded.desk.why("bot:s")
    assert (await guarded.client.post(f"{guarded.url}/api/lanes/bot:s/resume", json={})).json()["done"] is True
    assert "third time" not in await guarded.desk.why("bot:s")
    assert (await aborted(guarded)).status_code == 423, "it was passed on again"


async def test_F295_another_request_passes_and_its_success_ends_the_refusal(guard: Guard) -> None:
    guarded = await guard()
    await aborted(guarded)
    other = await ask(guarded, model="sim-ok")
    assert other.status_code == 200
    assert (await aborted(guarded)).status_code == 423
    assert "asked" not in await guarded.desk.why("bot:s")


async def test_F295_a_spent_limit_is_remembered_without_a_session_too(guard: Guard) -> None:
    async with mirror(pieces=[asyncio.Event()]) as seen:
        guarded = await guard(seen.url, source={"first_byte_timeout": f"{SOON_MS}ms"})
        for _ in range(3):
            answer = await ask(guarded, None, stream=True)
            assert "error" in answer.text
        assert len(seen.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_F295_a_refusal_of_the_provider_may_be_asked_again(guard: Guard, status: int) -> None:
    async with mirror(status=status) as seen:
        guarded = await guard(seen.url)
        for _ in range(3):
            assert (await ask(guarded)).status_code == status
        assert len(seen.requests) == 3


def test_F295_only_what_ended_within_the_minute_and_after_no_success_counts() -> None:
    ended, other = EndedRequest(100, False, "aborted", "d"), EndedRequest(110, False, "aborted", "e")
    failed, done = EndedRequest(120, False, None, "d"), EndedRequest(130, True, None, "f")
    assert judge([ended, other, failed], "d", 50) == ended
    assert judge([ended], "d", 100) is None
    assert judge([ended, done], "d", 50) is None
    assert judge([failed], "d", 50) is None
