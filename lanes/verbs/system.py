"""Verbs about the whole database: its gateways and their health, counts, the journal, providers, drains."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated

from lanes.base.errors import LanesError, NotFound, Unfit
from lanes.base.procedure import Effect, Procedure, QueryBlock, made_of, read, wait_for_change, write
from lanes.context import Context
from lanes.host import descriptors
from lanes.host.identity import Identity, is_gone, is_here, this_process
from lanes.records import (
    Cut,
    Event,
    Liveness,
    OwnerDetail,
    OwnerHealth,
    Provider,
    ProviderResetDone,
    Status,
)
from lanes.records.system import all_providers
from lanes.verbs import outcomes
from lanes.verbs.bisecting import earliest, last_older
from lanes.verbs.kinds import (
    ANY,
    EVENT_TYPE,
    NAME,
    NOT_TYPED,
    ONLY_PYTHON,
    Duration,
    Events,
    Id,
    Key,
    Limit,
    Moment,
    ParamHeader,
    timed,
)
from lanes.verbs.paging import FORWARD
from lanes.verbs.verb import WaitOverHttp, verb
from lanes.watch.naming import missing
from lanes_storage import doors, reads
from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.ends import End, HeldRun, RunEnd, decide
from lanes_storage.interface import Query, Reads, Transaction, within
from lanes_storage.law import Cause, Edge, EventType
from lanes_storage.records import LaneFilter, OwnerRow, RunFailure, RunRow, Subject

#: The period over which the health of an owner is measured, and the most silent runs that are counted.
HEALTH_MINUTES = 5
MOST_SILENT = 1_000
#: The longest pause between two reads of gateways that drain.
LOOK_AGAIN_MS = 250
EVERY = LaneFilter(of=Subject.EVENT)

Gateway = Annotated[Id | None, NOT_TYPED, "one gateway; without, all"]


@verb("GET /api/status", result=Status, examples=("lanes status --json | jq .gateways",))
def status(ctx: Context) -> Effect[Status]:
    """Gateways, lanes by state, what waits, cools, and is watched.

    Exit code 69 when no gateway lives.
    """
    now = ctx.now()

    def look(read: Reads) -> Status:
        counts, cooling = read(reads.counts(now.wall)), read(reads.cooldowns(now.wall))
        pauses, sources = read(reads.glob_pauses(now.wall)), read(reads.sources())
        return Status.of(ctx.database, read(reads.owners()), counts, cooling, Liveness(now), pauses, sources)

    return QueryBlock(look)


@verb(
    "GET /api/gateways",
    result=list[OwnerDetail],
    waiting=WaitOverHttp(
        patience="wait",
        waits=lambda params: params.get("wait") is not None,
        first={"wait": None},
        again=lambda params, _: {"id": params["id"]},
        ended=lambda gateways: not any(gateway.held for gateway in gateways),
    ),
)
def gateways(
    ctx: Context,
    *,
    id: Annotated[  # noqa: A002 - as it is called everywhere
        tuple[Id, ...], NOT_TYPED, "these gateways, also ended ones; without it, all that have not ended properly"
    ] = (),
    wait: Annotated[Duration | None, NOT_TYPED, "wait at most this long until none of them holds a lane"] = None,
) -> Effect[list[OwnerDetail]]:
    """Gateways, and whether they are alive."""
    if not id:
        return made_of(
            reads.owners(),
            lambda owners: _owner_details([each for each in owners if each.kind == "gateway"], ctx.now()),
        )
    if wait is None:
        return made_of(reads.owners_of(id), lambda owners: _owner_details(owners, ctx.now()))
    return _until_nothing_is_held(ctx, id, wait)


def _owner_details(owners: Iterable[OwnerRow], now: Now) -> list[OwnerDetail]:
    liveness = Liveness(now)
    return [OwnerDetail.of(each, liveness) for each in owners]


@verb("GET /api/owners/health", result=list[OwnerHealth])
def owner_health(ctx: Context) -> Effect[list[OwnerHealth]]:
    """The load of each living owner: runs, answers and failures per minute, silent runs, last error, descriptors."""
    now, me = ctx.now(), this_process()

    def look(read: Reads) -> list[OwnerHealth]:
        silent, _ = read(reads.silent_runs(now, MOST_SILENT))
        loads = read(reads.owner_loads(now.wall - HEALTH_MINUTES * 60_000, [run.id for run in silent]))
        owners = {owner.id: owner for owner in read(reads.owners())}
        return [
            OwnerHealth.of(load, _minutes(owner, now), _descriptors(owner, me))
            for load in loads
            if (owner := owners.get(load.owner)) is not None
        ]

    return QueryBlock(look)


def _minutes(owner: OwnerRow, now: Now) -> float:
    """The minutes over which an owner's runs are counted: HEALTH_MINUTES, or its age if it is younger (at least 1)."""
    return min(HEALTH_MINUTES, max(1, (now.wall - owner.started_at) / 60_000))


