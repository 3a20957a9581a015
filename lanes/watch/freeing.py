"""Frees a lane of another program's gateway: the request is a row, which the process that watches carries out."""

from collections.abc import Generator
from typing import Any, TypeVar, cast

from lanes.base.errors import Ambiguous, NotFound, NotPermitted
from lanes.base.procedure import Procedure, Read, read, wait_for_change, write
from lanes.context import Context
from lanes.records import HERE, AbortResult, Liveness, Outcome, WatchedStep
from lanes.watch.merging import alone, joins, unnamed_lane
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reads, Transaction
from lanes_storage.records import FreeingRow, SightingRow
from lanes_storage.tuples import NamedTuple

T = TypeVar("T")

#: How long the process that watches may take to pick up a request (ms); then its gateway counts as unreachable.
TAKEN_MS = 10_000
#: How long the watch may take to see that the end of a request here ended the run there (ms).
SEEN_MS = 6_000
#: The longest pause between two reads of a request (ms).
LOOK_AGAIN_MS = 250
NEEDS_TOKEN = (
    "over HTTP, lanes of other programs are acted on only with a token: configure one for the gateway (LANES_TOKEN,"
    " token_env or token_file)"
)


class NamedLane(NamedTuple):
    """What a key names: a lane here, a session of another program, or both, which is one lane seen twice."""

    here: bool
    there: SightingRow | None


def resolve(key: str, source: str | None) -> Procedure[NamedLane]:
    """What a key names, in ``source`` if that is given; the key may then lack the name of its source. If no session
    matches, ``here`` is true without a look at the lanes here. Raises Ambiguous, and NotFound if the source has no
    such session."""
    name, _, rest = key.partition(":")
    there = None
    if rest and source in (None, name):
        there = yield from read(reads.sighting(name, rest))
    if there is None and source not in (None, HERE):
        there = yield from read(reads.sighting(source, key))
    if source not in (None, HERE):
        if there is None:
            known = {each.name for each in (yield from read(reads.sources()))}
            raise NotFound("lane", key) if source in known else NotFound("source", source)
        return NamedLane(here=False, there=there)
    if there is not None:
        origins = yield from read(reads.origins([key]))
        if key in origins and not joins(there, origins):
            if source is None:
                raise Ambiguous(key, (HERE, there.source.name))
            there = None
        return NamedLane(here=key in origins, there=there)
    return NamedLane(here=True, there=None)


def unnamed(ctx: Context, row: SightingRow) -> Procedure[str | None]:
    """The key of the lane here with the request of a held session, where requests name no session; None: not known."""
    every = yield from read(reads.sightings())
    if row.address not in {each.address for each in alone(every)}:
        return None
    return unnamed_lane(row, (yield from read(reads.unnamed(row.source.name))), ctx.now())


def elsewhere(key: str) -> Procedure[SightingRow]:
    """The one session of that key, of any source. Raises Ambiguous, NotFound."""
    named = yield from read(reads.sightings_named(key))
    if len(named) > 1:
        raise Ambiguous(key, tuple(row.source.name for row in named))
    if not named:
        raise NotFound("lane", key)
    return named[0]


def looked(read_: Reads, procedure: Generator[Any, Any, T]) -> T:
    """The result of a procedure that only reads."""
    answer: Any = None
    try:
        while True:
            request = procedure.send(answer)
            assert isinstance(request, Read)
            answer = read_(request.query)
    except StopIteration as end:
        return cast("T", end.value)


class FreeRequest(NamedTuple):
    """How a session is to be freed."""

    epoch: int | None
    reset: bool
    reason: str | None
    wait: bool
    timeout_ms: int | None


def free(ctx: Context, row: SightingRow, how: FreeRequest) -> Procedure[AbortResult]:
    """Request that a session be freed, and wait for the outcome if asked to. Raises NotFound, NotPermitted."""
    if not ctx.frees_watched:
        raise NotPermitted(NEEDS_TOKEN)
    started = ctx.now()

    def ask(tx: Transaction) -> tuple[int | None, int] | None:
        name, key = row.source.name, row.seen.key
        return doors.ask_to_free(tx, name, key, how.epoch, started, reset=how.reset, actor=ctx.actor, reason=how.reason)

    requested = yield from write(ask)
    if requested is None:
        raise NotFound("lane", row.address)
    number, epoch = requested
    if number is None:
        changed = how.epoch not in (None, epoch)
        before = epoch if how.epoch is None else how.epoch
        return AbortResult(row.address, Outcome.CHANGED if changed else Outcome.NOT_HELD, before, epoch)
    pending = AbortResult(row.address, Outcome.PENDING, epoch, epoch, freeing=number, survivors=None)
    return (yield from go_on(ctx, pending, started, how.timeout_ms)) if how.wait else pending


