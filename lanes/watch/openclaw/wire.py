"""One connection to an OpenClaw gateway: frames, requests and their answers, events."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import aiohttp

from lanes.watch.adapter import SourceDown
from lanes.watch.openclaw.device import Device
from lanes.watch.reading import objects, parsed, typed, words
from lanes_storage.law import SourceState

#: The protocols that are spoken: of 2026.5 and of 2026.9.
PROTOCOLS = (3, 4)
#: A gateway that is not hung takes a connection, and answers a request, within these times. Its first run loads so much
#: that it answered nothing for 9 s on a busy machine.
CONNECT_S = 10.0
ANSWER_S = 30.0
#: The largest frame that a gateway may send, as OpenClaw itself has it; events that are larger than the second number
#: hold conversation, and are not read.
MOST_BYTES = 26_214_400
MOST_READ = 1_048_576
#: Frames of this size hold the answer to a request.
MOST_ANSWER = 8_388_608
_EVENT = re.compile(r'\s*\{\s*"type"\s*:\s*"event"')
#: The name and mode under which lanes connects, from the closed list of a gateway.
CLIENT = "cli"
ROLE = "operator"
SHAPE = "is it OpenClaw 2026.5 or newer?"

Event = Callable[[str, Mapping[str, Any]], None]


class OpenClawError(Exception):
    """A request that the gateway refused."""

    def __init__(self, method: str, error: Any) -> None:
        self.code, self.message = words(error, "code"), words(error, "message")
        self.details = typed(error, "details", dict, {})
        super().__init__(f"{method}: {self.message or self.code or 'refused'}")


class OpenClawLink:
    """A connection. ``on_event`` hears each event with its payload. ``closed`` says why it ended, once it has."""

    def __init__(self, url: str, device: Device, on_event: Event = lambda *_: None) -> None:
        self.url, self._device, self._on_event = url, device, on_event
        self.closed: SourceDown | None = None
        self.unread: Counter[str] = Counter()
        self.version, self.protocol = "", 0
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = count(1)

    async def connect(self, shared_token: str = "") -> None:
        """Connect as the device; ``shared_token`` pairs it where it has no token yet. Raises SourceDown."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connect(shared_token)
        except TimeoutError:
            await self.close()
            why = f"{self.url} accepts connections, and answers nothing"
            raise SourceDown(SourceState.HUNG, why, "its process may be stopped or busy") from None
        except BaseException:
            await self.close()
            raise

    async def _connect(self, shared_token: str) -> None:
        self._session = aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=None))
        try:
            self._socket = await self._session.ws_connect(
                self.url,
                max_msg_size=MOST_BYTES,
                compress=0,
                autoping=True,
                timeout=aiohttp.ClientWSTimeout(ws_close=1),
            )
        except aiohttp.WSServerHandshakeError as error:
            raise SourceDown(SourceState.FOREIGN, f"{self.url} is no WebSocket ({error.status})", SHAPE) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SourceDown(SourceState.UNREACHABLE, f"{self.url} cannot be reached: {_said(error)}") from error
        first = await self._frame()
        if first is None or first.get("event") != "connect.challenge":
            raise SourceDown(SourceState.FOREIGN, f"{self.url} does not begin as OpenClaw does", SHAPE)
        self._reading = asyncio.create_task(self._read(), name="lanes-openclaw")
        secret = self._device.token or shared_token
        hello = await self._greet(first.get("payload"), secret, paired=bool(self._device.token))
        self.version = words(typed(hello, "server", dict, {}), "version")
        self.protocol = typed(hello, "protocol", int, 0)
        if self.protocol not in PROTOCOLS:
            raise SourceDown(SourceState.FOREIGN, f"OpenClaw {self.version} speaks protocol {self.protocol}", SHAPE)
        auth = typed(hello, "auth", dict, {})
        missing = set(self._device.scopes) - set(typed(auth, "scopes", list, list(self._device.scopes)))
        if missing:
            why = f"OpenClaw did not grant {', '.join(sorted(missing))}"
            raise SourceDown(SourceState.REFUSED, why, "`openclaw devices list` shows what it grants")
        self._device.keep(typed(auth, "deviceToken", str, ""))

    async def _greet(self, challenge: Any, secret: str, *, paired: bool) -> dict[str, Any]:
        from lanes import __version__

        params = {
            "minProtocol": PROTOCOLS[0],
            "maxProtocol": PROTOCOLS[-1],
            "client": {"id": CLIENT, "version": __version__, "platform": "linux", "mode": CLIENT},
            "role": ROLE,
            "scopes": list(self._device.scopes),
            "caps": [],
            "locale": "en-US",
            "userAgent": f"lanes/{__version__}",
            "device": self._device.signed(challenge, CLIENT, ROLE, secret),
        }
        if secret:
            params["auth"] = {"deviceToken" if paired else "token": secret}
        try:
            return await self.call("connect", params)
        except OpenClawError as error:
            raise _refused(error, paired=paired) from error

    async def call(self, method: str, params: Mapping[str, Any], seconds: float = ANSWER_S) -> dict[str, Any]:
        """The answer to a request. Raises OpenClawError where it is refused, SourceDown where none comes."""
        if self._socket is None or self.closed is not None:
            raise self.closed or SourceDown(SourceState.UNREACHABLE, f"{self.url} is not connected")
        name = str(next(self._ids))
        answer = self._asked[name] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._socket.send_json({"type": "req", "id": name, "method": method, "params": params})
                frame = await answer
        except TimeoutError:
            raise SourceDown(SourceState.HUNG, f"{self.url} did not answer {method} in {seconds:g} s") from None
        except (ConnectionError, aiohttp.ClientError) as error:
            raise SourceDown(SourceState.UNREACHABLE, f"{self.url} closed the connection: {_said(error)}") from error
        finally:
            self._asked.pop(name, None)
        if frame.get("ok") is not True:
            raise OpenClawError(method, frame.get("error"))
        return typed(frame, "payload", dict, {})

    async def _frame(self) -> dict[str, Any] | None:
        """The next frame; None: the connection has ended. What cannot be read is counted and left out."""
        assert self._socket is not None
        while True:
            message = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                text: str = message.data
                if len(text) > MOST_READ and (_EVENT.match(text) or len(text) > MOST_ANSWER):
                    self.unread["large"] += 1
                elif (frame := parsed(text)) is None:
                    self.unread["malformed"] += 1
                else:
                    return frame
            elif message.type is not aiohttp.WSMsgType.BINARY:
                code, said = self._socket.close_code, message.extra if isinstance(message.extra, str) else ""
                self.closed = SourceDown(SourceState.UNREACHABLE, f"{self.url} closed the connection ({said or code})")
                return None

    async def _read(self) -> None:
        try:
            while (frame := await self._frame()) is not None:
                if frame.get("type") == "res":
                    waiting = self._asked.get(typed(frame, "id", str, ""))
                    if waiting is not None and not waiting.done():
                        waiting.set_result(frame)
                elif frame.get("type") == "event":
                    self._on_event(typed(frame, "event", str, ""), typed(frame, "payload", dict, {}))
        finally:
            self.closed = self.closed or SourceDown(SourceState.UNREACHABLE, f"{self.url} is disconnected")
            for waiting in self._asked.values():
                if not waiting.done():
                    waiting.set_exception(self.closed)
            self._on_event("", {})

    async def close(self) -> None:
        """Close it. May be called twice."""
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


