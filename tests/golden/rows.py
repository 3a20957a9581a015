"""Rows of every kind as storage gives them, in each state that a form can show, at one moment that never changes."""

from typing import Any

from lanes.doctor.checks import Check, broken, ok, warning
from lanes.engine.reconcile.reconciler import Decision, ReconcileDecision
from lanes.host.identity import Identity
from lanes.records import AbortResult, Outcome
from lanes.testing.moments import DAY, HOUR, MINUTE, SECOND, START
from lanes_storage.law import (
    AttemptCause,
    Cause,
    EventType,
    LaneState,
    MessageState,
    OnInterrupt,
    OnSurvivors,
    PauseKind,
    RunnerKind,
)
from lanes_storage.records import (
    CooldownRow,
    EventRow,
    LaneCounts,
    LaneRow,
    LastErrorRow,
    MessageRow,
    OwnerRow,
    PauseRow,
    ProviderAttempt,
    RunFailure,
    RunRow,
    Terms,
)

NOW = START
#: Who looks: a process of a host that no test runs on.
ME = Identity("golden", NOW.boot_id, "ns-1", 4242, 1)
#: No process has it, on whatever system.
NO_PID = 0

KEYS = {
    "plain": "agent:main:telegram:42",
    "slashes": "a/b c%20/%",
    "wide": "agent:main:飞书:群组",
    "emoji": "lane-🛣️-\u200f-\u202e",
    "quotes": 'he said "no" \\ \u2028',
    "long": "x" * 512,
}
TERMS = Terms(
    5 * MINUTE, 2 * MINUTE, 10 * SECOND, 5 * SECOND, MINUTE, 10 * MINUTE, OnInterrupt.REQUEUE, OnSurvivors.PAUSE
)


def owner(number: int = 7, **changes: Any) -> OwnerRow:
    """A gateway on another host that beat 2.345 s ago."""
    made = OwnerRow(
        id=number,
        kind="gateway",
        host="elsewhere",
        boot_id="another-boot",
        pid_ns="ns-1",
        pid=4711,
        start_time=123_456,
        fingerprint="config-1",
        heartbeat_interval_ms=5 * SECOND,
        stale_after_ms=30 * SECOND,
        runners=("chat", "coder"),
        url="http://127.0.0.1:8765",
        started_at=NOW.wall - HOUR,
        heartbeat_at=NOW.wall - 2_345,
        heartbeat_boot=1_000,
        slept_ms=0,
        heartbeats=720,
        drain_by=None,
        drain_at=None,
        drain_until=None,
        ended_at=None,
        ended_cause=None,
        held=3,
    )
    return made._replace(**changes)


OWNERS = {
    "alive": owner(),
    "silent": owner(8, heartbeat_at=NOW.wall - 31 * SECOND, held=0),
    "gone": owner(9, host=ME.host, boot_id=ME.boot_id, pid=NO_PID, heartbeat_boot=NOW.boot - 1_500),
    "ended": owner(10, ended_at=NOW.wall - 1, ended_cause="stopped"),
    "draining": owner(11, drain_by="alice", drain_at=NOW.wall - SECOND, drain_until=NOW.wall + 25 * SECOND),
    "draining without end": owner(12, drain_by="alice", drain_at=NOW.wall - SECOND),
    "desk": owner(13, kind="desk", url=None, host="büro", runners=()),
    "same boot, slept": owner(14, boot_id=NOW.boot_id, pid_ns="ns-2", heartbeat_boot=NOW.boot - 9_000, slept_ms=0),
}


