"""A server that speaks as ``opencode serve`` was recorded to, in version 1.18.33."""

import asyncio
import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.watch.replaying import ReplayServer, now

HERE, ELSEWHERE = "/srv/work", "/srv/other"


@dataclass
class OpencodeSession:
    """One session. ``ends``: whether an abort ends its run; ``completes``: whether its message is complete then."""

    folder: str = HERE
    message: str = ""
    answer: str = ""
    ends: bool = True
    completes: bool = True
    waiting: list[str] = field(default_factory=list)


class ReplayOpencode(ReplayServer):
    """It wants a password, as ``OPENCODE_SERVER_PASSWORD`` makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.version, self.token = "1.18.33", "a-password"
        self.sessions: dict[str, OpencodeSession] = {}
        self.aborted: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self._complete: set[str] = set()

    def admits(self, request: web.Request) -> bool:
        pair = base64.b64encode(f"opencode:{self.token}".encode()).decode()
        return request.headers.get("Authorization") == f"Basic {pair}"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/global/health", self._health),
            web.get("/global/event", self._events),
            web.get("/experimental/session", self._sessions),
            web.get("/session/status", self._status),
            web.get("/session/{id}/message", self._messages),
            web.get("/session/{id}/message/{message}", self._message),
            web.post("/session/{id}/abort", self._abort),
        ]

    # ------------------------------------------------------------------------------------ sessions

    async def begin(self, key: str, folder: str = HERE, *, ends: bool = True, told: bool = True) -> str:
        """Begin a run; returns the id of the message that it answers."""
        new = key not in self.sessions
        session = self.sessions.setdefault(key, OpencodeSession(folder))
        session.message, session.answer = f"msg_{secrets.token_hex(6)}", f"msg_{secrets.token_hex(6)}"
        session.ends = ends
        if told:
            if new:
                await self.tell(key, "session.created", info=self._info(key))
            await self.tell(key, "message.updated", info=self._user(session.message))
            await self.tell(key, "session.status", status={"type": "busy"})
            await self.tell(key, "message.updated", info=self._written(key))
        return session.message

    async def enqueue(self, key: str) -> None:
        """A message that waits behind the run."""
        name = f"msg_{secrets.token_hex(6)}"
        self.sessions[key].waiting.append(name)
        await self.tell(key, "message.updated", info=self._user(name))

    async def end(self, key: str) -> None:
        """End what runs, as an abort does."""
        session = self.sessions[key]
        if session.completes:
            self._complete.add(session.answer)
        session.message = ""
        session.waiting.clear()
        await self.tell(key, "session.error", error={"name": "MessageAbortedError", "data": {"message": "Aborted"}})
        await self.tell(key, "session.status", status={"type": "idle"})
        await self.tell(key, "session.idle")

    async def tell(self, key: str, kind: str, **about: Any) -> None:
        """An event for every connection."""
        session = self.sessions.get(key, OpencodeSession())
        payload = {"id": "evt_1", "type": kind, "properties": {"sessionID": key, **about}}
        await self.raw(json.dumps({"directory": session.folder, "project": "p1", "payload": payload}))

    async def raw(self, text: str) -> None:
        """An event as it is."""
        for stream in list(self._open):
            await stream.write(f"data: {text}\n\n".encode())

    def _info(self, key: str) -> dict[str, Any]:
        at = {"created": now(), "updated": now()}
        return {"id": key, "directory": self.sessions[key].folder, "title": "what a person wrote", "time": at}

    def _user(self, name: str) -> dict[str, Any]:
        return {"id": name, "role": "user", "time": {"created": now()}, "agent": "build"}

    def _written(self, key: str) -> dict[str, Any]:
        session = self.sessions[key]
        at = {"created": now()} | ({"completed": now()} if session.answer in self._complete else {})
        return {"id": session.answer, "parentID": session.message, "role": "assistant", "time": at}

    # ------------------------------------------------------------------------------------ protocol

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"healthy": True, "version": self.version})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        self._open.add(stream)
        await stream.write(b'data: {"payload":{"id":"evt_0","type":"server.connected","properties":{}}}\n\n')
        try:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.02)
        finally:
            self._open.discard(stream)
        return stream

    async def _sessions(self, _: web.Request) -> web.Response:
        return web.json_response([self._info(key) for key in self.sessions])

    async def _status(self, request: web.Request) -> web.Response:
        folder = request.query.get("directory", HERE)
        self.asked.append(folder)
        held = {key: {"type": "busy"} for key, each in self.sessions.items() if each.message and each.folder == folder}
        return web.json_response(held)

    async def _messages(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        parts = [{"type": "text", "text": "what a person wrote"}]
        infos = [self._user(self.sessions[key].message), self._written(key)]
        return web.json_response([{"info": info, "parts": parts} for info in infos])

    async def _message(self, request: web.Request) -> web.Response:
        return web.json_response({"info": self._written(request.match_info["id"]), "parts": []})

    async def _abort(self, request: web.Request) -> web.Response:
        key, folder = request.match_info["id"], request.query.get("directory", HERE)
        self.aborted.append((key, folder))
        session = self.sessions.get(key)
        if session is not None and session.message and session.ends and session.folder == folder:
            await self.end(key)
        return web.json_response(True)
