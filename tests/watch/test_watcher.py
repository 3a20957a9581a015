"""What a watcher keeps, and what every surface does with it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lanes.base.errors import Ambiguous, NotFound, NotPermitted
from lanes.commands.output.words import note
from lanes.explain.phrases import concerned, standing
from lanes.records import AbortResult, Event, Outcome
from lanes.testing import HOUR
from lanes.verbs.control import abort
from lanes.verbs.queries import marks, search, show, tally, why
from lanes.watch import freeing, ladder, watcher
from lanes.watch.openclaw.view import SessionView
from lanes_storage import doors, reads
from lanes_storage.law import EventType, LaneState, SourceState, WatchedState
from lanes_storage.records import LaneFilter, NewMessage, SourceRow
from lanes_storage.sqlite.file import locking
from tests.kit.until import PATIENCE_S, until
from tests.watch.openclaw import OF_5, OF_9
from tests.watch.site import ADDRESS, KEY, WatchSite, watch_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WatchSite]:
    """A site that watches a gateway of 2026.9."""
    async with watch_site(tmp_path, OF_9) as made, made.watched():
        yield made


async def aborted(site: WatchSite, key: str = ADDRESS, **how: Any) -> AbortResult:
    """How an abort ended."""
    result: AbortResult = await site.desk.call(abort, site.desk.context("alice"), key=key, **how)
    return result


async def events(site: WatchSite, kind: EventType) -> list[Event]:
    """The events of a type."""
    return await site.desk.events(type=kind)


async def test_a_held_session_is_listed_shown_explained_and_freed(site: WatchSite) -> None:
    run = await site.gateway.begin(KEY)
    site.gateway.enqueue(KEY, "second")
    lane = await site.lane(state=LaneState.RUNNING, runs=(run,), waiting=1)
    assert (lane.source, lane.queued, lane.run_id) == ("openclaw", 1, None)
    paragraph = (await site.desk.call(why, site.desk.context(), key=ADDRESS)).why
    assert f"Run {run} holds it." in paragraph
    assert f"`lanes abort {ADDRESS} --epoch {lane.epoch}`" in paragraph
    detail = await site.desk.call(show, site.desk.context(), key=ADDRESS)
    assert (detail.lane.seen.runs, "To free it now" in detail.why) == ((run,), True)
    result = await aborted(site, reason="stuck")
    assert (result.outcome, result.steps[0].step) == (Outcome.RELEASED, "abort by run id")
    assert result.survivors is None
    assert site.gateway.sessions[KEY].waiting == ["second"]
    await site.lane(state=LaneState.IDLE, outcome="killed")
    (event,) = await events(site, EventType.FREED)
    assert event.actor == "alice"
    assert (event.detail or {})["outcome"] == "released"
    assert concerned(event) == [f"lane {ADDRESS}", "released"], "F1014: `lanes events` says what was freed"
    assert ["source openclaw", "connected"] in [concerned(each) for each in await events(site, EventType.SOURCE)]
    assert (await aborted(site)).outcome is Outcome.NOT_HELD


async def test_F780_what_is_seen_is_stored_with_the_word_that_its_gateway_is_connected(tmp_path: Path) -> None:
    """For a moment, ``why`` said of a held session that its gateway is unreachable, and an abort gave up."""
    states = set[str]()

    def look() -> None:
        with closing(sqlite3.connect(tmp_path / "lanes.db")) as connection:
            states.update(*connection.execute("SELECT s.state FROM sightings JOIN sources s ON s.name = source"))

    async with watch_site(tmp_path, OF_9) as site:
        await site.gateway.begin(KEY)
        unlisten = site.desk.store.on_commit(look)
        async with site.watched():
            await site.lane(state=LaneState.RUNNING, gateway=SourceState.CONNECTED)
        unlisten()
    assert states == {"connected"}


async def test_F336_nothing_of_a_conversation_is_stored(site: WatchSite, tmp_path: Path) -> None:
    run = await site.gateway.begin(KEY)
    secret = "what-a-person-wrote"
    await site.gateway.tell("chat", sessionKey=KEY, runId=run, state="delta", message={"content": secret})
    await site.gateway.tell("session.message", sessionKey=KEY, text=secret)
    await site.lane(state=LaneState.RUNNING)
    await aborted(site)
    stored = _bytes_of(tmp_path)
    assert KEY.encode() in stored
    assert secret.encode() not in stored


def _bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("lanes.db*"))


async def test_an_abort_may_name_the_session_alone_or_its_source(site: WatchSite) -> None:
    await site.gateway.begin(KEY)
    await site.lane(state=LaneState.RUNNING)
    assert (await aborted(site, KEY)).outcome is Outcome.RELEASED
    await site.gateway.begin(KEY)
    await site.lane(state=LaneState.RUNNING)
    assert (await aborted(site, KEY, source="openclaw")).outcome is Outcome.RELEASED
    with pytest.raises(NotFound):
        await aborted(site, KEY, source="here")
    with pytest.raises(NotFound):
        await aborted(site, "agent:main:nobody")


async def test_an_abort_of_another_epoch_changes_nothing(site: WatchSite) -> None:
    await site.gateway.begin(KEY)
    first = await site.lane(state=LaneState.RUNNING)
    await site.gateway.end(KEY, "done")
    await site.lane(state=LaneState.IDLE)
    run = await site.gateway.begin(KEY)
    await site.lane(runs=(run,))
    result = await aborted(site, epoch=first.epoch)
    assert (result.outcome, result.epoch_before) == (Outcome.CHANGED, first.epoch)
    assert not site.gateway.asked("sessions.abort")


async def test_F337_of_two_lanes_of_one_name_the_source_is_asked_for(tmp_path: Path) -> None:
    async with watch_site(tmp_path, OF_9, OF_5) as site, site.watched():
        await site.desk.send(ADDRESS, "a lane here that happens to have that name")
        await site.gateway.begin(KEY)
        await until(lambda: _is_seen(site, "openclaw"), "the session")
        with pytest.raises(Ambiguous, match="--source here or --source openclaw"):
            await aborted(site)
        assert (await aborted(site, source="here")).outcome is Outcome.NOT_HELD
        assert (await aborted(site, source="openclaw")).outcome is Outcome.RELEASED


async def _is_seen(site: WatchSite, source: str) -> bool:
    row = await site.desk.store.read(reads.sighting(source, KEY))
    return row is not None and row.seen.held


async def _passed(site: WatchSite) -> None:
    """A lane here whose request came from the watched program."""
    new, now = NewMessage(ADDRESS, text="passed on", actor="openclaw"), site.desk.clock()
    await site.desk.store.write(doors.accept(new, site.desk.context().admission(ADDRESS), now))

    def mark(tx: Any) -> None:
        tx.run("UPDATE messages SET source = 'openclaw'", {})

    await site.desk.store.write(mark)


async def test_a_lane_that_is_seen_through_both_doors_is_one_line(
    site: WatchSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeing, "SEEN_MS", 100)
    await _passed(site)
    run = await site.gateway.begin(KEY)
    lane = await site.lane(runs=(run,))
    assert (lane.source, lane.queued) == ("openclaw", 1)
    assert [each.key for each in await site.lanes()] == [ADDRESS]
    result = await aborted(site)
    assert result.steps[0].step == "end its request here"
    assert result.outcome is Outcome.RELEASED


async def test_the_end_of_a_request_here_is_proven_by_the_watch(site: WatchSite) -> None:
    await _passed(site)
    run = await site.gateway.begin(KEY)
    await site.lane(runs=(run,))
    ctx = site.desk.context()
    row = await site.desk.store.read(reads.sighting("openclaw", KEY))
    assert row is not None
    await site.gateway.end(KEY, "done")
    await site.lane(runs=())
    here = AbortResult(ADDRESS, Outcome.RELEASED, 1, 1)
    how = freeing.FreeRequest(None, False, None, True, None)
    result = await site.desk.perform(freeing.after_here(ctx, here, row, how))
    assert [step.proof for step in result.steps] == ["its gateway no longer shows this run"]
    assert not site.gateway.asked("sessions.abort")


async def test_lists_page_and_filter_over_both(site: WatchSite) -> None:
    for number in range(3):
        await site.desk.send(f"here:{number}", "hello")
        await site.gateway.begin(f"{KEY}:{number}")
    await site.gateway.begin("agent:idle")
    await site.gateway.end("agent:idle", "done")
    await site.lane(f"openclaw:{KEY}:2")
    await site.lane("openclaw:agent:idle")
    every = [lane.key for lane in await site.lanes()]
    assert every == [
        *(f"openclaw:{KEY}:{n}" for n in range(3)),
        *(f"here:{n}" for n in range(3)),
        "openclaw:agent:idle",
    ]
    paged = [lane.key for at in range(0, 8, 2) for lane in await site.lanes(limit=2, cursor=str(at))]
    assert paged == every
    assert len(await site.lanes(source="openclaw")) == 4
    assert len(await site.lanes(source="here")) == 3
    assert len(await site.lanes(held=True)) == 3
    ctx = site.desk.context()
    page = await site.desk.call(search, ctx, limit=2, place_of="openclaw:agent:idle")
    assert (page.total, page.place) == (7, 6)
    assert await site.desk.lanes_total() == 7
    assert len(await site.desk.call(marks, ctx)) == 7
    one = LaneFilter(keys=(every[0],))
    assert (await site.desk.call(tally, ctx, keys=one.keys)).runs == 1
    assert await site.lanes(abortable="run") == [], "an abort of all does not reach into other programs"
    assert len(await site.lanes(abortable="run", source="openclaw")) == 3


async def test_F334_one_process_watches_and_the_next_takes_over_when_it_is_gone(tmp_path: Path) -> None:
    async with watch_site(tmp_path, OF_9) as site:
        first = await site.register()
        async with site.watched(first):
            await site.connected()
            run = await site.gateway.begin(KEY)
            site.gateway.sessions[KEY].named = False
            await site.lane(runs=(run,))
            second = await site.register()
            async with site.watched(second):
                await until(lambda: _lease(site, first), "the first to watch")
        async with site.watched(second):
            assert await _lease(site, first), "the owner of the first lives on"
            now = site.desk.clock()
            await site.desk.store.write(lambda tx: doors.end_owner(tx, first, now, cause="stopped", by="test"))
            await until(lambda: _lease(site, second), "the second to watch")
            await site.lane(gateway=SourceState.CONNECTED)
            assert (await site.lane(state=LaneState.RUNNING)).seen is not None
            assert (await site.lane(runs=(run,))).epoch == 1, "the run that was seen before is recalled"
            assert (await aborted(site)).outcome is Outcome.RELEASED


async def _lease(site: WatchSite, owner: int) -> bool:
    found = await site.desk.store.read(reads.sources())
    return bool(found) and found[0].owner_id == owner


async def test_a_request_that_nobody_carries_out_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeing, "TAKEN_MS", 50)
    async with watch_site(tmp_path, OF_9) as site:
        async with site.watched():
            await site.gateway.begin(KEY)
            await site.lane(state=LaneState.RUNNING)
        result = await aborted(site)
        assert (result.outcome, "lanes watch" in result.steps[-1].said) == (Outcome.UNREACHABLE, True)


async def test_a_gateway_that_is_gone_is_told_and_is_watched_again_when_it_is_back(site: WatchSite) -> None:
    await site.gateway.begin(KEY)
    await site.lane(state=LaneState.RUNNING, gateway=SourceState.CONNECTED)
    await site.gateway.stop()
    await site.lane(gateway=SourceState.UNREACHABLE)
    assert (await aborted(site)).outcome is Outcome.UNREACHABLE
    paragraph = (await site.desk.call(why, site.desk.context(), key=ADDRESS)).why
    assert "Its gateway is unreachable" in paragraph
    await site.gateway.listen()
    assert standing(await site.lane(gateway=SourceState.CONNECTED), 0) == "running"
    assert (await aborted(site)).outcome is Outcome.RELEASED
    assert [(event.detail or {})["state"] for event in await events(site, EventType.SOURCE)][-1] == "connected"


async def test_F1057_what_a_gateway_held_that_was_killed_is_marked_and_since_when_is_told(site: WatchSite) -> None:
    await site.gateway.begin(KEY)
    await site.lane(state=LaneState.RUNNING, gateway=SourceState.CONNECTED)
    await site.gateway.stop()
    lane = await site.lane(gateway=SourceState.UNREACHABLE)
    assert lane.seen is not None
    ((_, since),) = [(each.state, each.changed_at) for each in await site.desk.store.read(reads.sources())]
    assert (standing(lane, since), lane.seen.gateway_since) == ("unseen", since)
    assert "its gateway is unreachable for " in note(lane)
    later = lane.replace(seen=lane.seen.replace(gateway_since=since - 2 * HOUR))
    assert "its gateway is unreachable for 2h 0m" in note(later)
    paragraph = await site.desk.why(ADDRESS)
    assert "Its gateway is unreachable, for " in paragraph
    assert "if the process has ended, so has the run" in paragraph


async def test_F678_a_gateway_whose_adapter_fails_is_not_shown_as_connected(
    site: WatchSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.gateway.begin(KEY)
    await site.lane(state=LaneState.RUNNING, gateway=SourceState.CONNECTED)
    monkeypatch.setattr(SessionView, "rows", lambda *_: 1 / 0)
    await site.lane(gateway=SourceState.FOREIGN)
    assert (await aborted(site)).outcome is Outcome.UNREACHABLE
    paragraph = (await site.desk.call(why, site.desk.context(), key=ADDRESS)).why
    assert "its adapter failed: ZeroDivisionError" in paragraph
    monkeypatch.undo()
    await site.lane(gateway=SourceState.CONNECTED)


async def test_F679_where_the_database_is_locked_as_a_watch_begins_it_begins_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locking, "BUSY_TIMEOUT_MS", 500)
    monkeypatch.setattr(watcher, "LEASE_S", 0.01)
    async with watch_site(tmp_path, OF_9) as site:
        owner = await site.register()
        with closing(sqlite3.connect(tmp_path / "lanes.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with site.watched(owner):
                await until(lambda: "locked" in caplog.text, "a try")
                other.execute("ROLLBACK")
                await site.connected()


async def test_F680_what_came_of_freeing_is_told_also_where_the_database_is_locked_by_then(
    site: WatchSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locking, "BUSY_TIMEOUT_MS", 500)
    monkeypatch.setattr(watcher, "LEASE_S", 0.01)
    await site.gateway.begin(KEY)
    await site.lane(state=LaneState.RUNNING)
    free = ladder.free
    with closing(sqlite3.connect(tmp_path / "lanes.db", isolation_level=None)) as other:

        async def and_lock(*given: Any, **how: Any) -> ladder.Freed:
            freed = await free(*given, **how)
            other.execute("BEGIN IMMEDIATE")
            return freed

        monkeypatch.setattr(ladder, "free", and_lock)
        asked = asyncio.create_task(aborted(site))
        await until(lambda: "is not stored" in caplog.text, "a try")
        other.execute("ROLLBACK")
        async with asyncio.timeout(PATIENCE_S):
            assert (await asked).outcome is Outcome.RELEASED


async def test_silence_is_warned_about_once(tmp_path: Path) -> None:
    async with watch_site(tmp_path, OF_9, warn_silent_after="1s") as site, site.watched():
        await site.gateway.begin(KEY)
        site.gateway.sessions[KEY].started = site.gateway.sessions[KEY].started or 0
        (event,) = await until(lambda: events(site, EventType.WATCHED_SILENT), "the warning")
        assert (event.detail or {})["key"] == ADDRESS
        seen = await site.lane(state=LaneState.RUNNING)
        assert seen.state is LaneState.RUNNING, "nothing is freed unless that is configured"
        assert not site.gateway.asked("sessions.abort")


async def test_what_is_silent_for_too_long_is_freed_only_where_that_is_configured(tmp_path: Path) -> None:
    async with watch_site(tmp_path, OF_9, auto_abort_after="1s") as site, site.watched():
        await site.gateway.begin(KEY)
        await until(lambda: events(site, EventType.FREED), "the session to be freed")
        assert len(site.gateway.asked("sessions.abort")) == 1


@pytest.mark.parametrize("ahead", [-7_200_000, 7_200_000])
async def test_F347_silence_is_counted_by_the_clock_here_whatever_that_of_the_gateway_says(
    tmp_path: Path, ahead: int
) -> None:
    async with watch_site(tmp_path, OF_9, warn_silent_after="1s", auto_abort_after="1s") as site, site.watched():
        await site.gateway.begin(KEY, told=False)
        session = site.gateway.sessions[KEY]
        assert session.started is not None
        session.started += ahead
        lane = await site.lane(state=LaneState.RUNNING)
        assert lane.held_ms is not None
        (warned,) = await until(lambda: events(site, EventType.WATCHED_SILENT), "the warning")
        assert 1_000 <= (warned.detail or {})["silent_ms"] < 3_600_000
        await until(lambda: events(site, EventType.FREED), "the session to be freed")


async def test_silence_that_was_seen_before_counts_after_a_restart_of_the_watch(tmp_path: Path) -> None:
    hours = 7_200_000
    earlier = "UPDATE sightings SET changed_at = changed_at - :ms, since = since - :ms, last_sign = last_sign - :ms"
    async with watch_site(tmp_path, OF_9, warn_silent_after="1h") as site:
        me = await site.register()
        async with site.watched(me):
            await site.gateway.begin(KEY)
            await site.lane(state=LaneState.RUNNING)
        session = site.gateway.sessions[KEY]
        assert session.started is not None
        session.started -= hours
        await site.desk.store.write(lambda tx: tx.run(earlier, {"ms": hours}))
        async with site.watched(me):
            await until(lambda: events(site, EventType.WATCHED_SILENT), "the warning")


async def test_F349_no_token_goes_to_a_process_of_another_user_that_took_the_port(
    site: WatchSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.connected()
    await site.gateway.stop()
    await site.gateway.begin(KEY)
    monkeypatch.setattr("lanes.host.holder.os.geteuid", lambda: 4_711)
    site.gateway.secrets.clear()
    await site.gateway.listen()

    async def look() -> list[SourceRow]:
        return [row for row in await site.desk.store.read(reads.sources()) if row.state is SourceState.REFUSED]

    (source,) = await until(look, "it to be refused")
    assert "a process of another user" in (source.why or "")
    assert site.gateway.secrets == []


async def test_a_gateway_that_was_away_and_forgot_its_sessions_holds_none(site: WatchSite) -> None:
    await site.gateway.begin(KEY)
    await site.lane(state=LaneState.RUNNING)
    await site.gateway.stop()
    await site.lane(gateway=SourceState.UNREACHABLE, state=LaneState.RUNNING)
    site.gateway.sessions.clear()
    await site.gateway.listen()
    await site.lane_gone()


async def test_a_source_that_is_no_longer_configured_is_forgotten(tmp_path: Path) -> None:
    async with watch_site(tmp_path, OF_9) as site:
        async with site.watched():
            await site.gateway.begin(KEY)
            await site.lane(state=LaneState.RUNNING)
        home = watcher.WatcherHome(site.desk.store, site.desk.changes, site.desk.clock, lambda: None)
        await watcher.Watcher(home, (), tmp_path).run()
        assert await site.lanes() == []


async def test_F338_without_a_token_of_the_gateway_nothing_is_freed_over_http(site: WatchSite) -> None:
    await site.gateway.begin(KEY)
    await site.lane(state=LaneState.RUNNING)
    ctx = site.desk.context("http", frees_watched=False)
    with pytest.raises(NotPermitted, match="token"):
        await site.desk.call(abort, ctx, key=ADDRESS)
    assert not site.gateway.asked("sessions.abort")


def test_the_states_of_a_session_that_hold_it() -> None:
    from lanes_storage.law import HELD_THERE

    assert frozenset({WatchedState.RUNNING, WatchedState.GHOST}) == HELD_THERE
