"""The JSON response of most routes, made for speed."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from starlette.types import Receive, Scope, Send

from lanes.records import jsonable

_encode = json.JSONEncoder(separators=(",", ":")).encode


class JsonResponse:
    """A JSON response, from records too. ASCII only, so that no program on the way can misread it."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, value: Any, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._headers = headers
        self._body = _encode(jsonable(value)).encode("ascii")
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        length = str(len(self._body)).encode("ascii")
        headers = [(b"content-type", b"application/json"), (b"content-length", length), *self._headers]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


async def long_answer(value: Any) -> JsonResponse:
    """The response of a list, encoded in a thread: it may be long, and must not block the event loop."""
    return await asyncio.to_thread(JsonResponse, value)
