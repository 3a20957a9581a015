"""What a lane remembers of its conversation: which turns, in which order, for how long, and until when."""

import pytest

from lanes.testing import DAY, MINUTE
from lanes_storage import doors, reads
from lanes_storage.law import Cause, EventType, MessageState, Mode, Prunable, Scope, TurnState, turn_of
from lanes_storage.records import RunFailure, RunResult, TurnRow
from tests.kit.world import World

ALL = 10**9


def turns(world: World, key: str = "a", most: int = 20, within: int = ALL) -> list[TurnRow]:
    return world.store.read(reads.recalled(world.lane(key).id, most, within))


def told(world: World, key: str = "a", most: int = 20, within: int = ALL) -> list[tuple[str, str | None]]:
    return [(turn.text, turn.reply) for turn in turns(world, key, most, within)]


def said(world: World, key: str, text: str, reply: str | None = None, **more: object) -> int:
    """Something is said in a lane, and answered, or fails; returns its message."""
    claimed = world.start(key, text)
    if reply is None:
        world.fail(claimed.ticket)
    else:
        world.complete(claimed.ticket, RunResult(reply, **more))  # type: ignore[arg-type]
    return claimed.message.id


def begin(world: World, key: str = "a", *imported: doors.ImportedTurn) -> int | None:
    lane = world.lane(key).id
    return world.step(lambda tx: doors.begin_conversation(tx, lane, world.time(), actor="alice", turns=imported))


# ------------------------------------------------------------------------------------------- what is kept


def test_F231_what_was_said_is_remembered_however_it_ended(world: World) -> None:
    said(world, "a", "one", "re one")
    said(world, "a", "two, which fails")
    world.request_abort(world.start("a", "three, aborted").message.key)
    run = world.lane("a").run
    assert run is not None
    world.abort(run.ticket)
    world.expire(world.start("a", "four, too slow").ticket)
    cut = world.start("a", "five, whose gateway dies")
    world.reclaim(cut.ticket)
    assert [turn.text for turn in turns(world)] == ["one", "two, which fails", "three, aborted", "four, too slow"]
    world.complete(world.claim("a").ticket, "re five")
    assert told(world)[-1] == ("five, whose gateway dies", "re five"), "once: its message went back to its place"
    assert [turn.state for turn in turns(world)] == ["done", "failed", "aborted", "failed", "done"]


def test_F231_a_run_that_is_aborted_says_nothing_even_if_its_reply_still_arrives(world: World) -> None:
    claimed = world.start("a", "stop")
    world.request_abort("a")
    world.complete(claimed.ticket, "too late")
    assert told(world) == [("stop", None)]


def test_F231_a_superseded_run_adds_nothing(world: World) -> None:
    claimed = world.start("a", "once")
    world.reclaim(claimed.ticket)
    world.complete(claimed.ticket, "late")
    assert told(world) == []


def test_F232_in_mode_interrupt_every_text_is_kept_in_its_order(world: World) -> None:
    first = world.start("a", "one thought")
    for text in ("in three", "messages"):
        world.send("a", text, mode=Mode.INTERRUPT)
    world.abort(first.ticket)
    assert told(world) == [("one thought", None), ("in three", None)]
    world.complete(world.claim("a").ticket, "to all")
    assert told(world) == [("one thought", None), ("in three", None), ("messages", "to all")]


def test_what_was_withdrawn_while_it_waited_is_not_kept(world: World) -> None:
    world.start("a", "runs")
    dropped = world.send("a", "dropped")
    world.send("a", "cut")
    world.drop(dropped)
    world.request_abort("a", scope=Scope.QUEUE)
    assert told(world) == []


def test_what_ran_before_and_is_cut_while_it_waits_is_kept(world: World) -> None:
    world.reclaim(world.start("a", "began").ticket)
    world.request_abort("a")
    assert told(world) == [("began", None)]


def test_what_fails_while_it_waits_is_kept(world: World) -> None:
    world.send("a", "nobody is there")
    assert world.postpone(world.head("a"), 20 * MINUTE) is MessageState.FAILED
    assert told(world) == [("nobody is there", None)]


