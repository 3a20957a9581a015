"""Edge ``claim``: what may be claimed, and how a released lane comes to be held."""

import pytest

from lanes.testing import MINUTE, Hands
from lanes_storage import doors
from lanes_storage.doors import Accepted
from lanes_storage.interface import carry_out
from lanes_storage.law import BoundTo, LaneState, MessageState, RunnerKind
from lanes_storage.records import Ticket
from tests.kit.watch import Line, Watch
from tests.kit.world import TERMS, World


def released(world: World, key: str, state: LaneState) -> None:
    """A lane in a released state, with a message that waits."""
    claimed = world.start(key)
    world.end_as(claimed, state)
    world.send(key, "the next")
    assert world.state(key) is state


@pytest.mark.parametrize("state", [LaneState.IDLE, LaneState.ERRORED, LaneState.ABORTED])
def test_a_claim_takes_a_released_lane_under_a_new_epoch(world: World, state: LaneState) -> None:
    released(world, "a", state)
    head, before = world.head("a"), world.lane("a").epoch
    world.time.move(MINUTE)
    seen = Watch(world)
    claimed = world.try_claim(head)
    assert claimed is not None
    run, lane, message = claimed.ticket.run_id, world.lane("a"), world.message(head.message_id)
    assert claimed.ticket == Ticket(run, run)
    assert run > before
    assert (lane.state, lane.epoch, lane.queued, lane.head_id) == (LaneState.RUNNING, run, 0, None)
    assert lane.last_error is None
    assert lane.run == world.run(claimed.ticket)
    assert lane.owner is not None
    assert lane.owner.id == world.me
    assert (message.state, message.run_id, message.started_at) == (MessageState.RUNNING, run, world.time().wall)
    assert claimed.message == message
    assert seen.changed() == {"lanes": 1, "messages": 1, "runs": 1, "counters": 1}
    actor = f"owner:{world.me}"
    assert seen.lines() == [Line("claim", state, "running", run=run, message=message.id, epoch=run, actor=actor)]


def test_a_run_stores_the_terms_that_it_is_claimed_under(world: World) -> None:
    terms = TERMS._replace(run_timeout_ms=None, stall_timeout_ms=77, abort_grace_ms=5, max_park_ms=6)
    claimed = world.start("a", terms=terms, kind=RunnerKind.COMMAND, runner="coder")
    run, now = world.run(claimed.ticket), world.time()
    assert run.terms == claimed.terms == terms
    assert (run.runner, run.kind, run.owner_id) == ("coder", RunnerKind.COMMAND, world.me)
    assert (run.claimed_at, run.claimed_boot, run.boot_id) == (now.wall, now.boot, now.boot_id)
    assert (run.progress, run.progress_at, run.progress_boot) == ("claimed", now.wall, now.boot)
    assert (run.left_out, run.forced, run.refused_writes, run.ended_at) == (0, False, 0, None)


def test_a_claim_of_one_lane_leaves_the_others_alone(world: World) -> None:
    for key in "abc":
        world.send(key)
    others = [world.lane("a"), world.lane("c")]
    world.claim("b")
    assert [world.lane("a"), world.lane("c")] == others


def test_epochs_come_from_one_counter_of_the_whole_database(world: World) -> None:
    tickets = [world.start(key).ticket for key in "abcab"[:3]]
    world.complete(tickets[0])
    tickets.append(world.start("a").ticket)
    epochs = [ticket.epoch for ticket in tickets]
    assert epochs == sorted(set(epochs))
    assert ("epoch", epochs[-1]) in world.table("counters")


def test_the_next_message_becomes_the_head(world: World) -> None:
    _, second, third = (world.send("a", text) for text in ("1", "2", "3"))
    world.send("b")
    claimed = world.claim("a")
    lane = world.lane("a")
    assert (lane.head_id, lane.queued) == (second, 2)
    world.complete(claimed.ticket)
    assert world.claim("a").message.id == second
    assert world.lane("a").head_id == third


# ------------------------------------------------------------------------------------ refused claims


def test_a_held_lane_is_not_claimed_again(world: World) -> None:
    world.send("a", "1")
    stale = world.head("a")
    world.claim("a")
    following = world.send("a", "2")
    seen = Watch(world)
    assert world.try_claim(stale) is None
    assert world.try_claim(stale._replace(message_id=following)) is None, "another run is still there"
    assert seen.nothing(), "an epoch may be lost, nothing else changes"
    assert seen.lines() == []


def test_another_head_than_the_one_that_was_read_is_not_claimed(world: World) -> None:
    first = world.send("a", "1")
    second = world.send("a", "2")
    stale = world.head("a")
    world.complete(world.claim("a").ticket)
    seen = Watch(world)
    assert world.try_claim(stale) is None
    assert world.message(first).state is MessageState.DONE
    assert world.message(second).state is MessageState.QUEUED
    assert seen.nothing()


