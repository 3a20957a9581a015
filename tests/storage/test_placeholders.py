"""Rows for statements are tuples, in the order in which the statements name their parameters: each value is where its
placeholder is."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from lanes.testing import MINUTE, Hands
from lanes_storage import doors
from lanes_storage.clock import Now
from lanes_storage.interface import Bindings, Row, Step, Transaction, carry_out
from lanes_storage.law import BoundTo, Cause, Edge, MessageState, Mode, RunnerKind, turn_of
from lanes_storage.records import (
    Admission,
    AttemptPhase,
    Beat,
    Idempotency,
    NewMessage,
    ProviderAttempt,
    RunFailure,
    RunResult,
)
from lanes_storage.sqlite.file.binding import names_of
from tests.kit import sets
from tests.kit.world import TERMS, World
from tests.mutation.guards import modules

NAMES = {sql: name for module in modules() for name, sql in vars(module).items() if isinstance(sql, str)}
Named = dict[str, list[dict[str, Any]]]


class NamingTransaction:
    """Executes statements, and names the values of each tuple as its statement does."""

    def __init__(self, tx: Transaction, named: Named) -> None:
        self._tx = tx
        self._named = named

    def run(self, sql: str, params: Bindings) -> int:
        self._name(sql, params)
        return self._tx.run(sql, params)

    def many(self, sql: str, params: Sequence[Bindings]) -> int:
        for row in params:
            self._name(sql, row)
        return self._tx.many(sql, params)

    def rows(self, sql: str, params: Bindings) -> list[Row]:
        self._name(sql, params)
        return self._tx.rows(sql, params)

    def on_rollback(self, undo: Callable[[], None]) -> None:
        self._tx.on_rollback(undo)

    def _name(self, sql: str, params: Bindings) -> None:
        if isinstance(params, tuple):
            values = dict[str, Any]()
            for name, value in zip(names_of(sql), params, strict=True):
                assert values.setdefault(name, value) == value, f"{name} has two values in {NAMES[sql]}"
            self._named[NAMES[sql]].append(values)


@contextmanager
def naming(world: World) -> Iterator[tuple[Named, Callable[[Step[Any]], Any]]]:
    named: Named = defaultdict(list)
    yield named, lambda step: world.step(lambda tx: step(NamingTransaction(tx, named)))


def one(named: Named, statement: str) -> dict[str, Any]:
    (values,) = named[statement]
    return values


@pytest.mark.parametrize("name", sets.SETS)
def test_a_row_has_one_value_for_each_name(world: World, name: str) -> None:
    sets.furnish(world)
    steps = sets.SETS[name](world.store, world.time())
    with naming(world) as (named, do):
        do(lambda tx: carry_out(tx, steps))
    assert named


def moment(time: Hands) -> Now:
    """A time whose clocks all differ."""
    time.move(MINUTE)
    now = time()
    return now._replace(boot=now.mono + 77)


def test_an_accepted_message_is_in_its_columns(world: World) -> None:
    now, other = moment(world.time), world.owner()
    name = Idempotency("k", "t", "d")
    more: dict[str, Any] = {"sender": "ou_7", "fresh": True, "acts": True}
    new = NewMessage("a", "text", None, "coder", "alice", BoundTo.CLIENT, other, True, name, **more)
    with naming(world) as (named, do):
        accepted = do(doors.accept(new, Admission(), now, retry_of=17))
    lane, message = accepted.lane_id, accepted.message_id
    wall = {"now": now.wall}
    assert one(named, "MAKE_LANE") == {"id": lane, "key": "a", "anonymous": True, "created": now.wall} | wall
    assert (
        one(named, "MAKE_MESSAGE")
        == {
            "id": message,
            "lane": lane,
            "text": "text",
            "request": None,
            "runner": "coder",
            "fresh": True,
            "actor": "alice",
            "sender": "ou_7",
            "anonymous": True,
            "bound_to": BoundTo.CLIENT,
            "bound_owner": other,
            "for_run": None,
            "retry_of": 17,
            "acts": True,
            **dict.fromkeys(("source", "expires_at", "depth")),
        }
        | wall
    )
    assert one(named, "NEW_TAIL") == {"message": message, "lane": lane} | wall
    assert one(named, "RECORD") == event("accepted", now, lane, message=message, actor="alice")


def test_a_text_is_in_its_columns(world: World) -> None:
    """A message of which no more is to be stored."""
    now = moment(world.time)
    with naming(world) as (named, do):
        accepted = do(doors.accept(NewMessage("a", "text", actor="alice"), Admission(), now))
    told = {"id": accepted.message_id, "lane": accepted.lane_id, "text": "text", "actor": "alice", "anonymous": False}
    assert one(named, "MAKE_TEXT") == told | {"now": now.wall}
    assert "MAKE_MESSAGE" not in named


def event(type_: str, now: Now, lane: int, **more: Any) -> dict[str, Any]:
    names = ("from_state", "to_state", "run", "message", "epoch", "actor", "cause", "detail")
    return dict.fromkeys(names) | {"at": now.wall, "type": type_, "lane": lane} | more


def test_a_claim_is_in_its_columns(world: World) -> None:
    world.send("another")
    first, last = world.send("a", "one"), world.send("a", "two")
    head = world.head("a")._replace(parked_since=55)
    now = moment(world.time)
    with naming(world) as (named, do):
        claimed = do(
            doors.claim(head, world.me, "chat", RunnerKind.COMMAND, TERMS, now, members=[first, last], provider="p")
        )
    run, lane, wall = claimed.ticket.run_id, head.lane_id, {"now": now.wall}
    assert one(named, "CLAIM_LANE") == {"run": run, "lane": lane, "last": last, "head": first} | wall
    assert (
        one(named, "MAKE_RUN")
        == {
            "run": run,
            "lane": lane,
            "message": last,
            "owner": world.me,
            "runner": "chat",
            "kind": RunnerKind.COMMAND,
            "boot": now.boot,
            "slept": now.slept,
            "boot_id": now.boot_id,
            "provider": "p",
            "head": first,
        }
        | wall
        | TERMS._asdict()
    )
    assert named["START_MESSAGE"] == [
        {"run": run, "batch": last, "parked_since": 55, "message": message} | wall for message in (first, last)
    ]
    states = {"from_state": "idle", "to_state": "running"}
    told = {"run": run, "epoch": run, "message": last, "actor": f"owner:{world.me}"}
    detail = f'{{"members": [{first}, {last}]}}'
    assert one(named, "RECORD") == event("claim", now, lane, **states, **told, detail=detail)


ATTEMPT = ProviderAttempt("codex", "http_500", "no", 1)
BROKEN = RunFailure(Cause.PROVIDER_FAILED, "all failed", (ATTEMPT,))
CHAIN = '[{"provider": "codex", "cause": "http_500", "message": "no", "at": 1}]'


def test_a_completion_is_in_its_columns(world: World) -> None:
    world.send("another")
    said = world.start("a", "before")
    world.complete(said.ticket)
    claimed = world.start("a", "text")
    run, message, now = claimed.ticket.run_id, claimed.message, moment(world.time)
    with naming(world) as (named, do):
        do(doors.complete(claimed.ticket, RunResult("reply", "{}", (ATTEMPT,), None, "[]", 7), now, by="me"))
    wall, none = {"now": now.wall}, dict.fromkeys(("error_cause", "error_message"))
    assert one(named, "RELEASE_LANE") == none | wall | {
        "state": "idle",
        "new_epoch": run,
        "requeued": None,
        "turn": turn_of(message.id),
        "error_at": None,
        "lane": message.lane_id,
        "run": run,
        "epoch": run,
    }
    assert one(named, "MAKE_TURN") == wall | {
        "id": turn_of(message.id),
        "lane": message.lane_id,
        "conversation": 1,
        "before": turn_of(said.message.id),
        "message": message.id,
        "text": "text",
        "reply": "reply",
        "answer": "[]",
        "state": "done",
        "tokens": 7,
    }
    ended = {"edge": Edge.COMPLETE, "cause": None, "forced": False, "by": "me", "late_reply": None, "run": run}
    assert one(named, "END_RUN") == ended | wall
    assert one(named, "FINISH_MESSAGE") == none | wall | {
        "state": MessageState.DONE,
        "reply": "reply",
        "reply_detail": "{}",
        "attempts": CHAIN,
        "interruptions": 0,
        "answered_by": None,
        "message": message.id,
    }


def test_a_park_is_in_its_columns(world: World) -> None:
    world.send("another")
    claimed = world.start("a")
    run, message, now = claimed.ticket.run_id, claimed.message, moment(world.time)
    until = now.wall + MINUTE
    with naming(world) as (named, do):
        do(doors.park(claimed.ticket, until, BROKEN, now, by="me", providers=("codex",)))
    assert one(named, "RELEASE_LANE") == {
        "state": "errored",
        "new_epoch": run,
        "requeued": message.id,
        "turn": None,
        "error_cause": Cause.PROVIDER_FAILED,
        "error_message": "all failed",
        "error_at": now.wall,
        "now": now.wall,
        "lane": message.lane_id,
        "run": run,
        "epoch": run,
    }


def test_an_aborted_reply_and_a_failed_message_are_in_their_columns(world: World) -> None:
    world.send("another")
    late, failed = world.start("a"), world.start("b")
    world.request_abort("a")
    now = moment(world.time)
    ends = [
        doors.complete(late.ticket, RunResult("too late"), now, by="me"),
        doors.expire(failed.ticket, BROKEN, now, by="judge", forced=True),
    ]
    with naming(world) as (named, do):
        do(lambda tx: carry_out(tx, ends))
    wall, (one_run, other_run) = {"now": now.wall}, (late.ticket.run_id, failed.ticket.run_id)
    assert named["END_RUN"] == [
        {"edge": "abort", "cause": "aborted", "forced": 0, "by": "me", "late_reply": "too late", "run": one_run} | wall,
        {"edge": "expire", "cause": "provider_failed", "forced": 1, "by": "judge", "late_reply": None, "run": other_run}
        | wall,
    ]
    released = {values["run"]: (values["new_epoch"], values["epoch"]) for values in named["RELEASE_LANE"]}
    assert released == {one_run: (one_run, one_run), other_run: (other_run + 1, other_run)}
    finished = named["FINISH_MESSAGE"][1]
    assert (finished["error_cause"], finished["error_message"], finished["attempts"]) == (
        "provider_failed",
        "all failed",
        CHAIN,
    )


def test_a_heartbeat_is_in_its_columns(world: World) -> None:
    world.send("another")
    claimed, now = world.start("a"), moment(world.time)
    phase = AttemptPhase("codex", "idle_timeout", 3)
    beat = Beat(claimed.ticket, "content", 11, 12, 13, "so far", 14, 15, phase)
    with naming(world) as (named, do):
        do(doors.heartbeat(world.me, [beat], now))
    clocks = {"now": now.wall, "boot": now.boot, "slept": now.slept}
    assert one(named, "HEARTBEAT_OWNER") == clocks | {"owner": world.me}
    row = one(named, "BEAT_RUN")
    assert '"provider": "codex"' in row.pop("attempt")
    assert row == {
        "progress": "content",
        "progress_at": 12,
        "progress_boot": 11,
        "busy_until_boot": 13,
        "reply_so_far": "so far",
        "progress_slept_ms": 14,
        "body_ended_at": 15,
        "run": claimed.ticket.run_id,
        "owner": world.me,
    }


def test_an_ended_message_is_told_with_its_mode(world: World) -> None:
    """A message that is interrupted by a newer one: all that the journal stores of it."""
    old, now = world.send("a", "old"), moment(world.time)
    with naming(world) as (named, do):
        new = do(doors.accept(NewMessage("a", "new", actor="bob"), Admission(mode=Mode.INTERRUPT), now))
    ended = next(values for values in named["RECORD"] if values["type"] == "ended")
    what = {"from_state": "queued", "to_state": "aborted", "message": old, "actor": "bob"}
    detail = '{"text": "old", "reason": "a newer message came"}'
    assert ended == event("ended", now, new.lane_id, **what, cause=Cause.INTERRUPTED_BY_NEWER, detail=detail)
