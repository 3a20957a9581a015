"""Every writing statement is guarded by itself: it refuses the row that its door would not have offered."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lanes.testing import MINUTE, Hands
from lanes_storage import doors
from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.ends import parking
from lanes_storage.interface import Row, Transaction
from lanes_storage.law import BoundTo, MessageState, PauseKind
from lanes_storage.records import Head
from lanes_storage.statements import further, providers
from tests.kit.watch import Watch
from tests.kit.world import PROCESS, World


class _Undone(Exception):
    """What was tried is not to last."""


@dataclass(frozen=True)
class Rows:
    """The ids of the rows that there are."""

    held: int  # a run that holds its lane
    asked: int  # one whose abort was requested
    ended: int  # one that is over
    ended_asked: int  # one that was aborted
    running: int  # the message of the first
    queued: int
    behind: int  # the head of the lane that is held
    done: int
    failed: int
    retried: int  # a dead letter that was retried
    gone: int  # an owner that has ended


@pytest.fixture
def rows(world: World) -> Rows:
    held, asked = world.start("held"), world.start("asked")
    world.request_abort("asked")
    ended, ended_asked = world.start("ended"), world.start("aborted")
    world.complete(ended.ticket)
    world.request_abort("aborted")
    world.abort(ended_asked.ticket)
    failed, retried = world.start("failed"), world.start("retried")
    world.fail(failed.ticket)
    world.fail(retried.ticket)
    world.retry(retried.message.id)
    queued, behind, gone = world.send("queued"), world.send("held"), world.owner(pid=4712)
    world.end_owner(gone)
    world.time.move(MINUTE)
    return Rows(
        held=held.ticket.run_id,
        asked=asked.ticket.run_id,
        ended=ended.ticket.run_id,
        ended_asked=ended_asked.ticket.run_id,
        running=held.message.id,
        queued=queued,
        behind=behind,
        done=ended.message.id,
        failed=failed.message.id,
        retried=retried.message.id,
        gone=gone,
    )


def ask(tx: Transaction, run: int) -> int:
    more = {"boot_id": "b", "slept": 0, "actor": "t", "cause": "aborted", "reason": None}
    return tx.run(sql.REQUEST_ABORT, {"run": run, "now": 1, "boot": 1, "grace_ms": 0} | more)


def finish(tx: Transaction, message: int) -> int:
    empty = ("reply", "reply_detail", "error_cause", "error_message", "attempts", "answered_by")
    values: dict[str, Any] = dict.fromkeys(empty) | {"message": message, "state": "done", "interruptions": 0, "now": 1}
    return tx.run(sql.FINISH_MESSAGE, values)


def end(tx: Transaction, run: int) -> int:
    values = {"run": run, "edge": "fail", "cause": None, "forced": False, "now": 1, "by": "t", "late_reply": None}
    return tx.run(sql.END_RUN, values)


def release(tx: Transaction, lane_of: int, run: int, epoch: int) -> int:
    """``lane_of``: a run of the lane that is meant."""
    ((lane,),) = tx.rows("SELECT lane_id FROM runs WHERE id = :run", {"run": lane_of})
    names = ("requeued", "turn", "error_cause", "error_message", "error_at")
    values = dict.fromkeys(names) | {"lane": lane, "run": run, "epoch": epoch, "new_epoch": epoch}
    return tx.run(sql.RELEASE_LANE, values | {"state": "idle", "now": 1})


def claim(tx: Transaction, lane_of: int, head: int, run: int = 4711) -> int:
    """``lane_of``: a message of the lane that is meant."""
    ((lane,),) = tx.rows("SELECT lane_id FROM messages WHERE id = :message", {"message": lane_of})
    return tx.run(sql.CLAIM_LANE, {"lane": lane, "head": head, "last": head, "run": run, "now": 1})


def beat(tx: Transaction, run: int, owner: int) -> int:
    names = ("progress_slept_ms", "busy_until_boot", "reply_so_far", "body_ended_at", "attempt")
    values = dict.fromkeys(names) | {"progress": "p", "progress_at": 1, "progress_boot": 1}
    return tx.run(sql.BEAT_RUN, values | {"run": run, "owner": owner})


def stands(tx: Transaction, run: int) -> list[Row]:
    return tx.rows(sql.HELD_RUNS, {"runs": json.dumps([run])})


def requeue(tx: Transaction, message: int) -> int:
    return park(tx, message, MessageState.RUNNING)


def park(tx: Transaction, message: int, before: MessageState) -> int:
    now = Now(1, 1, 1, "b")
    return tx.run(sql.PARK_MESSAGE, parking(message, before, 1, now, (), None))


def start(tx: Transaction, message: int, run: int) -> int:
    return tx.run(sql.START_MESSAGE, {"message": message, "run": run, "batch": None, "parked_since": None, "now": 1})


def retried(tx: Transaction, message: int) -> int:
    return tx.run(further.MARK_RETRIED, {"message": message, "new": 4711})


def process(tx: Transaction, run: int, epoch: int) -> int:
    return tx.run(sql.SET_PROCESS, PROCESS._asdict() | {"run": run, "epoch": epoch, "process_group": 1})


#: Each tries something unlawful and returns how many rows it changed.
REFUSED: dict[str, Callable[[Transaction, Rows], int]] = {
    "the release of another epoch": lambda tx, r: release(tx, r.held, r.held, r.held + 1),
    "the release of another run": lambda tx, r: release(tx, r.asked, r.asked + 100, r.asked),
    "the release of another lane": lambda tx, r: release(tx, r.asked, r.held, r.held),
    "a second end of a run": lambda tx, r: end(tx, r.ended),
    "an abort of a run that is over": lambda tx, r: ask(tx, r.ended_asked),
    "an abort of a run that ended otherwise": lambda tx, r: ask(tx, r.ended),
    "a second abort of a run": lambda tx, r: ask(tx, r.asked),
    "the hurry of a run that is over": lambda tx, r: tx.run(sql.HURRY_ABORT, {"run": r.ended_asked, "grace_ms": 0}),
    "the hurry of what was not asked": lambda tx, r: tx.run(sql.HURRY_ABORT, {"run": r.held, "grace_ms": 0}),
    "a slower hurry": lambda tx, r: tx.run(sql.HURRY_ABORT, {"run": r.asked, "grace_ms": MINUTE}),
    "a process of a run whose abort was asked": lambda tx, r: process(tx, r.asked, r.asked),
    "a process of another epoch": lambda tx, r: process(tx, r.held, r.asked),
    "a heartbeat of an owner that has ended": lambda tx, r: tx.run(
        sql.HEARTBEAT_OWNER, {"owner": r.gone, "now": 1, "boot": 1, "slept": 0}
    ),
    "a heartbeat that names the run of another": lambda tx, r: beat(tx, r.held, r.gone),
    "a heartbeat that names what is over": lambda tx, r: beat(tx, r.ended, 1),
    "a heartbeat that leaves out what is over": lambda tx, r: tx.run(sql.LEAVE_OUT, {"run": r.ended}),
    "a claim of what is held": lambda tx, r: claim(tx, r.running, r.behind),
    "a claim of another head": lambda tx, r: claim(tx, r.queued, r.behind),
    "a claim of another lane": lambda tx, r: claim(tx, r.done, r.queued),
    "a second start of a message": lambda tx, r: start(tx, r.running, r.held),
    "a start of what is done": lambda tx, r: start(tx, r.done, r.held),
    "a second end of a message": lambda tx, r: finish(tx, r.done),
    "a requeue of what waits": lambda tx, r: requeue(tx, r.queued),
    "a wait for another try of what is over": lambda tx, r: park(tx, r.failed, MessageState.RUNNING),
    "a parking of what runs": lambda tx, r: park(tx, r.running, MessageState.QUEUED),
    "a place for a run that is over": lambda tx, r: tx.run(providers.TAKE_PLACE, {"run": r.ended, "provider": "p"}),
    "a second retry": lambda tx, r: retried(tx, r.retried),
    "a retry of what did not fail": lambda tx, r: retried(tx, r.done),
    "a wait of a run of another boot": lambda tx, r: tx.run(
        further.WAIT_IS_PROGRESS, {"run": r.held, "now": 1, "boot": 1, "slept": 0, "boot_id": "another boot"}
    ),
    "a hand-over of what is meant for no run": lambda tx, r: tx.run(
        further.HAND_OVER, {"message": r.queued, "run": r.held, "answered_by": r.running, "now": 1}
    ),
    "a recovery that was seen": lambda tx, r: tx.run(sql.RECOVERED, {"run": r.held}),
    "an alarm about what runs": lambda tx, r: len(tx.rows(sql.WARN_WAIT, {"message": r.running, "now": 1})),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_statement_refuses_what_is_unlawful(world: World, rows: Rows, name: str) -> None:
    seen = Watch(world)
    assert world.step(lambda tx: REFUSED[name](tx, rows)) == 0
    assert seen.nothing()


def test_a_run_that_is_over_stands_no_more_and_starts_nothing(world: World, rows: Rows) -> None:
    """Its lane lets go in the same transaction; half way through, the run's own row is enough."""

    def step(tx: Transaction) -> None:
        assert end(tx, rows.held) == 1
        assert stands(tx, rows.held) == []
        assert process(tx, rows.held, rows.held) == 0
        values = {"run": rows.held, "now": 1, "boot": 1, "slept": 0, "boot_id": world.time().boot_id}
        assert tx.run(further.WAIT_IS_PROGRESS, values) == 0
        raise _Undone

    with pytest.raises(_Undone):
        world.step(step)