def _descriptors(owner: OwnerRow, me: Identity) -> tuple[int, int] | None:
    return descriptors.used_by(owner.pid) if is_here(owner, me) and not is_gone(owner, me) else None


def _until_nothing_is_held(ctx: Context, ids: Sequence[int], patience_ms: int) -> Procedure[list[OwnerDetail]]:
    deadline = ctx.now().mono + patience_ms
    while True:
        owners = yield from read(reads.owners_of(ids))
        now = ctx.now()
        left = deadline - now.mono
        if left <= 0 or not any(owner.held for owner in owners):
            return _owner_details(owners, now)
        yield from wait_for_change(min(left, LOOK_AGAIN_MS) / 1000)


@verb(
    "GET /api/events",
    result=list[Event],
    errors=(NotFound,),
    paging=FORWARD,
    listed=100,
    examples=(
        "lanes events agent:main:telegram:42 --since 1h",
        "lanes events --type abort --json",
        "lanes events --follow --since 0s      only what happens from now on",
    ),
)
def events(
    ctx: Context,
    key: Annotated[Key | None, "events of this lane"] = None,
    *,
    filter_: Events = EVERY,
    since: Annotated[Duration | None, "Events of this last period, such as 1h."] = None,
    type: Annotated[str | None, EVENT_TYPE, "Events of this type, such as claim, fail or notice."] = None,  # noqa: A002 - the journal's word
    after: Annotated[Id | None, NOT_TYPED, ParamHeader("Last-Event-ID", wins=True), "events after this one"] = None,
    before: Annotated[Id | None, NOT_TYPED, "events before this one"] = None,
    limit: Annotated[Limit | None, "The last N events; with `after`, the next N."] = None,
    since_at: Annotated[Moment | None, ONLY_PYTHON] = None,
    newest: Annotated[bool | None, ANY, ONLY_PYTHON] = None,
    within: Annotated[int | None, ANY, ONLY_PYTHON] = None,
) -> Effect[list[Event]]:
    """The journal: what changed, by whom, and why.

    The oldest event comes first.
    """
    now = ctx.now()
    start = since_at if since is None else now.wall - since
    chosen = timed(filter_, now)
    last = (after is None and limit is not None) if newest is None else newest

    def look(read: Reads) -> list[Event] | LanesError:
        lane = None if key is None else read(reads.lane(key))
        if key is not None and lane is None:
            return missing(read, key)
        if (refused := unknown_type(read, type)) is not None:
            return refused
        limits = [each for each in (start, earliest(chosen)) if each is not None]
        query = reads.events(
            lane=None if lane is None else lane.id,
            session=lane is not None and lane.is_session,
            after=max(after or 0, last_older(read, max(limits)) if limits else 0),
            before=before,
            since=start,
            type=type,
            limit=limit,
            newest=last,
            within=within,
            chosen=chosen,
        )
        return list(map(Event.of, read(query)))

    return QueryBlock(look)


def unknown_type(read: Reads, type_: str | None) -> Unfit | None:
    """The error for a type that this version does not write; None if the journal has it: a newer version wrote it."""
    if type_ in {None, *EventType} or read(reads.events(type=type_, limit=1)):
        return None
    from lanes.filters.spelling import resembling

    suggestion = resembling(str(type_), EventType)
    which = f"did you mean {suggestion}?" if suggestion else f"this version writes {', '.join(EventType)}"
    return Unfit(f"no event has the type {type_}; {which}", "type")


# --------------------------------------------------------------------------------------------- providers


@verb(
    "GET /api/providers",
    result=list[Provider],
    examples=("lanes providers", "lanes providers --json | jq '.[] | select(.health != \"well\")'"),
)
def providers(ctx: Context) -> Effect[list[Provider]]:
    """Say which providers are well.

    All that are configured or have been asked before, with their requests in flight, and how those of the last hour
    ended. `reset NAME` ends the cooldown of one.
    """
    wall, limits = ctx.now().wall, ctx.max_requests()
    return QueryBlock(lambda read: all_providers(read(reads.providers()), read(reads.in_flight()), limits, wall))