def test_the_head_of_another_lane_is_not_claimed(world: World) -> None:
    world.send("a")
    world.send("b")
    a, b = world.head("a"), world.head("b")
    assert world.try_claim(a._replace(lane_id=b.lane_id)) is None
    assert {world.state("a"), world.state("b")} == {LaneState.IDLE}


def test_a_lane_that_was_paused_since_is_not_claimed(world: World) -> None:
    world.send("a")
    head = world.head("a")
    world.pause("a")
    seen = Watch(world)
    assert world.try_claim(head) is None
    assert seen.nothing()


def test_each_claim_of_a_set_is_judged_at_its_own_time(world: World) -> None:
    for key in "abc":
        world.send(key)
    heads = [world.head(key) for key in "abc"]
    early = world.time()
    late = early.later(2)
    for key in "abc":
        world.pause(key, until=late.wall - 1)
    claims = [
        doors.claim(head, world.me, "chat", RunnerKind.PROVIDER, TERMS, now)
        for head, now in zip(heads, (late, early, late), strict=True)
    ]
    claimed = world.step(lambda tx: carry_out(tx, claims))
    assert [one and one.message.key for one in claimed] == ["a", None, "c"]


# --------------------------------------------------------------------------------------- candidates


def test_heads_come_in_the_order_of_their_wait(world: World) -> None:
    for key in ("c", "a", "b", "a", "c"):
        world.send(key)
    heads = world.candidates()
    assert [head.key for head in heads] == ["c", "a", "b"]
    assert [head.message_id for head in heads] == sorted(head.message_id for head in heads)
    assert [head.key for head in world.candidates(limit=2)] == ["c", "a"]
    assert [head.key for head in world.candidates(after=heads[1].message_id)] == ["b"]


def test_a_head_says_what_decides_about_it(world: World) -> None:
    message = world.send("a", runner="coder")
    lane, now = world.lane("a"), world.time()
    (head,) = world.candidates()
    assert (head.lane_id, head.key, head.state, head.epoch) == (lane.id, "a", LaneState.IDLE, 0)
    assert (head.message_id, head.runner, head.interruptions) == (message, "coder", 0)
    assert (head.parked_since, head.accepted_at) == (None, now.wall)


def test_a_held_lane_is_no_candidate(world: World) -> None:
    world.start("a")
    world.send("a", "waits")
    assert world.candidates() == []


def test_a_paused_lane_is_a_candidate_once_its_pause_has_expired(world: World, time: Hands) -> None:
    world.send("a")
    world.pause("a", until=time().wall + MINUTE)
    time.move(MINUTE - 1)
    assert world.candidates() == []
    time.move(1)
    assert [head.key for head in world.candidates()] == ["a"]
    world.claim("a")
    assert world.lane("a").pause is None, "an expired pause ends with the claim"


def test_a_pause_without_expiry_never_expires(world: World, time: Hands) -> None:
    world.send("a")
    world.pause("a")
    time.move(10_000 * MINUTE)
    assert world.candidates() == []


def test_a_parked_head_is_a_candidate_once_its_time_has_come(world: World, time: Hands) -> None:
    claimed = world.start("a")
    world.park(claimed.ticket, MINUTE)
    time.move(MINUTE - 1)
    assert world.candidates() == []
    time.move(1)
    assert [head.key for head in world.candidates()] == ["a"]


def test_a_bound_head_is_a_candidate_for_its_process_alone(world: World) -> None:
    other = world.owner(pid=4712)
    world.send("a", bound_to=BoundTo.WAITER, bound_owner=other)
    assert world.candidates() == []
    assert [head.key for head in world.candidates(other)] == ["a"]


def test_suspects_are_counted_while_they_run(world: World) -> None:
    for key in "ab":
        world.interrupted(key, 2)
    world.interrupted("interrupted only once", 1)
    assert world.suspects() == 0, "those that wait take no slot"
    first = world.claim("a")
    world.claim("b")
    world.claim("interrupted only once")
    world.start("never interrupted")
    assert world.suspects() == 2
    world.complete(first.ticket)
    assert world.suspects() == 1


def test_a_claim_gives_the_message_as_it_is_stored(world: World) -> None:
    """It is made of what was read and what is written, and not read once more."""
    world.accept("a", "first", runner="chat", bound_to=BoundTo.CLIENT, bound_owner=world.me)
    request = world.accept("b", None, request="{}")
    parked = world.start("c")
    world.park(parked.ticket)
    world.reclaim(world.start("d").ticket)
    world.time.move(MINUTE)
    assert isinstance(request, Accepted)
    for key in ("a", "b", "c", "d"):
        claimed = world.claim(key)
        assert claimed.message == world.message(claimed.message.id)
