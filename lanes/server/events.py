"""``GET /api/events``: the journal, as server-sent events that can be resumed, or as a list."""

from collections.abc import AsyncIterator

from starlette.types import ASGIApp

from lanes import operations
from lanes.problems import RETRY_AFTER_S
from lanes.server.answer import long_answer
from lanes.server.call import Call
from lanes.server.fields import as_id
from lanes.server.journal import Follower
from lanes.server.problems import HttpProblem
from lanes.server.streaming import KEEPALIVE, KEEPALIVE_S, WatchedStream
from lanes_storage.errors import StorageError
from lanes_storage.law import EventType, is_cause
from lanes_storage.records import LaneFilter, Subject

#: So many follow at a time.
MOST_FOLLOWERS = 200
MOST_EVENTS = 1_000
DEFAULT_EVENTS = 100
#: A list of events ends where these have so many characters together.
MOST_CHARACTERS = 16_000_000
#: A follower that takes nothing for so long is let go of; it can come back where it was.
PATIENCE_S = 60.0
#: How soon a client that lost its connection comes back, in milliseconds.
RETRY_MS = 2_000


async def get_events(call: Call) -> ASGIApp:
    """The journal: as server-sent events from ``Last-Event-ID`` on, or with Accept: application/json as a list."""
    key, type_, since = call.one("key"), call.one("type"), call.span("since")
    if type_ is not None and not is_cause(type_):  # a newer lanes may write others than this one
        raise HttpProblem(400, "bad_parameter", f"type is a word such as {', '.join(EventType)}")
    since_wall = None if since is None else call.desk.clock().wall - since
    chosen = call.filter(Subject.EVENT)
    if call.accepts("application/json"):
        return await _listed(call, key, type_, since_wall, chosen)
    call.refuse("limit", "it is for lists: send Accept: application/json")
    after = _resumed(call)
    if after is None and since_wall is not None:
        first = await call.searching(call.desk.events(since=since_wall, limit=1))
        after = first[0].id - 1 if first else None
    if call.house.feed.followers >= MOST_FOLLOWERS:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise HttpProblem(503, "followers", f"{MOST_FOLLOWERS} follow the journal already", headers)
    follower = await call.house.feed.follow(after, key=key, type_=type_, chosen=chosen)

    async def over(_: bool) -> None:
        follower.close()

    return WatchedStream(_told(follower), over, patience_s=PATIENCE_S)


async def _listed(call: Call, key: str | None, type_: str | None, since: int | None, chosen: LaneFilter) -> ASGIApp:
    after, limit = _resumed(call), call.count("limit", DEFAULT_EVENTS, MOST_EVENTS)
    # From a given event on, the next ones; without one, the newest.
    newest, start = after is None, after or 0
    events = operations.events(
        key=key, type=type_, since=since, after=start, limit=limit, newest=newest, within=MOST_CHARACTERS, chosen=chosen
    )
    return await long_answer(await call.searching(call.desk.perform(events)))


def _resumed(call: Call) -> int | None:
    """The event behind which to go on: ``Last-Event-ID``, or ``after`` for who can set no header."""
    given = call.headers.get("last-event-id")
    return call.id("after") if given is None else as_id("Last-Event-ID", given)


async def _told(follower: Follower) -> AsyncIterator[bytes]:
    # An id without data: who loses the connection before the first event resumes from here as well.
    yield f"retry: {RETRY_MS}\nid: {follower.after}\n\n".encode()
    try:
        while not follower.ended:
            if told := await follower.take():
                yield told
            if not follower.behind and not await follower.wait(KEEPALIVE_S):
                # The id as well: a filter may have let much go by.
                yield KEEPALIVE + f"id: {follower.after}\n\n".encode()
    except StorageError:
        yield b": the database can not be read; come back\n\n"
