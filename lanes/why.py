"""Why a lane is where it is: one plain paragraph for the command, the API and the dashboard.

It names the state, the holder with the evidence that it lives, what waits, which condition of *claimable* is
missing, and the next automatic action with its time. It decides nothing; it reads what the judges read.
"""

from collections.abc import Sequence
from typing import NamedTuple

from lanes import ages
from lanes.identity import Identity, evidence, is_gone
from lanes.text import clean
from lanes_storage.law import GHOST_AFTER
from lanes_storage.moment import Now
from lanes_storage.records import Cooldown, Event, Lane, Message, Owner, Run, Wait


class Circumstances(NamedTuple):
    """What surrounds a lane, read at ``now``: every owner that has not ended, its head, what cools."""

    now: Now
    me: Identity
    owners: list[Owner]
    head: Message | None
    cooldowns: list[Cooldown]
    last: Event | None
    waits: Sequence[Wait] = ()  # of its run, for other lanes


def why_paragraph(lane: Lane, around: Circumstances) -> str:
    """The paragraph. Names from outside are made harmless for a terminal."""
    name = f"Lane {clean(lane.key)}"
    if lane.run is not None:
        said = [f"{name} is running.", *_held(lane.run, lane.owner, around), *_waiting(lane, around.now)]
    elif around.head is not None:
        said = [f"{name} is {clean(lane.state)}.", *_ended(lane, around.now), *_waiting(lane, around.now)]
        said += _unclaimed(lane, around.head, around)
    else:
        said = [f"{name} is {clean(lane.state)} and nothing waits.", *_ended(lane, around.now)]
        said.append(_paused(lane, around.now) or "The next message starts at once.")
    if around.last is not None:
        said.append(f"Last event: {clean(around.last.type)}, {ago(around.now.wall - around.last.at)}.")
    return " ".join(said)


def ago(ms: int) -> str:
    """``3m 10s ago``."""
    return f"{span(ms)} ago"


