"""One request, as the routes see it."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from starlette.requests import Request

from lanes.config import Config
from lanes.desk import Desk
from lanes.errors import Draining
from lanes.gateway import Gateway
from lanes.server.problems import HttpProblem

T = TypeVar("T")


class ClientGone(Exception):
    """The client closed its connection."""


class Closing(Exception):
    """The gateway has stopped; whoever still waits is sent home."""


@dataclass(slots=True)
class House:
    """What every route needs: the gateway, its configuration, and whether it is closing."""

    gateway: Gateway
    config: Config
    closing: asyncio.Event

    @property
    def desk(self) -> Desk:
        return self.gateway.desk


class Call:
    """One request with its path parameters."""

    def __init__(self, house: House, request: Request, params: dict[str, str]) -> None:
        self.house = house
        self.request = request
        self._params = params

    @property
    def gateway(self) -> Gateway:
        return self.house.gateway

    @property
    def desk(self) -> Desk:
        return self.house.desk

    @property
    def key(self) -> str:
        """The session key, from the raw path or ``?key=``."""
        key = self._params.get("key", self.request.query_params.get("key"))
        if not key:
            raise HttpProblem(400, "invalid_key", "name the lane: ?key=")
        return key

    @property
    def message_id(self) -> int:
        """The id of a message in the path."""
        given = self._params["id"]
        if not (given.isascii() and given.isdigit() and len(given) < 19):
            raise HttpProblem(404, "not_found", f"no message {given!r}")
        return int(given)

    @property
    def actor(self) -> str:
        """Who asks, as the journal shows it: the name of the token, and from where."""
        name = self.house.config.gateway.token_name or "http"
        client = self.request.client
        return f"{name}@{client.host}" if client else name

    @property
    def token_name(self) -> str:
        """What idempotency keys are scoped to besides the lane."""
        return self.house.config.gateway.token_name

    def refuse_while_draining(self, key: str) -> None:
        """Raises Draining."""
        if self.gateway.draining is not None:
            raise Draining(key)

    def number(self, name: str, default: float | None, most: float) -> float | None:
        """A query parameter that is a number. Raises HttpProblem."""
        given = self.request.query_params.get(name)
        if given is None:
            return default
        with contextlib.suppress(ValueError):
            value = float(given)
            if 0 <= value <= most:
                return value
        raise HttpProblem(400, "bad_parameter", f"{name} is a number from 0 to {most:g}")

    async def body(self) -> dict[str, Any]:
        """The JSON object of the body; an empty body is an empty object. Raises HttpProblem."""
        raw = await self._read()
        if not raw.strip():
            return {}
        try:
            data = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
            json.dumps(data, ensure_ascii=False).encode("utf-8")  # lone surrogates have no encoding
        except (ValueError, RecursionError) as error:
            raise HttpProblem(400, "bad_json", "the body is not valid JSON in UTF-8") from error
        if not isinstance(data, dict):
            raise HttpProblem(400, "bad_json", "the body must be a JSON object")
        return data

    async def _read(self) -> bytes:
        """The body, refused as soon as it is too long."""
        most = self.house.config.gateway.max_body_bytes
        chunks, size = [], 0
        async for chunk in self.request.stream():
            size += len(chunk)
            if size > most:
                raise HttpProblem(413, "too_large", f"the body is larger than {most} bytes", {"Connection": "close"})
            chunks.append(chunk)
        return b"".join(chunks)

    async def while_connected(self, work: Awaitable[T]) -> T:
        """``work``, given up when the client leaves (ClientGone) or the gateway has stopped (Closing)."""
        task = asyncio.ensure_future(work)
        left = asyncio.create_task(self._left())
        closing = asyncio.create_task(self.house.closing.wait())
        try:
            await asyncio.wait({task, left, closing}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise ClientGone if left.done() else Closing
        finally:
            for other in (task, left, closing):
                other.cancel()
            await asyncio.gather(task, left, closing, return_exceptions=True)

    async def _left(self) -> None:
        """Return once the client has closed its connection: an ASGI handler is told only when it asks."""
        while (await self.request.receive())["type"] != "http.disconnect":
            pass


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
