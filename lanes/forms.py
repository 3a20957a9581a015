"""The JSON forms of records: what every ``--json`` prints and every route answers, written once.

Pure functions of a record and the time. Ids are decimal strings, times RFC 3339 in UTC with milliseconds,
durations and ages seconds, rounded to the millisecond. Nothing here is escaped for a terminal: JSON does that.
"""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lanes import ages
from lanes.identity import Identity, evidence, this_process
from lanes.operations import AbortResult, Cut, LaneDetail, OwnerView, Status
from lanes.sentences import LAST_MOMENT
from lanes_storage.law import MessageState
from lanes_storage.moment import Now
from lanes_storage.reads.shapes import parsed
from lanes_storage.records import Attempt, Cooldown, Counts, Event, Failure, Lane, Message, Owner, Pause, Run

if TYPE_CHECKING:
    from lanes.engine.reconciler import Finding  # only one command judges

Form = dict[str, Any]

#: The first millisecond of the year 1000.
FIRST_MOMENT = -30_610_224_000_000

# ---------------------------------------------------------------------------------------------- values


def moment(ms: int | None) -> str | None:
    """Wall time as RFC 3339, ``2026-01-31T08:00:00.250Z``."""
    if ms is None:
        return None
    # A row may hold any number: beyond the years that a date can have, the last of them is shown.
    seconds, rest = divmod(min(max(ms, FIRST_MOMENT), LAST_MOMENT), 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    # Most of what is shown at a time happened in the same few seconds.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def seconds(ms: int | None) -> float | None:
    """Milliseconds as seconds."""
    return None if ms is None else ms / 1000


def name(number: int | None) -> str | None:
    """An id as the world sees it."""
    return None if number is None else str(number)


# ----------------------------------------------------------------------------------------------- lanes


def lane_form(lane: Lane, now: Now, *, me: Identity | None = None) -> Form:
    """A lane as ``lanes list --json`` prints it. ``me`` judges whether its owner lives (None: this process)."""
    return _lane(lane, now, _Witness(now, me))


def lane_forms(lanes: Iterable[Lane], now: Now, *, me: Identity | None = None) -> list[Form]:
    """The same for many: each owner is looked at once."""
    witness = _Witness(now, me)
    return [_lane(lane, now, witness) for lane in lanes]


def detail_form(detail: LaneDetail, now: Now, *, me: Identity | None = None) -> Form:
    """A lane as ``lanes show --json`` prints it."""
    return lane_form(detail.lane, now, me=me) | {
        "why": detail.why,
        "run": run_form(detail.lane.run, detail.lane.owner, now),
        "messages": [message_form(m) for m in detail.messages],
        "events": [event_form(e) for e in detail.events],
    }


def run_form(run: Run | None, owner: Owner | None, now: Now) -> Form | None:
    """The run that holds a lane, with the limits that it was claimed under, and its owner's."""
    if run is None:
        return None
    return {
        "id": name(run.id),
        "epoch": run.epoch,
        "message_id": name(run.message_id),
        "owner": name(run.owner_id),
        "runner": run.runner,
        "kind": run.kind,
        "claimed_at": moment(run.claimed_at),
        "run_timeout_s": seconds(run.terms.run_timeout_ms),
        "stall_timeout_s": seconds(run.terms.stall_timeout_ms),
        "abort_grace_s": seconds(run.terms.abort_grace_ms),
        "stale_after_s": None if owner is None else seconds(owner.stale_after_ms),
        "progress": run.progress,
        "progress_at": moment(run.progress_at),
        "busy_s": seconds(ages.busy_left_ms(run, now)),
        "abort": _asked(run),
        "missed_heartbeats": run.left_out,
        "refused_writes": run.refused_writes,
        "process_group": run.process_group,
    }


class _Witness:
    """Says whether owners live, looking at each process once."""

    def __init__(self, now: Now, me: Identity | None) -> None:
        self._now = now
        self._me = me
        self._seen: dict[int, bool] = {}

    def lives(self, owner: Owner) -> bool:
        if owner.id not in self._seen:
            self._me = self._me or this_process()
            self._seen[owner.id] = ages.lives(owner, self._now, self._me)
        return self._seen[owner.id]


def _lane(lane: Lane, now: Now, witness: _Witness) -> Form:
    run, owner, error = lane.run, lane.owner, lane.last_error
    waits = None if lane.head_accepted_at is None else max(0, now.wall - lane.head_accepted_at)
    return {
        "key": lane.key,
        "state": lane.state,
        "epoch": lane.epoch,
        "paused": _paused(lane.pause, now),
        "queued": lane.queued,
        "head_wait_s": seconds(waits),
        "interruptions": lane.interruptions,
        "parked_until": moment(lane.parked_until),
        "held_s": None if run is None else seconds(ages.held_ms(run, now)),
        "deadline_s": None if run is None else seconds(ages.left_ms(run, now)),
        "stall_limit_s": None if run is None else seconds(run.terms.stall_timeout_ms),
        "heartbeat_age_s": None if run is None or owner is None else seconds(ages.beat_ms(owner, now)),
        "progress_age_s": None if run is None else seconds(ages.quiet_ms(run, now)),
        "progress": None if run is None else run.progress,
        "owner": None if owner is None else _holder(owner, alive=witness.lives(owner)),
        "run_id": None if run is None else name(run.id),
        "message_id": None if run is None else name(run.message_id),
        "abort_requested": run is not None and run.abort_at is not None,
        "last_error": error
        and {"cause": error.cause, "message": error.message, "at": moment(error.at)},
        "updated_at": moment(lane.updated_at),
    }  # fmt: skip


def _paused(pause: Pause | None, now: Now) -> Form | None:
    """None as well once the pause has run out: it keeps nothing from being claimed."""
    if pause is None or (pause.until is not None and pause.until <= now.wall):
        return None
    return {"reason": pause.reason, "until": moment(pause.until)}


def _holder(owner: Owner, *, alive: bool) -> Form:
    return {"id": name(owner.id), "host": owner.host, "pid": owner.pid, "alive": alive}


def _asked(run: Run) -> Form | None:
    if run.abort_at is None:
        return None
    grace = run.terms.abort_grace_ms if run.abort_grace_asked_ms is None else run.abort_grace_asked_ms
    return {
        "at": moment(run.abort_at),
        "actor": run.abort_actor,
        "reason": run.abort_reason,
        "cause": run.abort_cause,
        "grace_s": seconds(grace),
    }


# -------------------------------------------------------------------------------------------- messages


def message_form(message: Message) -> Form:
    """A message as section 10 of the contract gives it, and what its run has said so far."""
    return {
        "id": name(message.id),
        "key": message.key,
        "state": message.state,
        "position": message.position if message.state is MessageState.QUEUED else None,
        "text": message.text,
        "reply": message.reply,
        "error": failure_form(message.error),
        "interruptions": message.interruptions,
        "parked_until": moment(message.parked_until),
        "retry_of": name(message.retry_of),
        "retried_as": name(message.retried_as),
        "answered_by": name(message.answered_by),
        "accepted_at": moment(message.accepted_at),
        "started_at": moment(message.started_at),
        "ended_at": moment(message.ended_at),
        "reply_so_far": message.reply_so_far,
        **answered(message),
        "attempts": [attempt_form(attempt) for attempt in message.attempts],
    }


def answered(message: Message) -> Form:
    """Who answered, and what it took."""
    detail: Form | None = parsed(message.reply_detail, dict) if message.reply_detail else None
    return {name: (detail or {}).get(name) for name in ("provider", "model", "usage")}


def failure_form(failure: Failure | None) -> Form | None:
    """Why a message ended otherwise than well, with the whole provider chain."""
    if failure is None:
        return None
    attempts = [attempt_form(a) for a in failure.attempts]
    return {"cause": failure.cause, "message": failure.message, "attempts": attempts}


def attempt_form(attempt: Attempt) -> Form:
    """One provider that was tried."""
    return {
        "provider": attempt.provider,
        "cause": attempt.cause,
        "message": attempt.message,
        "at": moment(attempt.at),
        "status": attempt.status,
        "type": attempt.type,
        "param": attempt.param,
        "code": attempt.code,
    }


# ---------------------------------------------------------------------------------------------- events

#: Numbers in an event's detail that are times, and those that are ids.
_TIMES = frozenset({"until", "parked_until"})
_IDS = frozenset({"owner", "retried_as", "run"})


def event_form(event: Event) -> Form:
    """One row of the journal."""
    return {
        "id": name(event.id),
        "at": moment(event.at),
        "type": event.type,
        "key": event.key,
        "from": event.from_state,
        "to": event.to_state,
        "run_id": name(event.run_id),
        "message_id": name(event.message_id),
        "epoch": event.epoch,
        "actor": event.actor,
        "cause": event.cause,
        "detail": None if event.detail is None else dict(_said(n, v) for n, v in event.detail.items()),
    }


def _said(word: str, value: Any) -> tuple[str, Any]:
    """One entry of a detail in the units of the outside; the journal stores milliseconds and numbers."""
    if not isinstance(value, int) or isinstance(value, bool):
        return (f"{word.removesuffix('_ms')}_s", None) if word.endswith("_ms") and value is None else (word, value)
    if word in _TIMES:
        return word, moment(value)
    if word in _IDS:
        return word, name(value)
    if word.endswith("_ms"):
        return f"{word.removesuffix('_ms')}_s", seconds(value)
    return word, value


# --------------------------------------------------------------------------------------------- actions


def abort_form(result: AbortResult) -> Form:
    """The outcome of one abort."""
    return {
        "key": result.key,
        "outcome": result.outcome,
        "epoch_before": result.epoch_before,
        "epoch_after": result.epoch_after,
        "run_id": name(result.run_id),
        "waited_s": round(result.waited_s, 3),
        "dropped": result.dropped,
        "survivors": None if result.survivors is None else list(result.survivors),
    }


def cut_form(cut: Cut, now: Now) -> Form:
    """A run that a drain would cut, and what would become of its message."""
    run = cut.run
    return {
        "key": run.key,
        "run_id": name(run.id),
        "message_id": name(run.message_id),
        "owner": name(run.owner_id),
        "held_s": seconds(ages.held_ms(run, now)),
        "message_state": cut.message_state,
        "pauses": cut.pauses,
    }


def finding_form(finding: "Finding", now: Now, *, done: bool, me: Identity | None = None) -> Form:
    """One decision of the reconciler, and whether it was carried out."""
    run, owner = finding.run, finding.owner
    return {
        "key": None if run is None else run.key,
        "run_id": None if run is None else name(run.id),
        "owner": None if owner is None else _holder(owner, alive=ages.lives(owner, now, me or this_process())),
        "decision": finding.decision,
        "evidence": finding.evidence,
        "done": done,
    }


# ---------------------------------------------------------------------------------------------- status


def status_form(status: Status, now: Now) -> Form:
    """The database at a glance."""
    return {
        "database": status.database,
        "gateways": [gateway_form(view, now) for view in status.gateways],
        **counts_form(status.counts, now),
        "cooldowns": [cooldown_form(c) for c in status.cooldowns],
        "desks": [gateway_form(view, now) for view in status.desks],
    }


def counts_form(counts: Counts, now: Now) -> Form:
    """How much there is of everything, and how long the oldest head has waited."""
    oldest = counts.oldest_head_at
    return {
        "lanes": dict(counts.lanes),
        "paused": counts.paused,
        "messages": {"queued": counts.queued, "dead_letters": counts.dead_letters},
        "oldest_head_s": None if oldest is None else seconds(max(0, now.wall - oldest)),
        "ghosts": counts.ghosts,
        "unlimited": counts.unlimited,
        "silent": counts.silent,
    }


def gateway_forms(owners: Iterable[Owner], now: Now) -> list[Form]:
    """Gateways, and whether they live."""
    me = this_process()
    views = [OwnerView(owner, ages.lives(owner, now, me), evidence(owner, me)) for owner in owners]
    return [gateway_form(view, now) for view in views]


def gateway_form(view: OwnerView, now: Now) -> Form:
    """One gateway, or another owner, and whether it lives."""
    owner = view.owner
    drain = None if owner.drain_by is None else {"by": owner.drain_by, "until": moment(owner.drain_until)}
    return _holder(owner, alive=view.alive) | {
        "held": owner.held,
        "draining": drain,
        "started_at": moment(owner.started_at),
        "heartbeat_age_s": seconds(ages.beat_ms(owner, now)),
        "url": owner.url,
        "evidence": view.evidence,
    }


def cooldown_form(cooldown: Cooldown) -> Form:
    """A provider that is left alone."""
    return {"provider": cooldown.provider, "cause": cooldown.cause, "until": moment(cooldown.until)}
