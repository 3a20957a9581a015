"""Why a lane is where it is: one plain paragraph for the command, the API and the dashboard.

It names the state, the holder with the evidence that it is alive, what waits, which condition of *claimable* is
missing, and the next automatic action with its time. It decides nothing: it reads the rows that the judges read, and
announces no action that no living process would take.
"""

from collections.abc import Mapping
from typing import Any

from lanes.base.terminal import clean
from lanes.explain.circumstances import Circumstances
from lanes.explain.halted import halted_sentences
from lanes.explain.pauses import pause_sentence
from lanes.explain.slots import slot_sentences
from lanes.explain.turns import cooling_clause, turn_sentence
from lanes.explain.used import budget_sentence, usage_sentences
from lanes.host.identity import ProcessSighting, evidence, is_gone, look
from lanes.records import Liveness
from lanes.text import ages
from lanes.text.naming import abort_command, on_lane
from lanes.text.spans import ago, span
from lanes_storage.clock import Now
from lanes_storage.law import GHOST_AFTER, MAX_SUSPECTS, AttemptCause, Cause, Edge
from lanes_storage.records import (
    LaneRow,
    MessageRow,
    OwnerRow,
    Repeated,
    RunRow,
    Wait,
)

#: The advice about an owner that is alive but late with heartbeats: the file may be behind what it has done.
KEPT_FROM_BEATING = (
    "Its process lives: `lanes doctor` says whether a full disk or a lock keeps it from storing what it does."
)


def why_paragraph(lane: LaneRow, around: Circumstances) -> str:
    """The paragraph. Foreign names are escaped for a terminal."""
    name = f"Lane {clean(lane.key)}"
    if lane.run is not None:
        sentences = [f"{name} is running.", *_held(lane.run, lane.owner, around), *_waiting(lane, around.now)]
        if around.head is not None and around.head.lane_id != lane.id:
            sentences += ["The first of them waits on another child lane.", *_about_head(lane, around.head, around)]
        if (around.head is None or around.before is not None) and (paused := _paused(lane, around.now)) is not None:
            sentences.append(paused)
        sentences.append(f"To end it now: `{abort_command(lane.run)}`.")
    elif around.head is not None:
        state = clean(lane.state) if _parked(around.head, around) is None else "parked"
        ended = [] if _is_covered_by_cooling(lane, around) else _ended(lane, around.now)
        sentences = [f"{name} is {state}.", *ended, *_waiting(lane, around.now)]
        sentences += _unclaimed(lane, around.head, around)
    else:
        sentences = [f"{name} is {clean(lane.state)} and nothing waits.", *_ended(lane, around.now)]
        cooling = cooling_clause(
            around.cooldowns, around.now, "" if lane.last_error is None else lane.last_error.message
        )
        starts = "waits" if around.rests else "starts at once"
        starts = f"The next message {starts}{f'; {cooling}' if cooling else ''}."
        sentences.append(_paused(lane, around.now) or _nobody_claims(around) or starts)
    if around.repeated is not None:
        sentences.append(_repeated(around.repeated, lane, around.now))
    sentences += [*usage_sentences(lane), *(budget_sentence(budget, spent) for budget, spent in around.budgets)]
    if around.last is not None and around.last.type == Edge.COMPLETE:
        sentences += _answered(around.last.detail or {})
    if around.last is not None:
        step = clean(str((around.last.detail or {}).get("next", "")))  # what to do now, in a notice
        when = f"{ago(around.now.wall - around.last.at)}{step and f': {step}'}"
        sentences.append(f"Last event: {clean(around.last.type)}, {when}.")
    return " ".join(sentences)


def _is_covered_by_cooling(lane: LaneRow, around: Circumstances) -> bool:
    """Whether the sentence about cooling providers already says how the last run of a lane ended."""
    error = lane.last_error
    return error is not None and error.cause == Cause.PROVIDER_COOLING and bool(around.cooldowns)


