"""The journal over HTTP: followed, resumed, filtered, listed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from lanes.server.routes import events, verbs
from lanes.server.state import journal
from lanes_storage import doors, reads
from lanes_storage.law import EventType
from tests.kit.forms import are_forms
from tests.kit.until import PATIENCE_S, until
from tests.server.conftest import Served, Start


class Told:
    """A stream of server-sent events, read as a client does."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def block(self) -> dict[str, str]:
        """The fields up to the next empty line; comments are left out. Raises EOFError at the end."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                self.last_id = fields.get("id", self.last_id)
                return fields
            if not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
        raise EOFError

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The next so many events."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(found) < count:
                fields = await self.block()
                if "data" in fields:
                    event = json.loads(fields["data"])
                    assert (event["id"], event["type"]) == (fields["id"], fields["event"])
                    found.append(event)
        return found


@asynccontextmanager
async def following(served: Served, path: str = "/api/events", **headers: str) -> AsyncIterator[Told]:
    async with served.client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Told(response)


async def done(served: Served, key: str) -> None:
    await served.post(f"/api/lanes/{key}/messages?wait=100", {"text": "hello"})


async def test_what_happens_is_told_as_it_happens(served: Served) -> None:
    await done(served, "before")
    async with following(served) as told:
        assert await told.block() == {"retry": "2000", "id": str((await served.desk.events())[-1].id)}
        await done(served, "a")
        found = await told.events(3)
    are_forms(found, "Event")
    assert [(e["key"], e["type"]) for e in found] == [("a", "accepted"), ("a", "claim"), ("a", "complete")]


async def test_it_resumes_where_it_was_also_after_a_restart(start: Start) -> None:
    first = await start()
    async with following(first) as told:
        await done(first, "a")
        seen = [e["id"] for e in await told.events(2)]
    first.stop.set()
    await first.serving
    second = await start()
    await done(second, "b")
    async with following(second, **{"Last-Event-ID": seen[-1]}) as told:
        rest = await told.events(5)
    journal_ = [str(event.id) for event in await second.desk.events()]
    at = journal_.index(seen[0])
    assert seen + [e["id"] for e in rest] == journal_[at : at + 7], "nothing is missing, nothing is told twice"


async def test_a_filter_by_lane_and_type(served: Served) -> None:
    await done(served, "a")
    async with following(served, "/api/events?key=a&type=claim&since=1h") as told:
        await done(served, "b")
        await done(served, "a")
        found = await told.events(2)
    assert [(e["key"], e["type"]) for e in found] == [("a", "claim")] * 2


async def test_F669_a_type_that_a_newer_lanes_writes_is_followed_from_far_behind(served: Served) -> None:
    await done(served, "a")
    newer: Any = "newer_word"
    await served.desk.store.write(partial(doors.record, type=newer, now=served.desk.clock()))
    await done(served, "a")
    async with following(served, "/api/events?after=0&type=newer_word") as told:
        assert [e["type"] for e in await told.events(1)] == ["newer_word"]


@pytest.mark.parametrize("followed", [{"type_": "newer_word"}, {"key": "a"}])
async def test_F697_what_is_followed_from_far_behind_is_pruned_meanwhile(
    served: Served, followed: dict[str, str]
) -> None:
    await done(served, "a")
    follower = await journal.Feed(served.desk).follow(0, **followed)  # type: ignore[arg-type]
    await served.desk.store.write(lambda tx: tx.run("UPDATE lanes SET key = 'gone' WHERE key = 'a'", {}))
    try:
        said = [piece async for piece in events._event_stream(follower)]
    finally:
        follower.close()
    assert said[1:] == [b": what is followed is not there any more\n\n"]


async def test_a_long_way_behind(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a page, and more than the window holds."""
    monkeypatch.setattr(journal, "PAGE", 3)
    for _ in range(5):
        await done(served, "a")
    total = len(await served.desk.events())
    async with following(served, "/api/events?after=0") as told:
        await done(served, "a")
        found = await told.events(total + 3)
    assert [e["id"] for e in found] == [str(event.id) for event in await served.desk.events()]