def run(number: int = 40, **changes: Any) -> RunRow:
    """A run of this boot, claimed 100 s ago, that showed progress 7.25 s ago."""
    made = RunRow(
        id=number,
        lane_id=1,
        key=KEYS["plain"],
        message_id=3,
        owner_id=7,
        runner="chat",
        kind=RunnerKind.PROVIDER,
        terms=TERMS,
        claimed_at=NOW.wall - 100 * SECOND,
        claimed_boot=NOW.boot - 100 * SECOND,
        claimed_slept_ms=NOW.slept,
        boot_id=NOW.boot_id,
        progress="model_call:started",
        progress_at=NOW.wall - 7_250,
        progress_boot=NOW.boot - 7_250,
        progress_slept_ms=NOW.slept,
        busy_until_boot=None,
        left_out=0,
        process_host=None,
        process_boot_id=None,
        process_pid=None,
        process_start_time=None,
        process_group=None,
        abort_at=None,
        abort_boot=None,
        abort_boot_id=None,
        abort_grace_asked_ms=None,
        abort_actor=None,
        abort_reason=None,
        abort_cause=None,
        edge=None,
        cause=None,
        forced=False,
        ended_at=None,
        ended_by=None,
        refused_writes=0,
        late_reply=None,
        waiting=False,
    )
    return made._replace(**changes)


_ABORTED: dict[str, Any] = {
    "abort_at": NOW.wall - 3_001,
    "abort_boot": NOW.boot - 3_001,
    "abort_boot_id": NOW.boot_id,
    "abort_actor": "bob",
    "abort_reason": 'stuck "again"',
    "abort_cause": Cause.ABORTED,
}
RUNS = {
    "plain": run(),
    "overdue": run(41, claimed_at=NOW.wall - 400_123, claimed_boot=NOW.boot - 400_123),
    "unlimited": run(42, terms=TERMS._replace(run_timeout_ms=None, stall_timeout_ms=None)),
    "no stall limit": run(43, terms=TERMS._replace(stall_timeout_ms=None), kind=RunnerKind.PYTHON),
    "another boot": run(44, boot_id="another-boot", busy_until_boot=9_999_999),
    "slept": run(45, claimed_slept_ms=NOW.slept - 60 * SECOND, progress_slept_ms=None),
    "busy": run(46, busy_until_boot=NOW.boot + 12_345, progress="tool:running"),
    "busy no longer": run(47, busy_until_boot=NOW.boot - 5 * SECOND),
    "abort asked": run(48, **_ABORTED),
    "abort asked at once": run(49, **_ABORTED | {"abort_grace_asked_ms": 0, "abort_reason": None}),
    "abort without an actor": run(50, **_ABORTED | {"abort_actor": None, "abort_cause": None}),
    "abort, own cause": run(51, **_ABORTED | {"abort_cause": Cause.read("over_the_hill")}),
    "ghost": run(52, left_out=3, refused_writes=2),
    "command": run(53, kind=RunnerKind.COMMAND, process_host="elsewhere", process_pid=99, process_group=99),
    "unknown kind": run(54, kind=RunnerKind.read("quantum"), runner=""),
    "from the future": run(55, claimed_at=NOW.wall + 9, claimed_boot=NOW.boot + 9, progress_at=2**62),
}


def lane(key: str = KEYS["plain"], **changes: Any) -> LaneRow:
    """An idle lane with nothing in it."""
    made = LaneRow(
        id=1,
        key=key,
        state=LaneState.IDLE,
        epoch=12,
        anonymous=False,
        pause=None,
        queued=0,
        head_id=None,
        head_accepted_at=None,
        parked_until=None,
        last_error=None,
        updated_at=NOW.wall - DAY,
        run=None,
        owner=None,
    )
    return made._replace(**changes)


def _held(by: str, what: str = "plain", **more: Any) -> LaneRow:
    held = RUNS[what]
    return lane(state=LaneState.RUNNING, epoch=held.epoch, run=held, owner=OWNERS.get(by), **more)


def _paused(until: int | None, **more: Any) -> LaneRow:
    return lane(pause=PauseRow("provider in repair", "alice", NOW.wall - HOUR, until, **more))


