"""Owners: who they are, how they prove that they live, and the heartbeats that name each of their runs."""

from pathlib import Path

from lanes.testing import SECOND
from lanes_storage import doors, reads
from lanes_storage.law import GHOST_AFTER, EventType
from lanes_storage.records import Beat
from tests.kit.watch import Line, Watch
from tests.kit.world import OWNER, World


def test_an_owner_stores_who_it_is_and_what_it_started_under(world: World) -> None:
    seen = Watch(world)
    owner = world.owner(pid=4712, heartbeat_interval_ms=7, stale_after_ms=77)
    row, now = world.owner_row(owner), world.time()
    assert (row.kind, row.host, row.boot_id, row.pid_ns) == (OWNER.kind, OWNER.host, OWNER.boot_id, OWNER.pid_ns)
    assert (row.pid, row.start_time, row.fingerprint) == (4712, OWNER.start_time, OWNER.fingerprint)
    assert (row.heartbeat_interval_ms, row.stale_after_ms) == (7, 77)
    assert (row.runners, row.url) == (OWNER.runners, OWNER.url)
    assert (row.started_at, row.heartbeat_at, row.heartbeat_boot) == (now.wall, now.wall, now.boot)
    assert (row.heartbeats, row.held, row.drain_by, row.ended_at) == (0, 0, None, None)
    assert seen.changed() == {"owners": 1}
    assert seen.lines() == [Line("owner_started", actor=f"owner:{owner}")]
    assert seen.detail() == {"kind": "gateway", "host": "here", "pid": 4712}


def test_an_owner_beats_also_while_it_holds_nothing(world: World) -> None:
    other = world.owner(pid=4712)
    before = world.owner_row(other)
    world.time.move(5 * SECOND)
    seen = Watch(world)
    assert world.beat() == []
    row, now = world.owner_row(world.me), world.time()
    assert (row.heartbeats, row.heartbeat_at, row.heartbeat_boot) == (1, now.wall, now.boot)
    assert world.owner_row(other) == before
    assert seen.changed() == {"owners": 1}
    assert seen.lines() == [], "a heartbeat is no change of state"


def test_a_heartbeat_stores_the_progress_of_every_run_that_it_names(world: World) -> None:
    one, two = world.start("a").ticket, world.start("b").ticket
    world.time.move(5 * SECOND)
    now = world.time()
    beats = [Beat(one, "content", now.boot - 10, now.wall - 10), Beat(two, "tool", now.boot, now.wall, now.boot + 99)]
    assert world.step(doors.heartbeat(world.me, beats, now)) == []
    run = world.run(one)
    assert (run.progress, run.progress_boot, run.progress_at) == ("content", now.boot - 10, now.wall - 10)
    assert run.busy_until_boot is None
    run = world.run(two)
    assert (run.progress, run.progress_boot, run.busy_until_boot) == ("tool", now.boot, now.boot + 99)


def test_a_heartbeat_tells_what_the_run_has_said_so_far(world: World) -> None:
    claimed = world.start("a")
    assert world.message(claimed.message.id).reply_so_far is None
    for said in ("Once upon", "Once upon a time", None, "Another provider \ud800"):
        world.beat(claimed.ticket, said=said)
        stored = None if said is None else said.replace("\ud800", "?")
        assert world.message(claimed.message.id).reply_so_far == stored


def test_what_a_run_had_said_is_kept_where_it_did_not_complete(world: World) -> None:
    whole, broken_off = world.start("a"), world.start("b")
    for claimed in (whole, broken_off):
        world.beat(claimed.ticket, said="Once upon")
    world.complete(whole.ticket, "Once upon a time.")
    world.fail(broken_off.ticket)
    assert world.message(whole.message.id).reply_so_far is None, "the reply has it"
    assert world.message(broken_off.message.id).reply_so_far == "Once upon"


def test_a_run_that_heartbeats_leave_out_comes_nearer_to_being_a_ghost(world: World) -> None:
    named, forgotten = world.start("a").ticket, world.start("b").ticket
    for beats in range(1, GHOST_AFTER + 1):
        world.beat(named)
        assert world.run(forgotten).left_out == beats
    assert world.run(named).left_out == 0
    world.beat(named, forgotten)
    assert world.run(forgotten).left_out == 0


def test_an_owner_looks_at_those_of_its_own_runs_that_are_not_plain(world: World) -> None:
    plain, forgotten, aborted = (world.start(key).ticket for key in ("plain", "forgotten", "aborted"))
    theirs = world.start("theirs", owner=world.owner(pid=4712)).ticket
    world.beat(plain, aborted)
    world.request_abort("aborted")
    seen = [run.id for run in world.store.read(reads.open_runs(world.me))]
    assert seen == [forgotten.run_id, aborted.run_id, theirs.run_id]
    assert [run.id for run in world.store.read(reads.open_runs())] == [plain.run_id, *seen]


