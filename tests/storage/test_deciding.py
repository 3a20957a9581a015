"""How a run really ends is decided from what was read of it, by functions that know no database."""

from typing import Any

import pytest

from lanes.testing import MINUTE, START
from lanes_storage.doors import Accepted, Refusal
from lanes_storage.doors.intake import Accept, Placement, Same, TargetLane, admit
from lanes_storage.doors.owners import Compared, OpenRun, compare
from lanes_storage.doors.shared.ends import End, Evidence, HeldRun, ParkLimit, RunEnd, decide
from lanes_storage.law import BoundTo, Cause, Edge, LaneState, MessageState, Mode, OnInterrupt, Overflow, PauseKind
from lanes_storage.records import Admission, Beat, Idempotency, NewMessage, RunFailure, RunResult, Ticket

BROKEN = RunFailure(Cause.PROVIDER_FAILED, "all failed")
GONE = RunFailure(Cause.OWNER_GONE, "nobody is there")
REQUEUE, POISON = OnInterrupt.REQUEUE, RunFailure(Cause.POISON, "interrupted 3 times, last: nobody is there")
WALL = START.wall


def held(**changes: Any) -> HeldRun:
    """A run as it is read."""
    names = ("abort_at", "abort_cause", "abort_actor", "abort_reason", "bound_to", "parked_since")
    values: dict[str, Any] = dict.fromkeys((*names, "batch", "drain_at", "body_ended_at")) | {
        "run_id": 4,
        "lane_id": 1,
        "message_id": 2,
        "kind": "provider",
        "on_interrupt": REQUEUE,
        "on_survivors": "start",
        "max_park_ms": 10 * MINUTE,
        "left_out": 0,
        "progress_boot": 5,
        "heartbeats": 7,
        "interruptions": 0,
    }
    return HeldRun(**(values | changes))


def end(edge: Edge, **more: Any) -> End:
    return End(Ticket(4, 4), edge, START, "tester", **more)


RECLAIM = end(Edge.RECLAIM, failure=GONE, forced=True)
ASKED = {"abort_at": 1, "abort_cause": "aborted", "abort_actor": "alice", "abort_reason": "stuck"}
ABORTED = RunFailure(Cause.ABORTED, "aborted by alice: stuck")
FAILED, QUEUED = MessageState.FAILED, MessageState.QUEUED
COMPLETE = end(Edge.COMPLETE, answer=RunResult("reply"))