def _repeated(again: Repeated, lane: LaneRow, now: Now) -> str:
    times = {2: "a second", 3: "a third"}.get(again.times)
    clause = f"was asked {times} time" if times else f"was asked {again.times} times"
    return (
        f"A request that was ended ({clean(again.cause)}) {clause} and is refused: it is accepted again in"
        f" {span(again.until - now.wall)}, or at once after `{on_lane('resume', lane.key)}`."
    )


def held_up(lane: LaneRow, around: Circumstances) -> str | None:
    """The part of the paragraph that says what keeps the head of a lane from starting; None: nothing waits."""
    return None if around.head is None else " ".join(_about_head(lane, around.head, around))


def _about_head(lane: LaneRow, head: MessageRow, around: Circumstances) -> list[str]:
    run = around.before
    if run is None:
        return _unclaimed(lane, head, around)
    owner = next((owner for owner in around.owners if owner.id == run.owner_id), None)
    return _held(run, owner, around)


def _held(run: RunRow, owner: OwnerRow | None, around: Circumstances) -> list[str]:
    now = around.now
    held, quiet = ages.held_ms(run, now), ages.quiet_ms(run, now)
    sentences = [
        f"Run {run.id} of runner {clean(run.runner)} has held it for {span(held)};"
        f" its last sign was “{clean(run.progress)}”, {ago(quiet)}."
    ]
    sentences += [_holder(run, owner, around), *halted_sentences(around.halted)]
    sentences += _question(run, now)
    if run.abort_at is not None:
        sentences.append(_abort_coming(run, around))
    elif owner is not None and Liveness(now, around.me).acts(owner) and run.left_out < GHOST_AFTER:
        sentences += [*_drained(owner, now), *_limits(run, around)]
    return sentences


def _holder(run: RunRow, owner: OwnerRow | None, around: Circumstances) -> str:
    """The owner of a run, whether it is alive, and what happens if it is not."""
    if owner is None or owner.ended_at is not None:
        return f"Its owner has ended: {_next_pass(around)} takes the lane back."
    subject, sight = f"Its owner is {clean(owner.kind)} {owner.id}", look(owner, around.me)
    if sight.gone:
        return f"{subject}, and {evidence(owner, around.me)}: {_next_pass(around)} takes the lane back."
    if run.left_out >= GHOST_AFTER:
        return f"{subject}, alive, which disowns this run (a ghost): {_next_pass(around)} takes the lane back."
    beat, proof = ages.beat_ms(owner, around.now), evidence(owner, around.me)
    left = owner.stale_after_ms - beat
    late = _is_late(owner, around.now)
    kept = "" if sight is not ProcessSighting.ALIVE or not late else f" {KEPT_FROM_BEATING}"
    if not around.acting() and (left <= 0 or sight is ProcessSighting.STOPPED):
        do = "let it go on" if sight is ProcessSighting.STOPPED else "start one"
        return (
            f"{subject} ({proof}), silent for {span(beat)}, and no gateway lives that would end the run or take the"
            f" lane back: {do}, or run `lanes reconcile --wait`.{kept}"
        )
    if left <= 0:
        limit = span(owner.stale_after_ms)
        return (
            f"{subject} ({proof}), silent for {span(beat)}: it is reclaimed {limit} after an observer saw that.{kept}"
        )
    sentence = f"{subject} ({proof}; last heartbeat {ago(beat)}"
    if late or sight is ProcessSighting.STOPPED:
        sentence += f", reclaimed in {span(left)} unless a heartbeat comes"
    return f"{sentence}).{kept}"


def _drained(owner: OwnerRow, now: Now) -> list[str]:
    """When an owner that drains cuts its runs."""
    if owner.drain_until is None:
        return []
    left = owner.drain_until - now.wall
    when = f"in {span(left)}" if left > 0 else "now"
    return [f"Its owner drains (by {clean(owner.drain_by or '')}) and cuts what still runs {when}."]


