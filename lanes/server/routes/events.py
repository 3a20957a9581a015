"""``GET /api/events``: the journal, as server-sent events that can be resumed, or as a list."""

from collections.abc import AsyncIterator

from starlette.types import ASGIApp

from lanes.base.errors import LanesError
from lanes.base.procedure import QueryBlock
from lanes.filters.doubts import cleared, doubts_of
from lanes.records.problems import RETRY_AFTER_S
from lanes.server.asgi.errors import HttpProblem
from lanes.server.asgi.request import HttpRequest
from lanes.server.routes.verbs import answer, params_of
from lanes.server.state.journal import JournalReader
from lanes.server.state.streaming import KEEPALIVE, KEEPALIVE_S, WatchedStream
from lanes.verbs import system
from lanes.verbs.kinds import timed
from lanes_storage.errors import StorageError

#: The most followers at a time.
MOST_FOLLOWERS = 200
#: How soon a client reconnects, in milliseconds.
RETRY_MS = 2_000


async def get_events(call: HttpRequest) -> ASGIApp:
    """The journal: as server-sent events from ``Last-Event-ID`` on, or with Accept: application/json as a list."""
    params = await params_of(system.events, call)
    if call.accepts("application/json"):
        return await answer(system.events, call, params)
    call.refuse("limit", "it is for lists: send Accept: application/json")
    after, since, type_ = params.get("after"), params.get("since"), params.get("type")
    refusal = QueryBlock(lambda read: system.unknown_type(read, type_))
    await call.searching(call.desk.perform(cleared(refusal, doubts_of(params.values()))))
    if after is None and since is not None:
        first = await call.searching(call.desk.events(since=call.desk.clock().wall - since, limit=1))
        after = first[0].id - 1 if first else None
    if call.app_state.feed.followers >= MOST_FOLLOWERS:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise HttpProblem(503, "followers", f"{MOST_FOLLOWERS} clients already follow the journal", headers)
    chosen = timed(params.get("filter_", system.EVERY), call.desk.clock())
    follower = await call.app_state.feed.follow(after, key=params.get("key"), type_=type_, chosen=chosen)

    async def over(_: bool) -> None:
        follower.close()

    return WatchedStream(_event_stream(follower), over)


async def _event_stream(follower: JournalReader) -> AsyncIterator[bytes]:
    # An id without data: a client that is disconnected before the first event also resumes from here.
    yield f"retry: {RETRY_MS}\nid: {follower.after}\n\n".encode()
    try:
        while not follower.ended:
            if data := await follower.take():
                yield data
            if not follower.behind and not await follower.wait(KEEPALIVE_S):
                # With the id: a filter may have skipped many events.
                yield KEEPALIVE + f"id: {follower.after}\n\n".encode()
    except StorageError:
        yield b": the database cannot be read; reconnect\n\n"
    except LanesError:  # the lane was pruned meanwhile, or every event of a type that this version does not know
        yield b": what is followed is not there any more\n\n"
