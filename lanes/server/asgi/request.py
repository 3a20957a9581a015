"""One request, as the routes see it."""

import asyncio
import re
from collections.abc import Coroutine
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from lanes import filters
from lanes.base import durations
from lanes.base.errors import NotFound, TooMuch
from lanes.desk import Desk
from lanes.gateway import Gateway
from lanes.server.asgi.bodies import parsed
from lanes.server.asgi.errors import HttpProblem
from lanes.server.asgi.fields import as_id
from lanes.server.state.app_state import AppState
from lanes.server.state.cancellation import ClientGone, ServerClosing, until_disconnected
from lanes_storage.records import LaneFilter, Subject

T = TypeVar("T")

#: More parameters than any route has.
MOST_PARAMETERS = 100
#: How long the database may be searched for one request.
SEARCH_S = 10.0
#: The longest name that a sender may give a message.
MOST_IDEMPOTENCY_KEY = 256


_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?", re.ASCII)


class HttpRequest:
    """One request with its path parameters."""

    def __init__(self, app_state: AppState, scope: Scope, receive: Receive, headers: dict[str, str]) -> None:
        self.app_state = app_state
        self.headers = headers
        self.path_params: dict[str, str] = {}
        #: Set once a message is stored for this request: from then on no error may make the client send it again.
        self.accepted = False
        self._scope = scope
        self._receive = receive

    @property
    def gateway(self) -> Gateway:
        return self.app_state.gateway

    @property
    def desk(self) -> Desk:
        return self.app_state.desk

    # ------------------------------------------------------------------------------ what it is about

    @property
    def key(self) -> str:
        """The session key, from the raw path or ``?key=``."""
        key = self.path_params.get("key") or self.one("key")
        if not key:
            raise HttpProblem(400, "invalid_key", "name the lane: ?key=")
        return key

    @property
    def message_id(self) -> int:
        """The id of a message in the path. Raises NotFound."""
        given = self.path_params["id"]
        if not (given.isascii() and given.isdigit() and len(given) < 19):
            raise NotFound("message", given)
        return int(given)

    @property
    def actor(self) -> str:
        """Who asks, as the journal shows it: the name of the token, and from where."""
        name = self.app_state.config.gateway.token_name or "http"
        client = self._scope.get("client")
        return f"{name}@{client[0]}" if client else name

    @property
    def token_name(self) -> str:
        """What idempotency keys are scoped to besides the lane."""
        return self.app_state.config.gateway.token_name

    def idempotency_key(self, in_body: str | None = None) -> str | None:
        """The sender's own name for the message, of the header or of the body. Raises HttpProblem."""
        given = self.headers.get("idempotency-key", in_body)
        if in_body not in (None, given):
            raise HttpProblem(422, "two_names", "the header and the body name the message differently")
        if given is not None and not 0 < len(given) <= MOST_IDEMPOTENCY_KEY:
            raise HttpProblem(400, "bad_request", f"an idempotency key has 1 to {MOST_IDEMPOTENCY_KEY} characters")
        return given

    @property
    def waiting_run(self) -> int | None:
        """The run that waits with this request: ``X-Lanes-Run``. Raises HttpProblem."""
        given = self.headers.get("x-lanes-run")
        return None if given is None else as_id("X-Lanes-Run", given)

    def switch(self, header: str) -> bool:
        """A header that is true or false; without it, false. Raises HttpProblem."""
        given = self.headers.get(header.lower(), "false").lower()
        if given not in ("true", "false"):
            raise HttpProblem(400, "bad_header", f"{header} is true or false")
        return given == "true"

    def accepts(self, media_type: str) -> bool:
        """Whether the client asks for this media type by name."""
        return media_type in self.headers.get("accept", "")

    # ------------------------------------------------------------------------------------- parameters

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The query. Raises HttpProblem where it is no UTF-8: a key that is read wrongly is another lane."""
        if not self._scope["query_string"]:
            return {}
        try:
            text = self._scope["query_string"].decode("utf-8")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
        except ValueError as error:
            raise HttpProblem(400, "bad_parameter", "the query is not percent-encoded UTF-8") from error
        query: dict[str, list[str]] = {}
        for name, value in pairs:
            query.setdefault(name, []).append(value)
        return query

    def one(self, name: str) -> str | None:
        """A query parameter that is given at most once; None where it is not. Raises HttpProblem."""
        given = self.query.get(name)
        if given is None:
            return None
        if len(given) > 1:
            raise HttpProblem(400, "bad_parameter", f"{name} is given more than once")
        return given[0]

    def refuse(self, name: str, why: str) -> None:
        """Refuse a query parameter that has no meaning here. Raises HttpProblem."""
        if name in self.query:
            raise HttpProblem(400, "bad_parameter", f"{name}: {why}")

    def number(self, name: str, most: float) -> float | None:
        """A query parameter that is a number. Raises HttpProblem."""
        given = self.one(name)
        if given is None:
            return None
        value = float(given) if _NUMBER.fullmatch(given) else -1
        if not 0 <= value <= most:
            raise HttpProblem(400, "bad_parameter", f"{name} is a number from 0 to {most:g}")
        return value

    def count(self, name: str, default: int, most: int, least: int = 1) -> int:
        """A query parameter that counts. Raises HttpProblem."""
        given = self.one(name)
        if given is None:
            return default
        if given.isascii() and given.isdecimal() and len(given) < 19 and least <= int(given) <= most:
            return int(given)
        raise HttpProblem(400, "bad_parameter", f"{name} is a whole number from {least} to {most}")

    def flag(self, name: str) -> bool:
        """A query parameter that is true or false; without it, false. Raises HttpProblem."""
        given = self.one(name)
        if given not in (None, "true", "1", "false", "0"):
            raise HttpProblem(400, "bad_parameter", f"{name} is true or false")
        return given in ("true", "1")

    def id(self, name: str) -> int | None:
        """A query parameter that is the id of something. Raises HttpProblem."""
        return None if (given := self.one(name)) is None else as_id(name, given)

    def ids(self, name: str) -> list[int]:
        """A query parameter that is the id of something and may be repeated. Raises HttpProblem."""
        return [as_id(name, given) for given in self.query.get(name, [])]

    def filter(self, of: Subject = Subject.LANE) -> LaneFilter:
        """The query parameter ``filter``; without it, everything. Raises Unfit."""
        return filters.chosen(self.one("filter") or "", self.desk.clock().wall, of)

    def span(self, name: str) -> int | None:
        """A query parameter that is a duration, ``30s``, in milliseconds. Raises HttpProblem."""
        given = self.one(name)
        try:
            return None if given is None else durations.parse(given)
        except ValueError as error:
            raise HttpProblem(400, "bad_parameter", f"{name}: {error}") from error

    # ----------------------------------------------------------------------------------------- body

    async def body(self) -> dict[str, Any]:
        """The JSON object of the body; an empty body is an empty object. Raises HttpProblem, ClientGone."""
        return await parsed(await self._read())

    async def _read(self) -> bytes:
        """The body, refused as soon as it is too long. How long it may take is for the connection to say."""
        most = self.app_state.config.gateway.max_body_bytes
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
            size += len(chunks[-1])
            if size > most:
                raise HttpProblem(413, "too_large", f"the body is larger than {most} bytes", {"Connection": "close"})
        return b"".join(chunks)

    # -------------------------------------------------------------------------------------- waiting

    async def while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """``work``, ended when the client leaves (ClientGone) or the gateway has stopped (Closing)."""
        if self.app_state.closed:
            work.close()
            raise ServerClosing
        with until_disconnected(self._receive) as cut, self.app_state.while_open(cut):
            return await work

    async def searching(self, work: Coroutine[Any, Any, T]) -> T:
        """``work`` that looks for as much as somebody asks for: ended when the client leaves (ClientGone), and when
        it takes too long (TooMuch). As ``while_connected``, after the body was read.
        """
        limit = asyncio.timeout(SEARCH_S)
        try:
            async with limit:
                return await self.while_connected(work)
        except TimeoutError:
            if not limit.expired():
                raise
            sentence = f"the search was ended after {SEARCH_S:g} s: choose less, or look at the file with a command"
            raise TooMuch(sentence) from None
