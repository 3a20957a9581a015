"""Verbs that search lanes: pages, hits, marks, groups and counts of what a filter chooses."""

from typing import Annotated

from lanes import filters
from lanes.base.errors import TooMuch
from lanes.base.procedure import Effect, QueryBlock, made_of
from lanes.context import Context
from lanes.records import Found, Hit, LaneGroup, Mark, SearchPage, Silences, Tally
from lanes.verbs.kinds import NOT_TYPED, STEP, Flag, Id, Key, Lanes, Text, count, timed
from lanes.verbs.queries.listing import ALL, MOST_KEYS, MOST_SILENT, Keys, Offset, Reverse, Sort, only, silent_named
from lanes.verbs.verb import verb
from lanes.watch import merging
from lanes_storage import reads
from lanes_storage.interface import Reads
from lanes_storage.law import MAX_KEY, LaneState
from lanes_storage.records import How, LaneOrder, LaneSort

#: The most parts of a key by which lanes may be grouped.
MOST_PARTS = 8
Silent = Annotated[
    tuple[Id, ...] | None, NOT_TYPED, "with `sort` = `silent`: the runs that come first; without, those that are silent"
]


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
    chosen, requested_order = timed(only(filter_, keys), now), LaneOrder(sort, reverse)

    def look(read: Reads) -> SearchPage:
        order = silent_named(requested_order, silent, now, read)
        merged = merging.MergedLanes(read, chosen, now)
        found = merged.page(order, limit, offset) if limit else []
        total: int | None = offset + len(found)
        if len(found) == limit or (offset and not found):  # otherwise this is the last page, and the total is known
            total = merged.total() if counted else None
        place = None if place_of is None else merged.place(place_of, order)
        return SearchPage(tuple(found), total, place)

    return QueryBlock(look)


@verb("POST /api/find", result=Found, looks=True, errors=(TooMuch,))
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
) -> Effect[Found]:
    """The next lane with this part in its key, among those that a filter chooses, from another lane on. Starts again
    from the other end where there is none.
    """
    if not 0 < len(part) <= MAX_KEY:
        raise TooMuch(f"part has 1 to {MAX_KEY} characters, as a key has")
    now = ctx.now()
    chosen, requested_order = timed(only(filter_, keys), now), LaneOrder(sort, reverse)
    hits = timed(chosen.where("key", How.HAS, part), now)

    def look(read: Reads) -> Found:
        order = silent_named(requested_order, silent, now, read)
        total = read(reads.lanes_total(hits))
        place = None if from_ is None else read(reads.lane_place(hits, from_, order=order, outside=True))
        # If the lane itself is no hit, its place among the hits is that of the next hit.
        onward = 0 if step > 0 and from_ is not None and not filters.has(from_, part) else step
        number = 0 if total == 0 else ((place or 0) + onward) % total
        there = read(reads.lanes(hits, order=order, limit=1, offset=number))
        where = merging.MergedLanes(read, chosen, now).place(there[0].key, order) if there else None
        return Found(None if where is None else Hit(there[0].key, where, number, total))

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
    chosen = timed(only(filter_, keys), now)
    return QueryBlock(lambda read: merging.MergedLanes(read, chosen, now).marks(limit))


@verb("POST /api/groups", result=list[LaneGroup], looks=True, errors=(TooMuch,))
def groups(
    ctx: Context,
    *,
    parts: Annotated[
        int, count(1, MOST_PARTS), NOT_TYPED, "how many parts of a key, separated by colons, make a group"
    ],
    filter_: Lanes = ALL,
    keys: Keys = None,
    limit: Annotated[int, count(0, 1_000), NOT_TYPED, "at most this many"] = 1_000,
) -> Effect[list[LaneGroup]]:
    """The lanes that a filter chooses, in groups by the first parts of their keys: the worst group first."""
    now = ctx.now()
    chosen = timed(only(filter_, keys), now)

    def look(read: Reads) -> list[LaneGroup]:
        silent = {run.id: run.silent_ms for run in read(reads.silent_runs(now, MOST_SILENT))[0]}
        return [LaneGroup(*row) for row in read(reads.lane_groups(chosen, parts, silent, limit))]

    return QueryBlock(look)


@verb("GET /api/silent", result=Silences)
def silent(
    ctx: Context,
    *,
    limit: Annotated[int, count(0, MOST_SILENT), NOT_TYPED, "at most this many"] = MOST_SILENT,
) -> Effect[Silences]:
    """The runs that have been silent for at least half of the limit that acts first, the nearest to it first."""
    return made_of(reads.silent_runs(ctx.now(), limit), Silences.of)


@verb("POST /api/tally", result=Tally, looks=True, errors=(TooMuch,))
def tally(ctx: Context, *, filter_: Lanes = ALL, keys: Keys = None) -> Effect[Tally]:
    """How many lanes a filter chooses, by state, and how much an action on them would affect."""
    now = ctx.now()
    chosen = only(filter_, keys)._replace(at=filter_.at or now.wall)

    def look(read: Reads) -> Tally:
        watched = merging.WatchedLanes.of(read, chosen, now)
        tally, held = read(reads.tally(watched.others(chosen))), len(watched.first)
        states = {state.value: tally.states.get(state, 0) for state in LaneState}
        states[LaneState.RUNNING] += held
        states[LaneState.IDLE] += len(watched.last)
        return Tally(states, tally.runs + held, tally.reruns, tally.waiting + watched.waiting, tally.paused)

    return QueryBlock(look)