def _refused(error: OpenClawError, *, paired: bool) -> SourceDown:
    """Why a gateway refuses the connection, and what to do about it."""
    code = words(error.details, "code") or error.code
    if "PAIRING" in code or error.code == "NOT_PAIRED":
        request = words(error.details, "requestId")
        return SourceDown(
            SourceState.REFUSED,
            "OpenClaw wants this device to be paired by a person",
            f"`openclaw devices approve{f' {request}' if request else ''}`",
        )
    if "TOKEN" in code or "AUTH" in code or "SCOPE" in code:
        fix = "pair it again with `lanes watch add`" if paired else "give the token of its configuration"
        return SourceDown(SourceState.REFUSED, f"OpenClaw refuses the token ({code})", fix)
    if "PROTOCOL" in code:
        return SourceDown(SourceState.FOREIGN, f"OpenClaw speaks none of the protocols {PROTOCOLS} ({error})", SHAPE)
    if error.code == "UNAVAILABLE":
        return SourceDown(SourceState.UNREACHABLE, f"OpenClaw is starting: {error.message}")
    return SourceDown(SourceState.REFUSED, f"OpenClaw refuses the connection: {error.message or code}")


def _said(error: BaseException) -> str:
    return str(error)[:200] or type(error).__name__


def sessions_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a list of sessions."""
    return objects(answer, "sessions")
