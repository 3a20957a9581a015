"""The records of the dashboard, read from the JSON forms of ``lanes.forms``.

A database's own records become forms first, and a gateway elsewhere answers with forms: so both tell the same, and
what one of them cannot tell the other does not either.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from lanes_storage.law import LaneState, MessageState
from lanes_storage.moment import Now
from lanes_tui.records import (
    Asked,
    Attempt,
    Cooldown,
    Detail,
    Drain,
    Event,
    Failure,
    Gateway,
    Lane,
    LastError,
    Limits,
    Message,
    Owner,
    Pause,
    Run,
    Status,
)

T = TypeVar("T")
Form = dict[str, Any]


def detail(form: Form, at: Now) -> Detail:
    """One lane with everything around it."""
    messages = [message(each) for each in form["messages"]]
    events = [event(each) for each in form["events"]]
    return Detail(at, lane(form), form["why"], _maybe(limits, form["run"]), messages, events)


def lane(form: Form) -> Lane:
    """A lane."""
    return Lane(
        key=form["key"],
        state=LaneState.read(form["state"]),
        epoch=form["epoch"],
        pause=_maybe(lambda said: Pause(said["reason"], _at(said["until"])), form["paused"]),
        queued=form["queued"],
        head_wait_ms=_ms(form["head_wait_s"]),
        interruptions=form["interruptions"],
        parked_until=_at(form["parked_until"]),
        last_error=_maybe(
            lambda said: LastError(said["cause"], said["message"], _at(said["at"]) or 0), form["last_error"]
        ),
        updated_at=_at(form["updated_at"]) or 0,
        run=None if form["run_id"] is None else _run(form),
        owner=_maybe(lambda said: Owner(said["id"], said["host"], said["pid"], said["alive"]), form["owner"]),
    )


def _run(form: Form) -> Run:
    return Run(
        id=form["run_id"],
        message_id=form["message_id"],
        held_ms=_ms(form["held_s"]) or 0,
        left_ms=_ms(form["deadline_s"]),
        stall_limit_ms=_ms(form["stall_limit_s"]),
        beat_ms=_ms(form["heartbeat_age_s"]),
        quiet_ms=_ms(form["progress_age_s"]) or 0,
        progress=form["progress"] or "",
        aborting=form["abort_requested"],
    )


def limits(form: Form) -> Limits:
    """What a run is held to."""
    return Limits(
        runner=form["runner"],
        kind=form["kind"],
        run_timeout_ms=_ms(form["run_timeout_s"]),
        stall_timeout_ms=_ms(form["stall_timeout_s"]),
        abort_grace_ms=_ms(form["abort_grace_s"]) or 0,
        stale_after_ms=_ms(form["stale_after_s"]),
        busy_ms=_ms(form["busy_s"]),
        asked=_maybe(_asked, form["abort"]),
        missed_heartbeats=form["missed_heartbeats"],
        refused_writes=form["refused_writes"],
    )


def _asked(form: Form) -> Asked:
    return Asked(_at(form["at"]) or 0, form["actor"], form["reason"], _ms(form["grace_s"]) or 0)


def message(form: Form) -> Message:
    """A message."""
    return Message(
        id=form["id"],
        key=form["key"],
        state=MessageState.read(form["state"]),
        position=form["position"],
        text=form["text"],
        reply=form["reply"],
        reply_so_far=form["reply_so_far"],
        error=_maybe(_failure, form["error"]),
        interruptions=form["interruptions"],
        parked_until=_at(form["parked_until"]),
        retry_of=form["retry_of"],
        retried_as=form["retried_as"],
        answered_by=form["answered_by"],
        accepted_at=_at(form["accepted_at"]) or 0,
        started_at=_at(form["started_at"]),
        ended_at=_at(form["ended_at"]),
    )


def _failure(form: Form) -> Failure:
    tries = (Attempt(t["provider"], t["cause"], t["message"], _at(t["at"]) or 0) for t in form["attempts"])
    return Failure(form["cause"], form["message"], tuple(tries))


def event(form: Form) -> Event:
    """One row of the journal."""
    return Event(
        id=form["id"],
        at=_at(form["at"]) or 0,
        type=form["type"],
        key=form["key"],
        from_state=form["from"],
        to_state=form["to"],
        run_id=form["run_id"],
        message_id=form["message_id"],
        epoch=form["epoch"],
        actor=form["actor"],
        cause=form["cause"],
        detail=form["detail"] or {},
    )


def status(form: Form, at: Now) -> Status:
    """Everything at a glance."""
    return Status(
        at=at,
        gateways=[gateway(each) for each in form["gateways"]],
        desks=[gateway(each, "desk") for each in form["desks"]],
        lanes=form["lanes"],
        paused=form["paused"],
        queued=form["messages"]["queued"],
        dead_letters=form["messages"]["dead_letters"],
        oldest_head_ms=_ms(form["oldest_head_s"]),
        ghosts=form["ghosts"],
        unlimited=form["unlimited"],
        silent=form["silent"],
        cooldowns=[Cooldown(c["provider"], c["cause"], _at(c["until"]) or 0) for c in form["cooldowns"]],
    )


def gateway(form: Form, kind: str = "gateway") -> Gateway:
    """One gateway, or one desk."""
    return Gateway(
        kind=kind,
        id=form["id"],
        host=form["host"],
        pid=form["pid"],
        alive=form["alive"],
        held=form["held"],
        draining=_maybe(lambda said: Drain(said["by"], _at(said["until"])), form["draining"]),
        started_at=_at(form["started_at"]) or 0,
        beat_ms=_ms(form["heartbeat_age_s"]) or 0,
        url=form["url"],
        evidence=form["evidence"],
    )


def _maybe(read: Callable[[Any], T], form: Any) -> T | None:
    return None if form is None else read(form)


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _at(moment: str | None) -> int | None:
    return None if moment is None else round(datetime.fromisoformat(moment).timestamp() * 1000)
