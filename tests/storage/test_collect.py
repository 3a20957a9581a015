"""Messages that wait together are answered together, and stay together whatever happens to their run."""

import pytest

from lanes.testing import MINUTE, SECOND
from lanes_storage import reads
from lanes_storage.law import BoundTo, Cause, LaneState, MessageState
from lanes_storage.records import MessageRow
from tests.kit.world import World


def states(world: World, ids: list[int]) -> list[MessageState]:
    return [world.message(id_).state for id_ in ids]


def sent(world: World, *texts: str) -> list[int]:
    return [world.send("a", text) for text in texts]


def test_one_run_takes_all_and_the_last_gets_the_reply(world: World) -> None:
    ids = sent(world, "one", "two", "three")
    later = world.send("a", "by another runner", runner="coder")
    claimed = world.collect("a")
    assert claimed.members == tuple(ids)
    assert claimed.message.id == ids[-1]
    assert claimed.message.text == "one\n\ntwo\n\nthree"
    assert states(world, ids) == [MessageState.RUNNING] * 3
    assert world.lane("a").head_id == later
    world.complete(claimed.ticket, "to all of you")
    assert states(world, ids) == [MessageState.DONE] * 3
    assert [world.message(id_).answered_by for id_ in ids] == [ids[-1], ids[-1], None]
    assert [world.message(id_).reply for id_ in ids] == ["to all of you"] * 3, "whoever waits on a member gets it"
    assert world.state("a") is LaneState.IDLE
    (claim,) = world.events("a", type="claim")
    assert claim.detail == {"members": ids}
    together = [(e.message_id, e.to_state) for e in world.events("a", type="ended")]
    assert together == [(ids[0], "done"), (ids[1], "done")]


def test_the_next_one_starts_after_the_batch(world: World) -> None:
    sent(world, "one", "two")
    claimed = world.collect("a")
    late = world.send("a", "three")
    world.complete(claimed.ticket)
    assert world.head("a").message_id == late


def test_what_is_no_plain_text_of_the_same_runner_is_not_collected(world: World) -> None:
    me = world.me
    for follower in (
        {"text": None, "request": "{}"},
        {"text": "x", "runner": "coder"},
        {"text": "x", "bound_to": BoundTo.CLIENT, "bound_owner": me},
    ):
        key = f"lane with {sorted(follower)}"
        first = world.send(key, "one")
        world.send(key, **follower)
        assert world.collect(key).members == (first,)


def test_they_stay_together_when_they_are_requeued(world: World) -> None:
    ids = sent(world, "one", "two")
    claimed = world.collect("a")
    joined_late = world.send("a", "three")
    world.reclaim(claimed.ticket)
    assert states(world, [*ids, joined_late]) == [MessageState.QUEUED] * 3
    assert [world.message(id_).interruptions for id_ in ids] == [1, 1]
    assert world.lane("a").head_id == ids[0], "the first of them is the head again"
    again = world.collect("a")
    assert again.members == tuple(ids), "and nobody joined them"
    world.complete(again.ticket)
    assert world.collect("a").members == (joined_late,)


def test_they_are_parked_together(world: World) -> None:
    ids = sent(world, "one", "two")
    world.park(world.collect("a").ticket, 30 * SECOND)
    untils = {world.message(id_).parked_until for id_ in ids}
    assert untils == {world.time().wall + 30 * SECOND}
    world.time.move(31 * SECOND)
    assert world.collect("a").members == tuple(ids)


def test_they_fail_together_each_with_its_notice(world: World) -> None:
    ids = sent(world, "one", "two")
    world.fail(world.collect("a").ticket)
    assert states(world, ids) == [MessageState.FAILED] * 2
    assert {world.message(id_).error.cause for id_ in ids} == {Cause.PROVIDER_FAILED}  # type: ignore[union-attr]
    assert [e.message_id for e in world.events("a", type="notice")] == ids


def test_an_abort_ends_them_all(world: World) -> None:
    ids = sent(world, "one", "two")
    claimed = world.collect("a")
    world.request_abort("a")
    world.abort(claimed.ticket)
    assert states(world, ids) == [MessageState.ABORTED] * 2


def test_an_abort_of_a_requeued_batch_ends_all_of_it(world: World) -> None:
    ids = sent(world, "one", "two")
    world.reclaim(world.collect("a").ticket)
    late = world.send("a", "three")
    asked = world.request_abort("a")
    assert asked.cut == 2
    assert states(world, [*ids, late]) == [MessageState.ABORTED, MessageState.ABORTED, MessageState.QUEUED]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_member_that_is_dropped_leaves_the_others_together(world: World, which: int) -> None:
    ids = sent(world, "one", "two", "three")
    world.reclaim(world.collect("a").ticket)
    dropped = ids.pop(which)
    world.drop(dropped)
    again = world.collect("a")
    assert again.members == tuple(ids)
    world.complete(again.ticket, "the reply")
    assert [world.message(id_).reply for id_ in ids] == ["the reply"] * 2
    assert world.message(dropped).state is MessageState.DROPPED


def test_the_conversation_remembers_every_text_once(world: World) -> None:
    sent(world, "one", "two")
    world.complete(world.collect("a").ticket, "to both")
    world.send("a", "alone")
    world.complete(world.claim("a").ticket, "to one")
    lane = world.lane("a").id
    found = [(turn.text, turn.reply) for turn in world.store.read(reads.recalled(lane, 10, 1_000))]
    assert found == [("one\n\ntwo", "to both"), ("alone", "to one")]


def test_a_late_claim_of_a_batch_whose_head_moved_takes_nothing(world: World) -> None:
    ids = sent(world, "one", "two")
    head = world.head("a")
    world.drop(ids[0])
    assert world.try_claim(head, members=ids) is None
    assert isinstance(world.message(ids[1]), MessageRow)
    assert states(world, ids) == [MessageState.DROPPED, MessageState.QUEUED]


def test_a_text_that_was_cut_runs_by_itself_and_is_poison_in_time(world: World) -> None:
    cut = world.interrupted("a", 2)
    fresh = world.send("a", "two")
    claimed = world.collect("a")
    assert claimed.members == (cut,), "it might take its gateway down again"
    world.reclaim(claimed.ticket)
    assert states(world, [cut, fresh]) == [MessageState.FAILED, MessageState.QUEUED]


def test_a_newer_text_gives_a_parked_one_no_more_time(world: World) -> None:
    first = world.send("a", "one")
    world.postpone(world.head("a"), 9 * MINUTE)
    world.time.move(9 * MINUTE)
    newer = world.send("a", "two")
    assert world.park(world.collect("a").ticket, 5 * MINUTE).message_state is MessageState.FAILED
    assert states(world, [first, newer]) == [MessageState.FAILED] * 2
