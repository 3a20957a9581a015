"""A set of commands of every kind, each on a separate lane, to be carried out together or one by one."""

import itertools
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from typing import Any, cast

from lanes.testing import MINUTE, Hands, KillPoint
from lanes_storage import doors, open_store, reads
from lanes_storage.clock import Now
from lanes_storage.doors import Accepted, Evidence, Refusal, WaitCircle
from lanes_storage.interface import CommandStep, Store, carry_out
from lanes_storage.law import Cause, Mode, OnInterrupt, Overflow, RunnerKind
from lanes_storage.records import (
    Admission,
    Beat,
    Claimed,
    Head,
    Idempotency,
    NewMessage,
    ProviderAttempt,
    Release,
    RunFailure,
    RunResult,
    RunRow,
    Ticket,
    Waiter,
)
from tests.kit.world import PROCESS, TERMS, World

BROKEN = RunFailure(Cause.PROVIDER_FAILED, "all failed", (ProviderAttempt("codex", "http_500", "no", 1),))
GONE = RunFailure(Cause.OWNER_GONE, "nobody is there")
BY = "tester"
#: By the key of the lane that it is for.
ENDS: dict[str, Callable[[RunRow, Now], CommandStep[Release]]] = {
    "complete": lambda run, now: doors.complete(run.ticket, RunResult("reply", '{"a": 1}'), now, by=BY),
    "complete together": lambda run, now: doors.complete(run.ticket, RunResult("for all"), now, by=BY),
    "fail": lambda run, now: doors.fail(run.ticket, BROKEN, now, by=BY),
    "fail together": lambda run, now: doors.fail(run.ticket, BROKEN, now, by=BY),
    "park": lambda run, now: doors.park(run.ticket, now.wall + MINUTE, BROKEN, now, by=BY),
    "park too long": lambda run, now: doors.park(run.ticket, now.wall + 60 * MINUTE, BROKEN, now, by=BY),
    "abort": lambda run, now: doors.abort(run.ticket, now, by=BY, forced=False),
    "abort by force": lambda run, now: doors.abort(run.ticket, now, by=BY, forced=True),
    "abort unasked": lambda run, now: doors.abort(run.ticket, now, by=BY, forced=False),
    "abort asked": lambda run, now: doors.complete(run.ticket, RunResult("late"), now, by=BY),
    "expire": lambda run, now: doors.expire(run.ticket, BROKEN, now, by=BY, forced=False),
    "expire by force": lambda run, now: doors.expire(run.ticket, BROKEN, now, by=BY, forced=True),
    "interrupt": lambda run, now: doors.interrupt(run.ticket, GONE, now, by=BY),
    "interrupt and pause": lambda run, now: doors.interrupt(run.ticket, GONE, now, by=BY),
    "reclaim": lambda run, now: doors.reclaim(run.ticket, GONE, now, by=BY, evidence=Evidence()),
    "reclaim together": lambda run, now: doors.reclaim(run.ticket, GONE, now, by=BY, evidence=Evidence()),
    "reclaim with survivors": lambda run, now: doors.reclaim(run.ticket, GONE, now, by=BY, evidence=Evidence()),
    "reclaim too soon": lambda run, now: doors.reclaim(run.ticket, GONE, now, by=BY, evidence=Evidence(heartbeats=99)),
}
#: Lanes whose run has lost them, before its own end comes.
LATE = ("late", "late again")
#: Lanes of another owner, whose runs are second ones.
AGAIN = ("again", "once more", "and once more")
#: Lanes with something waiting, the second of which was paused.
FREE = ("free", "paused before")


def furnish(world: World) -> None:
    """A held lane for each of the ends, and runs that have lost theirs."""
    for key in ENDS:
        kind = RunnerKind.COMMAND if key == "reclaim with survivors" else RunnerKind.PROVIDER
        pausing = OnInterrupt.PAUSE if key == "interrupt and pause" else OnInterrupt.REQUEUE
        if key.endswith("together"):
            for text in ("one", "two", "three"):
                world.send(key, text)
            world.collect(key)
        else:
            world.start(key, kind=kind, terms=TERMS._replace(on_interrupt=pausing))
        if key.startswith("abort") and key != "abort unasked":
            world.request_abort(key)
    for key in LATE:
        world.reclaim(world.start(key).ticket)
        world.claim(key)
    other, gone = world.owner(pid=4712), world.owner(pid=4713)
    for key in AGAIN:
        world.reclaim(world.start(key).ticket)
        world.claim(key, other)
    world.end_owner(gone)
    for key in FREE:
        for text in ("one", "two"):
            world.send(key, text)
    world.pause(FREE[1], until=world.time().wall + 1)
    world.time.move(MINUTE)


