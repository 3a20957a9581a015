"""The adapter of ``opencode serve``, measured on 1.18.33: sessions and their status over HTTP, events by one stream.

A run is named by the message that it answers. A session belongs to a folder, and requests have to name it: with another
folder, the status of the session is left out, and an abort answers ``true`` but ends nothing.
"""

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from lanes.text.chats import dicts
from lanes.watch.adapter import Adapter, Rung, RungAnswer, SourceDown
from lanes.watch.links.failing import RequestRefused, answered_by
from lanes.watch.links.looking import event_within, proof_by, wall
from lanes.watch.links.web import JsonWeb
from lanes.watch.reading import ShownKeys, latest, moment, typed, words
from lanes_storage.law import SourceState, WatchedState
from lanes_storage.records import Sighting

#: The most sessions that are listed, and the most that are followed.
MOST_LISTED, MOST_KNOWN = 500, 1_000
#: How many folders are polled: those of the newest sessions at first, and at most with those that events name. Few at
#: first, since a poll loads a folder in which nobody works.
FIRST_FOLDERS, MOST_FOLDERS = 8, 64
#: How many of the newest messages are searched for a run whose start was not seen.
NEWEST = 8
ABORT_S = 20.0
SHAPE = "is it `opencode serve` 1.x?"
USER = "opencode"


class OpencodeRun:
    """The run that holds a session. ``answers``: the message that it answers. ``writes``: the one that it writes.
    ``whole``: every message that waits was seen to arrive, so that they can be counted."""

    def __init__(self, since: int | None, *, whole: bool) -> None:
        self.since, self.whole = since, whole
        self.answers = self.writes = ""
        self.awaits_person = False
        self.waiting: set[str] = set()
        self.answered: set[str] = set()


