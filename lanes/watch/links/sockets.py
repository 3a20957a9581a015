"""A WebSocket whose frames are JSON objects: requests, matched with their answers by id, and unsolicited frames."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp

from lanes.watch.adapter import SourceDown
from lanes.watch.links.failing import closed, error_text, hung, unreachable
from lanes_storage.law import SourceState
from lanes_storage.reads.shapes import parsed
from lanes_storage.threads import call_off

#: How long a gateway may take to accept a connection, and to answer a request (s), before it counts as hung. OpenClaw's
#: first run loads so much that it answered nothing for 9 s on a busy machine.
CONNECT_S = 10.0
ANSWER_S = 30.0
#: The largest frame that is received (OpenClaw's own limit), and the largest unsolicited frame and answer that are
#: parsed: larger unsolicited ones hold conversation.
MOST_BYTES = 26_214_400
MOST_READ = 1_048_576
MOST_ANSWER = 8_388_608
#: The credentials were refused.
REFUSED = (401, 403)

Form = Mapping[str, Any]


class JsonSocket:
    """``on_frame`` gets each frame that is no answer, and None at the end. ``is_unsolicited`` tells from the text of a
    large frame whether it is no answer. ``closed``: why the connection ended, once it has. ``shape``: the advice if
    another program listens there."""

    def __init__(
        self, url: str, *, on_frame: Callable[[Form | None], None], is_unsolicited: Callable[[str], object], shape: str
    ) -> None:
        self.url, self.shape = url, shape
        self.closed: SourceDown | None = None
        self.unread: Counter[str] = Counter()
        self._on_frame, self._is_unsolicited = on_frame, is_unsolicited
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: dict[str | int, asyncio.Future[Form]] = {}

    async def open(self, headers: Mapping[str, str] | None = None) -> None:
        """Connect. Raises SourceDown."""
        traced = aiohttp.TraceConfig()
        traced.on_request_redirect.append(_redirected)
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(trust_env=False, timeout=timeout, trace_configs=[traced])
        try:
            self._socket = await self._session.ws_connect(
                self.url,
                headers=headers,
                max_msg_size=MOST_BYTES,
                compress=0,
                autoping=True,
                timeout=aiohttp.ClientWSTimeout(ws_close=1),
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in REFUSED:
                why = f"{self.url} refuses the connection ({error.status})"
                raise SourceDown(SourceState.REFUSED, why, "give its token") from error
            raise SourceDown(
                SourceState.FOREIGN, f"{self.url} is not a WebSocket ({error.status})", self.shape
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise unreachable(self.url, error) from error

    async def frame(self) -> Form | None:
        """The next frame; None if the connection has ended. Frames that cannot be read are counted and left out."""
        assert self._socket is not None
        while True:
            message = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                text: str = message.data
                if len(text) > MOST_READ and (self._is_unsolicited(text) or len(text) > MOST_ANSWER):
                    self.unread["large"] += 1
                elif (frame := parsed(text, dict)) is None:
                    self.unread["malformed"] += 1
                else:
                    return frame
            elif message.type is not aiohttp.WSMsgType.BINARY:
                code, extra = self._socket.close_code, message.extra if isinstance(message.extra, str) else ""
                self.closed = closed(self.url, extra or str(code))
                return None

    def read_on(self, name: str) -> None:
        """Start a task of that name which reads frames as they come."""
        self._reading = asyncio.create_task(self._read(), name=name)

    async def _read(self) -> None:
        try:
            while (frame := await self.frame()) is not None:
                name = frame.get("id")
                waiting = self._answers.get(name) if isinstance(name, str | int) else None
                if waiting is None or self._is_unsolicited_frame(frame):
                    self._on_frame(frame)
                elif not waiting.done():
                    waiting.set_result(frame)
        finally:
            self.closed = self.closed or SourceDown(SourceState.UNREACHABLE, f"{self.url} is disconnected")
            for waiting in self._answers.values():
                if not waiting.done():
                    waiting.set_exception(self.closed)
            self._on_frame(None)

    @staticmethod
    def _is_unsolicited_frame(frame: Form) -> bool:
        """A request or an event of the gateway may have an id as well."""
        return "method" in frame or "event" in frame

    def check(self) -> None:
        """Raise SourceDown unless it is connected."""
        if self._socket is None or self.closed is not None:
            raise self.closed or SourceDown(SourceState.UNREACHABLE, f"{self.url} is not connected")

    async def send(self, form: Form) -> None:
        """Send a frame that has no answer. Raises SourceDown."""
        self.check()
        assert self._socket is not None
        try:
            await self._socket.send_json(form)
        except (ConnectionError, aiohttp.ClientError) as error:
            raise closed(self.url, error_text(error)) from error

    async def ask(self, name: str | int, form: Form, seconds: float = ANSWER_S) -> Form:
        """Send a request of that id, and return the frame that answers it. Raises SourceDown if none comes."""
        answer: asyncio.Future[Form] = asyncio.get_running_loop().create_future()
        self._answers[name] = answer
        try:
            async with asyncio.timeout(seconds):
                await self.send(form)
                return await answer
        except TimeoutError:
            raise hung(self.url, form.get("method"), seconds) from None
        finally:
            self._answers.pop(name, None)
            answer.cancel()

    async def close(self) -> None:
        """Close it. May be called twice."""
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            await call_off(self._reading)
        if self._session is not None:
            await self._session.close()


async def _redirected(
    _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    """Refuse a redirect: the library would follow it, and send the token to any host that it names."""
    answer = params.response
    answer.close()
    raise aiohttp.WSServerHandshakeError(answer.request_info, (), status=answer.status, message="redirect")
