"""The responses of routes that are not streamed: JSON, made for speed, and other texts."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from starlette.types import Receive, Scope, Send

from lanes.records import jsonable
from lanes_storage.threads import in_thread

_encode = json.JSONEncoder(separators=(",", ":")).encode


class WholeResponse:
    """A response that is sent as a whole. (Starlette's class for it takes more than a megabyte of imports.)"""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, body: bytes, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._body, self._status, self._headers = body, status, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


class JsonResponse(WholeResponse):
    """A JSON response, from records too. ASCII only, so that no program on the way can misread it."""

    __slots__ = ()

    def __init__(self, value: Any, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        body = _encode(jsonable(value)).encode("ascii")
        length = str(len(body)).encode("ascii")
        super().__init__(body, status, [(b"content-type", b"application/json"), (b"content-length", length), *headers])


class TextResponse(WholeResponse):
    """A response with a text."""

    __slots__ = ()

    def __init__(
        self,
        text: str = "",
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({}),
        media_type: str | None = None,
    ) -> None:
        body = text.encode("utf-8")
        every = {**headers, "content-length": str(len(body))}
        if media_type is not None:
            every["content-type"] = media_type
        named = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in every.items()]
        super().__init__(body, status, named)


async def long_answer(value: Any) -> JsonResponse:
    """The response of a list, encoded in a thread: it may be long, and must not block the event loop."""
    return await in_thread(JsonResponse, value)
