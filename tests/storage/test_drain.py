"""A drain in the owner's row: nothing is claimed under it, and its rehearsal says what a cut really does."""

from typing import Any

import pytest

from lanes.base.errors import NotFound
from lanes.base.procedure import run
from lanes.context import Context
from lanes.drivers.local import LocalDriver
from lanes.host.identity import this_process
from lanes.records import OwnerDetail
from lanes.testing import MINUTE, SECOND
from lanes.verbs import system
from lanes_storage import doors, reads
from lanes_storage.doors import Refusal
from lanes_storage.law import (
    MAX_CUTS,
    MAX_INTERRUPTIONS,
    BoundTo,
    Cause,
    Edge,
    EventType,
    LaneState,
    MessageState,
    OnInterrupt,
)
from lanes_storage.records import Ticket
from tests.kit.watch import Watch
from tests.kit.world import TERMS, World

KEY = "agent:main:telegram:42"


def drained_by(world: World, **how: Any) -> list[OwnerDetail]:
    """The gateways that alice drains."""
    drained: list[OwnerDetail] = LocalDriver(world.store, Context("alice", world.time)).call(system.drain, **how)
    return drained


def held_by(world: World, owner: int, *, wait: int) -> list[OwnerDetail]:
    """An owner, once it holds nothing."""
    driver = LocalDriver(world.store, Context("alice", world.time))
    found: list[OwnerDetail] = driver.call(system.gateways, id=(owner,), wait=wait)
    return found


def drain(world: World, owner: int, *, by: str = "alice", for_ms: int = MINUTE) -> bool:
    now = world.time()
    return world.step(lambda tx: doors.drain(tx, owner, now, by=by, until=now.wall + for_ms))


def test_an_owner_that_drains_can_claim_nothing_and_others_can(world: World) -> None:
    world.send(KEY)
    other = world.owner(pid=4712)
    assert drain(world, world.me)
    assert world.candidates() == []
    assert not world.store.read(reads.claimable(world.me, world.time().wall))
    assert [head.key for head in world.candidates(other)] == [KEY]


BOTH = [(BoundTo.CLIENT, "client_gone"), (BoundTo.WAITER, "waiter_gone")]


@pytest.mark.parametrize(("bound", "cause"), BOTH)
def test_F901_what_waits_bound_to_an_owner_that_drains_ends_at_once(world: World, bound: BoundTo, cause: str) -> None:
    """Its process may live on, and claims nothing more: until that ends, what waits behind it would wait as well."""
    message, behind = world.send(KEY, bound_to=bound, bound_owner=world.me), world.send(KEY)
    other, elsewhere = world.owner(pid=4712), world.send("b", bound_to=bound, bound_owner=world.me)
    kept = world.send("c", bound_to=bound, bound_owner=other)
    drain(world, world.me)
    ended = [world.message(each) for each in (message, elsewhere)]
    assert [(each.state, each.error and each.error.cause) for each in ended] == [(MessageState.ABORTED, cause)] * 2
    assert world.message(kept).state is MessageState.QUEUED
    assert [head.message_id for head in world.candidates(other)] == [behind, kept]
    seen = Watch(world)
    assert world.accept(KEY, bound_to=bound, bound_owner=world.me) is Refusal.OWNER_ENDED, "it has not heard of it yet"
    assert seen.nothing()


def test_F901_a_run_that_is_bound_to_an_owner_that_drains_is_not_parked_there(world: World) -> None:
    world.send(KEY, bound_to=BoundTo.CLIENT, bound_owner=world.me)
    run = world.claim(KEY)
    behind = world.send(KEY)
    drain(world, world.me)
    assert world.message(run.message.id).state is MessageState.RUNNING, "it may end as it does"
    assert world.park(run.ticket).edge is Edge.FAIL
    failed = world.message(run.message.id)
    assert failed.error is not None
    assert (failed.state, failed.error.cause) == (MessageState.FAILED, Cause.PROVIDER_COOLING)
    assert [head.message_id for head in world.candidates(world.owner(pid=4712))] == [behind]


def test_an_owner_that_others_took_for_dead_can_claim_nothing(world: World) -> None:
    world.send(KEY)
    world.end_owner(world.me, cause="owner_silent")
    assert world.candidates() == []


