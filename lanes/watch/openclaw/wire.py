"""One connection to an OpenClaw gateway: frames, requests and their answers, events."""

import asyncio
import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from lanes.watch.adapter import SourceDown
from lanes.watch.links.failing import silent
from lanes.watch.links.sockets import ANSWER_S, CONNECT_S, Form, JsonSocket
from lanes.watch.openclaw.device import Device
from lanes.watch.reading import typed, words
from lanes_storage.law import SourceState

#: The protocols that are spoken: of 2026.5 and of 2026.9.
PROTOCOLS = (3, 4)
_EVENT = re.compile(r'\s*\{\s*"type"\s*:\s*"event"')
#: The client id and mode with which lanes connects; a gateway accepts only certain ones.
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
    """A connection. ``on_event`` gets each event with its payload; an empty one at the end."""

    def __init__(self, url: str, device: Device, on_event: Event = lambda *_: None) -> None:
        self.url, self._device, self._on_event = url, device, on_event
        self.version, self.protocol = "", 0
        self._socket = JsonSocket(url, on_frame=self._on_frame, is_unsolicited=_EVENT.match, shape=SHAPE)
        self._ids = count(1)

    @property
    def closed(self) -> SourceDown | None:
        """Why the connection ended, once it has."""
        return self._socket.closed

    @property
    def unread(self) -> Mapping[str, int]:
        """How many frames were left out, by reason."""
        return self._socket.unread

    async def connect(self, shared_token: str = "") -> None:
        """Connect as the device; ``shared_token`` pairs it if it has no token yet. Raises SourceDown."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connect(shared_token)
        except TimeoutError:
            await self.close()
            raise silent(self.url) from None
        except BaseException:
            await self.close()
            raise

    async def _connect(self, shared_token: str) -> None:
        await self._socket.open()
        first = await self._socket.frame()
        if first is None or first.get("event") != "connect.challenge":
            raise SourceDown(SourceState.FOREIGN, f"{self.url} does not answer as OpenClaw does", SHAPE)
        self._socket.read_on("lanes-openclaw")
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
        """The answer to a request. Raises OpenClawError if it is refused, SourceDown if none comes."""
        name = str(next(self._ids))
        form = {"type": "req", "id": name, "method": method, "params": params}
        frame = await self._socket.ask(name, form, seconds)
        if frame.get("ok") is not True:
            raise OpenClawError(method, frame.get("error"))
        return typed(frame, "payload", dict, {})

    def _on_frame(self, frame: Form | None) -> None:
        if frame is None:
            self._on_event("", {})
        elif frame.get("type") == "event":
            self._on_event(typed(frame, "event", str, ""), typed(frame, "payload", dict, {}))

    async def close(self) -> None:
        """Close it. May be called twice."""
        await self._socket.close()


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
