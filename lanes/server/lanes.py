"""The native routes about lanes: list, look."""

from starlette.types import ASGIApp

from lanes import filters
from lanes.errors import TooMuch
from lanes.records import LanePage
from lanes.server.answer import long_answer
from lanes.server.call import Call
from lanes.server.problems import HttpProblem
from lanes_storage.law import MAX_KEY, LaneState, Scope
from lanes_storage.records import How, LaneFilter, LaneOrder, LaneSort

DEFAULT_LANES = 50
MOST_LANES = 1_000
MOST_OFFSET = 10**9
#: The longest glob over keys, in characters.
MOST_PATTERN = 2 * MAX_KEY


async def get_lanes(call: Call) -> ASGIApp:
    """Lanes sorted by harm: unfinished first, the head that has waited longest at the top."""
    chosen, order, scope = _filter(call), _order(call), call.one("abortable")
    limit, offset = call.count("limit", DEFAULT_LANES, MOST_LANES), call.count("cursor", 0, MOST_OFFSET, least=0)
    if scope is not None:
        if scope not in set(Scope):
            raise HttpProblem(400, "bad_parameter", f"abortable is one of {', '.join(Scope)}")
        chosen = chosen._replace(abortable=Scope(scope))
    return await call.searching(_page(call, chosen, order, limit, offset))


async def _page(call: Call, chosen: LaneFilter, order: LaneOrder, limit: int, offset: int) -> ASGIApp:
    desk = call.desk
    lanes = await desk.lanes(chosen, order=order, limit=limit + 1, offset=offset)
    behind = str(offset + limit) if len(lanes) > limit else None
    return await long_answer(LanePage(tuple(lanes[:limit]), (await desk.counts()).lanes, behind))


def _order(call: Call) -> LaneOrder:
    sort = call.one("sort")
    sort = LaneSort.ATTENTION if sort is None else sort
    if sort not in set(LaneSort):
        raise HttpProblem(400, "bad_parameter", f"sort is one of {', '.join(LaneSort)}")
    return LaneOrder(LaneSort(sort), call.flag("reverse"))


def _filter(call: Call) -> LaneFilter:
    states = call.query.get("state", [])
    if unknown := [state for state in states if state not in set(LaneState)]:
        raise HttpProblem(400, "bad_parameter", f"state is one of {', '.join(LaneState)}, not {unknown[0]!r}")
    if call.flag("held"):
        states = [*states, LaneState.RUNNING]
    held_for, match = call.span("held_for"), call.one("match")
    if len(match or "") > MOST_PATTERN:
        raise TooMuch(f"match has at most {MOST_PATTERN} characters")
    chosen = call.filter()
    for part in call.query.get("contains", []):
        chosen = chosen.where("key", How.HAS, part)
    return filters.narrowed(chosen, states=states, match=match, held_for_ms=held_for)


async def get_lane(call: Call) -> ASGIApp:
    """One lane: row, run, owner, queue, last events, and the paragraph that says why it does not move."""
    return await long_answer(await call.searching(call.desk.detail(call.key)))