def span(ms: float) -> str:
    """A duration for a person, in at most two units: ``850 ms``, ``12 s``, ``3m 10s``, ``2h 5m``, ``4d 1h``."""
    if ms < 1_000:
        return f"{max(0, round(ms))} ms"
    seconds = round(ms / 1_000)
    if seconds < 60:
        return f"{seconds} s"
    for unit, size, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole}{unit} {rest // part}{smaller}"
    return f"{seconds} s"


def _held(run: Run, owner: Owner | None, around: Circumstances) -> list[str]:
    now = around.now
    held, quiet = ages.held_ms(run, now), ages.quiet_ms(run, now)
    said = [
        f"Run {run.id} of runner {clean(run.runner)} has held it for {span(held)};"
        f" its last sign was “{clean(run.progress)}”, {ago(quiet)}."
    ]
    said.append(_holder(run, owner, around))
    if run.abort_at is not None:
        said.append(_abort_coming(run, around))
        return said
    said += _limits(run, around)
    return said


def _holder(run: Run, owner: Owner | None, around: Circumstances) -> str:
    """Who holds it, whether that lives, and what follows if it does not."""
    if owner is None or owner.ended_at is not None:
        return "Its owner has ended: the next reconcile pass takes the lane back."
    who = f"Its owner is {clean(owner.kind)} {owner.id}"
    if is_gone(owner, around.me):
        return f"{who}, and {evidence(owner, around.me)}: {_next_pass(around)} takes the lane back."
    if run.left_out >= GHOST_AFTER:
        return f"{who}, alive, which disowns this run (a ghost): {_next_pass(around)} takes the lane back."
    beat = ages.beat_ms(owner, around.now)
    left = owner.stale_after_ms - beat
    if left <= 0:
        return (
            f"{who} ({evidence(owner, around.me)}), silent for {span(beat)}:"
            f" it is reclaimed {span(owner.stale_after_ms)} after an observer saw that."
        )
    said = f"{who} ({evidence(owner, around.me)}; last heartbeat {ago(beat)}"
    if beat > 2 * owner.heartbeat_interval_ms:
        said += f", reclaimed in {span(left)} unless a heartbeat comes"
    return said + ")."


def _limits(run: Run, around: Circumstances) -> list[str]:
    now, terms = around.now, run.terms
    if run.body_ended_at is not None:
        when = ago(now.wall - run.body_ended_at)
        return [f"Its work ended {when}; no limit ends it any more, while its end waits to be stored."]
    waits = [_wait(wait, around) for wait in around.waits]
    if terms.run_timeout_ms is None and terms.stall_timeout_ms is None:
        return [*waits, "It has no deadline: run_timeout and stall_timeout are off, so only an abort ends it."]
    limits = []
    if terms.run_timeout_ms is not None:
        limits.append(_due("expires", ages.left_ms(run, now), f"run_timeout {span(terms.run_timeout_ms)}"))
    if terms.stall_timeout_ms is not None:
        limits.append(_stalls(run, around, terms.stall_timeout_ms))
    said = " and ".join(limits)
    return [*waits, said[0].upper() + said[1:] + "."]


def _stalls(run: Run, around: Circumstances, limit_ms: int) -> str:
    if any(not is_gone(wait.process, around.me) for wait in around.waits):
        return "it is not stalled while it waits"
    busy = ages.busy_left_ms(run, around.now)
    if busy is not None:
        return f"it said that it is busy for another {span(busy)}"
    return _due("stalls", ages.stall_left_ms(run, around.now), f"stall_timeout {span(limit_ms)}")


def _due(what: str, left_ms: int | None, limit: str) -> str:
    """What a limit does, and when. One that has passed is met by the owner, or else by whoever looks next."""
    left = left_ms or 0
    if left <= 0:
        return f"it {what} now, {span(-left)} past its limit ({limit})"
    return f"it {what} in {span(left)}{' without progress' if what == 'stalls' else ''} ({limit})"


def _wait(wait: Wait, around: Circumstances) -> str:
    """For what it waits in another lane, and whether anybody waits there still."""
    said = f"It waits for message {wait.message_id} of lane {clean(wait.key)}"
    if is_gone(wait.process, around.me):
        return f"{said}, but {evidence(wait.process, around.me)}: {_next_pass(around)} ends that wait."
    return f"{said} ({evidence(wait.process, around.me)})."


def _abort_coming(run: Run, around: Circumstances) -> str:
    grace = run.terms.abort_grace_ms if run.abort_grace_asked_ms is None else run.abort_grace_asked_ms
    age = ages.asked_ms(run, around.now) or 0
    reason = f" ({clean(run.abort_reason)})" if run.abort_reason else ""
    asked = f"{clean(run.abort_actor or '')} asked for its abort {ago(age)}{reason}:"
    if grace > age:
        return f"{asked} released by force in {span(grace - age)} unless the owner confirms."
    return f"{asked} the grace has passed, whoever looks next releases it by force (`lanes abort` does)."


def _waiting(lane: Lane, now: Now) -> list[str]:
    if not lane.queued or lane.head_accepted_at is None:
        return []
    noun = "message waits" if lane.queued == 1 else "messages wait"
    return [f"{lane.queued} {noun}, the first for {span(now.wall - lane.head_accepted_at)}."]


def _ended(lane: Lane, now: Now) -> list[str]:
    error = lane.last_error
    if error is None:
        return []
    return [f"Its last run ended {clean(error.cause)}, {ago(now.wall - error.at)}: {clean(error.message)}."]


def _paused(lane: Lane, now: Now) -> str | None:
    pause = lane.pause
    if pause is None or (pause.until is not None and pause.until <= now.wall):
        return None
    what, end = "It is", "`lanes resume`"
    if pause.pattern is not None:
        what, end = (
            f"All lanes {'' if pause.pattern == '*' else f'that fit {clean(pause.pattern)} '}are",
            "that is ended",
        )
    until = f"until {end}" if pause.until is None else f"for another {span(pause.until - now.wall)}"
    return f"{what} paused {until} (by {clean(pause.actor)}: {clean(pause.reason)})."


def _unclaimed(lane: Lane, head: Message, around: Circumstances) -> list[str]:
    """Which conditions of claimable are missing; if none is, what should happen now."""
    now = around.now
    missing = [said for said in (_paused(lane, now), _parked(head, around), _bound(head, around)) if said]
    gateways = [o for o in around.owners if o.kind == "gateway" and not is_gone(o, around.me)]
    living = [o for o in gateways if ages.beat_ms(o, now) < o.stale_after_ms]
    if not living:
        missing.append("No gateway lives, so nothing claims it: start one (`lanes gateway`, or `lanes up`).")
    elif all(o.drain_by is not None for o in living):
        missing.append("Every living gateway is draining and claims nothing new.")
    elif head.runner is not None and not any(head.runner in o.runners for o in living):
        missing.append(f"No living gateway has the runner {clean(head.runner)} that it asks for.")
    if missing:
        return missing
    cooling = _cooling(around)
    provider = f", and one of its providers: cooling are {cooling}" if cooling else ""
    return [
        "Nothing in the database keeps it from being claimed: it starts as soon as a run slot of its runner is"
        f" free{provider}."
    ]


def _cooling(around: Circumstances) -> str:
    return ", ".join(f"{clean(c.provider)} ({clean(c.cause)})" for c in around.cooldowns)


def _parked(head: Message, around: Circumstances) -> str | None:
    if head.parked_until is None or head.parked_until <= around.now.wall:
        return None
    cooling = _cooling(around)
    said = f"Its head is parked for another {span(head.parked_until - around.now.wall)}, then it is claimed again"
    return said + (f"; cooling: {cooling}." if cooling else ".")


def _bound(head: Message, around: Circumstances) -> str | None:
    if head.bound_owner is None:
        return None
    owner = next((o for o in around.owners if o.id == head.bound_owner), None)
    if owner is None or is_gone(owner, around.me):
        return f"Its head belongs to a process that is gone: {_next_pass(around)} ends it."
    return f"Its head is bound to the connection or process of owner {owner.id}, which alone may claim it."


def _next_pass(around: Circumstances) -> str:
    living = any(o.kind == "gateway" and not is_gone(o, around.me) for o in around.owners)
    return "the next reconcile pass" if living else "a reconcile pass (start a gateway, or run `lanes reconcile`)"