def test_a_heartbeat_tells_which_named_runs_stand_no_more(world: World) -> None:
    lost, kept = world.start("a").ticket, world.start("b").ticket
    world.reclaim(lost)
    before = world.run(lost)
    world.time.move(SECOND)
    assert world.beat(lost, kept) == [lost]
    assert world.run(lost) == before, "a run that has ended is not touched"


def test_a_heartbeat_never_speaks_for_the_runs_of_others(world: World) -> None:
    other = world.owner(pid=4712)
    theirs = world.start("a", owner=other).ticket
    world.beat(owner=other)
    before = world.run(theirs)
    world.time.move(SECOND)
    assert world.beat(theirs) == [theirs]
    assert world.run(theirs) == before
    assert before.left_out == 1


def test_only_the_runs_that_are_named_have_recovered(world: World) -> None:
    world.interrupted("a", 1)
    world.interrupted("b", 1)
    named, unnamed = world.claim("a").ticket, world.claim("b").ticket
    world.beat(named)
    assert [event.run_id for event in world.events(type=EventType.RECOVERED)] == [named.run_id]
    world.beat(named, unnamed)
    assert [event.run_id for event in world.events(type=EventType.RECOVERED)] == [named.run_id, unnamed.run_id]


def test_an_ended_run_is_not_left_out(world: World) -> None:
    ended = world.start("a").ticket
    world.complete(ended)
    world.beat()
    assert world.run(ended).left_out == 0


def test_an_owner_that_was_given_up_must_register_anew(world: World) -> None:
    ticket = world.start("a").ticket
    world.end_owner(world.me, cause="owner_silent")
    world.reclaim(ticket)
    seen = Watch(world)
    assert world.beat(ticket) is None
    assert seen.nothing()


# ------------------------------------------------------------------------------------ drain and end


def test_a_drain_is_stored_with_its_owner(world: World) -> None:
    other = world.owner(pid=4712)
    now = world.time()
    seen = Watch(world)
    assert world.step(lambda tx: doors.drain(tx, world.me, now, by="alice", until=now.wall + 5))
    row = world.owner_row(world.me)
    assert (row.drain_by, row.drain_at, row.drain_until) == ("alice", now.wall, now.wall + 5)
    assert world.owner_row(other).drain_by is None
    assert seen.changed() == {"owners": 1}
    assert seen.lines() == [Line("drain", actor="alice")]


def test_an_owner_that_has_ended_is_not_drained(world: World) -> None:
    world.end_owner(world.me)
    seen = Watch(world)
    assert not world.step(lambda tx: doors.drain(tx, world.me, world.time(), by="alice", until=5))
    assert seen.nothing()


def test_an_owner_ends_once(world: World) -> None:
    other = world.owner(pid=4712)
    seen = Watch(world)
    assert world.end_owner(world.me, cause="stopped")
    row = world.owner_row(world.me)
    assert (row.ended_at, row.ended_cause) == (world.time().wall, "stopped")
    assert world.owner_row(other).ended_at is None
    assert seen.changed() == {"owners": 1}
    assert seen.lines() == [Line("owner_ended", actor="tester")]
    world.time.move(SECOND)
    seen = Watch(world)
    assert not world.end_owner(world.me, cause="again")
    assert seen.nothing()


def test_an_owner_that_has_beaten_since_does_not_end_as_silent(world: World) -> None:
    read = world.owner_row(world.me).heartbeats
    world.beat()
    seen = Watch(world)
    assert not world.end_owner(world.me, cause="owner_silent", heartbeats=read)
    assert seen.nothing()
    assert world.end_owner(world.me, cause="owner_silent", heartbeats=read + 1)


def test_touching_the_database_writes_and_means_nothing(world: World, url: str) -> None:
    """A write of the same value is none: an engine sees that, and a full disk would not be met."""
    seen = Watch(world)
    log = Path(url.removeprefix("sqlite:///") + "-wal")
    for _ in range(3):
        before = log.stat().st_size
        world.step(doors.touch)
        assert log.stat().st_size > before
    assert seen.changed() == {"counters": 1}
    assert seen.lines() == []


def test_progress_that_no_encoding_has_a_word_for_can_still_be_read(world: World) -> None:
    claimed = world.start("a")
    world.beat(claimed.ticket, progress="tool \ud800 started")
    assert [run.progress for run in world.store.read(reads.open_runs())] == ["tool ? started"]


def test_the_open_runs_of_an_owner_are_its_own_that_have_not_ended(world: World) -> None:
    other = world.owner(pid=4712)
    mine, ended = world.start("a").ticket, world.start("b").ticket
    world.start("c", owner=other)
    world.complete(ended)
    assert world.store.read(reads.runs_of_owner(world.me)) == {mine.run_id}
