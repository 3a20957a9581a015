"""Requests to a gateway over HTTP with JSON answers, and its stream of server-sent events."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from lanes.runners.http.bodies import BodyConnector
from lanes.runners.http.sse import SseError, SseParser
from lanes.watch.adapter import SourceDown
from lanes.watch.links.failing import RequestRefused, closed, error_text, hung, unreachable
from lanes.watch.links.sockets import ANSWER_S, MOST_ANSWER, REFUSED
from lanes_storage.law import SourceState
from lanes_storage.reads.shapes import parsed
from lanes_storage.threads import call_off

#: A stream that is silent for this long (s) counts as ended, even if its connection looks alive. opencode sends a
#: heartbeat every 10 s.
QUIET_S = 60.0

Query = Mapping[str, str | int] | list[tuple[str, str]]


class JsonWeb:
    """A gateway at an address. ``headers`` carry the token. ``ended``: why the stream of events ended, once it has."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url, self._headers = url, headers
        self.ended: SourceDown | None = None
        self._session: aiohttp.ClientSession | None = None
        self._stream: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raise SourceDown if the stream of events has ended."""
        if self.ended is not None:
            raise self.ended

    async def get(self, path: str, query: Query | None = None) -> Any:
        """The answer to a GET. Raises RequestRefused, SourceDown."""
        return await self._ask("GET", path, query, None, ANSWER_S)

    async def post(
        self, path: str, body: Mapping[str, Any], query: Query | None = None, seconds: float = ANSWER_S
    ) -> Any:
        """The answer to a POST; None: it has no body. Raises RequestRefused, SourceDown."""
        return await self._ask("POST", path, query, body, seconds)

    async def _ask(self, method: str, path: str, query: Query | None, body: Any, seconds: float) -> Any:
        request = f"{method} {path}"
        try:
            async with (
                asyncio.timeout(seconds),
                self._request(method, path, params=query, json=body) as answer,
            ):
                if answer.status in REFUSED:
                    raise SourceDown(SourceState.REFUSED, f"{self.url} refuses the token ({answer.status})", "give it")
                text = await self._text(answer)
                if not 200 <= answer.status < 300 or text is None:
                    raise RequestRefused(f"{request}: {answer.status}", answer.status)
        except TimeoutError:
            raise hung(self.url, request, seconds) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise unreachable(self.url, error) from error
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):
            raise RequestRefused(f"{request}: the answer is not JSON ({answer.status})", answer.status) from None

    @staticmethod
    async def _text(answer: aiohttp.ClientResponse) -> bytes | None:
        """The body; None if it is larger than ``MOST_ANSWER``."""
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > MOST_ANSWER:
                return None
        return bytes(body)

    def _request(self, method: str, path: str, **more: Any) -> Any:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(
                connector=BodyConnector(), trust_env=False, timeout=timeout, headers=dict(self._headers)
            )
        # A redirect would send the token to any host that it names.
        return self._session.request(method, f"{self.url}{path}", allow_redirects=False, **more)

    async def listen(self, path: str, on_event: Callable[[Mapping[str, Any]], None]) -> None:
        """Open the stream of events: ``on_event`` gets each, and an empty one at the end. Raises SourceDown."""
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stream = asyncio.create_task(self._read(path, on_event, opened), name="lanes-watch-events")
        try:
            await asyncio.wait_for(opened, ANSWER_S)
        except TimeoutError:
            raise hung(self.url, f"GET {path}", ANSWER_S) from None

    async def _read(
        self, path: str, on_event: Callable[[Mapping[str, Any]], None], opened: asyncio.Future[None]
    ) -> None:
        why, loop = "its stream of events ended", asyncio.get_running_loop()
        try:
            stream = self._request("GET", path, headers={"Accept": "text/event-stream"})
            async with asyncio.timeout(QUIET_S) as silence, stream as answer:
                if answer.status != 200:
                    raise SourceDown(SourceState.FOREIGN, f"{self.url}{path} has no events ({answer.status})")
                opened.set_result(None)
                parser = SseParser(MOST_ANSWER, MOST_ANSWER)
                async for chunk in answer.content.iter_any():
                    silence.reschedule(loop.time() + QUIET_S)
                    for event in parser.feed(chunk):
                        if (form := parsed(event.data, dict)) is not None:  # what cannot be read is left out
                            on_event(form)
        except SourceDown as down:
            self.ended = down
        except TimeoutError:
            why = f"it sent nothing for {QUIET_S:g} s"
        except (aiohttp.ClientError, OSError, ValueError, SseError) as error:
            why = error_text(error)
        finally:
            self.ended = self.ended or closed(self.url, why)
            if not opened.done():
                opened.set_exception(self.ended)
            on_event({})

    async def close(self) -> None:
        """Close it. May be called twice."""
        if self._stream is not None:
            await call_off(self._stream)
        if self._session is not None:
            await self._session.close()
            self._session = None