def ends(store: Store, now: Now) -> list[CommandStep[Release]]:
    """An end for each."""
    held = {run.key: run for run in store.read(reads.open_runs())}
    made = [end(held[key], now) for key, end in ENDS.items()]
    for number, key in enumerate(LATE):
        lost = held[key].ticket._replace(run_id=held[key].id - len(LATE) + number, epoch=held[key].id)
        made.append(doors.complete(lost, RunResult(f"late reply {number}"), now, by=BY))
    return made


def beats(store: Store, now: Now) -> list[CommandStep[list[Ticket] | None]]:
    """A heartbeat of each owner, one of which has ended, and one of the first that names more."""
    held = {run.key: run for run in store.read(reads.open_runs())}
    first = [Beat(held[key].ticket, key, now.boot, now.wall, None, "half \ud800", 1, 2) for key in ENDS]
    lost = Beat(Ticket(held["late"].id - len(LATE), held["late"].id), "late", now.boot, now.wall)
    odd = Beat(held[LATE[0]].ticket, cast("str", object()), now.boot, now.wall, 2**70, None)
    again = [Beat(held[key].ticket, key, now.boot, now.wall) for key in AGAIN]
    return [
        doors.heartbeat(1, [*first[1:], lost], now),
        doors.heartbeat(2, again[1:], now),
        doors.heartbeat(3, [], now),
        doors.heartbeat(1, [*first[2:], odd], now),
    ]


def accepts(store: Store, now: Now) -> list[CommandStep[Accepted | Refusal | WaitCircle]]:
    """Messages for lanes that there are, that there are not yet, and that others of the set have just changed."""
    held = {run.key: run for run in store.read(reads.open_runs())}

    def to(key: str, text: str = "x", name: str | None = None, **admission: Any) -> CommandStep[Any]:
        same = None if name is None else Idempotency(name, "token", text)
        return doors.accept(NewMessage(key, text, actor=BY, idempotency=same), Admission(**admission), now)

    def waits(key: str, run: str) -> CommandStep[Any]:
        return to(key, waiter=Waiter(held[run].id, PROCESS))

    return [
        *(to("new", text, cap=2) for text in ("one", "two", "three")),
        *(to("newest", text, cap=2, overflow=Overflow.DROP_OLDEST) for text in ("one", "two", "three")),
        to("none", cap=0),
        *(to("idle", text, if_idle=True) for text in ("one", "two")),
        to("complete", if_idle=True),
        to("complete"),
        *(to("fail", text, mode=Mode.INTERRUPT) for text in ("one", "two")),
        to("park", mode=Mode.REJECT),
        to("named", "same", "name"),
        to("named", "same", "name", cap=0),
        to("named", "other", "name"),
        to("half", "of it \ud800", "na\0me"),
        waits("expire", "interrupt"),
        waits("interrupt", "expire"),
        waits("after that", "expire"),
    ]


def claims(store: Store, now: Now) -> list[CommandStep[Claimed | None]]:
    """Claims of what is free, together and alone, a second one of each, and those of what has changed meanwhile."""
    heads = store.write(lambda tx: doors.candidates(tx, 1, now, limit=1000))
    waiting = {head.key: store.write(lambda tx, head=head: doors.collectable(tx, head)) for head in heads}  # type: ignore[misc]
    free = [head for head in heads if head.key in FREE]

    def claim(head: Head, **more: Any) -> CommandStep[Claimed | None]:
        return doors.claim(head, 1, "chat", RunnerKind.PROVIDER, TERMS, now, **more)

    together = [claim(head, members=[message.id for message in waiting[head.key]]) for head in free]
    held = store.read(reads.lane("complete"))
    assert held is not None
    return [
        *together,
        *(claim(head) for head in free),
        claim(free[0]._replace(message_id=free[0].message_id + 1)),
        claim(free[0]._replace(lane_id=held.id)),
    ]


SETS: dict[str, Callable[[Store, Now], Sequence[CommandStep[Any]]]] = {
    "ends": ends,
    "beats": beats,
    "accepts": accepts,
    "claims": claims,
}


def killed_within(database: str, name: str) -> int:
    """Kill a process after each statement of a set that writes; returns how many of them there were."""
    for write in itertools.count(1):
        copy = f"{database}.{write}"
        shutil.copyfile(database, copy)
        child = os.fork()
        if not child:
            KillPoint("mid", 1, write).arm()
            store = open_store(copy)
            calls = SETS[name](store, Hands()())
            store.write(lambda tx: carry_out(tx, calls))  # noqa: B023 - it ends here
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != -signal.SIGKILL:
            assert status == 0
            return write - 1
    raise AssertionError