async def test_large_events_are_told_a_few_at_a_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a superseded run wrote stays in the journal, however large it was."""
    large, many = 100_000, 12
    monkeypatch.setattr(journal, "WINDOW_BYTES", 3 * large)
    monkeypatch.setattr(verbs, "MOST_CHARACTERS", 3 * large)
    await done(served, "a")
    row = await served.desk.store.read(reads.lane("a"))
    assert row is not None
    feed = journal.Feed(served.desk)
    before = (await served.desk.events())[-1].id
    one, other = await feed.follow(before), await feed.follow(before)
    for _ in range(many):
        late = {"reply": "x" * large}
        await served.desk.store.write(
            partial(doors.record, type=EventType.REFUSED_WRITE, now=served.desk.clock(), lane=row.id, detail=late)
        )
    last = (await served.desk.events())[-1].id

    async def all_read() -> bool:
        return feed.last == last

    await until(all_read, "the feed to have read everything")
    assert feed._size <= journal.WINDOW_BYTES
    for follower in (one, other, await feed.follow(before, type_="refused_write"), await feed.follow(before, key="a")):
        told = b""
        while follower.behind:
            piece = await follower.take()
            assert len(piece) <= journal.MOST_BYTES + large + 1_000
            told += piece
        assert told.count(b"event: refused_write\n") == many
        assert told.count(b"data: ") == told.count(b"event: ") == many
        follower.close()
    answer = await served.client.get(f"/api/events?after={before}", headers={"Accept": "application/json"})
    listed = answer.json()
    assert len(answer.content) < 5 * large
    assert int(listed[-1]["id"]) < last, "the rest is behind it"


async def test_many_follow_and_one_reads(served: Served) -> None:
    async with (
        following(served) as one,
        following(served) as other,
        following(served, "/api/events?type=claim") as last,
        following(served, "/api/events?filter=key:=b%20!state:run") as chosen,
    ):
        await done(served, "a")
        assert await one.events(3) == await other.events(3)
        assert [e["type"] for e in await last.events(1)] == ["claim"]
        await done(served, "b")
        assert [(e["key"], e["type"]) for e in await chosen.events(2)] == [("b", "accepted"), ("b", "complete")]
    refused = await served.client.get("/api/events?filter=queue:1")
    assert refused.status_code == 400
    assert "is not a field of an event" in refused.json()["detail"]


async def test_followers_are_bounded_and_forgotten(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_FOLLOWERS", 1)
    async with following(served):
        refused = await served.client.get("/api/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "followers")
        assert refused.headers["retry-after"]

    async def forgotten() -> bool:
        return "lanes_journal_followers 0" in (await served.client.get("/metrics")).text

    await until(forgotten, "the follower to be forgotten")
    async with following(served):
        pass


async def test_silence_is_kept_alive(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEPALIVE_S", 0.01)
    async with served.client.stream("GET", "/api/events?type=reclaim") as response:
        lines = response.aiter_lines()
        async with asyncio.timeout(PATIENCE_S):
            while (await anext(lines)) != ": still here":
                pass


async def test_it_ends_with_the_gateway(served: Served) -> None:
    async with following(served) as told:
        await told.block()
        served.stop.set()
        with pytest.raises(EOFError):
            await told.events(1_000)
    async with asyncio.timeout(PATIENCE_S):
        await served.serving


async def test_an_id_of_another_journal_starts_anew(served: Served) -> None:
    async with following(served, **{"Last-Event-ID": "999999999"}) as told:
        await told.block()
        await done(served, "a")
        assert (await told.events(1))[0]["type"] == "accepted"


async def test_a_list(served: Served) -> None:
    for key in "ab":
        await done(served, key)
    as_list = {"Accept": "application/json"}

    async def listed(**query: str) -> list[dict[str, Any]]:
        answer = await served.client.get("/api/events", params=query, headers=as_list)
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    everything = await listed()
    are_forms(everything, "Event")
    assert [e["id"] for e in everything] == [str(e.id) for e in await served.desk.events()]
    assert [e["type"] for e in await listed(limit="1")] == ["complete"], "the newest"
    assert await listed(after=everything[0]["id"], limit="2") == everything[1:3], "the next ones"
    assert {e["key"] for e in await listed(key="b", since="1h")} == {"b"}


@pytest.mark.parametrize(
    "query", ["type=Non-sense", "since=5", "after=x", "limit=2", "key=a&key=b", "tpye=claim", "key=%FF", "after=-1"]
)
async def test_what_can_not_be_meant_is_refused(served: Served, query: str) -> None:
    refused = await served.client.get(f"/api/events?{query}")
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_F683_a_mistyped_type_is_refused_instead_of_a_stream_without_events(served: Served, accept: str) -> None:
    await done(served, "a")
    refused = await served.client.get("/api/events?type=clam&after=0", headers={"Accept": accept})
    assert (refused.status_code, refused.json()["code"]) == (400, "unfit")
    assert refused.json()["detail"] == "no event has the type clam; did you mean claim?"


async def test_an_unknown_lane(served: Served) -> None:
    assert (await served.client.get("/api/events?key=nobody")).status_code == 404
