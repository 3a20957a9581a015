"""The outline of a request that is passed on: enough to show and to recognise it, without its content."""

import hashlib
import hmac
import importlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lanes.base.terminal import clean
from lanes.config.declared.model import SourceConfig
from lanes.runners.http.unpacking import PACKED, unpacker
from lanes.server.asgi.bodies import LARGE_BODY, too_many_values
from lanes.server.asgi.errors import HttpProblem
from lanes.server.passing.naming import session_of
from lanes_storage.reads.shapes import parsed
from lanes_storage.records import OUTLINE
from lanes_storage.threads import in_thread

MOST_TOOLS = 200
LONGEST_NAME = 128
#: The fields by which a request is recognised when it is sent again, streamed or not.
_CONTENT_FIELDS = ("model", "system", "instructions", "messages", "input")


@dataclass(frozen=True, slots=True)
class Outline:
    """``session``: the name of its session, None if it names none. ``digest`` is keyed by the token of its source."""

    session: str | None
    size: int
    digest: str
    model: str | None = None
    streamed: bool = False
    wants_usage: bool = False
    tools: tuple[str, ...] = ()

    def stored(self) -> dict[str, Any]:
        """What is stored in place of the request."""
        facts = {"bytes": self.size, "digest": self.digest, "model": self.model, "tools": [*self.tools]}
        return {OUTLINE: facts | {"stream": self.streamed}}

    def echoed(self) -> dict[str, Any]:
        """The fields of the request that an answer written by lanes repeats."""
        return {"model": self.model, "stream_options": {"include_usage": self.wants_usage}}


async def outline_of(body: bytes, headers: Mapping[str, str], source: SourceConfig) -> Outline:
    """The outline of a request, also of one that cannot be read. Raises HttpProblem if it is too large unpacked."""
    if len(body) <= LARGE_BODY and "content-encoding" not in headers:
        return _outline(body, headers, source)
    return await in_thread(_outline, body, headers, source)


def _outline(body: bytes, headers: Mapping[str, str], source: SourceConfig) -> Outline:
    encoding = headers.get("content-encoding", "").strip().lower()
    text = unpacked(body, encoding, source.max_body_bytes)
    # With too many values, the parser would block every thread for seconds.
    request: dict[str, Any] = (None if too_many_values(text) else parsed(text, dict)) or {}
    key = hashlib.sha256(b"lanes outline " + (source.token or "").encode()).digest()
    content = json.dumps([request.get(name) for name in _CONTENT_FIELDS]).encode() if request else body
    options = request.get("stream_options")
    return Outline(
        session=session_of(source.session_from, headers, request),
        size=len(body),
        digest=hmac.new(key, content, "sha256").hexdigest()[:32],
        model=_name(request.get("model")),
        streamed=request.get("stream") is True or (not request and "text/event-stream" in headers.get("accept", "")),
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        tools=tuple(_tools(request.get("tools"))),
    )


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """The body, unpacked; unchanged if the encoding is unknown, empty if it cannot be unpacked. Raises HttpProblem."""
    if encoding in PACKED:
        return _of_zlib(body, most)
    if encoding == "zstd":
        return _of_zstd(body, most)
    return body


def _of_zlib(body: bytes, most: int) -> bytes:
    try:
        data = unpacker().decompress(body, most + 1)
    except zlib.error:
        return b""
    return _bounded(data, most)


def _of_zstd(body: bytes, most: int) -> bytes:
    """Needs Python 3.14 or the package ``zstandard``; without, the body passes unread."""
    try:
        data: bytes = importlib.import_module("compression.zstd").ZstdDecompressor().decompress(body, most + 1)
    except ImportError:
        try:
            library = importlib.import_module("zstandard")
        except ImportError:
            return b""
        try:
            with library.ZstdDecompressor().stream_reader(body) as reader:
                data = reader.read(most + 1)
        except library.ZstdError:
            return b""
    except Exception as error:
        if type(error).__name__ == "ZstdError":
            return b""
        raise
    return _bounded(data, most)


def _bounded(data: bytes, most: int) -> bytes:
    if len(data) > most:
        raise HttpProblem(413, "too_large", f"the body unpacks to more than {most} bytes")
    return data


def _tools(tools: Any) -> list[str]:
    found = []
    for tool in tools[:MOST_TOOLS] if isinstance(tools, list) else ():
        called = tool.get("function", tool) if isinstance(tool, dict) else {}
        name = called.get("name") or called.get("type") if isinstance(called, dict) else None
        if shown := _name(name):
            found.append(shown)
    return found


def _name(value: Any) -> str | None:
    return clean(value[:LONGEST_NAME]) if isinstance(value, str) and value else None