def test_what_fails_while_it_waits_concerns_no_other_lane(world: World) -> None:
    said(world, "b", "hello", "yes")
    world.send("a", "nobody is there")
    world.postpone(world.head("a"), 20 * MINUTE)
    assert told(world, "b") == [("hello", "yes")]


def test_a_request_or_a_lane_of_one_request_that_fails_while_it_waits_has_no_turn(world: World) -> None:
    world.send("a", None, request="{}")
    world.send("b", "text", anonymous=True)
    for key in "ab":
        assert world.postpone(world.head(key), 20 * MINUTE) is MessageState.FAILED
    assert world.table("turns") == []


def test_requests_and_lanes_of_one_request_have_no_turns(world: World) -> None:
    world.send("a", None, request="{}")
    world.complete(world.claim("a").ticket, "its own history")
    world.send("b", "text", anonymous=True)
    world.complete(world.claim("b").ticket, "done")
    assert world.table("turns") == []


def test_texts_that_are_answered_together_are_one_turn(world: World) -> None:
    for text in ("one", "two"):
        world.send("a", text)
    world.complete(world.collect("a").ticket, "to both")
    assert told(world) == [("one\n\ntwo", "to both")]


def test_a_retry_says_it_again_and_not_twice(world: World) -> None:
    failed = said(world, "a", "lost")
    said(world, "a", "lost as well")
    said(world, "a", "next", "re next")
    world.retry(failed)
    assert told(world) == [("lost as well", None), ("next", "re next")]
    world.complete(world.claim("a").ticket, "found")
    assert told(world) == [("lost as well", None), ("next", "re next"), ("lost", "found")]


def test_what_the_answer_was_besides_its_text_is_kept(world: World) -> None:
    said(world, "a", "look", "done", messages='[{"role": "assistant"}]', tokens=7)
    (turn,) = turns(world)
    assert (turn.answer, turn.tokens, turn.state, turn.conversation) == (
        '[{"role": "assistant"}]', 7, TurnState.DONE, 1,
    )  # fmt: skip


# -------------------------------------------------------------------------------------------- how much is told


def test_the_newest_that_fit_are_told(world: World) -> None:
    for number in range(4):
        said(world, "a", f"text {number}", f"reply {number}")
    assert told(world, most=2) == [("text 2", "reply 2"), ("text 3", "reply 3")]
    assert told(world, within=13) == [("text 3", "reply 3")]
    assert told(world, within=26) == told(world, most=2)
    assert told(world, within=12) == []


def test_what_stands_behind_a_NUL_counts_too(world: World) -> None:
    said(world, "a", "\0" + "long " * 100, "reply")
    said(world, "a", "text", "reply")
    assert told(world, within=50) == [("text", "reply")]


def test_each_lane_has_its_own(world: World) -> None:
    said(world, "a", "to a", "from a")
    said(world, "b", "to b", "from b")
    said(world, "a", "again", "yes")
    assert told(world, "a") == [("to a", "from a"), ("again", "yes")]
    assert told(world, "b") == [("to b", "from b")]


def test_F233_what_a_model_can_not_read_is_not_told_again(world: World) -> None:
    for number in range(3):
        said(world, "a", f"{number}", "re")
    first = turns(world)[1].id
    claimed = world.start("a", "now")
    earlier = claimed.ticket._replace(epoch=claimed.ticket.epoch - 1)
    assert not world.step(lambda tx: doors.tell_from(tx, earlier, first))
    assert [text for text, _ in told(world)] == ["0", "1", "2"]
    assert world.step(lambda tx: doors.tell_from(tx, claimed.ticket, first))
    assert [text for text, _ in told(world)] == ["1", "2"]
    world.complete(claimed.ticket)
    assert not world.step(lambda tx: doors.tell_from(tx, claimed.ticket, 0)), "its lane is not its any more"
    assert [text for text, _ in told(world)] == ["1", "2", "now"]


