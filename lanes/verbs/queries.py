"""Verbs that read lanes: lists, searches, one lane, and why it does not progress."""

from typing import Annotated

from lanes import filters
from lanes.base.errors import Ambiguous, LanesError, NotFound, TooMuch
from lanes.base.procedure import Effect, QueryBlock, found
from lanes.context import Context
from lanes.explain.turns import ProviderInFlight
from lanes.explain.why import Circumstances, held_up, why_paragraph
from lanes.host.identity import Identity, this_process
from lanes.records import (
    Event,
    Hit,
    Lane,
    LaneDetail,
    LaneGroup,
    LanePage,
    Liveness,
    Mark,
    Message,
    Run,
    RunProcess,
    SearchPage,
    Tally,
    Why,
)
from lanes.verbs.kinds import (
    MOST_PATTERN,
    NOT_TYPED,
    STEP,
    Duration,
    Flag,
    Glob,
    Id,
    Key,
    Lanes,
    Limit,
    Source,
    Text,
    count,
    timed,
    words,
)
from lanes.verbs.paging import OF_LANES
from lanes.verbs.results import FOUND, SILENT
from lanes.verbs.verb import verb
from lanes.watch import merging, naming
from lanes_storage import reads
from lanes_storage import records as rows
from lanes_storage.clock import Now
from lanes_storage.interface import Query, Reads
from lanes_storage.law import HELD, MAX_KEY, SIMULATED, LaneState, Scope
from lanes_storage.records import How, LaneFilter, LaneOrder, LaneSort

#: The messages and events in the view of one lane.
SHOWN_MESSAGES = 50
SHOWN_EVENTS = 20
#: The most characters that these have together, besides the newest message.
SHOWN_CHARACTERS = 16_000_000
#: The most keys of a choice: a dashboard marks no more.
MOST_KEYS = 10_000
MOST_OFFSET = 10**9
#: So many silent runs come before the other lanes.
MOST_SILENT = 1_000
#: No key is told apart by more of its parts than that.
MOST_PARTS = 8
BY_ATTENTION = LaneOrder()
ALL = LaneFilter()

Sort = Annotated[
    LaneSort,
    words(LaneSort),
    NOT_TYPED,
    "by what; attention: unfinished first, the longest wait at the top; silent: before them what is silent",
]
Reverse = Annotated[Flag, NOT_TYPED, "in reverse order"]
Keys = Annotated[tuple[Key, ...] | None, NOT_TYPED, "of these lanes only"]
Silent = Annotated[
    tuple[Id, ...] | None, NOT_TYPED, "with `sort` = `silent`: the runs that come first; without, those that are silent"
]
Offset = Annotated[int, count(0, MOST_OFFSET), NOT_TYPED, "the place of the first one"]


@verb(
    "GET /api/lanes",
    result=LanePage,
    paging=OF_LANES,
    listed=50,
    errors=(TooMuch,),
    examples=(
        "lanes list 'state:errored feishu'     what went wrong in one channel",
        "lanes list 'held:>5m'                 what has been held for long",
        "lanes list '!cron wait:>1m' --json    for scripts",
        "lanes list --watch                    until Ctrl-C",
    ),
)
def list_(
    ctx: Context,
    *,
    filter_: Lanes = ALL,
    state: Annotated[tuple[LaneState, ...], words(LaneState), "Lanes in this state; may be repeated."] = (),
    held: Annotated[Flag, "Lanes that are held: those that run."] = False,
    match: Annotated[Glob | None, "Lanes whose key fits this glob."] = None,
    contains: Annotated[tuple[Text, ...], NOT_TYPED, "lanes whose key contains this"] = (),
    held_for: Annotated[Duration | None, "Lanes held for at least this long, such as 5m."] = None,
    source: Source | None = None,
    abortable: Annotated[
        Scope | None, words(Scope), NOT_TYPED, "lanes in which an abort with this scope would end something"
    ] = None,
    keys: Keys = None,
    sort: Sort = LaneSort.ATTENTION,
    reverse: Reverse = False,
    limit: Limit | None = None,
    cursor: Offset = 0,
) -> Effect[LanePage]:
    """Lanes, the most urgent first.

    Unfinished lanes come first, the one whose head has waited longest at the top. A filter leaves out what does not fit
    all of its words: parts of the key, and fields such as state:errored or held:>5m (docs/operations.md has them all).
    """
    if match is not None and len(match) > MOST_PATTERN:
        raise TooMuch(f"match has at most {MOST_PATTERN} characters")
    now, chosen = ctx.now(), filter_
    for part in contains:
        chosen = chosen.where("key", How.HAS, part)
    states = (*state, *HELD) if held else state
    chosen = filters.narrowed(chosen, states=states, match=match, held_for_ms=held_for)
    if source is not None:
        chosen = chosen.where("source", How.IS, source)
    chosen = timed(_only(chosen, keys)._replace(abortable=abortable or chosen.abortable), now)
    asked = LaneOrder(sort, reverse)

    def look(read: Reads) -> LanePage:
        order = _silent_named(asked, None, now, read)
        more = None if limit is None else limit + 1
        found = merging.MergedLanes(read, chosen, now).page(order, more, cursor)
        following = None if limit is None or len(found) <= limit else str(cursor + limit)
        return LanePage(tuple(found[:limit]), read(reads.counts(now.wall)).lanes, following)

    return QueryBlock(look)