LANES = {
    **{f"idle, key {name}": lane(key) for name, key in KEYS.items()},
    "errored": lane(
        state=LaneState.ERRORED,
        last_error=LastErrorRow(Cause.STALL_TIMEOUT, "no progress for 2m", NOW.wall - 5_050),
        queued=2,
        head_id=5,
        head_accepted_at=NOW.wall - 61_500,
        interruptions=1,
    ),
    "errored, own cause": lane(
        state=LaneState.ERRORED, last_error=LastErrorRow(Cause.read("tea_time"), "", NOW.wall - 1)
    ),
    "parked": lane(
        state=LaneState.ERRORED,
        last_error=LastErrorRow(Cause.PROVIDER_COOLING, "codex: 429", NOW.wall),
        queued=1,
        head_id=5,
        head_accepted_at=NOW.wall - 1,
        parked_until=NOW.wall + 60 * SECOND,
    ),
    "aborted": lane(state=LaneState.ABORTED, last_error=LastErrorRow(Cause.ABORTED, "aborted by bob", NOW.wall - 9)),
    "head from the future": lane(queued=1, head_id=5, head_accepted_at=NOW.wall + 77),
    "paused": _paused(None),
    "paused until": _paused(NOW.wall + MINUTE, kind=PauseKind.RESTORED),
    "paused by a pattern": _paused(NOW.wall + MINUTE, pattern="agent:*"),
    "paused until now": _paused(NOW.wall),
    "unknown state": lane(state=LaneState.read("dreaming")),
    "impossible times": lane(updated_at=2**62, parked_until=-(2**62)),
    "anonymous": lane("anonymous-1", anonymous=True),
    "ownerless": _held("none"),
    **{f"held by one that is {name}": _held(name) for name in OWNERS},
    **{f"held, run {name}": _held("alive", name, queued=3, interruptions=2) for name in RUNS},
}


def message(number: int = 3, **changes: Any) -> MessageRow:
    """A message that waits."""
    made = MessageRow(
        id=number,
        lane_id=1,
        key=KEYS["plain"],
        state=MessageState.QUEUED,
        text="hello",
        request=None,
        runner=None,
        actor="sender",
        bound_to=None,
        bound_owner=None,
        run_id=None,
        reply=None,
        reply_detail=None,
        error=None,
        interruptions=0,
        parked_until=None,
        parked_since=None,
        retry_of=None,
        retried_as=None,
        answered_by=None,
        batch=None,
        accepted_at=NOW.wall - 10 * SECOND,
        started_at=None,
        ended_at=None,
        position=1,
    )
    return made._replace(**changes)


ATTEMPTS = (
    ProviderAttempt("codex", AttemptCause.FIRST_BYTE_TIMEOUT, "no byte within 45 s", NOW.wall - 9 * SECOND),
    ProviderAttempt("backup", "a word of its own", 'said "no"', NOW.wall - 8_999),
    ProviderAttempt("unknown", "unreadable", "{broken", 0),
)
_STARTED = {"started_at": NOW.wall - 9_500, "run_id": 40}
_ENDED = {**_STARTED, "ended_at": NOW.wall - 1_234}


def _ended(state: str, number: int, **more: Any) -> MessageRow:
    return message(number, state=MessageState.read(state), **_ENDED | more)


MESSAGES = {
    "queued": message(),
    "queued, key wide": message(4, key=KEYS["wide"], text="你好 🛣️ \u0000\u001b[31m", position=20),
    "a chat request": message(5, text=None, request='{"messages": []}'),
    "parked": message(6, parked_until=NOW.wall + MINUTE, parked_since=NOW.wall, interruptions=2),
    "running": message(7, state=MessageState.RUNNING, **_STARTED),
    "running, something said": message(8, state=MessageState.RUNNING, reply_so_far="so f\ud83d", **_STARTED),
    "done": _ended("done", 9, reply="hi\nthere"),
    "done, empty": _ended("done", 10, reply=""),
    "answered by another": _ended("done", 11, reply="hi", answered_by=9),
    "failed": _ended(
        "failed", 12, error=RunFailure(Cause.PROVIDER_FAILED, "2 providers failed", ATTEMPTS), reply_so_far="so far"
    ),
    "failed, a limit": _ended("failed", 13, error=RunFailure(Cause.RUN_TIMEOUT, "after 5m", (), 300_000, 300_100)),
    "failed, own cause": _ended("failed", 14, error=RunFailure(Cause.read("tea_time"), "")),
    "failed, retried": _ended("failed", 15, error=RunFailure(Cause.GHOST, "ghost"), retried_as=16),
    "a retry": message(16, retry_of=15, position=2),
    "aborted": _ended("aborted", 17, error=RunFailure(Cause.ABORTED, "aborted by bob"), reply="too late"),
    "dropped": message(18, state=MessageState.DROPPED, ended_at=NOW.wall, position=None),
    "unknown state": _ended("forgotten", 19, position=3),
    "impossible times": message(20, accepted_at=-1, started_at=2**62, ended_at=-(2**62)),
}