@verb(
    "POST /api/providers/{name}/reset",
    result=ProviderResetDone,
    errors=(NotFound,),
    outcome_text=outcomes.provider_reset,
    examples=("lanes providers reset codex",),
)
def reset_provider(ctx: Context, name: Annotated[str, NAME, "the provider"]) -> Effect[ProviderResetDone]:
    """Forget what is known against a provider: its cooldown ends at once, and messages that wait for it may start.

    Use it when you have repaired what it failed for. If it fails again, it cools again.
    """
    now, limits = ctx.now(), ctx.max_requests()

    def step(tx: Transaction) -> ProviderResetDone | LanesError:
        if name not in limits and name not in within(tx, reads.providers()):
            return NotFound("provider", name)
        done = doors.reset_provider(tx, name, now, by=ctx.actor)
        in_flight = within(tx, reads.in_flight()).get(name, 0)
        before, after = (Provider.of(row, in_flight, limits.get(name), now.wall) for row in done[:2])
        return ProviderResetDone(after, before.health != after.health, done.woken)

    return step


# ---------------------------------------------------------------------------------------------- draining


@verb(
    "POST /api/drain",
    result=list[OwnerDetail],
    status=202,
    errors=(NotFound,),
    examples=(
        "lanes drain --dry-run          what would be cut, and what becomes of it",
        "lanes drain --wait 2m          all gateways of this database",
        "lanes drain 4711 --wait 10m    one, by its id or its process",
    ),
)
def drain(
    ctx: Context,
    *,
    gateway: Gateway = None,
    for_: Annotated[Duration | None, "How long runs may continue. [default: drain_timeout]"] = None,
    until: Annotated[Moment | None, ONLY_PYTHON] = None,
) -> Procedure[list[OwnerDetail]]:
    """Stop gateways from claiming, and wait for their runs.

    One gateway, or all that are not provably gone. Requests that wait there on a connection end at once. Runs that are
    left when the time is over are cut.

    The policies decide what happens to their messages; a drain never counts as an interruption. A drain is final:
    restart the gateway to let it claim again.

    Exit codes: 0 nothing is held any more, 5 something is, 69 no such gateway lives.
    """
    now = ctx.now()
    end = now.wall + (ctx.drain_timeout_ms() if for_ is None else for_) if until is None else until

    def step(tx: Transaction) -> list[OwnerRow] | LanesError:
        chosen = _living(within(tx, reads.owners()), gateway)
        if isinstance(chosen, LanesError):
            return chosen
        for owner in chosen:
            doors.drain(tx, owner.id, now, by=ctx.actor, until=end)
        return within(tx, reads.owners_of([each.id for each in chosen]))

    return _owner_details((yield from write(step)), ctx.now())


@verb("GET /api/drain", result=list[Cut], errors=(NotFound,))
def drain_rehearsal(ctx: Context, *, gateway: Gateway = None) -> Effect[list[Cut]]:
    """The runs that a drain without time left would cut, and the result for their messages. Changes nothing."""
    now = ctx.now()

    def look(read: Reads) -> list[Cut] | LanesError:
        chosen = _living(read(reads.owners()), gateway)
        if isinstance(chosen, LanesError):
            return chosen
        ids = {owner.id for owner in chosen}
        ends = [(run, _outcome_of_cut(read, run, now)) for run in read(reads.open_runs()) if run.owner_id in ids]
        liveness = Liveness(now)
        return [
            Cut.of(run, liveness, message_state=end.message_state, pauses=end.pause is not None)
            for run, end in ends
            if end is not None
        ]

    return QueryBlock(look)


def _living(owners: list[OwnerRow], number: int | None) -> list[OwnerRow] | LanesError:
    me = this_process()
    living = [owner for owner in owners if owner.kind == "gateway" and not is_gone(owner, me)]
    chosen = [owner for owner in living if number in (None, owner.id)]
    return NotFound("living gateway", number) if number is not None and not chosen else chosen


def _outcome_of_cut(read: Reads, run: RunRow, now: Now) -> RunEnd | None:
    """How cutting a run would end it, decided from the rows and by the function of a real release; None if the run has
    ended."""
    failure = RunFailure(Cause.DRAINED, "its gateway was drained")
    of_run = {"messages": json.dumps([run.message_id])}
    cuts = read(Query(sql.COUNT_CUTS, of_run, lambda rows: int(rows[0][1]) if rows else 0))
    rows = read(Query(sql.HELD_RUNS, {"runs": json.dumps([run.id])}, list))
    end = End(run.ticket, Edge.RECLAIM, now, "lanes", failure=failure)
    return decide(end, HeldRun(*rows[0][1:]) if rows else None, cuts)
