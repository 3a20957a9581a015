"""The verb that lists lanes."""

from typing import Annotated

from lanes import filters
from lanes.base.errors import LanesError, TooMuch
from lanes.base.procedure import Effect, QueryBlock
from lanes.context import Context
from lanes.records import Lane, LanePage
from lanes.verbs.kinds import (
    MOST_PATTERN,
    NOT_TYPED,
    Duration,
    Flag,
    Glob,
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
from lanes.verbs.queries import cursors
from lanes.verbs.queries.cursors import MOST_OFFSET
from lanes.verbs.verb import verb
from lanes.watch import merging
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reads
from lanes_storage.law import HELD, LaneState, Scope
from lanes_storage.records import How, LaneFilter, LaneOrder, LaneSort

#: The most keys that a request may name, and that a dashboard marks.
MOST_KEYS = 10_000
#: The most silent runs that are sorted before the other lanes.
MOST_SILENT = 1_000
BY_ATTENTION = LaneOrder()
ALL = LaneFilter()
Sort = Annotated[
    LaneSort,
    words(LaneSort),
    NOT_TYPED,
    "by what; attention: unfinished first, the longest wait at the top; silent: the silent ones before these",
]
Reverse = Annotated[Flag, NOT_TYPED, "in reverse order"]
Keys = Annotated[tuple[Key, ...] | None, NOT_TYPED, "only these lanes"]
Cursor = Annotated[
    Text,
    NOT_TYPED,
    "where the page begins: `next` of the one before, or the place of its first lane. With `sort` = `silent` a lane may"
    " be left out if one on the page before is no longer silent: `POST /api/search` takes the runs that come first",
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
    cursor: Cursor = "0",
    counted: Annotated[Flag, NOT_TYPED, "whether to count all lanes by state, for `counts`"] = True,
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
    chosen = timed(only(chosen, keys)._replace(abortable=abortable or chosen.abortable), now)
    requested_order, begin = LaneOrder(sort, reverse), cursors.read(cursor)

    def look(read: Reads) -> LanePage | LanesError:
        order = silent_named(requested_order, None, now, read)
        merged = merging.MergedLanes(read, chosen, now)
        offset = begin if isinstance(begin, int) else merged.behind(begin, order)
        if offset is None:
            return cursors.unknown(cursor)
        found = merged.page(order, None if limit is None else limit + 1, offset)
        following = None
        if limit is not None and len(found) > limit:
            following = cursors.written(merged.sort_place(found[limit - 1], order), offset + limit)
        counts = read(reads.counts(now.wall)).lanes if counted else {}
        return LanePage(tuple(found[:limit]), counts, following)

    return QueryBlock(look)


def lanes_of(
    ctx: Context, chosen: LaneFilter, order: LaneOrder, limit: int | None, offset: int
) -> QueryBlock[tuple[Lane, ...]]:
    """A page of the chosen lanes, in that order."""
    now = ctx.now()
    return QueryBlock(lambda read: tuple(merging.MergedLanes(read, timed(chosen, now), now).page(order, limit, offset)))


def total_of(ctx: Context, chosen: LaneFilter) -> QueryBlock[int]:
    """How many lanes are chosen."""
    now = ctx.now()
    return QueryBlock(lambda read: merging.MergedLanes(read, timed(chosen, now), now).total())


def silent_named(order: LaneOrder, named: tuple[int, ...] | None, now: Now, read: Reads) -> LaneOrder:
    """The order; one by silence gets the silent runs to sort by: ``named``, or those that are silent now."""
    if order.by is not LaneSort.SILENT:
        return order
    found = named if named is not None else tuple(run.id for run in read(reads.silent_runs(now, MOST_SILENT))[0])
    return order._replace(silent=found[:MOST_SILENT])


def only(chosen: LaneFilter, keys: tuple[str, ...] | None) -> LaneFilter:
    """The filter, limited to these keys. Raises TooMuch."""
    if keys is not None and len(keys) > MOST_KEYS:
        raise TooMuch(f"keys has {len(keys)} keys; at most {MOST_KEYS} may be given")
    return chosen if keys is None else chosen.only(keys)
