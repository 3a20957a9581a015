"""One request that is passed on, and the connection of its client, to which its run writes."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from starlette.types import Send

from lanes.config.declared.model import ProviderConfig
from lanes.runners.http.failures import AttemptFailed
from lanes.runners.passing.follower import Follower
from lanes.runners.passing.headers import incoming
from lanes_storage.law import AttemptCause

#: A request without a stream shows nothing until its answer is complete: it gets at least this long.
LEAST_WHOLE_MS = 10 * 60_000
#: What no header may contain.
_UNFIT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class PassedRequest(NamedTuple):
    """A request as it goes out."""

    method: str
    url: str
    body: bytes
    headers: Sequence[tuple[str, str]]
    dialect: str
    streamed: bool


class Exchange:
    """Belongs to the event loop. Its parts are sent in order: the head, pieces, and once the run has ended the rest.

    ``started``: the head of an answer was sent. ``whole``: the provider's answer is complete. ``broken``: its
    connection broke after the head. ``rest`` is what waits for the end of the run: a client that has the end of its
    answer may ask again at once, and must find its lane free.
    """

    def __init__(self, request: PassedRequest) -> None:
        self.streamed = request.streamed
        self.started = self.whole = self.broken = False
        self.follower: Follower | None = None
        self.rest: list[bytes] = []
        self.sized = False  # the client knows how many bytes come
        self._request: PassedRequest | None = request
        self._connected: asyncio.Future[Send] = asyncio.get_running_loop().create_future()
        self._closed = False

    def limits(self, provider: ProviderConfig) -> ProviderConfig | None:
        """The provider with the limits of this request; None if it went out before."""
        if self._request is None:
            return None
        if self.streamed:
            return provider
        return replace(provider, first_byte_timeout_ms=max(provider.first_byte_timeout_ms, LEAST_WHOLE_MS))

    def take_request(self) -> PassedRequest:
        """The request, which goes out only once; its body is not kept after that."""
        request, self._request = self._request, None
        assert request is not None
        return request

    def connect(self, send: Send) -> None:
        """The client's connection is ready for the answer, which goes to ``send``."""
        if not self._connected.done():
            self._connected.set_result(send)

    def close(self) -> None:
        """From now on its run sends nothing more."""
        self._closed = True

    async def head(self, status: int, headers: Sequence[tuple[bytes, bytes]], follower: Follower | None) -> None:
        """Send the head of the provider's answer. Raises AttemptFailed (garbage) for one that cannot be sent."""
        kept = incoming(headers)
        if not 200 <= status <= 599 or any(_UNFIT.search(value) for _, value in kept):
            raise AttemptFailed(AttemptCause.GARBAGE, f"no valid HTTP: a head that cannot be passed on, HTTP {status}")
        self.started, self.follower = True, follower
        self.sized = any(name == b"content-length" for name, _ in kept)
        await self._send({"type": "http.response.start", "status": status, "headers": kept})

    async def piece(self, data: bytes) -> None:
        """Send a piece of the body, unless it belongs to the end, which waits in ``rest``."""
        if self.follower is None:
            data, self.rest = b"".join(self.rest), [data]  # whether it is the last shows only when no other follows
        elif self.follower.ended:
            self.rest.append(data)
            return
        if data:
            await self.beside(data)

    async def beside(self, data: bytes) -> None:
        """Send bytes of the body at once: a piece, or a sign of life between two events of the provider."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _send(self, message: dict[str, object]) -> None:
        send = await asyncio.shield(self._connected)
        if not self._closed:
            await send(message)