@verb("POST /api/search", result=SearchPage, looks=True, errors=(TooMuch,))
def search(
    ctx: Context,
    *,
    filter_: Lanes = ALL,
    keys: Keys = None,
    sort: Sort = LaneSort.ATTENTION,
    reverse: Reverse = False,
    silent: Silent = None,
    limit: Annotated[int, count(0, 1_000), NOT_TYPED, "at most this many"] = 0,
    offset: Offset = 0,
    place_of: Annotated[Key | None, NOT_TYPED, "the lane whose place is given"] = None,
    counted: Annotated[Flag, NOT_TYPED, "false: the total is given only where it is known without counting"] = True,
) -> Effect[SearchPage]:
    """A page of the lanes that a filter chooses, how many there are, and where one of them stands."""
    now = ctx.now()
    chosen, asked = timed(_only(filter_, keys), now), LaneOrder(sort, reverse)

    def look(read: Reads) -> SearchPage:
        order = _silent_named(asked, silent, now, read)
        merged = merging.MergedLanes(read, chosen, now)
        found = merged.page(order, limit, offset) if limit else []
        total: int | None = offset + len(found)
        if len(found) == limit or (offset and not found):  # else the end was seen, and nothing is to be counted
            total = merged.total() if counted else None
        place = None if place_of is None else merged.place(place_of, order)
        return SearchPage(tuple(found), total, place)

    return QueryBlock(look)


@verb("POST /api/find", result=FOUND, looks=True, errors=(TooMuch,))
def find(
    ctx: Context,
    *,
    part: Annotated[Text, NOT_TYPED, "a part of a key"],
    from_: Annotated[Key | None, NOT_TYPED, "the lane to start from"] = None,
    step: Annotated[int, STEP, NOT_TYPED, "0: from that lane on, 1: after it, -1: before it"] = 0,
    filter_: Lanes = ALL,
    keys: Keys = None,
    sort: Sort = LaneSort.ATTENTION,
    reverse: Reverse = False,
    silent: Silent = None,
) -> Effect[Hit | None]:
    """The next lane with this part in its key, among those that a filter chooses, from another lane on. Starts again
    from the other end where there is none.
    """
    if not 0 < len(part) <= MAX_KEY:
        raise TooMuch(f"part has 1 to {MAX_KEY} characters, as a key has")
    now = ctx.now()
    chosen, asked = timed(_only(filter_, keys), now), LaneOrder(sort, reverse)
    hits = timed(chosen.where("key", How.HAS, part), now)

    def look(read: Reads) -> Hit | None:
        order = _silent_named(asked, silent, now, read)
        total = read(reads.lanes_total(hits))
        place = None if from_ is None else read(reads.lane_place(hits, from_, order=order, outside=True))
        # If the lane itself is no hit, the following hit has its place.
        onward = 0 if step > 0 and from_ is not None and not filters.has(from_, part) else step
        number = 0 if total == 0 else ((place or 0) + onward) % total
        there = read(reads.lanes(hits, order=order, limit=1, offset=number))
        where = merging.MergedLanes(read, chosen, now).place(there[0].key, order) if there else None
        return None if where is None else Hit(there[0].key, where, number, total)

    return QueryBlock(look)