def event(number: int, kind: str, **more: Any) -> EventRow:
    """A row of the journal about nothing in particular."""
    made = EventRow(number, NOW.wall - number, kind, None, None, None, None, None, None, None, None, None)
    return made._replace(**more)


_WHERE: dict[str, Any] = {"key": KEYS["plain"], "run_id": 40, "message_id": 3, "epoch": 40, "actor": "owner:7"}
_DETAILS: dict[str, dict[str, Any]] = {
    EventType.ABORT_REQUESTED: {"reason": "stuck", "grace_ms": 10_000, "again": False},
    EventType.CLAIM: {"members": [3, 4]},
    EventType.EXPIRE: {"budget_ms": 300_000, "elapsed_ms": 300_123, "forced": True},
    EventType.POSTPONED: {"until": NOW.wall + MINUTE},
    EventType.PARK: {"parked_until": NOW.wall + MINUTE, "attempts": [{"provider": "codex", "at": NOW.wall}]},
    EventType.ENDED: {"text": "hello", "together_with": 3},
    EventType.NOTICE: {"state": "failed", "next": "lanes retry 3"},
    EventType.RETRIED: {"retried_as": 16},
    EventType.PAUSED: {"reason": "why", "until": None},
    EventType.REFUSED_WRITE: {"edge": "complete", "reply": "late"},
    EventType.HELD_LONG: {"held_ms": 60_001, "limit_ms": None, "run": 40},
    EventType.WAIT_EXCEEDED: {"waited_ms": 61_000},
    EventType.OWNER_STARTED: {"host": "elsewhere", "pid": 4711, "kind": "gateway"},
    EventType.OWNER_ENDED: {"owner": 7, "cause": "stopped", "ended_messages": 0},
    EventType.DRAIN: {"owner": 7, "until": NOW.wall + 25_000},
    EventType.COOLDOWN: {"provider": "codex", "until": NOW.wall + 1_500},
    EventType.PRUNED: {"what": "dead_letters", "count": 3, "older_than_ms": 0},
}
#: Types that came after the first recording: in no other form.
_LATER = {
    EventType.PROVIDER_FAILING: {"provider": "codex", "message": "HTTP 500: no"},
    EventType.PROVIDER_ANSWERS: {"provider": "codex", "failures": 3, "failed_ms": 1_500},
    EventType.MOVED: {"to": "front"},
    EventType.RECALLED: None,
    EventType.CONVERSATION: {"number": 2, "imported": 3},
    EventType.ASKED: {"question": "40.1", "text": "Which branch?", "limit_ms": 600_000},
    EventType.ANSWERED: {"question": "40.1", "answered_by": "alice"},
    EventType.UNANSWERED: {"question": "40.2", "why": "expired"},
    EventType.STEERED: {"steered_by": "alice"},
    EventType.SOURCE: {"source": "openclaw", "state": "hung", "why": "its process 7 is stopped"},
    EventType.WATCHED_SILENT: {"key": "openclaw:agent:main", "silent_ms": 60_001, "runs": ["a-run"]},
    EventType.FREED: {"key": "openclaw:agent:main", "outcome": "released", "steps": []},
    EventType.COOLDOWN_ENDED: {"provider": "codex", "messages": 3},
}
LATER_EVENTS = {f"{kind}": event(n, kind, detail=detail) for n, (kind, detail) in enumerate(_LATER.items(), 100)}
EVENTS = {
    **{
        f"{kind}": event(n, kind, detail=_DETAILS.get(kind), **_WHERE)
        for n, kind in enumerate(EventType, 1)
        if kind not in _LATER
    },
    "a change of state": event(90, "fail", from_state="running", to_state="errored", cause="ghost", **_WHERE),
    "about nobody": event(91, "pruned"),
    "an empty detail": event(92, "notice", detail={}),
    "unknown type": event(93, "sung", detail={"until": "later", "owner": None, "x_ms": 1.5, "until_ms": True}),
}