def test_F48_a_drain_has_an_owner_a_reason_and_an_end_and_its_event(world: World) -> None:
    assert drain(world, world.me, by="alice")
    row, now = world.owner_row(world.me), world.time()
    assert (row.drain_by, row.drain_at, row.drain_until) == ("alice", now.wall, now.wall + MINUTE)
    (event,) = world.events(type=EventType.DRAIN)
    assert (event.actor, event.detail) == ("alice", {"owner": world.me, "until": now.wall + MINUTE})


def test_a_second_drain_takes_the_place_of_the_first(world: World) -> None:
    drain(world, world.me, by="alice", for_ms=MINUTE)
    world.time.move(SECOND)
    drain(world, world.me, by="bob", for_ms=SECOND)
    now = world.time().wall
    assert world.store.read(reads.orders_of_owner(world.me)).drain == ("bob", now, now + SECOND)


def test_a_drain_ends_with_its_row(world: World) -> None:
    drain(world, world.me)
    world.end_owner(world.me, cause="stopped")
    assert world.store.read(reads.orders_of_owner(world.me)).drain is None
    assert not drain(world, world.me, by="bob")
    assert world.owner_row(world.me).drain_by == "alice"


def test_the_operation_drains_every_gateway_that_is_not_provably_gone(world: World) -> None:
    me = this_process()
    desk = world.owner(kind="desk")
    gone = world.owner(
        host=me.host, boot_id=me.boot_id, pid_ns=me.pid_ns, pid=me.pid, start_time=me.start_time + 1_000_000
    )
    other = world.owner(pid=4712)
    drained = drained_by(world)
    assert [owner.id for owner in drained] == [world.me, other]
    assert {owner.draining and owner.draining.by for owner in drained} == {"alice"}
    assert [world.owner_row(owner).drain_by for owner in (desk, gone)] == [None, None]


def test_the_operation_names_one_gateway_and_refuses_what_is_none(world: World) -> None:
    other = world.owner(pid=4712)
    until = world.time().wall + 5 * SECOND
    (drained,) = drained_by(world, gateway=other, until=until)
    assert (drained.id, drained.draining) == (other, ("alice", until))
    with pytest.raises(NotFound, match="no living gateway 99"):
        drained_by(world, gateway=99)


FATES = {
    OnInterrupt.REQUEUE: (MessageState.QUEUED, False),
    OnInterrupt.PAUSE: (MessageState.QUEUED, True),
    OnInterrupt.FAIL: (MessageState.FAILED, False),
}


@pytest.mark.parametrize("policy", sorted(OnInterrupt))
def test_the_rehearsal_says_what_a_cut_then_does(world: World, policy: OnInterrupt) -> None:
    ticket = world.start(KEY, terms=TERMS._replace(on_interrupt=policy)).ticket
    before = world.table("runs"), world.table("events")
    (cut,) = run(world.store, system.drain_rehearsal(Context("alice", world.time)))
    assert (world.table("runs"), world.table("events")) == before
    assert (cut.key, cut.message_state, cut.pauses) == (KEY, *FATES[policy])
    world.interrupt(ticket)
    assert world.message(cut.message_id).state is cut.message_state
    assert (world.lane(KEY).pause is not None) == cut.pauses


def test_the_rehearsal_knows_what_is_bound_what_is_aborted_and_whose_runs_they_are(world: World) -> None:
    world.send("bound", bound_to=BoundTo.CLIENT, bound_owner=world.me)
    world.claim("bound")
    world.start("aborted")
    world.request_abort("aborted")
    other = world.owner(pid=4712)
    world.start("elsewhere", owner=other)
    cuts = run(world.store, system.drain_rehearsal(Context("alice", world.time), gateway=world.me))
    assert {cut.key: cut.message_state for cut in cuts} == dict.fromkeys(("bound", "aborted"), MessageState.ABORTED)


def test_waiting_for_a_drain_ends_when_nothing_is_held_or_the_time_is_over(world: World) -> None:
    ticket = world.start(KEY).ticket
    drain(world, world.me)
    (still,) = held_by(world, world.me, wait=0)
    assert still.held == 1
    world.complete(ticket)
    (idle,) = held_by(world, world.me, wait=60_000)
    assert idle.held == 0


