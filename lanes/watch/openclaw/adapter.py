"""The adapter of OpenClaw: sessions by RPC and events, and the ways to free one, measured on 2026.5.7 and 2026.9.6.

An abort that names the run keeps waiting messages; one that names the session drops them. A follow-up ghost of 2026.5
is ended by no abort, but by a steering message ``/stop``. No answer but the one to that message is taken as proof.
"""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lanes.watch.adapter import Adapter, Rung, RungAnswer, SourceDown
from lanes.watch.links.looking import event_within, proof_by, wall
from lanes.watch.openclaw.device import Device
from lanes.watch.openclaw.files import holding, runs_in, sessions_in
from lanes.watch.openclaw.view import SessionView
from lanes.watch.openclaw.wire import OpenClawError, OpenClawLink
from lanes.watch.reading import objects, words
from lanes_storage.law import SourceState
from lanes_storage.records import Sighting
from lanes_storage.threads import in_thread

READ = ("operator.read",)
ADMIN = ("operator.read", "operator.write", "operator.admin")
#: The most sessions that are listed.
MOST_LISTED = 1_000
#: An abort may take this long.
ABORT_S = 20.0
STEER = "sessions.steer"
#: The protocol of 2026.5.
OF_5 = 3


class OpenClawAdapter(Adapter):
    """``keys``: the folder of its two devices; ``files``: OpenClaw's state folder, if known.

    ``token`` pairs the devices if they are not paired yet.
    """

    def __init__(self, name: str, url: str, keys: Path, *, files: Path | None = None, token: str = "") -> None:
        self._name, self._url, self._keys, self._files, self._token = name, url, keys, files, token
        self._view = SessionView(wall)
        self._link: OpenClawLink | None = None
        self._aborter: OpenClawLink | None = None
        self._event = asyncio.Event()

    def _device(self, role: str, scopes: Sequence[str]) -> Device:
        return Device(self._keys / f"{self._name}-{role}.json", scopes)

    async def connect(self) -> str:
        """Connect as the viewer, and return the version. Raises SourceDown."""
        await self.close()
        self._view, names = SessionView(wall), self._view.names
        self._view.names = names
        link = OpenClawLink(self._url, self._device("viewer", READ), self._on_event)
        await link.connect(self._token)
        self._link = link
        await self._call_optional("sessions.subscribe", {})
        return link.version

    async def pair(self) -> str:
        """Pair both devices; returns the version. Raises SourceDown."""
        version = await self.connect()
        await self._as_aborter()
        return version

    async def _as_aborter(self) -> OpenClawLink:
        if self._aborter is None or self._aborter.closed is not None:
            link = OpenClawLink(self._url, self._device("aborter", ADMIN))
            await link.connect(self._token)
            self._aborter = link
        return self._aborter

    def recall(self, rows: Sequence[Sighting]) -> None:
        """Restore runs that were seen before: this gateway may not name them again."""
        self._view.recall(rows)

    @property
    def _connected(self) -> OpenClawLink:
        if self._link is None:
            raise SourceDown(SourceState.UNREACHABLE, f"{self._url} is not connected")
        if self._link.closed is not None:
            raise self._link.closed
        return self._link

    @property
    def _is_5(self) -> bool:
        return self._link is not None and self._link.protocol <= OF_5

    def _on_event(self, event: str, payload: Any) -> None:
        if self._view.on_event(event, payload) or not event:
            self._event.set()

    async def _call_optional(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request that not every version knows; empty if it is refused."""
        try:
            return await self._connected.call(method, params)
        except OpenClawError:
            return {}

    async def list(self) -> Sequence[Sighting]:
        """Its sessions. Raises SourceDown."""
        since = {"sinceSeq": self._view.sequence} if self._view.sequence else {}
        self._view.count(await self._call_optional("diagnostics.stability", {"limit": 1000, **since}))
        try:
            answer = await self._connected.call("sessions.list", {"limit": MOST_LISTED})
        except OpenClawError as error:
            why = f"OpenClaw does not list its sessions: {error.message or error.code}"
            raise SourceDown(SourceState.REFUSED, why, "pair it again with `lanes watch add`") from error
        rows = self._view.rows(objects(answer, "sessions"))
        if self._is_5:  # messages steered into a run are not counted: 0 does not mean that none waits
            rows = [row._replace(waiting=row.waiting or None) for row in rows]
        if self._files is None or all(row.runs or not row.held for row in rows):
            return rows
        return await in_thread(self._named, rows)

    def _named(self, rows: Sequence[Sighting]) -> Sequence[Sighting]:
        """The sessions, with the run that the files name for each held one whose run is not known."""
        assert self._files is not None
        try:
            runs = runs_in(self._files)
        except SourceDown:  # the gateway answers, so it is watched without its files
            return rows
        raw = self._view.names.raw
        return [
            row._replace(runs=holding(runs.get(raw(row.key), ()), row.since)) if row.held and not row.runs else row
            for row in rows
        ]

    async def events(self, seconds: float) -> None:
        """Wait for an event. Raises SourceDown if the connection has ended."""
        await event_within(self._event, seconds, lambda: self._connected)

    def rungs(self, seen: Sighting) -> Sequence[Rung]:
        """The ladder of this version."""
        key = self._view.names.raw(seen.key)
        by_run = [Rung("abort by run id", "sessions.abort", {"key": key, "runId": run}) for run in seen.runs[:1]]
        steer = {"key": key, "message": "/stop", "idempotencyKey": uuid.uuid4().hex}
        stronger = [Rung("steer with /stop", STEER, steer)] if self._is_5 else []
        by_key = [Rung("abort by session", "sessions.abort", {"key": key})]
        reset = Rung("reset the session", "sessions.reset", {"key": key}, resets=True)
        return [*by_run, *(stronger + by_key if by_run else by_key + stronger), reset]

    async def abort(self, rung: Rung) -> RungAnswer:
        """Try a rung, as the aborter. Raises SourceDown."""
        link = await self._as_aborter()
        try:
            answer = await link.call(rung.method, rung.params, ABORT_S)
        except OpenClawError as error:
            return RungAnswer(False, error.message or error.code)
        named = words(answer, "abortedRunId")
        run_id = rung.params.get("runId")
        claimed = bool(named or answer.get("aborted") is True or answer.get("interruptedActiveRun") is True)
        if run_id is not None and named and named != run_id:
            return RungAnswer(False, f"it ended another run, {named}")
        text = words(answer, "status") or ("aborted" if claimed else "nothing was aborted")
        if answer.get("interruptedActiveRun") is True:
            text = "it interrupted the run"
        return RungAnswer(claimed, text)

    async def prove(self, seen: Sighting, rung: Rung, claim: RungAnswer, seconds: float) -> str | None:
        """Look until the runs that were seen have ended, by their events, or no longer hold the session, by the list.

        Raises SourceDown.
        """
        key = self._view.names.raw(seen.key)
        if rung.method == STEER and claim.text == "it interrupted the run":
            # Such a ghost sends no end, and its row stays "running": the answer to the steering is the only evidence.
            self._view.over(key, seen.runs)
            return "its gateway interrupted the run, and no event of it follows"

        async def look() -> str | None:
            if (proof := self._over(seen)) is not None:
                return proof
            row = next((each for each in await self.list() if each.key == seen.key), None)
            freed = row is None or not row.held or (row.runs and not set(row.runs) & set(seen.runs))
            return self._over(seen) or ("the session is no longer held by that run" if freed else None)

        return await proof_by(look, seconds, self.events)

    def _over(self, seen: Sighting) -> str | None:
        """The proof by events. The list may lack it: the next run may hold the session already, and a busy gateway does
        not name that at once."""
        if seen.runs and all(map(self._view.has_ended, seen.runs)):
            return f"the end of run {seen.runs[0]} was seen"
        return None

    def offline(self) -> Sequence[Sighting]:
        """Its sessions from its files. Raises SourceDown."""
        if self._files is None:
            raise SourceDown(SourceState.HUNG, "its files are not known", "name them as `files` of this [[watch]]")
        return sessions_in(self._files, self._view.names)

    async def close(self) -> None:
        """Close both connections."""
        for link in (self._link, self._aborter):
            if link is not None:
                await link.close()
        self._link = self._aborter = None


def paired(keys: Path, name: str) -> bool:
    """Whether both devices of a source are paired. Raises SourceDown."""
    return all(Device(keys / f"{name}-{role}.json", ()).token for role in ("viewer", "aborter"))
