"""The adapter of ``codex app-server``, measured on 0.171.0: JSON-RPC over a WebSocket; its turns are the runs.

A client that did not begin a turn is told only that its thread is active, so the adapter asks for the turn, its start
and its last sign of life. An interrupt names the turn.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from lanes.watch.adapter import Adapter, Rung, RungAnswer, SourceDown
from lanes.watch.links.failing import RequestRefused, answered_by, silent
from lanes.watch.links.looking import event_within, proof_by, wall
from lanes.watch.links.sockets import ANSWER_S, CONNECT_S, Form, JsonSocket
from lanes.watch.reading import ShownKeys, latest, moment, objects, typed, words
from lanes_storage.law import SourceState, WatchedState
from lanes_storage.records import Sighting

#: The most threads that are listed.
MOST_LISTED = 500
ABORT_S = 20.0
_VERSION = re.compile(r"/(\d+\.\d+[^ ]*)")
_NOTICE = re.compile(r'\s*\{\s*"method"')
SHAPE = "is it `codex app-server` 0.171 or newer?"
INTERRUPT = "turn/interrupt"
WAITS_FOR_A_PERSON = frozenset({"waitingOnApproval", "waitingOnUserInput"})


class CodexTurn(NamedTuple):
    """The turn of an active thread. ``sign``: its last sign of life. ``awaits_person``: it waits for a person."""

    name: str
    since: int | None
    sign: int | None
    awaits_person: bool


class CodexAdapter(Adapter):
    """``token``: the capability token of the server, if it wants one."""

    def __init__(self, url: str, *, token: str = "", clock: Callable[[], int] = wall) -> None:
        self._url, self._clock, self._names = url, clock, ShownKeys()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._socket = self._unconnected()
        self._ids = count(1)
        self._event = asyncio.Event()
        self._active: dict[str, bool] = {}  # whether a thread is active, once that is known
        self._outcomes: dict[str, str] = {}

    def _unconnected(self) -> JsonSocket:
        return JsonSocket(self._url, on_frame=self._on_frame, is_unsolicited=_NOTICE.match, shape=SHAPE)

    async def connect(self) -> str:
        """Connect, and return the version. Raises SourceDown."""
        await self.close()
        self._active.clear()
        self._outcomes.clear()
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._greet()
        except TimeoutError:
            raise silent(self._url) from None

    async def _greet(self) -> str:
        from lanes import __version__

        await self._socket.open(self._headers)
        self._socket.read_on("lanes-codex")
        about = {"name": "lanes", "title": "lanes", "version": __version__}
        with answered_by(f"{self._url} is not codex", SHAPE):
            hello = await self._call("initialize", {"clientInfo": about})
        found = _VERSION.search(words(hello, "userAgent"))
        if found is None or not words(hello, "codexHome"):
            raise SourceDown(SourceState.FOREIGN, f"{self._url} does not answer as codex does", SHAPE)
        await self._socket.send({"method": "initialized"})
        return found[1]

    async def _call(self, method: str, params: Mapping[str, Any], seconds: float = ANSWER_S) -> dict[str, Any]:
        name = next(self._ids)
        form = {"id": name, "method": method, "params": params}
        frame = await self._socket.ask(name, form, seconds)
        if "result" not in frame:
            raise RequestRefused(f"{method}: {words(frame.get('error'), 'message') or 'refused'}")
        return typed(frame, "result", dict, {})

    def _on_frame(self, frame: Form | None) -> None:
        kind, about = words(frame, "method"), typed(frame, "params", dict, {})
        if kind == "thread/status/changed":
            self._status(typed(about, "threadId", str, ""), about)
        if frame is None or kind.startswith(("thread/status", "thread/started", "thread/closed", "turn/")):
            self._event.set()

    def _status(self, thread: str, about: Mapping[str, Any]) -> bool:
        """Take note of the status of a thread; returns whether it waits for a person."""
        status = typed(about, "status", dict, {})
        kind = words(status, "type")
        if thread and (thread in self._active or len(self._active) < MOST_LISTED):
            self._active[thread] = kind == "active"
            if kind == "systemError":
                self._outcomes[thread] = "system error"
        return any(
            flag in WAITS_FOR_A_PERSON for flag in typed(status, "activeFlags", list, []) if isinstance(flag, str)
        )

    async def events(self, seconds: float) -> None:
        """Wait for an event. Raises SourceDown if the connection has ended."""
        await event_within(self._event, seconds, self._socket.check)

    # ------------------------------------------------------------------------------------ threads

    async def list(self) -> Sequence[Sighting]:
        """The loaded threads: no other one can run a turn. Raises SourceDown."""
        with answered_by("codex does not list its threads", SHAPE):
            answer = await self._call("thread/loaded/list", {"limit": MOST_LISTED})
        loaded = [each for each in typed(answer, "data", list, []) if isinstance(each, str) and each][:MOST_LISTED]
        self._active = {thread: self._active[thread] for thread in loaded if thread in self._active}
        return [await self._row(thread) for thread in loaded]

    async def _row(self, thread: str) -> Sighting:
        key, turn = self._names.shown(thread), None
        if self._active.get(thread, True):
            turn = await self._turn(thread)
        if turn is None:
            return Sighting(key, WatchedState.IDLE, outcome=self._outcomes.get(thread))
        last = self._clock() if turn.awaits_person else latest(turn.since, turn.sign)
        return Sighting(key, WatchedState.RUNNING, (turn.name,) if turn.name else (), turn.since, last)

    async def _turn(self, thread: str) -> CodexTurn | None:
        """The turn that holds a thread; None if none does. Its items, which hold conversation, are not requested."""
        try:
            about = typed(await self._call("thread/read", {"threadId": thread}), "thread", dict, {})
            awaits_person = self._status(thread, about)
            if not self._active.get(thread):
                return None
            newest = await self._newest(thread)
        except RequestRefused:  # it was unloaded meanwhile
            self._active.pop(thread, None)
            return None
        status = words(newest, "status")
        if status != "inProgress":
            self._outcomes[thread] = status
            newest = {}
        return CodexTurn(words(newest, "id"), _ms(newest, "startedAt"), _ms(about, "updatedAt"), awaits_person)

    async def _newest(self, thread: str) -> dict[str, Any]:
        params = {"threadId": thread, "limit": 1, "sortDirection": "desc", "itemsView": "notLoaded"}
        return next(iter(objects(await self._call("thread/turns/list", params), "data")), {})

    # ------------------------------------------------------------------------------------ freeing

    def rungs(self, seen: Sighting) -> Sequence[Rung]:
        """The only way: interrupt the turn."""
        thread = self._names.raw(seen.key)
        return [Rung("interrupt the turn", INTERRUPT, {"threadId": thread, "turnId": turn}) for turn in seen.runs[:1]]

    async def abort(self, rung: Rung) -> RungAnswer:
        """Interrupt the turn. Raises SourceDown."""
        try:
            await self._call(rung.method, rung.params, ABORT_S)
        except RequestRefused as error:
            return RungAnswer(False, str(error))
        return RungAnswer(True, "interrupted")

    async def prove(self, seen: Sighting, _: Rung, __: RungAnswer, seconds: float) -> str | None:
        """Look until the turn has a final status, or does not hold its thread. Raises SourceDown."""
        thread = self._names.raw(seen.key)

        async def look() -> str | None:
            row = next((row for row in await self.list() if row.key == seen.key), None)
            if row is not None and row.held and (not row.runs or set(row.runs) & set(seen.runs)):
                return None
            try:
                newest = await self._newest(thread)
            except RequestRefused:
                newest = {}
            if words(newest, "id") in seen.runs:
                status = words(newest, "status")
                self._outcomes[thread] = status
                return None if status == "inProgress" else f"turn {seen.runs[0]} is {status}"
            return "another turn holds the thread" if row is not None and row.held else "the thread is idle"

        return await proof_by(look, seconds, self.events)

    async def close(self) -> None:
        """Close the connection."""
        await self._socket.close()
        self._socket = self._unconnected()


def _ms(form: Any, name: str) -> int | None:
    """A time in seconds, in milliseconds."""
    seconds = moment(form, name)
    return None if seconds is None else 1000 * seconds
