"""The answer of almost every route, as cheap as an answer can be."""

import asyncio
import json
from typing import Any

from starlette.types import Receive, Scope, Send

from lanes.records import jsonable

_encode = json.JSONEncoder(separators=(",", ":")).encode


class JsonResponse:
    """JSON, records in it too, with a status. ASCII, so that nothing between here and a terminal can misread it."""

    __slots__ = ("_body", "_status")

    def __init__(self, value: Any, status: int = 200) -> None:
        self._body = _encode(jsonable(value)).encode("ascii")
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        length = str(len(self._body)).encode("ascii")
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


async def long_answer(value: Any) -> JsonResponse:
    """The answer to a list, which is made in a thread: what it says may be long, and nobody else waits for it."""
    return await asyncio.to_thread(JsonResponse, value)
