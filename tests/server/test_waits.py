"""A run that waits over HTTP says so by ``X-Lanes-Run``; a wait that would never end is refused."""

import asyncio

import pytest

import lanes
from lanes.engine.runs.live import ActiveRun
from lanes.host.identity import this_process
from lanes.server.state import polled_waits
from lanes_storage import reads
from tests.kit.until import until
from tests.server.conftest import Served, Start, running


async def test_F29_a_wait_for_ones_own_lane_is_refused_at_once(start: Start) -> None:
    served = await start()
    async with served.desk.hold("mine") as run:
        refused = await served.post("/api/lanes/mine/messages?wait=30", {"text": "x"}, **{"X-Lanes-Run": str(run.id)})
        assert refused.status_code == 422
        assert refused.json()["code"] == "wait_cycle"
        assert "'mine' waits for 'mine'" in refused.json()["detail"]
        body = {"model": "lanes", "messages": [{"role": "user", "content": "x"}]}
        headers = {"X-Lanes-Run": str(run.id), "X-Lanes-Session": "mine"}
        refused = await served.post("/v1/chat/completions", body, **headers)
        assert refused.status_code == 422
        assert refused.json()["error"]["code"] == "wait_cycle"
    assert len(await served.desk.messages("mine")) == 1, "nothing was stored but the hold"


async def test_F670_a_wait_for_what_waits_for_the_run_is_refused_as_the_document_says(start: Start) -> None:
    served = await start()
    async with served.desk.hold("mine") as run:
        behind = await served.desk.send("mine", "later")
        route, headers = f"/api/messages/{behind.id}", {"X-Lanes-Run": str(run.id)}
        refused = await served.client.get(f"{route}?wait=30", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "wait_cycle")
        document = (await served.client.get("/openapi.json")).json()
        assert "422" in document["paths"]["/api/messages/{id}"]["get"]["responses"]


async def test_a_message_that_nobody_waits_for_closes_no_circle(start: Start) -> None:
    served = await start()
    async with served.desk.hold("mine") as run:
        accepted = await served.post("/api/lanes/mine/messages", {"text": "later"}, **{"X-Lanes-Run": str(run.id)})
        assert accepted.status_code == 202


async def test_a_wait_is_noted_while_it_lasts(start: Start) -> None:
    served = await start()
    async with served.desk.hold("mine") as run:
        assert isinstance(run, ActiveRun)
        asking = asyncio.create_task(
            served.post("/api/lanes/other/messages?wait=600", {"text": "[[sim-hang]]"}, **{"X-Lanes-Run": str(run.id)})
        )
        await until(lambda: run.waiting, "the wait to be noted")
        (wait,) = await served.desk.store.read(reads.waits())
        assert wait.process == this_process(), "the gateway waits for whoever asked it"
        asking.cancel()  # its client leaves; the message goes on, and is waited for no longer
        await until(lambda: not run.waiting, "the wait to be over")
        lane = await served.desk.lane("other")
        assert lane.state == "running"


async def test_F1059_a_run_whose_client_polls_waits_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    served = await start()
    async with served.desk.hold("mine") as run:
        headers = {"X-Lanes-Run": str(run.id)}
        accepted = await served.post("/api/lanes/other/messages?wait=0", {"text": "[[sim-hang]]"}, **headers)
        number, noted = int(accepted.json()["id"]), await served.desk.store.read(reads.waits())
        assert [(wait.run_id, wait.message_id) for wait in noted] == [(run.id, number)]
        began = await progress(served, run.id)
        for _ in range(3):
            polled = await served.client.get(f"/api/messages/{number}?wait=0", headers=headers)
            assert polled.json()["ended_at"] is None
            assert await served.desk.store.read(reads.waits()) == noted
        assert await progress(served, run.id) == began, "a poll is no progress"
        await served.desk.abort("other", actor="me")
        await served.desk.wait(number)
        await served.client.get(f"/api/messages/{number}?wait=0", headers=headers)
        assert await served.desk.store.read(reads.waits()) == []
        monkeypatch.setattr(polled_waits, "LEASE_S", 0.01)
        await served.post("/api/lanes/third/messages?wait=0", {"text": "[[sim-hang]]"}, **headers)

        async def is_over() -> bool:
            return await served.desk.store.read(reads.waits()) == []

        await until(is_over, "the end of a wait for which nobody came again")


async def progress(served: Served, run: int) -> int:
    """When a run last showed progress."""
    found = await served.desk.store.read(reads.run(run))
    assert found is not None
    return found.progress_at


async def test_what_is_no_run_is_refused_and_a_run_that_is_over_is_not(start: Start) -> None:
    served = await start()
    refused = await served.post("/api/lanes/a/messages?wait=1", {"text": "x"}, **{"X-Lanes-Run": "mine"})
    assert refused.status_code == 400
    over = await served.post("/api/lanes/a/messages?wait=600", {"text": "x"}, **{"X-Lanes-Run": "12345"})
    assert (over.status_code, over.json()["state"]) == (200, "done")


async def test_mode_reject_is_locked_and_never_a_conflict(start: Start) -> None:
    served = await start(policies=[{"match": "strict:*", "mode": "reject"}])
    async with served.desk.hold("strict:1"):
        refused = await served.post("/api/lanes/strict%3A1/messages", {"text": "x"})
        assert (refused.status_code, refused.json()["code"]) == (423, "lane_busy")
    assert isinstance(served.desk, lanes.Desk)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/gateways?id={owner}&wait=10m", None),
        ("GET", "/api/messages/1?wait=600", None),
    ],
)
async def test_a_wait_ends_with_its_client(start: Start, method: str, path: str, body: object) -> None:
    served = await start()
    await served.post("/api/lanes/held/messages", {"text": "[[sim-hang]]"})
    await running(served, "held")
    owner = (await served.desk.status()).gateways[0].id
    await until(lambda: len(requests()) == 1, "the provider to be the only one that is asked")
    provider = requests()
    asking = asyncio.create_task(served.client.request(method, path.format(owner=owner), json=body))
    await until(lambda: requests() - provider, "the request")
    asking.cancel()
    await until(lambda: not requests() - provider, "its end")
    assert requests() == provider


def requests() -> set[asyncio.Task[object]]:
    """What is answered now, by the gateway or by its simulated provider."""
    return {task for task in asyncio.all_tasks() if "run_asgi" in repr(task.get_coro())}
