"""The queries besides lists of lanes: counts, messages, the journal, owners and what they hold."""

import pytest

from lanes.testing import MINUTE, SECOND
from lanes_storage import reads
from lanes_storage.fragments import EVENTS_OF_A_BLOCK
from lanes_storage.law import BoundTo, Cause, MessageState
from tests.kit.world import TERMS, World

# --------------------------------------------------------------------------------------------- counts


def test_an_empty_database_has_nothing(world: World) -> None:
    counts = world.store.read(reads.counts(world.time().wall))
    assert counts.lanes == {"idle": 0, "running": 0, "errored": 0, "aborted": 0}
    assert (counts.paused, counts.queued, counts.dead_letters, counts.ghosts, counts.unlimited) == (0, 0, 0, 0, 0)
    assert counts.oldest_head_at is None


def test_counts_tell_how_much_there_is_of_everything(world: World) -> None:
    world.complete(world.start("idle").ticket)
    failed = world.start("errored")
    world.fail(failed.ticket)
    world.request_abort(world.start("aborted").message.key)
    aborted = world.lane("aborted").run
    assert aborted is not None
    world.abort(aborted.ticket)
    world.start("ghost")
    world.beat()
    world.beat()
    world.start("unlimited", terms=TERMS._replace(run_timeout_ms=None))
    world.start("never stalls", terms=TERMS._replace(stall_timeout_ms=None))
    oldest = world.time().wall
    world.send("waits")
    world.time.move(SECOND)
    world.send("waits", "2")
    world.pause("waits")
    world.pause("idle", until=world.time().wall + MINUTE)
    counts = world.store.read(reads.counts(world.time().wall))
    assert counts.lanes == {"idle": 2, "running": 3, "errored": 1, "aborted": 1}
    assert (counts.paused, counts.queued, counts.dead_letters) == (2, 2, 1)
    assert (counts.ghosts, counts.unlimited, counts.oldest_head_at) == (1, 2, oldest)
    world.retry(failed.message.id)
    world.time.move(MINUTE)
    counts = world.store.read(reads.counts(world.time().wall))
    assert counts.dead_letters == 0, "one that was retried is seen to"
    assert counts.paused == 1, "one pause has expired"


def test_claimable_says_whether_there_is_anything_to_claim(world: World) -> None:
    def claimable(owner: int = world.me, *, bound_only: bool = False) -> bool:
        return world.store.read(reads.claimable(owner, world.time().wall, bound_only=bound_only))

    assert not claimable()
    world.send("a")
    assert claimable()
    assert not claimable(bound_only=True)
    world.claim("a")
    assert not claimable()
    world.send("b", bound_to=BoundTo.WAITER, bound_owner=world.me)
    assert claimable(bound_only=True)
    assert not claimable(world.owner(pid=4712))


# ------------------------------------------------------------------------------------------- messages


def test_the_messages_of_a_lane_come_newest_first(world: World) -> None:
    done = world.start("a", "1")
    world.complete(done.ticket)
    ids = [done.message.id, world.send("a", "2"), world.send("a", "3")]
    world.send("b")
    lane = world.lane("a").id

    def found(*states: MessageState, limit: int | None = None) -> list[int]:
        return [message.id for message in world.store.read(reads.messages(lane, states, limit))]

    assert found() == ids[::-1]
    assert found(limit=1) == ids[-1:]
    assert found(MessageState.QUEUED) == [ids[2], ids[1]]
    assert found(MessageState.DONE, MessageState.FAILED) == [ids[0]]


def test_a_message_that_is_not_there_is_none(world: World) -> None:
    assert world.store.read(reads.message(4711)) is None
    assert world.store.read(reads.lane("none")) is None
    assert world.store.read(reads.run(4711)) is None
    assert world.store.read(reads.owner(4711)) is None


def test_who_waits_learns_which_have_ended(world: World) -> None:
    one, two = world.start("a"), world.start("b")
    world.complete(one.ticket)
    three = world.send("c")
    asked = [one.message.id, two.message.id, three, 4711]
    ended = world.store.read(reads.ended_among(asked))
    assert ended == [world.store.read(reads.message(one.message.id))]
    assert world.store.read(reads.ended_among([])) == []


def test_dead_letters_of_every_lane_come_newest_first(world: World) -> None:
    ids = []
    for key in "ab":
        claimed = world.start(key)
        world.fail(claimed.ticket)
        ids.append(claimed.message.id)
    world.send("for one request", anonymous=True)
    world.fail(world.claim("for one request").ticket)
    assert [letter.id for letter in world.store.read(reads.dead_letters())] == ids[::-1]
    assert [letter.id for letter in world.store.read(reads.dead_letters(1))] == ids[1:]


# ------------------------------------------------------------------------------------------ the journal