class OpencodeAdapter(Adapter):
    """``token``: the password of the server, or ``USER:PASSWORD``."""

    def __init__(self, url: str, *, token: str = "", clock: Callable[[], int] = wall) -> None:
        pair = token if ":" in token else f"{USER}:{token}"
        headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"} if token else {}
        self._web, self._clock, self._names = JsonWeb(url, headers), clock, ShownKeys()
        self._url = url
        self._folders: dict[str, str] = {}  # the folder of each session
        self._polled_folders: dict[str, None] = {}  # folders whose status is asked for
        self._runs: dict[str, OpencodeRun] = {}
        self._signs: dict[str, int] = {}
        self._ended: dict[str, str] = {}  # how the last run of a session ended
        self._event = asyncio.Event()
        self._recalled: dict[str, Sighting] = {}
        self._looked = False  # whether the sessions were listed: any run found later began while events were received
        self._written: dict[str, str] = {}  # the message that the run writes, of the session to abort

    async def connect(self) -> str:
        """Connect, and return the version. Raises SourceDown."""
        await self.close()
        self._web.ended, self._looked = None, False
        for known in (self._folders, self._polled_folders, self._runs, self._signs, self._ended, self._recalled):
            known.clear()
        with answered_by(f"{self._url} is not opencode", SHAPE):
            health = await self._web.get("/global/health")
        version = words(health, "version")
        if health is None or not version.startswith("1."):
            raise SourceDown(SourceState.FOREIGN, f"{self._url} is opencode {version or 'without a version'}", SHAPE)
        await self._web.listen("/global/event", self._on_event)
        await self._list_all()
        return version

    async def _list_all(self) -> None:
        with answered_by("opencode does not list its sessions", SHAPE):
            rows = await self._web.get("/experimental/session", {"limit": MOST_LISTED})
        for row in dicts(rows)[:MOST_LISTED]:
            self._know(row)
        self._polled_folders.update(dict.fromkeys([*dict.fromkeys(self._folders.values())][:FIRST_FOLDERS]))

    def _know(self, info: Any) -> None:
        key, folder = typed(info, "id", str, ""), typed(info, "directory", str, "")
        if key and (key in self._folders or len(self._folders) < MOST_KNOWN):
            self._folders[key] = folder or self._folders.get(key, "")

    def recall(self, rows: Sequence[Sighting]) -> None:
        """Keep since when sessions have been held, which no answer tells."""
        self._recalled = {self._names.raw(row.key): row for row in rows if row.held}

    # ----------------------------------------------------------------------------------- events

    def _on_event(self, event: Mapping[str, Any]) -> None:
        payload = typed(event, "payload", dict, {})
        kind, about = words(payload, "type"), typed(payload, "properties", dict, {})
        key = typed(about, "sessionID", str, "")
        if not event:
            self._event.set()
        if kind in ("session.created", "session.updated"):
            self._know(typed(about, "info", dict, {}))
        if key not in self._folders:
            return
        folder = typed(event, "directory", str, "")
        if folder and len(self._polled_folders) < MOST_FOLDERS:
            self._polled_folders[folder] = None
        match kind:
            case "session.deleted":
                self._folders.pop(key)
                self._runs.pop(key, None)
            case "session.status":
                self._status(key, words(typed(about, "status", dict, {}), "type"))
            case "session.error":
                self._ended[key] = words(typed(about, "error", dict, {}), "name")
            case "message.updated":
                self._message(key, typed(about, "info", dict, {}))
            case (
                "permission.asked" | "question.asked" | "permission.replied" | "question.replied" | "question.rejected"
            ):
                if key in self._runs:
                    self._runs[key].awaits_person = kind.endswith("asked")
        if kind.startswith("message."):
            self._signs[key] = self._clock()
        if not kind.startswith("message.part"):
            self._event.set()

    def _status(self, key: str, status: str) -> None:
        if status == "idle":
            if self._runs.pop(key, None) is not None:
                self._ended.setdefault(key, "finished")
        elif key not in self._runs:
            self._ended.pop(key, None)
            self._runs[key] = OpencodeRun(self._clock(), whole=True)

    def _message(self, key: str, info: Mapping[str, Any]) -> None:
        name, run = words(info, "id"), self._runs.get(key)
        if typed(info, "role", str, "") == "user":
            if run is not None and name not in run.answered and len(run.waiting) < MOST_LISTED:
                run.waiting.add(name)
        elif run is not None:
            run.answers, run.writes = words(info, "parentID") or run.answers, name
            run.answered.add(run.answers)
            run.waiting.discard(run.answers)
            if moment(typed(info, "time", dict, {}), "completed") is not None:
                run.writes = ""

    async def events(self, seconds: float) -> None:
        """Wait for an event. Raises SourceDown if the stream has ended."""
        await event_within(self._event, seconds, self._web.check)

    # ----------------------------------------------------------------------------------- sessions

    async def list(self) -> Sequence[Sighting]:
        """Its sessions. Raises SourceDown."""
        self._web.check()
        held: dict[str, str] = {}
        for folder in ["", *self._polled_folders]:
            held |= await self._statuses(folder)
        for key in [*self._runs.keys() - held.keys()]:
            self._status(key, "idle")
        for key in held:
            if key not in self._runs:
                await self._begun_before(key)
        self._looked = True
        return [self._row(key) for key in self._folders]

    async def _statuses(self, folder: str) -> dict[str, str]:
        """The sessions of a folder that are held."""
        try:
            statuses = await self._web.get("/session/status", {"directory": folder} if folder else None)
        except RequestRefused as error:
            if folder:  # it may be gone
                self._polled_folders.pop(folder, None)
                return {}
            raise SourceDown(SourceState.FOREIGN, f"opencode does not report its state ({error})", SHAPE) from error
        rows = statuses.items() if isinstance(statuses, dict) else ()
        return {key: words(status, "type") for key, status in rows if words(status, "type") not in ("", "idle")}

    async def _begun_before(self, key: str) -> None:
        """Take note of a run whose start was not seen: read which message it answers, and since when."""
        self._know({"id": key})
        if key not in self._folders:
            return
        run = self._runs[key] = OpencodeRun(None, whole=self._looked)
        try:
            messages = await self._web.get(f"/session/{quote(key, safe='')}/message", self._of(key) | {"limit": NEWEST})
        except RequestRefused:
            return
        for each in dicts(messages):
            info = typed(each, "info", dict, {})
            at = typed(info, "time", dict, {})
            if typed(info, "role", str, "") == "assistant" and moment(at, "completed") is None:
                run.answers, run.writes, run.since = words(info, "parentID"), words(info, "id"), moment(at, "created")
        before = self._recalled.get(key)
        if before is not None and before.runs == tuple(filter(None, (run.answers,))):
            run.since = before.since or run.since

    def _row(self, key: str) -> Sighting:
        run = self._runs.get(key)
        if run is None:
            return Sighting(self._names.shown(key), WatchedState.IDLE, outcome=self._ended.get(key))
        return Sighting(
            key=self._names.shown(key),
            state=WatchedState.RUNNING,
            runs=(run.answers,) if run.answers else (),
            since=run.since,
            last_sign=self._clock() if run.awaits_person else latest(self._signs.get(key), run.since),
            waiting=len(run.waiting) if run.whole else None,
        )

    # ----------------------------------------------------------------------------------- freeing

    def _of(self, key: str) -> dict[str, str | int]:
        folder = self._folders.get(key)
        return {"directory": folder} if folder else {}

    def rungs(self, seen: Sighting) -> Sequence[Rung]:
        """The only way: abort the session."""
        key = self._names.raw(seen.key)
        run = self._runs.get(key)
        self._written = {key: run.writes} if run is not None and (run.answers,) == seen.runs else {}
        return [Rung("abort the session", f"/session/{quote(key, safe='')}/abort", self._of(key))]

    async def abort(self, rung: Rung) -> RungAnswer:
        """Abort the session. Raises SourceDown."""
        try:
            answer = await self._web.post(rung.method, {}, rung.params, ABORT_S)
        except RequestRefused as error:
            return RungAnswer(False, str(error))
        return RungAnswer(answer is True, "true, but it says this for any session" if answer is True else "it says no")

    async def prove(self, seen: Sighting, _: Rung, __: RungAnswer, seconds: float) -> str | None:
        """Look until the session is idle, and the message of its run is complete. Raises SourceDown."""
        key = self._names.raw(seen.key)
        written = self._written.get(key, "")

        async def look() -> str | None:
            row = next((row for row in await self.list() if row.key == seen.key), None)
            if row is not None and row.held and row.runs == seen.runs:
                return None
            if not written or await self._is_complete(key, written):
                return (
                    "the session is idle, and the message of its run is complete" if written else "the session is idle"
                )
            return None

        return await proof_by(look, seconds, self.events)

    async def _is_complete(self, key: str, message: str) -> bool:
        try:
            answer = await self._web.get(
                f"/session/{quote(key, safe='')}/message/{quote(message, safe='')}", self._of(key)
            )
        except RequestRefused as error:
            return error.status == 404
        return moment(typed(typed(answer, "info", dict, {}), "time", dict, {}), "completed") is not None

    async def close(self) -> None:
        """Close every connection."""
        await self._web.close()