def go_on(ctx: Context, pending: AbortResult, started: Now, timeout_ms: int | None) -> Procedure[AbortResult]:
    """Wait for the outcome of a request: ``unreachable`` if no living process takes it. Raises NotFound."""
    assert pending.freeing is not None
    while True:
        row = yield from read(reads.freeing(pending.freeing))
        if row is None or f"{row.source}:{row.key}" != pending.key:
            raise NotFound("request", pending.freeing)
        now = ctx.now()
        waited_ms = now.mono - started.mono
        if row.outcome is not None:
            return _result(pending, row, waited_ms / 1000)
        if waited_ms >= TAKEN_MS and not (yield from _is_taken(ctx, row)):
            yield from write(_unreachable(row, now))
            continue
        left = LOOK_AGAIN_MS if timeout_ms is None else timeout_ms - waited_ms
        if left <= 0:
            return pending.replace(waited_s=waited_ms / 1000)
        yield from wait_for_change(min(left, LOOK_AGAIN_MS) / 1000)


def _unreachable(row: FreeingRow, now: Now) -> Any:
    why = "no process watches its gateway: run `lanes watch`, or a gateway with its [[watch]]"
    step = WatchedStep("ask the process that watches it", False, why, None, 0)
    return lambda tx: doors.end_freeing(tx, row.id, Outcome.UNREACHABLE, [step.to_json()], now)


def _is_taken(ctx: Context, row: FreeingRow) -> Procedure[bool]:
    """Whether a living process has taken the request."""
    if row.taken_by is None:
        return False
    owner = yield from read(reads.owner(row.taken_by))
    return owner is not None and Liveness(ctx.now()).acts(owner)


def _result(pending: AbortResult, row: FreeingRow, waited_s: float) -> AbortResult:
    outcome = Outcome(row.outcome) if row.outcome in set(Outcome) else Outcome.INEFFECTIVE
    steps = tuple(WatchedStep.from_json(each) for each in row.steps)
    survivors = () if outcome is Outcome.NOT_HELD else None
    return pending.replace(outcome=outcome, epoch_before=row.epoch, waited_s=waited_s, steps=steps, survivors=survivors)


def after_here(ctx: Context, here: AbortResult, row: SightingRow, how: FreeRequest) -> Procedure[AbortResult]:
    """Go on after the request of a watched session was ended here, which loses nothing: if the watch does not see the
    run end, the session is freed there."""
    if not row.seen.held or not how.wait:
        return here
    started = ctx.now()
    while (waited_ms := ctx.now().mono - started.mono) < SEEN_MS:
        now = yield from read(reads.sighting(row.source.name, row.seen.key))
        if now is None or now.epoch != row.epoch or not now.seen.held:
            proof = "its gateway no longer shows this run"
            step = WatchedStep("end its request here", True, here.outcome, proof, waited_ms)
            return here.replace(steps=(step,))
        yield from wait_for_change((SEEN_MS - waited_ms) / 1000)
    step = WatchedStep("end its request here", True, here.outcome, None, SEEN_MS)
    if not ctx.frees_watched:
        return here.replace(steps=(step, WatchedStep("free it there", False, NEEDS_TOKEN, None, 0)))
    freed = yield from free(ctx, row, how._replace(epoch=None))
    return freed.replace(key=here.key, steps=(step, *freed.steps), dropped=here.dropped)


def possible_loss(waiting: int | None) -> str:
    """What freeing a session may lose, for the confirmation; empty if nothing is known to be lost."""
    if waiting == 0:
        return ""
    count = "messages that wait" if waiting is None else f"{waiting} waiting message{'' if waiting == 1 else 's'}"
    return f"{count} there may be lost if its run does not end by itself"