def test_F50_a_cut_is_not_counted_and_the_message_keeps_its_place(world: World) -> None:
    first = world.start(KEY, "first")
    world.send(KEY, "second")
    drain(world, world.me)
    assert world.interrupt(Ticket(first.ticket.run_id, first.ticket.epoch)).applied
    message = world.message(first.message.id)
    assert (message.state, message.interruptions, message.position) == (MessageState.QUEUED, 0, 1)
    lane = world.lane(KEY)
    assert lane.state is LaneState.ERRORED
    assert lane.last_error is not None
    assert lane.last_error.cause == "drained"


@pytest.mark.parametrize("cause", [Cause.OWNER_GONE, Cause.OWNER_SILENT])
def test_F112_the_death_of_an_owner_that_was_draining_is_never_counted(world: World, cause: Cause) -> None:
    """SIGTERM, and ten seconds later SIGKILL, as often as somebody restarts it: that is no poison."""
    message = world.send(KEY)
    for _ in range(MAX_INTERRUPTIONS + 1):
        owner = world.owner()
        ticket = world.claim(KEY, owner).ticket
        drain(world, owner)
        release = world.reclaim(ticket, cause)
        world.end_owner(owner, cause=cause)
        assert release.message_state is MessageState.QUEUED
        assert world.message(message).interruptions == 0
    world.claim(KEY)
    assert world.suspects() == 0


def test_F112_the_count_from_before_the_drain_stands(world: World) -> None:
    message = world.interrupted(KEY, MAX_INTERRUPTIONS - 1)
    owner = world.owner()
    ticket = world.claim(KEY, owner).ticket
    drain(world, owner)
    world.reclaim(ticket, Cause.OWNER_GONE)
    assert (world.message(message).state, world.message(message).interruptions) == ("queued", MAX_INTERRUPTIONS - 1)
    world.reclaim(world.claim(KEY).ticket, Cause.OWNER_GONE)
    assert world.message(message).state is MessageState.FAILED, "and this owner was not draining"


def test_F112_a_cut_message_that_was_not_counted_is_said_to_have_recovered_all_the_same(world: World) -> None:
    world.send(KEY)
    drain(world, world.me)
    other = world.owner(pid=4712)
    first = world.claim(KEY, other).ticket
    drain(world, other)
    world.reclaim(first, Cause.OWNER_GONE)
    third = world.owner(pid=4713)
    second = world.claim(KEY, third).ticket
    assert [event for event in world.events(KEY) if event.type == EventType.RECOVERED] == []
    world.beat(second, owner=third)
    (said,) = [event for event in world.events(KEY) if event.type == EventType.RECOVERED]
    assert said.run_id == second.run_id


def cut(world: World, cause: Cause = Cause.DRAINED, key: str = KEY) -> MessageState | None:
    """Claim the head of a lane, and let its owner drain and cut it."""
    owner = world.owner()
    ticket = world.claim(key, owner).ticket
    drain(world, owner)
    return world.reclaim(ticket, cause).message_state


def test_F119_a_message_that_is_drained_again_and_again_becomes_a_dead_letter(world: World) -> None:
    message, behind = world.send(KEY), world.send(KEY)
    states = [cut(world, (Cause.DRAINED, Cause.OWNER_GONE)[n % 2]) for n in range(MAX_CUTS)]
    assert states == [MessageState.QUEUED] * (MAX_CUTS - 1) + [MessageState.FAILED]
    failed = world.message(message)
    assert failed.error is not None
    assert (failed.error.cause, failed.interruptions) == ("drained", 0)
    assert f"cut {MAX_CUTS} times" in failed.error.message
    assert len(world.events(type=EventType.NOTICE)) == 1, "somebody is told"
    assert cut(world) is MessageState.QUEUED, "what was cut before is not held against the next one"
    assert world.message(behind).state is MessageState.QUEUED


def test_F119_what_was_parked_was_not_cut(world: World) -> None:
    world.send(KEY)
    for _ in range(MAX_CUTS):
        world.park(world.claim(KEY).ticket, 0)
    assert cut(world) is MessageState.QUEUED


def test_F119_the_rehearsal_knows_of_earlier_cuts(world: World) -> None:
    world.send(KEY)
    for _ in range(MAX_CUTS - 1):
        cut(world)
    me = this_process()
    owner = world.owner(host=me.host, boot_id=me.boot_id, pid_ns=me.pid_ns, pid=me.pid, start_time=me.start_time)
    world.claim(KEY, owner)
    (found,) = run(world.store, system.drain_rehearsal(Context("alice"), gateway=owner))
    assert found.message_state is MessageState.FAILED