ABORTS = {
    outcome.value: AbortResult(KEYS["plain"], outcome, 40, 41, 40, 1.23456, 0, ())
    for outcome in Outcome
    if outcome not in (Outcome.NOT_HELD, Outcome.PENDING, Outcome.CLEARED)
} | {
    "not_held": AbortResult(KEYS["emoji"], Outcome.NOT_HELD, 12, 12),
    "pending": AbortResult(KEYS["plain"], Outcome.PENDING, 40, 40, 40, dropped=2, survivors=None),
    "cleared": AbortResult(KEYS["plain"], Outcome.CLEARED, 12, 12, dropped=3),
    "survivors": AbortResult(KEYS["plain"], Outcome.FORCED, 40, 41, 40, 10.0, 0, ("99 sleep", "100 (x)")),
}

#: Runs that a drain would cut, with what would become of the message, and whether the lane would be paused.
CUTS = {
    "requeued": (RUNS["plain"], MessageState.QUEUED, False),
    "failed, paused": (RUNS["overdue"], MessageState.FAILED, True),
}

FINDINGS = {
    **{f"{word}": ReconcileDecision(word, "seen", OWNERS["alive"], RUNS["plain"]) for word in Decision},
    "of an owner alone": ReconcileDecision(Decision.OWNER_GONE, "process 0 is gone", OWNERS["gone"]),
    "of a run alone": ReconcileDecision(Decision.WAITER_GONE, "it waited", None, RUNS["ghost"]),
}

COUNTS = {
    "empty": LaneCounts(dict.fromkeys(LaneState, 0), 0, 0, 0, None, 0),
    "full": LaneCounts(
        {LaneState.IDLE: 5, LaneState.RUNNING: 3, LaneState.ERRORED: 2, LaneState.ABORTED: 1},
        1, 12, 4, NOW.wall - 61_001, 1, 2, 3,
    ),
    "oldest from the future": LaneCounts({"idle": 1}, 0, 1, 0, NOW.wall + 1, 0),
}  # fmt: skip

COOLDOWNS = {
    "429": CooldownRow("codex", "rate_limited", NOW.wall - SECOND, NOW.wall + SECOND, 1),
    "own word": CooldownRow("büro", "tired", NOW.wall, NOW.wall + DAY, 9),
}

#: Owners, counts and cooldowns of a database.
STATUSES = {
    "empty": ("lanes.db", [], COUNTS["empty"], []),
    "full": ("/srv/lanes db/lanes.db", list(OWNERS.values()), COUNTS["full"], list(COOLDOWNS.values())),
}

#: A lane, its messages, its events, and the paragraph.
DETAILS: dict[str, tuple[LaneRow, list[MessageRow], list[EventRow], str]] = {
    "empty": (LANES["idle, key plain"], [], [], "Nothing waits."),
    "full": (LANES["held, run abort asked"], list(MESSAGES.values()), list(EVENTS.values()), "It runs.\nStill."),
    "ownerless": (LANES["ownerless"], [], [], ""),
}

CHECKS: dict[str, Check] = {
    "ok": ok("file", "whole"),
    "warning": warning("owners", "gateway 7 is dead", "start a gateway"),
    "broken": broken("invariants", "lane 'x' (row 1) is held twice", "tell us"),
}
