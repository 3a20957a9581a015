"""A server that speaks as ``codex app-server`` was recorded to, in version 0.171.0."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.watch.replaying import ReplayServer, now


@dataclass
class CodexThread:
    """One thread. ``ends``: whether an interrupt ends its turn; ``flags``: what an active one waits for."""

    turns: list[dict[str, Any]] = field(default_factory=list)
    status: str = "idle"
    flags: list[str] = field(default_factory=list)
    ends: bool = True
    touched: int = 0


class ReplayCodex(ReplayServer):
    """It wants a capability token, as ``--ws-auth capability-token`` makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.scheme, self.version, self.token = "ws", "0.171.0", "a-capability-token"
        self.threads: dict[str, CodexThread] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.knows = {"thread/loaded/list", "thread/read", "thread/turns/list", "turn/interrupt"}

    def admits(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self._serve)]

    # ------------------------------------------------------------------------------------- threads

    async def begin(self, key: str, *, ends: bool = True) -> str:
        """Begin a turn. Who did not ask for it hears of the status alone."""
        thread = self.threads.setdefault(key, CodexThread())
        turn = str(uuid.uuid4())
        thread.turns.append({"id": turn, "items": [], "status": "inProgress", "startedAt": now() // 1000})
        thread.status, thread.ends, thread.touched = "active", ends, now() // 1000
        await self._tell(key)
        return turn

    async def end(self, key: str, status: str = "completed") -> None:
        """End the turn."""
        thread = self.threads[key]
        thread.turns[-1] |= {"status": status, "completedAt": now() // 1000}
        thread.status = "idle"
        await self._tell(key)

    async def _tell(self, key: str) -> None:
        about = {"threadId": key, "status": self._status(self.threads[key])}
        await self.raw(json.dumps({"method": "thread/status/changed", "params": about, "emittedAtMs": now()}))

    async def raw(self, text: str) -> None:
        """A frame as it is."""
        for socket in list(self._open):
            assert isinstance(socket, web.WebSocketResponse)
            await socket.send_str(text)

    @staticmethod
    def _status(thread: CodexThread) -> dict[str, Any]:
        flags = {"activeFlags": thread.flags} if thread.status == "active" else {}
        return {"type": thread.status} | flags

    # ------------------------------------------------------------------------------------ protocol

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        greeted = False
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            frame = json.loads(message.data)
            method, params = frame["method"], frame.get("params", {})
            if method == "initialized":
                greeted = True
                self._open.add(socket)
                continue
            self.calls.append((method, params))
            answer: dict[str, Any]
            if method == "initialize":
                agent = f"{params['clientInfo']['name']}/{self.version} (Debian 12; x86_64) unknown (lanes; 0)"
                answer = {"result": {"userAgent": agent, "codexHome": "/srv/codex", "platformFamily": "unix"}}
            elif not greeted:
                answer = _error("Not initialized")
            elif method not in self.knows:
                answer = _error(f"Invalid request: unknown variant `{method}`")
            else:
                answer = await self._call(method, params)
            await socket.send_str(json.dumps({"id": frame["id"], **answer}))
        self._open.discard(socket)
        return socket

    async def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "thread/loaded/list":
            return {"result": {"data": list(self.threads), "nextCursor": None}}
        thread = self.threads.get(params["threadId"])
        if thread is None:
            return _error("thread not loaded")
        match method:
            case "thread/read":
                about = {"id": params["threadId"], "preview": "what a person wrote", "turns": []}
                return {"result": {"thread": about | {"status": self._status(thread), "updatedAt": thread.touched}}}
            case "thread/turns/list":
                assert params["itemsView"] == "notLoaded", "of a conversation nothing is asked for"
                return {"result": {"data": thread.turns[::-1][: params["limit"]]}}
        return await self._interrupt(thread, params)

    async def _interrupt(self, thread: CodexThread, params: dict[str, Any]) -> dict[str, Any]:
        if thread.status != "active":
            return _error("no active turn to interrupt")
        if params["turnId"] != (active := thread.turns[-1]["id"]):
            return _error(f"expected active turn id {params['turnId']} but found {active}")
        if thread.ends:
            await self.end(params["threadId"], "interrupted")
        return {"result": {}}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"code": -32600, "message": message}}