def _is_late(owner: OwnerRow, now: Now) -> bool:
    return ages.beat_ms(owner, now) > 2 * owner.heartbeat_interval_ms


def _question(run: RunRow, now: Now) -> list[str]:
    """The open question of a run, who may answer it, and how."""
    question = run.question
    if question is None:
        return []
    addressee = clean(question.actor if question.sender is None else f"{question.sender} ({question.actor})")
    options = f" ({clean(' / '.join(question.options))})" if question.options else ""
    sentence = (
        f"It is awaiting input: it asks {addressee} “{clean(question.text)}”{options}, question {clean(question.id)}."
    )
    if question.answer is not None:
        return [sentence, f"Message {question.answer} is the answer, which the run has not taken yet."]
    left = ages.question_left_ms(run, now)
    end = f"for another {span(left)} no limit counts, then the question is closed" if left else "its time has run out"
    return [sentence, f"`{on_lane('answer', run.key)} TEXT` answers it; {end}."]


def _limits(run: RunRow, around: Circumstances) -> list[str]:
    """The limits that the owner will enforce on a run, and when."""
    now, terms = around.now, run.terms
    if run.body_ended_at is not None:
        when = ago(now.wall - run.body_ended_at)
        return [f"Its work ended {when}; no limit ends it any more, while its end waits to be stored."]
    sentences = [_wait(wait, around) for wait in around.waits]
    attempts = [limit for limit in ages.limits(run, now) if limit.attempt is not None]
    sentences += [_attempt(limit, around) for limit in attempts]
    if terms.run_timeout_ms is None and terms.stall_timeout_ms is None:
        return [*sentences, "It has no deadline: run_timeout and stall_timeout are off, so only an abort ends it."]
    clocks = []
    if terms.run_timeout_ms is not None:
        clocks.append(_due("expires", ages.left_ms(run, now), f"run_timeout {span(terms.run_timeout_ms)}"))
    stall_ms = ages.stall_left_ms(run, now) or 0
    # An attempt that ends first restarts the stall clock, with the next provider.
    if terms.stall_timeout_ms is not None and not any(each.left_ms < stall_ms for each in attempts):
        clocks.append(_stalls(run, around, terms.stall_timeout_ms))
    sentence = " and ".join(clocks)
    return [*sentences, f"{sentence[0].upper()}{sentence[1:]}."] if clocks else sentences


def _attempt(limit: ages.Limit, around: Circumstances) -> str:
    """The provider that a run asks, the limit that ends this attempt, and what follows."""
    attempt = limit.attempt
    assert attempt is not None
    silent = limit.of_ms - limit.left_ms
    when = f"in {span(limit.left_ms)}" if limit.left_ms > 0 else "now"
    prefix = (
        f"It asks provider {clean(attempt.provider)} ({attempt.number} of {attempt.of}), which has been silent for"
        f" {span(silent)}: {clean(limit.name)} ({span(limit.of_ms)}) acts {when}"
    )
    if attempt.next is None and limit.name == AttemptCause.CONNECT_TIMEOUT and around.parks:  # no request was sent
        waits = "" if attempt.of == 1 else ", unless another provider of its chain failed otherwise"
        return f"{prefix}, and its message waits{waits}: nobody is asked after that."
    if attempt.next is None:
        return f"{prefix}, and the run fails: nobody is asked after that."
    return (
        f"{prefix}, then {clean(attempt.next)} is asked. If none answers, the run fails within"
        f" {span(max(0, limit.exhausted_ms or 0))}."
    )


def _stalls(run: RunRow, around: Circumstances, limit_ms: int) -> str:
    if any(not is_gone(wait.process, around.me) for wait in around.waits):
        return "it is not stalled while it waits"
    busy = ages.busy_left_ms(run, around.now)
    if busy is not None:
        return f"it said that it is busy for another {span(busy)}"
    return _due("stalls", ages.stall_left_ms(run, around.now), f"stall_timeout {span(limit_ms)}")


