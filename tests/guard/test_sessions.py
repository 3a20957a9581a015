"""The requests of one session run beside each other, and are seen, aborted and counted together."""

import asyncio
from typing import Any

import httpx
import pytest

from lanes.base.errors import NotFound
from lanes_storage.law import LaneState
from tests.guard.conftest import Guard, Guarded
from tests.kit.until import until

KEY = "bot:s"


def ask(guarded: Guarded, model: str = "sim-hang", session: str = "s") -> "asyncio.Task[httpx.Response]":
    body = {"model": model, "input": "hi"}
    headers = {"x-lanes-session": session}
    return asyncio.create_task(guarded.client.post(f"{guarded.base}/responses", json=body, headers=headers))


async def open_of(guarded: Guarded, count: int, state: str = "running") -> None:
    async def so_many() -> bool:
        seen = [(lane.open, lane.state) for lane in await guarded.desk.lanes() if lane.key == KEY]
        return seen == [(count, state)] and (state == "idle" or guarded.gateway.held >= count)

    await until(so_many, f"{count} open requests")


async def ended(*tasks: "asyncio.Task[httpx.Response]") -> list[int]:
    return [(await task).status_code for task in tasks]


async def test_F294_requests_of_a_session_do_not_wait_for_each_other(guard: Guard) -> None:
    guarded = await guard()
    hanging = ask(guarded)
    await open_of(guarded, 1)
    answered = await ask(guarded, "sim-ok")
    assert answered.status_code == 200
    hanging.cancel()
    await guarded.free()


async def test_F294_a_session_is_one_line_and_one_abort_ends_all_of_it(guard: Guard) -> None:
    guarded = await guard()
    asked = [ask(guarded) for _ in range(3)]
    await open_of(guarded, 3)
    (lane,) = await guarded.desk.lanes()
    assert (lane.key, lane.state, (await guarded.desk.lanes_total())) == (KEY, "running", 1)
    counts = (await guarded.client.get(f"{guarded.url}/api/status")).json()["lanes"]
    assert (counts["running"], counts["idle"]) == (1, 0)
    result = await guarded.desk.abort(KEY, actor="alice")
    assert (result.key, result.outcome) == (KEY, "released")
    assert await ended(*asked) == [423, 423, 423]
    (lane,) = await guarded.desk.lanes()
    assert (lane.key, lane.state, lane.open) == (KEY, "aborted", 0)
    counts = (await guarded.client.get(f"{guarded.url}/api/status")).json()["lanes"]
    assert counts == {"idle": 0, "running": 0, "errored": 0, "aborted": 1}
    assert (await guarded.desk.ack(KEY)).state is LaneState.IDLE
    assert (await guarded.desk.lane(KEY)).state is LaneState.IDLE


async def test_F294_an_epoch_names_one_request(guard: Guard) -> None:
    guarded = await guard()
    first = ask(guarded)
    await open_of(guarded, 1)
    second = ask(guarded)
    await open_of(guarded, 2)
    lane = await guarded.desk.lane(KEY)
    assert (await guarded.desk.abort(KEY, epoch=lane.epoch)).outcome == "released"
    await open_of(guarded, 1)
    assert (await guarded.desk.abort(KEY, epoch=lane.epoch)).outcome == "not_held"
    assert (await guarded.desk.abort(KEY, epoch=4711)).outcome == "changed"
    assert (await guarded.desk.abort(KEY)).outcome == "released"
    assert (await guarded.desk.abort(KEY)).outcome == "not_held"
    assert sorted(await ended(first, second)) == [423, 423]


async def test_F294_a_paused_session_starts_nothing(guard: Guard) -> None:
    guarded = await guard()
    assert (await ask(guarded, "sim-ok")).status_code == 200
    await guarded.desk.pause(KEY)
    waiting = [ask(guarded, "sim-ok") for _ in range(2)]
    await open_of(guarded, 2, "idle")
    await guarded.desk.resume(KEY)
    assert await ended(*waiting) == [200, 200]