def test_a_lane_that_is_let_go_of_has_no_run_that_stands(world: World, rows: Rows) -> None:
    """Its run ends in the same transaction; half way through, the lane's own row is enough."""

    def step(tx: Transaction) -> None:
        assert len(stands(tx, rows.held)) == 1
        assert release(tx, rows.held, rows.held, rows.held) == 1
        assert stands(tx, rows.held) == []
        raise _Undone

    with pytest.raises(_Undone):
        world.step(step)


def test_other_counters_stand_still(world: World) -> None:
    world.step(lambda tx: tx.run("INSERT INTO counters (name, value) VALUES ('other', 7)", {}))
    world.reclaim(world.start("a").ticket)
    world.step(lambda tx: tx.run(sql.RAISE_EPOCH, {"least": 100}))
    world.step(doors.touch)
    found = {name: value for name, value in world.table("counters") if not name.startswith("wall_")}
    assert found == {"epoch": 100, "touch": 1, "other": 7}


# -------------------------------------------------------------------------------- what a write is decided from


def ids(world: World, statement: str, **params: object) -> list[int]:
    return world.step(lambda tx: [row[0] for row in tx.rows(statement, params)])


def test_what_waits_is_neither_what_runs_nor_what_is_over(world: World) -> None:
    world.complete(world.start("a").ticket)
    running, waiting = world.start("a"), world.send("a")
    assert ids(world, sql.WAITING_OF_LANE, lane=running.message.lane_id) == [waiting]


