"""The adapter of a LangGraph server, measured on langgraph-api 0.16.7: threads and their runs over HTTP.

The status of a cancelled run is ``interrupted`` at once, even while a synchronous node goes on: its thread is free, but
its call is not over. So that status is only a claim. The proof is that the server closes a connection.
"""

import asyncio
import datetime
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from lanes.config.reading.watches import is_loopback
from lanes.host.holder import connections_of
from lanes.text.chats import dicts
from lanes.watch.adapter import Adapter, Rung, RungAnswer, SourceDown
from lanes.watch.links.failing import RequestRefused, answered_by
from lanes.watch.links.looking import proof_by
from lanes.watch.links.web import JsonWeb
from lanes.watch.reading import ShownKeys, latest, moment, typed, words
from lanes_storage.law import SourceState, WatchedState
from lanes_storage.records import Sighting
from lanes_storage.threads import in_thread

#: The most threads, and runs of a thread, that are listed, and the fields that are requested of them: none of these
#: holds conversation.
MOST_LISTED = 500
THREAD = ["thread_id", "status", "updated_at", "state_updated_at"]
RUN = ["run_id", "status", "created_at", "updated_at"]
#: The interval of polling (s), since there are no events of the whole server.
LOOK_S = 1.0
CANCEL_S = 20.0
SHAPE = "is it a LangGraph server?"
CANCELLED = "interrupted"
#: The status of a run that runs, and of one that waits.
RUNNING, PENDING = "running", "pending"
PROGRAM = "langgraph"

Rows = list[dict[str, Any]]


class LangGraphAdapter(Adapter):
    """``token``: the value of ``x-api-key``, if the server wants one. ``program``: a word in the command line of its
    process."""

    def __init__(self, url: str, *, token: str = "", program: str = PROGRAM) -> None:
        self._web, self._names = JsonWeb(url, {"x-api-key": token} if token else {}), ShownKeys()
        self._url, self._program = url, program
        self._before: frozenset[str] | None = None  # its connections before the cancellation

    async def connect(self) -> str:
        """Connect, and return the version. Raises SourceDown."""
        with answered_by(f"{self._url} is not a LangGraph server", SHAPE):
            about = await self._web.get("/info")
        version = words(about, "version")
        if not version or not (words(about, "langgraph_py_version") or words(about, "langgraph_js_version")):
            raise SourceDown(SourceState.FOREIGN, f"{self._url} does not answer as a LangGraph server does", SHAPE)
        await self.list()
        return version

    async def events(self, seconds: float) -> None:
        """Wait for the next poll, since there are no events."""
        await asyncio.sleep(min(seconds, LOOK_S))

    async def list(self) -> Sequence[Sighting]:
        """Its threads, the newest first. Raises SourceDown."""
        body = {"limit": MOST_LISTED, "sort_by": "updated_at", "sort_order": "desc", "select": THREAD}
        with answered_by("the server does not list its threads", SHAPE):
            threads = dicts(await self._web.post("/threads/search", body))
        return [await self._row(thread) for thread in threads[:MOST_LISTED] if typed(thread, "thread_id", str, "")]

    async def _row(self, thread: Mapping[str, Any]) -> Sighting:
        raw, status = typed(thread, "thread_id", str, ""), words(thread, "status")
        key = self._names.shown(raw)
        if status != "busy":
            return Sighting(key, WatchedState.IDLE, outcome=None if status == "idle" else status or None)
        runs = await self._runs(raw)
        held = [run for run in runs if words(run, "status") == RUNNING]
        waiting = sum(words(run, "status") == PENDING for run in runs)
        if not held:  # its first run waits for a worker, or has ended meanwhile
            return Sighting(key, WatchedState.IDLE, waiting=waiting)
        since = min((at for run in held if (at := _at(run, "created_at")) is not None), default=None)
        of_thread = _at(thread, "state_updated_at"), _at(thread, "updated_at")
        touched = (*of_thread, *(_at(run, "updated_at") for run in held))
        return Sighting(
            key,
            WatchedState.RUNNING,
            tuple(words(run, "run_id") for run in held),
            since,
            latest(since, *touched),
            waiting,
        )

    async def _runs(self, thread: str) -> Rows:
        query: list[tuple[str, str]] = [("limit", str(MOST_LISTED)), *(("select", name) for name in RUN)]
        try:
            return dicts(await self._web.get(f"/threads/{quote(thread, safe='')}/runs", query))[::-1]
        except RequestRefused:  # it was deleted meanwhile
            return []

    # ------------------------------------------------------------------------------------ freeing

    def rungs(self, seen: Sighting) -> Sequence[Rung]:
        """The only way: cancel the run."""
        thread = quote(self._names.raw(seen.key), safe="")
        path = f"/threads/{thread}/runs/{{}}/cancel"
        return [Rung("cancel the run", path.format(quote(run, safe="")), {"wait": "0"}) for run in seen.runs[:1]]

    async def abort(self, rung: Rung) -> RungAnswer:
        """Cancel the run. Raises SourceDown."""
        self._before = await self._connections()
        try:
            await self._web.post(rung.method, {}, rung.params, CANCEL_S)
        except RequestRefused as error:
            return RungAnswer(False, "it has no such run in progress" if error.status == 404 else str(error))
        return RungAnswer(True, f"{CANCELLED}, which it also says while a synchronous node still runs")

    async def _connections(self) -> frozenset[str] | None:
        """The connections of its process; None if they cannot be seen from here."""
        port = urlsplit(self._url).port
        if port is None or not is_loopback(self._url):
            return None
        return await in_thread(connections_of, port, self._program)

    async def prove(self, seen: Sighting, _: Rung, claim: RungAnswer, seconds: float) -> str | None:
        """Look until the run has ended by itself, or its server has closed a connection. Raises SourceDown."""
        thread = self._names.raw(seen.key)

        async def look() -> str | None:
            statuses = {words(run, "run_id"): words(run, "status") for run in await self._runs(thread)}
            status = statuses.get(seen.runs[0], "gone") if seen.runs else ""
            if status in (RUNNING, PENDING, ""):
                return None
            if status != CANCELLED:
                return f"run {seen.runs[0]} is {status}"
            after = await self._connections() if claim.claimed else None
            if self._before is None or after is None or not self._before - after:
                return None
            return f"run {seen.runs[0]} is {CANCELLED}, and its server has closed a connection"

        return await proof_by(look, seconds, asyncio.sleep)

    async def close(self) -> None:
        """Close every connection."""
        await self._web.close()


def _at(form: Any, name: str) -> int | None:
    """A time in ISO 8601, in milliseconds."""
    try:
        at = 1000 * datetime.datetime.fromisoformat(words(form, name)).timestamp()
    except (ValueError, OverflowError):
        return None
    return moment({"at": at}, "at")