CASES: dict[str, tuple[End, dict[str, Any], RunEnd | None]] = {
    "complete": (COMPLETE, {"interruptions": 1}, RunEnd(Edge.COMPLETE, MessageState.DONE, 1)),
    "fail": (end(Edge.FAIL, failure=BROKEN), {}, RunEnd(Edge.FAIL, FAILED, 0, BROKEN, BROKEN)),
    "expire": (end(Edge.EXPIRE, failure=BROKEN), {}, RunEnd(Edge.EXPIRE, FAILED, 0, BROKEN, BROKEN)),
    "park": (
        end(Edge.PARK, failure=BROKEN, parked_until=WALL + 10 * MINUTE),
        {},
        RunEnd(Edge.PARK, QUEUED, 0, BROKEN, parked_until=WALL + 10 * MINUTE),
    ),
    "park longer than it may": (
        end(Edge.PARK, failure=BROKEN, parked_until=WALL + 10 * MINUTE),
        {"parked_since": WALL - 1},
        RunEnd(Edge.FAIL, FAILED, 0, ParkLimit(0).passed(BROKEN), ParkLimit(0).passed(BROKEN)),
    ),
    "park what only an owner that drains may claim": (
        end(Edge.PARK, failure=BROKEN, parked_until=WALL + MINUTE),
        {"bound_to": BoundTo.CLIENT, "drain_at": 1},
        RunEnd(Edge.FAIL, FAILED, 0, BROKEN, BROKEN),
    ),
    "park what others may claim while its owner drains": (
        end(Edge.PARK, failure=BROKEN, parked_until=WALL + MINUTE),
        {"drain_at": 1},
        RunEnd(Edge.PARK, QUEUED, 0, BROKEN, parked_until=WALL + MINUTE),
    ),
    "an abort that was asked for": (
        end(Edge.ABORT),
        ASKED,
        RunEnd(Edge.ABORT, MessageState.ABORTED, 0, ABORTED, ABORTED),
    ),
    "anything once an abort was asked for": (
        COMPLETE,
        ASKED,
        RunEnd(Edge.ABORT, MessageState.ABORTED, 0, ABORTED, ABORTED),
    ),
    "an abort that nobody asked for": (end(Edge.ABORT), {}, None),
    "reclaim": (RECLAIM, {}, RunEnd(Edge.RECLAIM, QUEUED, 1, GONE)),
    "reclaim from an owner that drained": (RECLAIM, {"drain_at": 1}, RunEnd(Edge.RECLAIM, QUEUED, 0, GONE)),
    "reclaim for the third time": (RECLAIM, {"interruptions": 2}, RunEnd(Edge.RECLAIM, FAILED, 3, POISON, POISON)),
    "reclaim and fail": (
        RECLAIM,
        {"on_interrupt": OnInterrupt.FAIL},
        RunEnd(Edge.RECLAIM, FAILED, 1, GONE, GONE),
    ),
    "reclaim and pause": (
        RECLAIM,
        {"on_interrupt": OnInterrupt.PAUSE},
        RunEnd(Edge.RECLAIM, QUEUED, 1, GONE, pause=PauseKind.INTERRUPTED),
    ),
    "reclaim what is bound": (
        RECLAIM,
        {"bound_to": BoundTo.CLIENT},
        RunEnd(Edge.RECLAIM, MessageState.ABORTED, 0, GONE, RunFailure(BoundTo.CLIENT.end_cause, "nobody is there")),
    ),
    "a reclaim for a reason of the runner's": (
        end(Edge.RECLAIM, failure=BROKEN),
        {},
        RunEnd(Edge.RECLAIM, FAILED, 0, BROKEN, BROKEN),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_how_a_held_run_ends(name: str) -> None:
    command, run, outcome = CASES[name]
    assert decide(command, held(**run), cuts=0) == outcome


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_lost_its_lane_is_not_ended_again(name: str) -> None:
    assert decide(CASES[name][0], None, cuts=0) is None


@pytest.mark.parametrize(
    ("evidence", "run"),
    [
        (Evidence(heartbeats=6), {}),
        (Evidence(progress_boot=4), {}),
        (Evidence(ghost=True), {"left_out": 1}),
        (Evidence(works=True), {"body_ended_at": 1}),
    ],
    ids=["it has beaten", "it went on", "it was named again", "its body has ended"],
)
def test_a_judge_that_saw_something_else_ends_nothing(evidence: Evidence, run: dict[str, Any]) -> None:
    assert decide(RECLAIM._replace(evidence=evidence), held(**run), cuts=0) is None


def test_a_judge_that_sees_the_same_ends_it() -> None:
    still = Evidence(heartbeats=7, progress_boot=5, ghost=True, works=True)
    assert decide(RECLAIM._replace(evidence=still), held(left_out=2), cuts=0) is not None


# ------------------------------------------------------------------------------------------- heartbeats


def test_what_an_owner_names_is_compared_with_what_it_holds() -> None:
    held = {run: OpenRun(recovering, run, run, 0) for run, recovering in ((4, False), (5, True), (6, False), (7, True))}
    beats = [Beat(Ticket(run, run), "content", 1, 1) for run in (3, 4, 5)]
    assert compare(beats, held) == Compared(lost=[Ticket(3, 3)], left_out=[6, 7], recovered=[5])
    assert compare([], {}) == Compared([], [], [])


# --------------------------------------------------------------------------------------------- messages

NAME = Idempotency("name", "token", "digest")
IDLE, WAITING = TargetLane(1, LaneState.IDLE, None, None, 0), TargetLane(1, LaneState.IDLE, None, 7, 2)
RUNNING, BOTH = TargetLane(1, LaneState.RUNNING, 5, None, 0), TargetLane(1, LaneState.RUNNING, 5, 7, 2)
REJECTS, INTERRUPTS = Admission(mode=Mode.REJECT), Admission(cap=2, mode=Mode.INTERRUPT)
FULL, DROPS = Admission(cap=2), Admission(cap=2, overflow=Overflow.DROP_OLDEST)
IF_IDLE = Admission(if_idle=True)

ADMITTED: list[tuple[Admission, TargetLane | None, Placement | Refusal]] = [
    (Admission(), None, Placement.FREE),
    (Admission(cap=0), None, Refusal.QUEUE_FULL),
    (Admission(), IDLE, Placement.FREE),
    (Admission(), BOTH, Placement.FREE),
    (Admission(cap=3), WAITING, Placement.FREE),
    (FULL, WAITING, Refusal.QUEUE_FULL),
    (FULL, RUNNING, Placement.FREE),
    (DROPS, WAITING, Placement.DROP_OLDEST),
    (IF_IDLE, IDLE, Placement.FREE),
    (IF_IDLE, RUNNING, Refusal.LANE_BUSY),
    (IF_IDLE, WAITING, Refusal.LANE_BUSY),
    (REJECTS, IDLE, Placement.FREE),
    (REJECTS, RUNNING, Refusal.LANE_BUSY),
    (REJECTS, WAITING, Refusal.LANE_BUSY),
    (INTERRUPTS, IDLE, Placement.INTERRUPT),
    (INTERRUPTS, BOTH, Placement.INTERRUPT),
    (INTERRUPTS._replace(if_idle=True), BOTH, Refusal.LANE_BUSY),
]


@pytest.mark.parametrize(("admission", "met", "came"), ADMITTED)
def test_whether_a_message_gets_a_place(
    admission: Admission, met: TargetLane | None, came: Placement | Refusal
) -> None:
    assert admit(Accept(NewMessage("a", "text"), admission, START), met, None) == came


@pytest.mark.parametrize("met", [None, IDLE, BOTH])
def test_the_same_name_is_the_same_message_whatever_it_meets(met: TargetLane | None) -> None:
    named = Accept(NewMessage("a", "text", idempotency=NAME), Admission(cap=0, if_idle=True), START)
    assert admit(named, met, Same("digest", 8)) == Accepted(8, created=False)
    assert admit(named, met, Same("of another text", 8)) is Refusal.IDEMPOTENCY_CONFLICT