def test_F598_a_message_that_was_passed_does_not_make_a_model_forget_what_came_before_it(world: World) -> None:
    """Its turn is the last one, and has a smaller id than the first that is still told."""
    passed, first = world.send("a", "passed"), world.send("a", "first")
    world.step(lambda tx: doors.move_to_front(tx, first, world.time(), actor="alice"))
    world.complete(world.claim("a").ticket, "re")
    claimed = world.claim("a")
    assert claimed.message.id == passed
    assert world.step(lambda tx: doors.tell_from(tx, claimed.ticket, turns(world)[0].id))
    world.complete(claimed.ticket, "re")
    assert [text for text, _ in told(world)] == ["first"]
    said(world, "a", "next", "re")
    assert [text for text, _ in told(world)] == ["first", "next"]


# --------------------------------------------------------------------------------------------- a new conversation


def test_a_new_conversation_keeps_the_old_one_readable(world: World) -> None:
    said(world, "a", "old", "re old")
    said(world, "b", "elsewhere", "goes on")
    assert begin(world) == 2
    assert told(world) == []
    assert told(world, "b") == [("elsewhere", "goes on")]
    said(world, "a", "new", "re new")
    assert told(world) == [("new", "re new")]
    lane = world.lane("a").id
    assert [row[:2] for row in world.store.read(reads.conversations(lane))] == [(1, 1), (2, 1)]
    assert [turn.text for turn in world.store.read(reads.conversation(lane, 1))] == ["old"]
    event = world.events("a", type=EventType.CONVERSATION)[0]
    assert (event.actor, event.detail) == ("alice", {"number": 2})


def test_a_held_lane_goes_on_with_its_conversation(world: World) -> None:
    claimed = world.start("a", "runs")
    before = world.rows()
    assert begin(world) is None
    assert world.rows() == before
    world.complete(claimed.ticket)
    assert begin(world) == 2


def test_an_agent_forgets_its_session_with_the_conversation(world: World) -> None:
    claimed = world.start("a", "work")
    world.step(lambda tx: doors.keep_session(tx, claimed.ticket, "coder", "s-1"))
    world.complete(claimed.ticket)
    begin(world)
    again = world.start("a", "other work")
    assert world.store.read(reads.lane_of_run(again.ticket.run_id))[1] == {}


def test_a_fresh_message_begins_one_when_it_starts_and_only_then(world: World) -> None:
    said(world, "a", "old", "re old")
    world.send("a", "still old")
    world.send("a", "fresh", fresh=True)
    world.complete(world.claim("a").ticket, "yes")
    assert [text for text, _ in told(world)] == ["old", "still old"]
    world.reclaim(world.claim("a").ticket)
    assert told(world) == []
    again = world.claim("a")
    world.complete(again.ticket, "re fresh")
    assert told(world) == [("fresh", "re fresh")]
    assert turns(world)[0].conversation == 2, "its second run goes on with what the first began"


def test_a_fresh_message_is_not_collected_with_what_came_before(world: World) -> None:
    world.send("a", "one")
    world.send("a", "fresh", fresh=True)
    world.send("a", "two")
    world.complete(world.collect("a").ticket, "re one")
    world.complete(world.collect("a").ticket, "re both")
    assert told(world) == [("fresh\n\ntwo", "re both")]


def test_a_retry_is_fresh_if_its_message_never_began(world: World) -> None:
    said(world, "a", "old", "re old")
    waited = world.send("a", "fresh", fresh=True)
    world.postpone(world.head("a"), 20 * MINUTE)
    world.retry(waited)
    world.fail(world.claim("a").ticket)
    assert turns(world)[0].conversation == 2
    world.retry(world.message(waited).retried_as or 0)
    world.complete(world.claim("a").ticket, "at last")
    assert told(world) == [("fresh", "at last")]
    assert turns(world)[0].conversation == 2


