"""Whoever looks for much: told how much is too much, ended in time, and in nobody's way."""

import asyncio
import json
import threading
import time
from typing import Any

import pytest

from lanes.base.errors import TooMuch
from lanes.commands.common.exits import Exit, exit_of
from lanes.records.problems import error_of, problem_of
from lanes.server.asgi import bodies, request
from lanes.verbs import queries
from lanes_storage import reads
from lanes_storage.law import Scope
from lanes_storage.records import LaneFilter
from lanes_storage.sqlite.aio import MAX_CONNECTIONS
from tests.kit.until import PATIENCE_S, until
from tests.server.conftest import Served, running
from tests.server.test_limits import talking
from tests.storage.test_browsing import ENDLESS

SEARCHING: dict[str, tuple[str, str, Any]] = {
    "lanes": ("GET", "/api/lanes", None),
    "search": ("POST", "/api/search", {"limit": 10}),
    "find": ("POST", "/api/find", {"part": "a"}),
    "lane": ("GET", "/api/lanes/a", None),
    "messages": ("GET", "/api/lanes/a/messages", None),
    "dead letters": ("GET", "/api/dead-letters", None),
    "events": ("GET", "/api/events?since=1h", None),
    "status": ("GET", "/api/status", None),
    "metrics": ("GET", "/metrics", None),
}


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes over many rows never comes to an end."""
    for name in ("lanes", "lanes_total", "lane_place", "counts", "messages", "dead_letters", "events"):
        monkeypatch.setattr(reads, name, lambda *_, **__: ENDLESS)


@pytest.mark.usefixtures("endless")
async def test_F122_messages_are_answered_beside_searches_that_do_not_end(served: Served) -> None:
    searches = [asyncio.create_task(served.client.get("/api/lanes")) for _ in range(20)]
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        answer = await served.client.post("/api/lanes/a/messages?wait=60", json={"text": "hello"})
        assert answer.json()["state"] == "done"
        assert (await served.client.get(f"/api/messages/{answer.json()['id']}")).json()["state"] == "done"
        assert (await served.client.post("/api/lanes/a/abort", json={})).json()["outcome"] == "not_held"
    assert not any(search.done() for search in searches)
    for search in searches:
        search.cancel()
    await asyncio.gather(*searches, return_exceptions=True)


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize("name", SEARCHING)
async def test_F123_a_search_that_takes_too_long_is_ended_in_words(
    served: Served, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(request, "SEARCH_S", 0.05)
    await served.post("/api/lanes/a/messages", {"text": "hello"})
    method, path, body = SEARCHING[name]
    answer = await served.client.request(method, path, json=body, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "too_much")
    assert "search was ended" in answer.json()["detail"]


async def test_F123_a_search_ends_with_its_client(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that went on would keep a place, and there are few."""
    begun: list[object] = []

    def begin(*given: object, **more: object) -> Any:
        begun.append((given, more))
        return ENDLESS

    with monkeypatch.context() as patched:
        patched.setattr(reads, "lanes", begin)
        for number in range(2 * MAX_CONNECTIONS):
            async with talking(served, b"GET /api/lanes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
                await until(lambda number=number: len(begun) > number, "the search")  # type: ignore[misc]
    async with asyncio.timeout(PATIENCE_S):
        assert (await served.client.get("/api/lanes")).status_code == 200


def test_F124_what_is_too_much_is_a_mistake_of_usage_on_every_surface() -> None:
    problem = problem_of(TooMuch("ask for less"))
    assert problem.status == 400
    told = error_of(problem.document())
    assert isinstance(told, TooMuch)
    assert str(told) == "ask for less"
    assert exit_of(told) is Exit.USAGE


async def test_F124_an_exact_choice_may_be_empty_and_is_bounded(served: Served) -> None:
    for key in ("a", "b"):
        await served.post(f"/api/lanes/{key}/messages", {"text": "hello"})

    async def found(keys: list[str] | None) -> list[str]:
        answer = await served.post("/api/search", {"keys": keys, "limit": 10})
        return sorted(lane["key"] for lane in answer.json()["lanes"])

    many = [f"none:{number}" for number in range(queries.MOST_KEYS)]
    assert await found(None) == ["a", "b"]
    assert await found([]) == []
    assert await found(["b", *many[1:]]) == ["b"]
    refused = await served.post("/api/search", {"keys": ["b", *many], "limit": 10})
    assert (refused.status_code, refused.json()["code"]) == (400, "too_much")
    assert "at most 10000" in refused.json()["detail"]


async def test_a_filter_chooses_the_same_by_every_route_and_is_never_misread_as_all(served: Served) -> None:
    for key in ("agent:main:1", "agent:other:1", "cron:1"):
        await served.post(f"/api/lanes/{key}/messages?wait=60", {"text": "hello"})
    for typed, keys in (("agent:[!m]*", ["agent:other:1"]), ("!agent since:1h", ["cron:1"]), ("state:r", [])):
        page = (await served.client.get("/api/lanes", params={"filter": typed})).json()
        assert [lane["key"] for lane in page["lanes"]] == keys
        found = (await served.post("/api/search", {"filter": typed, "limit": 10})).json()
        assert [lane["key"] for lane in found["lanes"]] == keys
        hit = (await served.post("/api/find", {"filter": typed, "part": "1"})).json()["hit"]
        assert (hit and hit["key"]) == (keys[0] if keys else None)
    for answer in (
        await served.client.get("/api/lanes", params={"filter": "sate:errored"}),
        await served.post("/api/search", {"filter": "sate:errored", "limit": 10}),
        await served.post("/api/find", {"filter": "sate:errored", "part": "a"}),
    ):
        assert answer.status_code == 400
        assert "did you mean “state:”?" in answer.json()["detail"]


async def test_F124_a_filter_of_very_many_words_is_refused_at_once(served: Served) -> None:
    """689 KB of them stopped the event loop for half a minute."""
    began = time.monotonic()
    for typed in ("feishu: " * 86_000, "a " * 65, "x" * 5_000):
        answer = await served.post("/api/search", {"filter": typed})
        assert answer.status_code == 400
        assert "at most" in answer.json()["detail"]
    assert time.monotonic() - began < 30
    assert (await served.post("/api/search", {"filter": "a " * 64})).status_code == 200


async def test_F124_what_is_longer_than_any_key_is_refused(served: Served) -> None:
    assert (await served.client.get("/api/lanes", params={"match": "*" * 2_000})).json()["code"] == "too_much"
    assert (await served.post("/api/find", {"part": "x" * 600})).json()["code"] == "too_much"


async def test_F124_a_body_of_very_many_values_is_refused(served: Served) -> None:
    """Parsing eight megabytes of brackets holds up every thread for more than a second."""
    body = b'{"text": "a", "request": ' + b"[" + b"[]," * 200_000 + b"[]]}"
    refused = await served.client.post(
        "/api/lanes/a/messages", content=body, headers={"Content-Type": "application/json"}
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "too_much")
    text = '"[,{' * 200_000
    accepted = await served.post("/api/lanes/a/messages", {"text": text})
    assert accepted.status_code == 202, "what stands in a text is no value"
    assert accepted.json()["text"] == text


async def test_F124_a_large_body_is_parsed_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def noting(raw: str) -> Any:
        threads.append(threading.current_thread().name)
        return json.loads(raw)

    monkeypatch.setattr(bodies, "_decode", noting)
    for size in (10, bodies.LARGE_BODY):
        assert await bodies.parsed(json.dumps({"text": "x" * size}).encode()) == {"text": "x" * size}
    small, large = threads
    assert small == "MainThread"
    assert large != "MainThread"


async def test_F125_what_could_be_aborted_is_found_by_the_database(served: Served) -> None:
    """Each lane was read to see, and each head by a query of its own."""
    await served.post("/api/lanes/held/messages", {"text": "[[sim-hang]]"})
    await running(served, "held")
    await served.post("/api/lanes/held/messages", {"text": "waits"})
    await served.post("/api/lanes/idle/messages?wait=60", {"text": "done"})
    await served.post("/api/lanes/paused/pause", {})
    queries = []
    read = served.desk.store.read

    async def noting(query: Any) -> Any:
        queries.append(query)
        return await read(query)

    served.desk.store.read = noting  # type: ignore[method-assign]
    for scope, keys in ((Scope.RUN, ["held"]), (Scope.QUEUE, ["held"]), (Scope.BOTH, ["held"])):
        page = (await served.client.get("/api/lanes", params={"abortable": scope})).json()
        assert ([lane["key"] for lane in page["lanes"]], page["next"]) == (keys, None)
    assert sum(query.sql == reads.message(1).sql for query in queries) == 0
    assert await served.desk.lanes_total(LaneFilter(abortable=Scope.BOTH)) == 1


async def test_a_lane_that_stays_where_it_is_is_listed_once_whatever_moves_between_two_pages(served: Served) -> None:
    await served.post("/api/pause")
    sent = [await served.desk.send(str(number), "waits") for number in range(6)]
    first = (await served.client.get("/api/lanes?limit=2")).json()
    await served.desk.drop(sent[0].id)  # its lane comes last from now on, and each other one moves up
    await served.desk.send("6", "waits")
    pages, cursor = [first], first["next"]
    while cursor is not None:
        pages.append((await served.client.get("/api/lanes", params={"limit": 2, "cursor": cursor})).json())
        cursor = pages[-1]["next"]
    assert [lane["key"] for page in pages for lane in page["lanes"]] == ["0", "1", "2", "3", "4", "5", "6", "0"]
    by_place = (await served.client.get("/api/lanes?limit=2&cursor=1")).json()["lanes"]
    assert [lane["key"] for lane in by_place] == ["2", "3"], "as 0.1.0 asked"
    refused = await served.client.get("/api/lanes?cursor=x")
    assert (refused.status_code, refused.json()["code"]) == (400, "unfit")