def test_the_journal_is_read_from_either_end(world: World) -> None:
    world.complete(world.start("a").ticket)
    world.start("b")
    everything = world.events()
    ids = [event.id for event in everything]
    assert ids == sorted(ids)
    assert [e.id for e in world.events(limit=2)] == ids[:2]
    assert [e.id for e in world.events(limit=2, newest=True)] == ids[-2:]
    assert [e.id for e in world.events(after=ids[2])] == ids[3:]
    assert {e.key for e in world.events("a")} == {"a"}
    assert [e.type for e in world.events("a")] == ["accepted", "claim", "complete"]
    assert {e.type for e in world.events(type="claim")} == {"claim"}
    assert everything[0].key is None, "an owner has no lane"


def test_the_journal_since_a_time(world: World) -> None:
    world.send("a")
    world.time.move(MINUTE)
    world.send("b")
    since = world.time().wall
    assert {e.key for e in world.events(since=since)} == {"b"}
    assert world.events(since=since + 1) == []


def test_the_epoch_that_a_run_left_its_lane_at(world: World) -> None:
    first = world.start("a").ticket
    lane = world.lane("a").id
    assert world.store.read(reads.epoch_of_release(lane, first.run_id)) is None
    release = world.reclaim(first)
    world.complete(world.claim("a").ticket)
    assert world.store.read(reads.epoch_of_release(lane, first.run_id)) == release.epoch


# ---------------------------------------------------------------------------------------------- owners


def test_owners_are_those_that_have_not_ended(world: World) -> None:
    other = world.owner(pid=4712)
    assert [owner.id for owner in world.store.read(reads.owners())] == [world.me, other]
    world.end_owner(world.me)
    assert [owner.id for owner in world.store.read(reads.owners())] == [other]
    assert world.owner_row(world.me).ended_cause == "owner_gone"


def test_an_owner_knows_how_much_it_holds(world: World) -> None:
    world.start("a")
    ticket = world.start("b").ticket
    assert world.owner_row(world.me).held == 2
    world.complete(ticket)
    assert world.owner_row(world.me).held == 1


def test_open_runs_are_those_that_hold_a_lane(world: World) -> None:
    ended, one = world.start("a").ticket, world.start("b").ticket
    world.complete(ended)
    other = world.start("a").ticket
    world.send("c")
    assert [run.ticket for run in world.store.read(reads.open_runs())] == [one, other]


def test_the_aborts_that_an_owner_must_obey(world: World) -> None:
    other = world.owner(pid=4712)
    asked, hurried = world.start("a").ticket, world.start("b").ticket
    theirs, ended = world.start("c", owner=other).ticket, world.start("d").ticket
    world.start("not asked")
    world.request_abort("a")
    world.request_abort("b", grace_ms=7, cause=Cause.INTERRUPTED_BY_NEWER)
    world.request_abort("c")
    world.request_abort("d")
    world.abort(ended)
    mine = world.store.read(reads.orders_of_owner(world.me)).aborts
    assert sorted(mine, key=str) == [
        (asked, Cause.ABORTED, TERMS.abort_grace_ms),
        (hurried, Cause.INTERRUPTED_BY_NEWER, 7),
    ]
    assert [found[0] for found in world.store.read(reads.orders_of_owner(other)).aborts] == [theirs]


def test_whether_a_real_runner_ever_ran(world: World) -> None:
    def real() -> bool:
        return world.store.read(reads.real_runner_ever_ran("simulated"))

    world.end_owner(world.me)
    assert real(), "also one that has ended"
    assert not world.store.read(reads.real_runner_ever_ran("config-1"))
    world.owner(kind="desk", fingerprint="config-2", runners=())
    assert not world.store.read(reads.real_runner_ever_ran("config-1"))


@pytest.mark.parametrize("newest", [True, False])
def test_a_page_of_the_journal_of_a_lane_is_that_of_the_whole_journal(world: World, newest: bool) -> None:
    """Its events are looked for in blocks of the journal; a page may begin and end within one."""
    for number in range(3 * EVENTS_OF_A_BLOCK):
        world.accept("a" if number % 5 else "b", cap=1_000)
    lane = world.lane("a").id
    every = [event for event in world.store.read(reads.events()) if event.key == "a"]
    assert len(every) > 2 * EVENTS_OF_A_BLOCK
    for after in (0, 1, EVENTS_OF_A_BLOCK - 1, EVENTS_OF_A_BLOCK, EVENTS_OF_A_BLOCK + 30, every[-1].id):
        behind = [event for event in every if event.id > after]
        for limit in (1, 20, EVENTS_OF_A_BLOCK, None):
            found = world.store.read(reads.events(lane=lane, after=after, limit=limit, newest=newest))
            most = len(behind) if limit is None else limit
            assert found == (behind[max(len(behind) - most, 0) :] if newest else behind[:most])
    assert world.store.read(reads.events(lane=lane, type="claim")) == []
    assert len(world.store.read(reads.events(lane=lane, since=world.time().wall + 1))) == 0
