"""The routes for who looks at very many lanes: a page of a filter in any order, and going from hit to hit."""

from typing import NamedTuple

from starlette.types import ASGIApp

from lanes import filters
from lanes.errors import TooMuch
from lanes.finding import find
from lanes.records import SearchPage
from lanes.server.answer import Answer, long_answer
from lanes.server.call import Call
from lanes.server.fields import Fields
from lanes.server.lanes import MOST_LANES, MOST_OFFSET
from lanes.server.problems import HttpProblem
from lanes_storage import reads
from lanes_storage.law import MAX_KEY
from lanes_storage.records import LaneFilter, LaneOrder, LaneSort

#: The longest exact choice: what a dashboard marks at most.
MOST_KEYS = 10_000


class _Asked(NamedTuple):
    """Which lanes, and in which order."""

    chosen: LaneFilter
    order: LaneOrder


async def search_lanes(call: Call) -> ASGIApp:
    """A page of the lanes that a filter chooses, how many there are, and where one of them stands."""
    fields = Fields(await call.body())
    asked, key = _asked(call, fields), fields.get("place_of", str)
    limit, offset = _bounded(fields, "limit", MOST_LANES), _bounded(fields, "offset", MOST_OFFSET)
    fields.done()
    return await call.searching(_page(call, asked, key, limit, offset))


async def _page(call: Call, asked: _Asked, key: str | None, limit: int, offset: int) -> ASGIApp:
    desk = call.desk
    lanes = await desk.lanes(asked.chosen, order=asked.order, limit=limit, offset=offset) if limit else []
    total = offset + len(lanes)
    if len(lanes) == limit or (offset and not lanes):  # else the end was seen, and nothing is to be counted
        total = await desk.lanes_total(asked.chosen)
    place = None if key is None else await desk.store.read(reads.lane_place(asked.chosen, key, order=asked.order))
    return await long_answer(SearchPage(tuple(lanes), total, place))


async def find_lane(call: Call) -> ASGIApp:
    """The next of the lanes that a filter chooses with a part in its key, seen from another lane."""
    fields = Fields(await call.body())
    asked, part, key = _asked(call, fields), fields.get("part", str), fields.get("from", str)
    step = fields.get("step", int) or 0
    fields.done()
    if not part or step not in (-1, 0, 1):
        raise HttpProblem(400, "bad_request", "part is a part of a key, step is -1, 0 or 1")
    if len(part) > MAX_KEY:
        raise TooMuch(f"part has at most {MAX_KEY} characters, as a key has")
    hit = await call.searching(call.desk.perform(find(asked.chosen, part, key, step=step, order=asked.order)))
    return Answer({"hit": hit})


async def retry_last(call: Call) -> ASGIApp:
    """Accept the newest dead letter of a lane once more."""
    fields = Fields(await call.body())
    epoch = fields.number("epoch")
    fields.done()
    retried = await call.desk.retry_last(call.key, actor=call.actor, epoch=epoch)
    return Answer(retried, 202)


def _asked(call: Call, fields: Fields) -> _Asked:
    typed, keys = fields.get("filter", str) or "", fields.get("keys", list)
    sort, reverse = fields.word("sort", LaneSort, LaneSort.ATTENTION), fields.flag("reverse")
    if keys is not None and not all(isinstance(key, str) for key in keys):
        raise HttpProblem(400, "bad_request", "keys is a list of session keys")
    if keys is not None and len(keys) > MOST_KEYS:
        raise TooMuch(f"keys has {len(keys)} keys; at most {MOST_KEYS} may be given")
    chosen = filters.chosen(typed, call.desk.clock().wall)
    return _Asked(chosen if keys is None else chosen.only(keys), LaneOrder(sort, reverse))


def _bounded(fields: Fields, name: str, most: int) -> int:
    given = fields.get(name, int)
    if given is not None and not 0 <= given <= most:
        raise HttpProblem(400, "bad_request", f"{name} is a whole number from 0 to {most}")
    return given or 0