@verb("POST /api/marks", result=list[Mark], looks=True, errors=(TooMuch,))
def marks(
    ctx: Context,
    *,
    filter_: Lanes = ALL,
    keys: Keys = None,
    limit: Annotated[
        int, count(0, MOST_KEYS + 1), NOT_TYPED, "at most this many; ask for one more to learn whether there are more"
    ] = MOST_KEYS,
) -> Effect[list[Mark]]:
    """Key, epoch and state of the lanes that a filter chooses, the newest first, to bind an action to them."""
    now = ctx.now()
    chosen = timed(_only(filter_, keys), now)
    return QueryBlock(lambda read: merging.MergedLanes(read, chosen, now).marks(limit))


@verb("POST /api/groups", result=list[LaneGroup], looks=True, errors=(TooMuch,))
def groups(
    ctx: Context,
    *,
    parts: Annotated[int, count(1, MOST_PARTS), NOT_TYPED, "so many parts of a key, between colons, make a group"],
    filter_: Lanes = ALL,
    keys: Keys = None,
    limit: Annotated[int, count(0, 1_000), NOT_TYPED, "at most so many"] = 1_000,
) -> Effect[list[LaneGroup]]:
    """The lanes that a filter chooses, in groups by the first parts of their keys: the worst group first."""
    now = ctx.now()
    chosen = timed(_only(filter_, keys), now)

    def look(read: Reads) -> list[LaneGroup]:
        silent = {run.id: run.silent_ms for run in read(reads.silent_runs(now, MOST_SILENT))[0]}
        return [LaneGroup.of(row) for row in read(reads.lane_groups(chosen, parts, silent, limit))]

    return QueryBlock(look)


@verb("GET /api/silent", result=SILENT)
def silent(
    ctx: Context,
    *,
    limit: Annotated[int, count(0, MOST_SILENT), NOT_TYPED, "at most this many"] = MOST_SILENT,
) -> Effect[tuple[list[rows.SilentRun], int]]:
    """The runs that have been silent for at least half of the limit that acts first, the nearest to it first."""
    return reads.silent_runs(ctx.now(), limit)


@verb("POST /api/tally", result=Tally, looks=True, errors=(TooMuch,))
def tally(ctx: Context, *, filter_: Lanes = ALL, keys: Keys = None) -> Effect[Tally]:
    """How many lanes a filter chooses, by state, and what an action on them would meet."""
    now = ctx.now()
    chosen = _only(filter_, keys)._replace(at=filter_.at or now.wall)

    def look(read: Reads) -> Tally:
        watched = merging.WatchedLanes.of(read, chosen, now)
        found, held = read(reads.tally(watched.others(chosen))), len(watched.first)
        states = {state.value: found.states.get(state, 0) for state in LaneState}
        states[LaneState.RUNNING] += held
        states[LaneState.IDLE] += len(watched.last)
        return Tally(states, found.runs + held, found.reruns, found.waiting + watched.waiting, found.paused)

    return QueryBlock(look)


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
        newest = read(reads.messages(lane.id, (), SHOWN_MESSAGES, within=SHOWN_CHARACTERS))
        last = read(reads.events(lane=lane.id, limit=SHOWN_EVENTS, newest=True))
        liveness = Liveness(ctx.now())
        shown = Lane.of(lane, liveness)
        return LaneDetail(
            lane=shown if watched is None else merging.joined(shown, watched),
            why=why_paragraph(lane, _around(ctx, lane, read)),
            run=None if lane.run is None else Run.of(lane.run, lane.owner, liveness),
            messages=tuple(map(Message.of, newest)),
            events=tuple(map(Event.of, last)),
            processes=None if lane.run is None else _processes(lane.run, lane.owner, liveness),
        )

    return QueryBlock(look)