def _due(verb: str, left_ms: int | None, limit: str) -> str:
    """What a limit does, and when. One that has passed is enforced by the owner, or the next process that checks."""
    left = left_ms or 0
    if left <= 0:
        return f"it {verb} now, {span(-left)} past its limit ({limit})"
    return f"it {verb} in {span(left)}{' without progress' if verb == 'stalls' else ''} ({limit})"


def _wait(wait: Wait, around: Circumstances) -> str:
    """The message of another lane that a run waits for, and whether the process that waits is alive."""
    prefix = f"It waits for message {wait.message_id} of lane {clean(wait.key)}"
    if is_gone(wait.process, around.me):
        return f"{prefix}, but {evidence(wait.process, around.me)}: {_next_pass(around)} ends that wait."
    return f"{prefix} ({evidence(wait.process, around.me)})."


def _abort_coming(run: RunRow, around: Circumstances) -> str:
    grace = run.terms.abort_grace_ms if run.abort_grace_asked_ms is None else run.abort_grace_asked_ms
    age = ages.abort_requested_ms(run, around.now) or 0
    reason = f" ({clean(run.abort_reason)})" if run.abort_reason else ""
    prefix = f"{clean(run.abort_actor or '')} asked for its abort {ago(age)}{reason}:"
    if not around.acting():
        return f"{prefix} no gateway lives that would end it, but `{abort_command(run)}` releases it by force."
    if grace > age:
        return f"{prefix} released by force in {span(grace - age)} unless the owner confirms."
    passed = f"{prefix} the grace has passed, so the next process that checks releases it by force"
    return f"{passed} (`{abort_command(run)}` does)."


def _waiting(lane: LaneRow, now: Now) -> list[str]:
    if not lane.queued or lane.head_accepted_at is None:
        return []
    noun = "message waits" if lane.queued == 1 else "messages wait"
    return [f"{lane.queued:,} {noun}, the first for {span(now.wall - lane.head_accepted_at)}."]


def _ended(lane: LaneRow, now: Now) -> list[str]:
    error = lane.last_error
    if error is None:
        return []
    prefix = f"Its last run ended {clean(error.cause)}, {ago(now.wall - error.at)}"
    why = clean(error.message.removeprefix(f"{error.cause} "))
    return [f"{prefix}: {why.removesuffix('.')}."]  # messages of programs often end with a full stop


def _answered(detail: Mapping[str, Any]) -> list[str]:
    """Which provider gave the last reply, if others had failed before it."""
    attempts, provider = detail.get("attempts"), detail.get("provider")
    if not attempts or not isinstance(attempts, list) or provider is None:
        return []
    return [f"Its last reply came from {clean(str(provider))}, after {clean(', '.join(map(str, attempts)))}."]


def _paused(lane: LaneRow, now: Now) -> str | None:
    return pause_sentence(lane.pause, lane.key, now)


def _nobody_claims(around: Circumstances) -> str | None:
    """The sentence that no gateway claims anything now, with the remedy; None if one does."""
    acting = around.acting("gateway")
    if any(o.drain_by is None for o in acting):
        return None
    if acting:
        return f"Every living gateway is draining and claims nothing new: start another one ({around.start()})."
    idle = [o for o in around.owners if o.kind == "gateway" and not is_gone(o, around.me)]
    if not idle:
        return f"No gateway lives, so nothing is claimed: start one ({around.start()})."
    silences = "; ".join(
        f"gateway {o.id} has been silent for {span(ages.beat_ms(o, around.now))}, {evidence(o, around.me)}"
        for o in idle
    )
    sights = {look(o, around.me) for o in idle}
    do = KEPT_FROM_BEATING if ProcessSighting.ALIVE in sights else f"To go on without it, start one ({around.start()})."
    return f"No gateway claims anything now: {silences}." + ("" if ProcessSighting.STOPPED in sights else f" {do}")


