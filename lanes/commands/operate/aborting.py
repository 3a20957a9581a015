"""Aborting lanes: choosing them, binding them to epochs, and reporting the outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lanes.base.errors import LanesError, NotFound
from lanes.commands.common.each import listed, nothing_fits
from lanes.commands.common.exits import Exit, gravest, print_error
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Output, Piece, say
from lanes.commands.output.words import note, state, stopped, took
from lanes.explain.phrases import counted
from lanes.records import FREED, HERE, AbortResult, Lane, Outcome
from lanes.verbs.control import abort
from lanes.verbs.outcomes import aborted
from lanes.verbs.queries import list_
from lanes.watch.freeing import possible_loss
from lanes_storage.law import LaneState, Scope
from lanes_storage.records import How, LaneFilter
from lanes_storage.tuples import NamedTuple

if TYPE_CHECKING:
    from lanes.drivers.driver import Driver

PREVIEW = (
    OutputColumn("KEY", cut="middle", least=20, below=True),
    OutputColumn("STATE"),
    OutputColumn("EPOCH", right=True),
    OutputColumn("HELD", right=True),
    OutputColumn("QUEUED", right=True),
    OutputColumn("", cut="end"),
)


#: The outcomes without a confirmation by the owner.
UNCONFIRMED = (Outcome.FORCED, Outcome.PENDING)


class AbortTarget(NamedTuple):
    """One lane to abort, and the epoch at which it was read; None: whatever it runs now."""

    key: str
    epoch: int | None


class AbortPlan(NamedTuple):
    """The lanes to abort. ``lanes``: their records, as far as they were read before."""

    targets: list[AbortTarget]
    lanes: list[Lane]
    missing: list[NotFound]

    def described(self) -> list[str]:
        """One line for each lane, for a question."""
        return [f"{lane.key} ({lane.state}{_holding(lane)})" for lane in self.lanes]


def plan_for(
    desk: Driver,
    keys: Sequence[str],
    which: Mapping[str, Any],
    scope: Scope,
    *,
    epoch: int | None,
    source: str | None,
    look: bool,
) -> AbortPlan:
    """The plan for named lanes, or for chosen ones. Several lanes are bound to the epochs at which they were read."""
    named = list(dict.fromkeys(keys))
    if len(named) == 1 and not look:
        return AbortPlan([AbortTarget(named[0], epoch)], [], [])
    lanes: list[Lane] = []
    missing: list[NotFound] = []
    for key in named:
        from lanes.verbs.queries import show

        try:
            lanes.append(desk.call(show, key=key, source=source).lane)
        except NotFound as error:
            missing.append(error)
    if not named:
        lanes = list(listed(desk, **which, source=source, abortable=scope))
    targets = [AbortTarget(lane.key, lane.bound_epoch if epoch is None else epoch) for lane in lanes]
    return AbortPlan(targets, lanes, missing)


def preview(out: Output, desk: Driver, plan: AbortPlan, chosen: LaneFilter | None) -> int:
    """Show what would be aborted."""
    for error in plan.missing:
        print_error(out, error)
    if out.json:
        out.data(plan.lanes)
    elif plan.lanes:
        out.table(PREVIEW, [_row(lane) for lane in plan.lanes])
    if plan.missing:
        return Exit.NOT_FOUND
    if not plan.lanes:
        say(nothing_fits(desk, chosen, "nothing to abort"))
        return Exit.NOTHING
    return Exit.DONE


def carry_out(out: Output, desk: Driver, plan: AbortPlan, chosen: LaneFilter | None, how: Mapping[str, Any]) -> int:
    """Abort, and print the outcome of each lane as soon as it is proven. Returns the exit code."""
    codes = [print_error(out, error) for error in plan.missing]
    _announce(desk, plan)
    results: dict[int, AbortResult] = {}
    try:
        for place, result in desk.call_each(abort, [{**how, **target._asdict()} for target in plan.targets]):
            if isinstance(result, LanesError):
                codes.append(print_error(out, result))
                continue
            results[place] = result
            codes.append(_code(result, wait=how["wait"]))
            if not out.json:
                out.line(f"{result.key}: {aborted(result).sentence}")
    except KeyboardInterrupt:
        say(_interrupted(len(results), len(plan.targets)))
        raise
    finally:
        if out.json:
            out.data([results[place] for place in sorted(results)])
    if any(result.outcome in UNCONFIRMED for result in results.values()):
        _name_the_stopped(desk)
    if not codes:
        say(nothing_fits(desk, chosen, "nothing to abort"))
    return gravest(codes) or (Exit.DONE if Exit.DONE in codes else Exit.NOTHING)


def _interrupted(reported: int, targets: int) -> str:
    if targets == 1:
        return "interrupted; the request remains, and the run ends aborted"
    also = "a run that was already asked to end ends aborted, and the others go on"
    return f"interrupted after {reported} of {counted(targets, 'lane')}; {also}: `lanes list` shows them"


def _announce(desk: Driver, plan: AbortPlan) -> None:
    """Warn of what an abort may lose in other programs, whose lanes may be named without their source."""
    if not desk.watches:
        return
    named = {target.key for target in plan.targets}
    # An older gateway does not know sources, and a slow one does not answer: the abort is requested nevertheless.
    elsewhere = desk.advise(list_, filter_=LaneFilter().where("source", How.IS, HERE, negated=True), counted=False)
    for lane in () if elsewhere is None else elsewhere.lanes:
        if lane.state != LaneState.RUNNING or not {lane.key, lane.key.partition(":")[2]} & named:
            continue
        if loss := possible_loss(None if lane.seen is None else lane.seen.waiting):
            say(f"{lane.key}: {loss}")


def _name_the_stopped(desk: Driver) -> None:
    """Name the stopped owners: one that did not confirm may be a stopped process."""
    from lanes.verbs.system import status

    found = desk.advise(status)
    for sentence in () if found is None else stopped((*found.gateways, *found.desks)):
        say(f"lanes: {sentence}")


def _code(result: AbortResult, *, wait: bool) -> Exit:
    outcome = result.outcome
    if outcome in FREED:
        return Exit.DONE
    if outcome == Outcome.UNREACHABLE:
        return Exit.UNREACHABLE
    if outcome == Outcome.INEFFECTIVE:
        return Exit.FAILED
    if outcome == Outcome.PENDING:
        return Exit.UNCONFIRMED if wait else Exit.DONE
    return Exit.NOTHING


def _row(lane: Lane) -> list[Piece]:
    queued = str(lane.queued) if lane.queued else ""
    return [lane.key, state(lane.state), str(lane.epoch), took(lane.held_ms), queued, note(lane)]


def _holding(lane: Lane) -> str:
    held = f" for {took(lane.held_ms)}" if lane.state == LaneState.RUNNING else ""
    return held + (f", {counted(lane.queued, 'message')} waiting" if lane.queued else "")
