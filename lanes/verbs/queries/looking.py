"""Verbs about one lane: all of it, and why it does not progress."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lanes.base.errors import Ambiguous, LanesError, NotFound
from lanes.base.procedure import Effect, QueryBlock, made_of
from lanes.context import Context
from lanes.explain.circumstances import Circumstances
from lanes.explain.turns import ProviderInFlight
from lanes.explain.why import held_up, why_paragraph
from lanes.host.identity import Identity, this_process
from lanes.records import Event, Lane, LaneDetail, Liveness, Message, Run, RunProcess, Why
from lanes.verbs.kinds import Key, Source
from lanes.verbs.verb import verb
from lanes.watch import merging, naming
from lanes_storage import reads
from lanes_storage import records as rows
from lanes_storage.clock import Now
from lanes_storage.interface import Query, Reads
from lanes_storage.law import MAX_INTERRUPTIONS, SIMULATED

if TYPE_CHECKING:
    from lanes.host.tree import HaltedProcess, Survivor

#: The most messages and events that are shown of one lane.
SHOWN_MESSAGES = 50
SHOWN_EVENTS = 20

#: The most characters of these messages together, not counting the newest one.
SHOWN_CHARACTERS = 16_000_000


@verb(
    "GET /api/lanes/{key}",
    result=LaneDetail,
    errors=(NotFound, Ambiguous),
    examples=("lanes show agent:main:telegram:42",),
)
def show(ctx: Context, key: Key, *, source: Source | None = None) -> Effect[LaneDetail]:
    """One lane: its run, owner, queue and last events.

    With the paragraph that says why it does not progress.
    """

    def look(read: Reads) -> LaneDetail | LanesError:
        lane, watched = naming.named(read, key, source)
        if lane is None:
            return naming.detail_of(read, watched, ctx.now())
        whole = lane.is_session
        newest = read(reads.messages(lane.id, (), SHOWN_MESSAGES, session=whole, within=SHOWN_CHARACTERS))
        last = read(reads.events(lane=lane.id, session=whole, limit=SHOWN_EVENTS, newest=True))
        liveness = Liveness(ctx.now())
        shown, left = Lane.of(lane, liveness), _survivors(lane.run, lane.owner)
        return LaneDetail(
            lane=shown if watched is None else merging.joined(shown, watched),
            why=why_paragraph(lane, _around(ctx, lane, read, left)),
            run=None if lane.run is None else Run.of(lane.run, lane.owner, liveness),
            messages=tuple(map(Message.of, newest)),
            events=tuple(map(Event.of, last)),
            processes=_processes(left, liveness),
        )

    return QueryBlock(look)


def _survivors(run: rows.RunRow | None, owner: rows.OwnerRow | None) -> "Sequence[Survivor]":
    """The living processes of a run, as far as they can be seen from here."""
    if run is None or owner is None or run.process_host is None or run.process_start_time is None:
        return ()
    assert run.process_boot_id is not None
    assert run.process_pid is not None
    keeper = Identity(run.process_host, run.process_boot_id, owner.pid_ns, run.process_pid, run.process_start_time)
    from lanes.host.tree import survivors

    return survivors(keeper, this_process()) or ()


def _processes(left: "Sequence[Survivor]", liveness: Liveness) -> tuple[RunProcess, ...] | None:
    if not left:
        return None
    from lanes.host.processes import process_tree

    return tuple(RunProcess(*each) for each in process_tree(left, liveness.now.boot)) or None


def _halted(left: "Sequence[Survivor]") -> "Sequence[HaltedProcess]":
    if not left:
        return ()
    from lanes.host.tree import halted

    return halted(left)


@verb(
    "GET /api/lanes/{key}/why", result=Why, errors=(NotFound, Ambiguous), examples=("lanes why agent:main:telegram:42",)
)
def why(ctx: Context, key: Key, *, source: Source | None = None) -> Effect[Why]:
    """Say why a lane does not progress.

    One paragraph: what blocks it, the evidence, the next automatic action and when that comes.
    """

    def look(read: Reads) -> Why | LanesError:
        lane, watched = naming.named(read, key, source)
        elsewhere = "" if watched is None else naming.why_of(read, watched, ctx.now())
        if lane is None:
            return Why(key, elsewhere)
        around = _around(ctx, lane, read, _survivors(lane.run, lane.owner))
        return Why(key, f"{why_paragraph(lane, around)} {elsewhere}".strip(), held_up(lane, around))

    return QueryBlock(look)


def _around(ctx: Context, lane: rows.LaneRow, read: Reads, left: "Sequence[Survivor]") -> Circumstances:
    """``left``: the processes of its run."""
    now = ctx.now()
    head = None if lane.head_id is None else read(reads.message(lane.head_id))
    chain = ctx.chain(lane.key, _runner_name(lane, head, read))
    cooling = [each for each in read(reads.cooldowns(now.wall)) if chain is None or each.provider in chain]
    last = read(reads.events(lane=lane.id, limit=1, newest=True))

    def start() -> str:
        return ctx.how_to_start(lambda: read(reads.real_runner_ever_ran(SIMULATED)))

    around = Circumstances(
        now,
        this_process(),
        read(reads.owners()),
        head,
        cooling,
        last[-1] if last else None,
        waits=read(reads.waits(lane.run.id)) if lane.run is not None and lane.run.waiting else [],
        start=start,
        repeated=read(reads.repeated(lane.id, now.wall)),
        budgets=[(budget, read(reads.spent(budget, lane.id, now))) for budget in ctx.budgets(lane.key)],
        halted=_halted(left),
        parks=lane.run is None or ctx.chain(lane.key, lane.run.runner) != (),
        rests=bool(chain and len(cooling) == len(chain)),
    )
    if head is None:
        return around
    if lane.run is not None and lane.run.lane_id == head.lane_id:
        return around._replace(before=lane.run)
    running, bound, runner = read(reads.open_runs()), head.bound_owner, _runner(ctx, lane.key, head, around.owners)
    slots = [run for run in running if runner in (None, run.runner) and bound in (None, run.owner_id)]
    before = next((run for run in running if run.lane_id == head.lane_id), None)
    if before is not None:
        return around._replace(slots=slots, before=before)
    suspects = read(reads.suspects_running()) if head.interruptions >= MAX_INTERRUPTIONS - 1 else 0
    return around._replace(slots=slots, providers=_limited(ctx, read, now, chain), suspects=suspects)


def _runner_name(lane: rows.LaneRow, head: rows.MessageRow | None, read: Reads) -> str | None:
    """The runner that the head names, else that of the run; a lane with neither: the source that it came from."""
    if head is not None:
        return head.runner
    return read(reads.origins([lane.key])).get(lane.key) if lane.run is None else lane.run.runner


def _runner(ctx: Context, key: str, head: rows.MessageRow, owners: list[rows.OwnerRow]) -> str | None:
    """The runner that a head waits for: the one that it names, or that of its lane's policy; None: no owner has it."""
    runner = head.runner or ctx.runner_of(key)
    return runner if any(runner in owner.runners for owner in owners) else None


def _limited(ctx: Context, read: Reads, now: Now, chain: tuple[str, ...] | None) -> list[ProviderInFlight]:
    """The providers of a chain whose requests are limited; empty if one of the chain has room. Where the chain is not
    known (None), those of all providers."""
    limits = ctx.max_requests()
    taken, known = read(reads.places_taken(now)), read(reads.providers())
    places = [
        (known.get(name, rows.ProviderRow(name)), taken.get(name, rows.PlacesTaken()), limits.get(name))
        for name in (sorted({*limits, *taken, *known}) if chain is None else chain)
    ]
    if chain is not None and any(row.free(now.wall, at, most) != 0 for row, at, most in places):
        return []
    found = (ProviderInFlight.of(*each, now) for each in places)
    return [each for each in found if each is not None]


def lane_of(ctx: Context, key: str) -> Query[Lane | LanesError]:
    """One lane alone, without messages and events."""
    return made_of(
        reads.lane(key), lambda row: NotFound("lane", key) if row is None else Lane.of(row, Liveness(ctx.now()))
    )
