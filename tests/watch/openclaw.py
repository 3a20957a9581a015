"""A gateway that speaks OpenClaw's protocol over a real WebSocket, as 2026.5.7 and 2026.9.6 were measured to."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.watch.replaying import ReplayServer, listening, now

OF_5, OF_9 = "2026.5.7", "2026.9.6"
PROTOCOL = {OF_5: 3, OF_9: 4}
TOKEN = "the-shared-token-of-a-gateway"
SCOPES = {
    "sessions.list": "operator.read",
    "sessions.subscribe": "operator.read",
    "diagnostics.stability": "operator.read",
    "sessions.abort": "operator.admin",
    "sessions.steer": "operator.write",
    "sessions.reset": "operator.admin",
}


@dataclass
class Session:
    """One session. ``ends_by``: what ends its run: ``abort`` (any), ``steer`` (a follow-up ghost), or nothing."""

    status: str | None = None
    run: str | None = None
    ends_by: str = "abort"
    waiting: list[str] = field(default_factory=list)
    started: int | None = None
    ended: int | None = None
    counted: bool = True  # whether the gateway says that something runs in it
    named: bool = True  # whether its list names the run


class ReplayOpenClaw(ReplayServer):
    """``approves``: whether a new device is paired at once; ``grants``: what a device gets at most."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.scheme, self.version, self.token = "ws", version, TOKEN
        self.protocol = PROTOCOL.get(version, 9)
        self.approves = True
        self.grants: frozenset[str] | None = None
        self.sessions: dict[str, Session] = {}
        self.calls: list[tuple[str, dict[str, Any], tuple[str, ...]]] = []
        self.secrets: list[str] = []
        self._paired: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._stability: list[dict[str, Any]] = []

    def admits(self, _: web.Request) -> bool:
        return True  # it asks for the token once it is connected

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self._serve)]

    # ------------------------------------------------------------------------------------ sessions

    async def begin(self, key: str, run: str | None = None, *, ends_by: str = "abort", told: bool = True) -> str:
        """Begin a run. A ghost is one that its gateway does not count."""
        run = run or secrets.token_hex(8)
        ghost = ends_by == "steer"
        session = self.sessions.setdefault(key, Session())
        session.run, session.ends_by, session.started, session.ended = run, ends_by, now(), None
        session.status, session.counted = "running", not ghost
        if told:
            await self._phase(key, run, phase="start", startedAt=now())
        return run

    def enqueue(self, key: str, text: str) -> None:
        """A message that waits behind the run."""
        session = self.sessions[key]
        session.waiting.append(text)
        self._note(key, "enqueue", len(session.waiting) + 1)

    def _note(self, key: str, what: str, size: int) -> None:
        number = len(self._stability) + 1
        self._stability.append(
            {"seq": number, "ts": now(), "type": f"queue.lane.{what}", "source": f"session:{key}", "queueSize": size}
        )

    async def end(self, key: str, status: str, *, quiet: bool = False) -> None:
        """End what runs; the next message runs, and is answered."""
        session = self.sessions[key]
        run, session.run = session.run, None
        session.status, session.ended = status, now()
        if not quiet:
            await self._phase(key, run, phase="end", status=status)

    async def _phase(self, key: str, run: str | None, **data: Any) -> None:
        await self.tell("agent", runId=run, sessionKey=key, stream="lifecycle", data=data)

    async def tell(self, event: str, **payload: Any) -> None:
        """An event for every connection."""
        await self.raw(json.dumps({"type": "event", "event": event, "payload": payload}))

    async def raw(self, text: str) -> None:
        """A frame as it is."""
        for socket in list(self._open):
            assert isinstance(socket, web.WebSocketResponse)
            await socket.send_str(text)

    def asked(self, method: str) -> list[dict[str, Any]]:
        """The parameters of each call of a method."""
        return [params for name, params, _ in self.calls if name == method]

    # ------------------------------------------------------------------------------------ protocol

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=65536, compress=False)
        await socket.prepare(request)
        nonce = secrets.token_hex(8)
        challenge = {"nonce": nonce, "ts": now()}
        await socket.send_str(json.dumps({"type": "event", "event": "connect.challenge", "payload": challenge}))
        scopes: tuple[str, ...] | None = None
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            frame = json.loads(message.data)
            method, params, name = frame["method"], frame["params"], frame["id"]
            try:
                if scopes is None:
                    answer, scopes = self._connect(params, challenge), tuple(params["scopes"])
                    self._open.add(socket)
                else:
                    self.calls.append((method, params, scopes))
                    answer = await self._call(method, params, scopes)
            except _RefusedError as error:
                await socket.send_str(json.dumps({"type": "res", "id": name, "ok": False, "error": error.args[0]}))
                if scopes is None:
                    break
                continue
            await socket.send_str(json.dumps({"type": "res", "id": name, "ok": True, "payload": answer}))
        self._open.discard(socket)
        return socket

    def _connect(self, params: dict[str, Any], challenge: dict[str, Any]) -> dict[str, Any]:
        if not params["minProtocol"] <= self.protocol <= params["maxProtocol"]:
            raise _refused("PROTOCOL_MISMATCH", "PROTOCOL_MISMATCH", expectedProtocol=self.protocol)
        assert params["client"]["id"] == params["client"]["mode"] == "cli"
        auth = params.get("auth", {})
        shared, own = auth.get("token"), auth.get("deviceToken")
        device = _verified(params, challenge, own or shared or "")
        scopes = tuple(params["scopes"])
        self.secrets.append(own or shared or "")
        if own is not None:
            if self._paired.get(device, ("", ()))[0] != own:
                raise _refused("INVALID_REQUEST", "AUTH_DEVICE_TOKEN_MISMATCH")
        elif shared is None:
            raise _refused("NOT_PAIRED", "DEVICE_IDENTITY_REQUIRED")
        elif shared != self.token:
            raise _refused("INVALID_REQUEST", "AUTH_TOKEN_MISMATCH")
        elif not self.approves:
            raise _refused("NOT_PAIRED", "PAIRING_REQUIRED", requestId="req-7")
        else:
            self._paired[device] = (secrets.token_hex(12), scopes)
        granted = [scope for scope in scopes if self.grants is None or scope in self.grants]
        return {
            "type": "hello-ok",
            "protocol": self.protocol,
            "server": {"version": self.version, "connId": "c1"},
            "features": {"methods": sorted(SCOPES), "events": ["agent", "chat", "sessions.changed"]},
            "auth": {"role": "operator", "scopes": granted, "deviceToken": self._paired[device][0]},
            "policy": {"maxPayload": 26214400},
        }

    async def _call(self, method: str, params: dict[str, Any], scopes: tuple[str, ...]) -> dict[str, Any]:
        if method not in SCOPES:
            raise _refused("INVALID_REQUEST", "", f"unknown method: {method}")
        if SCOPES[method] not in scopes:
            raise _refused("FORBIDDEN", "MISSING_SCOPE", f"missing scope: {SCOPES[method]}")
        match method:
            case "sessions.list":
                return {"sessions": [self._row(key, each) for key, each in self.sessions.items()]}
            case "diagnostics.stability":
                since = params.get("sinceSeq", 0)
                return {"events": [each for each in self._stability if each["seq"] > since]}
            case "sessions.subscribe":
                return {}
            case "sessions.reset":
                self.sessions[params["key"]].waiting.clear()
                await self.end(params["key"], "done")
                return {"ok": True}
        return await (self._abort(params) if method == "sessions.abort" else self._steer(params))

    def _row(self, key: str, session: Session) -> dict[str, Any]:
        row: dict[str, Any] = {"key": key, "sessionId": "s1", "updatedAt": now(), "startedAt": session.started}
        row |= {"status": session.status, "hasActiveRun": session.run is not None and session.counted}
        if session.ended is not None:
            row["endedAt"] = session.ended
        if self.version == OF_9:
            row["activeRunIds"] = [session.run] if session.run and session.named else []
        return row

    async def _abort(self, params: dict[str, Any]) -> dict[str, Any]:
        key, run = params["key"], params.get("runId")
        session = self.sessions.get(key, Session())
        if session.run is None or run not in (None, session.run) or session.ends_by != "abort":
            return {"ok": True, "status": "no-active-run", "abortedRunId": None}
        aborted = session.run
        if run is None:
            session.waiting.clear()
        await self.end(key, "killed" if self.version == OF_9 else "timeout")
        return {"ok": True, "status": "aborted", "abortedRunId": aborted}

    async def _steer(self, params: dict[str, Any]) -> dict[str, Any]:
        session = self.sessions[params["key"]]
        if session.ends_by != "steer":
            return {"status": "started"}
        session.waiting.clear()
        await self.end(params["key"], "running", quiet=True)  # its row stays at running
        return {"status": "ok", "interruptedActiveRun": True}


class _RefusedError(Exception):
    """A request is refused; the argument is the error of the answer."""


def _refused(code: str, detail: str, message: str = "", **more: Any) -> _RefusedError:
    return _RefusedError({"code": code, "message": message or detail, "details": {"code": detail, **more}})


def _verified(params: dict[str, Any], challenge: dict[str, Any], secret: str) -> str:
    """The id of a device whose signature answers the challenge."""
    device = params["device"]
    public = _decoded(device["publicKey"])
    assert device["id"] == hashlib.sha256(public).hexdigest()
    assert device["nonce"] == challenge["nonce"]
    client = params["client"]
    parts = ["v2", device["id"], client["id"], client["mode"], params["role"], ",".join(params["scopes"])]
    text = "|".join([*parts, str(device["signedAt"]), secret, device["nonce"]])
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(_decoded(device["signature"]), text.encode())
    except InvalidSignature:
        raise _refused("INVALID_REQUEST", "DEVICE_SIGNATURE_INVALID") from None
    return str(device["id"])


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@asynccontextmanager
async def replay(version: str) -> AsyncIterator[ReplayOpenClaw]:
    """A gateway of that version, listening."""
    async with listening(ReplayOpenClaw(version)) as gateway:
        yield gateway
