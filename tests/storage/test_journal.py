"""Every change of state has its event in the same transaction: where the event cannot be written, nothing is."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lanes_storage import doors, statements
from lanes_storage.interface import Bindings, Row, Transaction
from lanes_storage.law import BoundTo, Cause, OnInterrupt, RunnerKind, Scope
from lanes_storage.records import Admission, Claimed, NewMessage, RunFailure, RunResult, Ticket
from tests.kit.cooling import cool
from tests.kit.world import OWNER, TERMS, World

Door = Callable[[Transaction, World, Claimed], Any]
WHY = RunFailure(Cause.PROVIDER_FAILED, "all failed")
GONE = RunFailure(Cause.OWNER_GONE, "gone")


class _NoJournal(Exception):
    """The journal takes no line."""


class WithoutJournal:
    """A transaction whose journal fails."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def run(self, sql: str, params: Bindings) -> int:
        if sql == statements.RECORD:
            raise _NoJournal
        return self._tx.run(sql, params)

    def many(self, sql: str, params: Sequence[Bindings]) -> int:
        if sql == statements.RECORD and params:
            raise _NoJournal
        return self._tx.many(sql, params)

    def rows(self, sql: str, params: Bindings) -> list[Row]:
        return self._tx.rows(sql, params)

    def on_rollback(self, undo: Callable[[], None]) -> None:
        self._tx.on_rollback(undo)


#: Every door that changes a state, on a lane "held" whose run is handed in, with "waits" waiting in it; on a lane
#: "asked" whose abort was requested; on a lane "failed" with a dead letter; on a lane "free" with a head.
DOORS: dict[str, Door] = {
    "accept": lambda tx, w, _: doors.accept(NewMessage("new", "hello"), Admission(), w.time())(tx),
    "claim": lambda tx, w, _: doors.claim(_free(tx, w), w.me, "chat", RunnerKind.PROVIDER, TERMS, w.time())(tx),
    "postpone": lambda tx, w, _: doors.postpone(tx, _free(tx, w), w.time().wall + 1, 10, w.time()),
    "complete": lambda tx, w, c: doors.complete(c.ticket, RunResult("reply"), w.time(), by="t")(tx),
    "fail": lambda tx, w, c: doors.fail(c.ticket, WHY, w.time(), by="t")(tx),
    "park": lambda tx, w, c: doors.park(c.ticket, w.time().wall, WHY, w.time(), by="t")(tx),
    "expire": lambda tx, w, c: doors.expire(c.ticket, WHY, w.time(), by="t", forced=True)(tx),
    "interrupt": lambda tx, w, c: doors.interrupt(c.ticket, GONE, w.time(), by="t")(tx),
    "reclaim": lambda tx, w, c: doors.reclaim(c.ticket, GONE, w.time(), by="t", evidence=doors.Evidence())(tx),
    "abort": lambda tx, w, _: doors.abort(_asked(w), w.time(), by="t", forced=True)(tx),
    "request abort": lambda tx, w, _: doors.request_abort(tx, "held", w.time(), actor="t"),
    "hurry abort": lambda tx, w, _: doors.request_abort(tx, "asked", w.time(), actor="t", grace_ms=0),
    "cut the queue": lambda tx, w, _: doors.request_abort(tx, "held", w.time(), actor="t", scope=Scope.QUEUE),
    "end bound": lambda tx, w, _: doors.end_bound(tx, _bound(w), w.time(), actor="t", reason="gone"),
    "ack": lambda tx, w, _: doors.ack(tx, "failed", w.time(), actor="t"),
    "pause": lambda tx, w, _: doors.pause(tx, "held", w.time(), actor="t", reason="why"),
    "resume": lambda tx, w, _: doors.resume(tx, "paused", w.time(), actor="t"),
    "retry": lambda tx, w, _: doors.retry(tx, _dead(w), Admission(), w.time(), actor="t"),
    "drop": lambda tx, w, _: doors.drop(tx, _bound(w), w.time(), actor="t"),
    "register": lambda tx, w, _: doors.register(tx, OWNER, w.time()),
    "drain": lambda tx, w, _: doors.drain(tx, w.me, w.time(), by="t", until=5),
    "end owner": lambda tx, w, _: doors.end_owner(tx, w.me, w.time(), cause="gone", by="t"),
    "cool": lambda tx, w, _: cool(tx, "codex", "quota", 5, w.time(), by="t"),
    "late write": lambda tx, w, _: doors.complete(_superseded(w), RunResult("late"), w.time(), by="t")(tx),
}


def _free(tx: Transaction, world: World) -> Any:
    (head,) = [head for head in doors.candidates(tx, world.me, world.time()) if head.key == "free"]
    return head


def _asked(world: World) -> Ticket:
    run = world.lane("asked").run
    assert run is not None
    return run.ticket


def _bound(world: World) -> int:
    head = world.lane("bound").head_id
    assert head is not None
    return head


def _dead(world: World) -> int:
    return int(next(row[0] for row in world.table("messages") if row[2] == "failed"))


def _superseded(world: World) -> Ticket:
    return next(Ticket(row[0], row[0]) for row in world.table("runs") if "fail" in row)


@pytest.fixture
def held(world: World) -> Claimed:
    world.fail(world.start("failed").ticket)
    for key in ("free", "paused"):
        world.send(key)
    world.pause("paused")
    world.send("bound", bound_to=BoundTo.CLIENT, bound_owner=world.me)
    world.start("asked")
    world.request_abort("asked")
    claimed = world.start("held")
    world.send("held", "waits")
    world.time.move(1)
    return claimed


@pytest.mark.parametrize("name", DOORS)
def test_where_the_event_can_not_be_written_nothing_is(world: World, held: Claimed, name: str) -> None:
    before = world.rows()
    with pytest.raises(_NoJournal):
        world.step(lambda tx: DOORS[name](WithoutJournal(tx), world, held))
    assert world.rows() == before
    world.step(lambda tx: DOORS[name](tx, world, held))
    assert world.rows()["events"] != before["events"], "and otherwise it is"


def test_a_pause_that_comes_with_a_release_is_in_the_same_transaction(world: World) -> None:
    ticket = world.start("a", terms=TERMS._replace(on_interrupt=OnInterrupt.PAUSE)).ticket
    before = world.rows()

    def step(tx: Transaction) -> None:
        assert doors.reclaim(ticket, GONE, world.time(), by="t", evidence=doors.Evidence())(tx).paused
        raise _NoJournal

    with pytest.raises(_NoJournal):
        world.step(step)
    assert world.rows() == before