def _processes(run: rows.RunRow, owner: rows.OwnerRow | None, liveness: Liveness) -> tuple[RunProcess, ...] | None:
    """The processes of a run, if it has some and this process can see them."""
    from lanes.host.processes import process_tree

    if owner is None or run.process_host is None or run.process_start_time is None:
        return None
    assert run.process_boot_id is not None
    assert run.process_pid is not None
    keeper = Identity(run.process_host, run.process_boot_id, owner.pid_ns, run.process_pid, run.process_start_time)
    found = process_tree(keeper, this_process(), liveness.now.boot)
    return tuple(RunProcess(*each) for each in found) if found else None


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
        around = _around(ctx, lane, read)
        return Why(key, f"{why_paragraph(lane, around)} {elsewhere}".strip(), held_up(lane, around))

    return QueryBlock(look)


def _around(ctx: Context, lane: rows.LaneRow, read: Reads) -> Circumstances:
    now = ctx.now()
    owners = read(reads.owners())
    head = None if lane.head_id is None else read(reads.message(lane.head_id))
    cooling = read(reads.cooldowns(now.wall))
    last = read(reads.events(lane=lane.id, limit=1, newest=True))
    waits = read(reads.waits(lane.run.id)) if lane.run is not None and lane.run.waiting else []
    running = read(reads.open_runs()) if lane.run is None and head is not None else []

    def start() -> str:
        return ctx.how_to_start(lambda: read(reads.real_runner_ever_ran(SIMULATED)))

    budgets = [(budget, read(reads.spent(budget, lane.id, now))) for budget in ctx.budgets(lane.key)]
    newest, again = last[-1] if last else None, read(reads.repeated(lane.id, now.wall))
    limited = _limited(ctx, read, now) if lane.run is None and head is not None else []
    return Circumstances(
        now, this_process(), owners, head, cooling, newest, waits, start, running, again, budgets, limited
    )


def _limited(ctx: Context, read: Reads, now: Now) -> list[ProviderInFlight]:
    """The providers at which not any number of requests may be in flight."""
    limits = ctx.max_requests()
    taken, known = read(reads.places_taken()), read(reads.providers())
    found = [
        ProviderInFlight.of(known.get(name, rows.ProviderRow(name)), taken.get(name, 0), limits.get(name), now)
        for name in sorted({*limits, *taken, *known})
    ]
    return [each for each in found if each is not None]


def lane_of(key: str) -> Query[rows.LaneRow | LanesError]:
    """The row of one lane."""
    return found(reads.lane(key), NotFound("lane", key))


def lanes_of(
    ctx: Context, chosen: LaneFilter, order: LaneOrder, limit: int | None, offset: int
) -> QueryBlock[tuple[Lane, ...]]:
    """The chosen lanes in some order."""
    now = ctx.now()
    return QueryBlock(lambda read: tuple(merging.MergedLanes(read, timed(chosen, now), now).page(order, limit, offset)))


def total_of(ctx: Context, chosen: LaneFilter) -> QueryBlock[int]:
    """How many lanes are chosen."""
    now = ctx.now()
    return QueryBlock(lambda read: merging.MergedLanes(read, timed(chosen, now), now).total())


def _silent_named(order: LaneOrder, named: tuple[int, ...] | None, now: Now, read: Reads) -> LaneOrder:
    """The order; if it is by silence, with the silent runs: ``named``, or those that are silent now."""
    if order.by is not LaneSort.SILENT:
        return order
    found = named if named is not None else tuple(run.id for run in read(reads.silent_runs(now, MOST_SILENT))[0])
    return order._replace(silent=found[:MOST_SILENT])


def _only(chosen: LaneFilter, keys: tuple[str, ...] | None) -> LaneFilter:
    if keys is not None and len(keys) > MOST_KEYS:
        raise TooMuch(f"keys has {len(keys)} keys; at most {MOST_KEYS} may be given")
    return chosen if keys is None else chosen.only(keys)