def _unclaimed(lane: LaneRow, head: MessageRow, around: Circumstances) -> list[str]:
    """Which conditions of *claimable* a head lacks; if none, what its start waits for."""
    now = around.now
    missing = [sentence for sentence in (_paused(lane, now), _parked(head, around), _unmet(head, around)) if sentence]
    if around.suspects >= MAX_SUSPECTS:
        missing.append(
            f"Its head was interrupted {head.interruptions} times, and {around.suspects} messages like that run already"
            f" (at most {MAX_SUSPECTS} at a time): it starts once one of them has ended."
        )
    if missing:
        return [*missing, *_expires(head, around)]
    bound = [] if head.bound_owner is None else [f"{_bound_to(head)}, which alone may claim it."]
    if turns := [turn_sentence(each) for each in around.providers if each.full]:
        return [*bound, *turns, *_expires(head, around)]
    cooling = cooling_clause(around.cooldowns, around.now)
    if around.rests:
        return [*bound, f"It starts once one of its providers is asked again: {cooling}.", *_expires(head, around)]
    provider = f", and one of its providers: {cooling}" if cooling else ""
    return [
        *bound,
        "Nothing in the database keeps it from being claimed: it starts as soon as a run slot of its runner is"
        f" free{provider}.",
        *slot_sentences(around.slots, now),
        *_expires(head, around),
    ]


def _unmet(head: MessageRow, around: Circumstances) -> str | None:
    """Why no living owner may claim a head; None if one may."""
    if head.bound_owner is not None:
        return _bound(head, around)
    if (nobody := _nobody_claims(around)) is not None:
        return nobody
    claiming = around.acting("gateway")
    if head.runner is not None and not any(head.runner in o.runners for o in claiming):
        return f"No living gateway has the runner {clean(head.runner)} that it asks for."
    if all(_is_late(o, around.now) and look(o, around.me) is ProcessSighting.ALIVE for o in claiming):
        beat = min(ages.beat_ms(o, around.now) for o in claiming)
        return f"No gateway has stored a heartbeat for {span(beat)}. {KEPT_FROM_BEATING}"
    return None


def _parked(head: MessageRow, around: Circumstances) -> str | None:
    if head.parked_until is None or head.parked_until <= around.now.wall:
        return None
    cooling = cooling_clause(around.cooldowns, around.now)
    sentence = f"Its head is parked for another {span(head.parked_until - around.now.wall)}"
    then = f"run once more (retry {head.retries})" if head.retries else "claimed again"
    sentence += f", then it is {then}" if around.acting("gateway") else ""
    return sentence + (f": {cooling}." if cooling else ".")


def _expires(head: MessageRow, around: Circumstances) -> list[str]:
    if head.expires_at is None:
        return []
    left = head.expires_at - around.now.wall
    if around.acting():
        return [f"Its head ends failed (expired) in {span(max(0, left))} if it still waits then."]
    if left > 0:
        return [f"Its head may wait for another {span(left)}: a gateway that starts later ends it as failed (expired)."]
    return ["Its head has waited too long: the next gateway that starts ends it as failed (expired)."]


def _bound(head: MessageRow, around: Circumstances) -> str | None:
    owner = next((o for o in around.owners if o.id == head.bound_owner), None)
    if owner is None or is_gone(owner, around.me):
        return f"Its head belongs to a process that is gone: {_next_pass(around)} ends it."
    if Liveness(around.now, around.me).acts(owner):
        return None
    silent, proof = span(ages.beat_ms(owner, around.now)), evidence(owner, around.me)
    return f"{_bound_to(head)}, which alone may claim it, and which has been silent for {silent}, {proof}."


def _bound_to(head: MessageRow) -> str:
    return f"Its head is bound to the connection or process of owner {head.bound_owner}"


def _next_pass(around: Circumstances) -> str:
    acting = around.acting()
    return "the next reconcile pass" if acting else "a reconcile pass (start a gateway, or run `lanes reconcile`)"