def test_what_waits_bound_to_an_owner_is_not_what_runs(world: World) -> None:
    for key in "ab":
        world.send(key, bound_to=BoundTo.WAITER, bound_owner=world.me)
    waiting = world.claim("a").message.id + 1
    assert ids(world, sql.WAITING_OF_OWNER, owner=world.me) == [waiting]


def test_a_batch_is_those_of_its_members_that_are_still_together(world: World) -> None:
    one, two, three = (world.send("a", text) for text in ("one", "two", "three"))
    world.reclaim(world.collect("a").ticket)
    world.drop(two)
    assert ids(world, sql.BATCH, batch=three, state="queued") == [one, three]
    assert ids(world, sql.BATCH, batch=three, state="dropped") == [two]


# ------------------------------------------------------------- what an owner that runs only its own may claim


class Bound:
    """An owner of holds, with a message of its own that waits."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.send("a")

    def send(self, key: str) -> int:
        return self.world.send(key, bound_to=BoundTo.WAITER, bound_owner=self.world.me)

    def heads(self, owner: int | None = None, after: int = 0) -> list[Head]:
        who = self.world.me if owner is None else owner
        return self.world.step(lambda tx: doors.candidates(tx, who, self.world.time(), after=after, bound_only=True))

    @property
    def keys(self) -> list[str]:
        return [head.key for head in self.heads()]


@pytest.fixture
def bound(world: World) -> Bound:
    return Bound(world)


def test_only_its_own_and_in_the_order_of_their_wait(bound: Bound, world: World) -> None:
    world.send("free")
    other = world.owner(pid=4712)
    world.send("theirs", bound_to=BoundTo.WAITER, bound_owner=other)
    bound.send("b")
    assert bound.keys == ["a", "b"]
    assert [head.key for head in bound.heads(other)] == ["theirs"]
    assert [head.key for head in bound.heads(after=bound.heads()[0].message_id)] == ["b"]


def test_not_while_the_lane_is_held(bound: Bound, world: World) -> None:
    world.claim("a")
    bound.send("a")
    assert bound.keys == []


def test_not_while_the_lane_is_paused(bound: Bound, world: World, time: Hands) -> None:
    world.pause("a", until=time().wall + MINUTE)
    assert bound.keys == []
    time.move(MINUTE)
    assert bound.keys == ["a"]


@pytest.mark.parametrize("pattern", ["a*", "*"])
def test_not_while_every_lane_that_fits_is_paused(bound: Bound, world: World, time: Hands, pattern: str) -> None:
    bound.send("b")
    until = time().wall + MINUTE
    world.step(lambda tx: doors.pause_matching(tx, pattern, PauseKind.HAND, time(), actor="t", reason="r", until=until))
    assert bound.keys == (["b"] if pattern == "a*" else [])
    time.move(MINUTE)
    assert bound.keys == ["a", "b"]


def test_only_of_a_lane_that_had_a_pause_one_is_looked_for(bound: Bound, world: World, time: Hands) -> None:
    bound.send("b")
    world.pause("a", until=time().wall + MINUTE)
    assert bound.keys == ["b"], "that of another lane keeps it from nothing"
    time.move(MINUTE)
    expected = [("a", True), ("b", False)]
    assert [(head.key, head.paused_before) for head in bound.heads()] == expected
    assert [(head.key, head.paused_before) for head in world.candidates()] == expected


def test_not_while_the_head_is_parked(bound: Bound, world: World, time: Hands) -> None:
    world.postpone(world.head("a"), MINUTE)
    assert bound.keys == []
    time.move(MINUTE)
    assert bound.keys == ["a"]


def test_not_once_its_wait_is_over(bound: Bound, world: World, time: Hands) -> None:
    until = time().wall + MINUTE
    world.step(lambda tx: tx.run("UPDATE messages SET expires_at = :until", {"until": until}))
    assert bound.keys == ["a"]
    time.move(MINUTE)
    assert bound.keys == []


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (sql.END_OWNER, {"cause": "gone", "heartbeats": None}),
        (sql.DRAIN_OWNER, {"by": "alice", "until": 2}),
    ],
    ids=["ended", "drains"],
)
def test_not_once_the_owner_has_ended_or_drains(world: World, statement: str, values: dict[str, Any]) -> None:
    """Both doors end what is bound to the owner; halfway through, the owner's row alone keeps it from claiming."""
    bound = Bound(world)
    world.owner(pid=4712)

    def step(tx: Transaction) -> None:
        assert tx.run(statement, {"owner": world.me, "now": 1, **values}) == 1
        assert doors.candidates(tx, world.me, world.time(), bound_only=True) == []
        raise _Undone

    assert bound.keys == ["a"]
    with pytest.raises(_Undone):
        world.step(step)


def test_another_owner_that_ended_stands_in_nobodys_way(bound: Bound, world: World) -> None:
    world.end_owner(world.owner(pid=4712))
    assert bound.keys == ["a"]
    drained = world.owner(pid=4713)
    world.step(lambda tx: doors.drain(tx, drained, world.time(), by="t", until=1))
    assert bound.heads(drained) == []