async def test_F294_more_than_concurrency_wait(guard: Guard) -> None:
    guarded = await guard(source={"concurrency": 2})
    asked = [ask(guarded) for _ in range(3)]
    await open_of(guarded, 2)

    async def one_waits() -> bool:
        session = await guarded.desk.lane(KEY)
        return (session.state, session.open, session.queued) == ("running", 2, 1)

    await until(one_waits, "one request to wait behind another")
    for task in asked:
        task.cancel()
    await guarded.free()


async def test_F294_filters_orders_and_groups_see_the_session(guard: Guard) -> None:
    guarded = await guard()
    asked = [ask(guarded), ask(guarded), ask(guarded, session="other")]
    await open_of(guarded, 2)

    async def keys(query: str) -> Any:
        found = (await guarded.client.get(f"{guarded.url}/api/lanes?{query}")).json()["lanes"]
        return sorted(lane["key"] for lane in found)

    async def both() -> bool:
        return bool(await keys("filter=state:running") == ["bot:other", KEY])

    await until(both, "both sessions to run")
    assert await keys("filter=key:bot:s") == await keys("filter=key:%22bot:s%22") == [KEY]
    assert await keys("match=bot:s") == [KEY]
    assert await keys("filter=provider:real&sort=lane") in ([KEY, "bot:other"], ["bot:other", KEY], [KEY], [])
    groups = await guarded.client.post(f"{guarded.url}/api/groups", json={"parts": 1})
    assert [(group["prefix"], group["lanes"]) for group in groups.json()] == [("bot", 2)]
    for task in asked:
        task.cancel()
    await guarded.free()
    with pytest.raises(NotFound):
        await guarded.desk.lane("bot:none")


async def test_F623_the_policy_of_a_session_is_that_of_all_its_requests(guard: Guard) -> None:
    guarded = await guard(
        policy=[{"match": KEY, "run_timeout": "500ms", "stall_timeout": "500ms"}],
        clocks={"run_timeout": "10m"},
    )
    asked = [ask(guarded) for _ in range(2)]
    assert await ended(*asked) == [423, 423]
    lane = await guarded.desk.lane(KEY)
    assert lane.last_error is not None
    assert lane.last_error.cause in ("run_timeout", "stall_timeout")


async def test_F623_a_glob_that_means_a_session_pauses_its_requests(guard: Guard) -> None:
    guarded = await guard()
    for _ in range(2):  # once with a child lane already there
        await guarded.desk.pause_all(match="*:s", reason="look")
        asked = ask(guarded, "sim-ok")
        await open_of(guarded, 1, "idle")
        (lane,) = await guarded.desk.lanes()
        assert lane.paused is not None
        await guarded.desk.resume_all(match="*:s")
        assert (await asked).status_code == 200


async def test_F294_a_policy_gives_it_to_requests_of_other_clients_too(guard: Guard) -> None:
    guarded = await guard(
        client_key=False,
        provider={"api_key_env": "KEY", "model": "sim-echo"},
        runner=[{"name": "chat", "kind": "provider", "providers": ["real"]}],
        policy=[{"match": "many", "concurrency": 3}],
    )

    def post(key: str, text: str) -> "asyncio.Task[httpx.Response]":
        body = {"model": "chat", "messages": [{"role": "user", "content": text}]}
        url = f"{guarded.url}/v1/chat/completions"
        return asyncio.create_task(guarded.client.post(url, json=body, headers={"x-lanes-session": key}))

    hanging = [post("many", "[[sim-hang]]"), post("one", "[[sim-hang]]")]

    async def both() -> bool:
        return guarded.gateway.held == 2

    await until(both, "both to hang")
    assert (await post("many", "hi")).json()["choices"][0]["message"]["content"] == "hi"
    waiting = post("one", "hi")

    async def waits() -> bool:
        return (await guarded.desk.lane("one")).queued == 1

    await until(waits, "the other session to wait, one request after another")
    for task in (*hanging, waiting):
        task.cancel()
    await guarded.free()