def test_imported_turns_come_before_all_that_is_said_later(world: World) -> None:
    said(world, "a", "old", "re old")
    assert (
        begin(
            world,
            "a",
            doors.ImportedTurn("q1", "a1"),
            doors.ImportedTurn("q2", None),
            doors.ImportedTurn("q3", "a3", "[]"),
        )
        == 2
    )
    assert begin(world, "a", doors.ImportedTurn("other", "one")) == 3
    said(world, "a", "now", "re now")
    assert told(world) == [("other", "one"), ("now", "re now")]
    lane = world.lane("a").id
    assert [(t.text, t.reply, t.state) for t in world.store.read(reads.conversation(lane, 2))] == [
        ("q1", "a1", "done"), ("q2", None, "aborted"), ("q3", "a3", "done"),
    ]  # fmt: skip
    assert [turn.text for turn in world.store.read(reads.conversation(lane, 2, 1))] == ["q3"]
    assert [row.number for row in world.store.read(reads.conversations(lane))] == [1, 2, 3]


def test_imported_turns_are_between_the_last_message_of_the_database_and_the_next(world: World) -> None:
    said(world, "a", "old", "re old")
    world.send("b", None, request="{}")
    last = world.send("b", None, request="{}")  # which will have no turn
    for text in ("one", "two"):
        begin(world, "a", doors.ImportedTurn(text, "yes"))
        (turn,) = turns(world)
        assert turn_of(last) < turn.id < turn_of(last + 1)


# ------------------------------------------------------------------------------------------------ retention


@pytest.mark.parametrize("kept", [MessageState.DONE, MessageState.FAILED])
def test_turns_outlive_their_messages_and_keep_their_lane(world: World, kept: MessageState) -> None:
    said(world, "b", "elsewhere", "stays")
    message = said(world, "a", "hello", "yes" if kept is MessageState.DONE else None)
    run = world.message(message).run_id
    now = world.time.move(DAY).wall
    lane = world.lane("a").id
    world.step(lambda tx: doors.prune(tx, Prunable.MESSAGES, [(message, now)]))
    world.step(lambda tx: doors.prune(tx, Prunable.DEAD_LETTERS, [(message, now)]))
    world.step(lambda tx: doors.prune(tx, Prunable.RUNS, [(run or 0, now)]))
    world.step(lambda tx: doors.prune(tx, Prunable.EVENTS, [(event.id, now) for event in world.events()]))
    world.ack("a")
    world.step(lambda tx: doors.prune(tx, Prunable.EVENTS, [(event.id, now) for event in world.events()]))
    assert world.step(lambda tx: doors.prune(tx, Prunable.LANES, [(lane, now)])) == 0
    (turn,) = turns(world)
    assert [old.key for old in world.store.read(reads.old(Prunable.TURNS, 0, 9))] == ["b", "a"]
    assert world.step(lambda tx: doors.prune(tx, Prunable.TURNS, [(turn.id, turn.at - 1)])) == 0
    assert world.step(lambda tx: doors.prune(tx, Prunable.TURNS, [(turn.id, now)])) == 1
    assert told(world, "b") == [("elsewhere", "stays")]
    assert world.step(lambda tx: doors.prune(tx, Prunable.LANES, [(lane, now)])) == 1


def test_a_turn_whose_lane_is_gone_is_pruned_as_well(world: World) -> None:
    said(world, "a", "hello", "yes")
    world.step(lambda tx: tx.run("UPDATE turns SET lane_id = 4711", {}))
    assert told(world) == [], "it is no turn of this lane"
    (row,) = world.store.read(reads.old(Prunable.TURNS, 0, 9))
    assert row.key is None


def test_a_turn_that_was_there_already_keeps_no_lane_held(world: World) -> None:
    claimed = world.start("a", "mine")
    id_ = 1 << 20
    world.step(
        lambda tx: tx.run(
            "INSERT INTO turns (id, lane_id, conversation, text, state, at) VALUES (:id, 7, 1, 'theirs', 'done', 1)",
            {"id": claimed.message.id * id_},
        )
    )
    assert world.fail(claimed.ticket, RunFailure(Cause.RUNNER_FAILED, "no")).applied
    assert told(world) == [("mine", None)]
