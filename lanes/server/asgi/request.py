"""One HTTP request, as the routes see it."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

from starlette.types import Receive, Scope

from lanes.base.errors import TooMuch
from lanes.context import Context
from lanes.records.problems import RETRY_AFTER_S
from lanes.server.asgi.bodies import LARGE_BODY, parsed
from lanes.server.asgi.errors import HttpProblem
from lanes.server.state.app_state import AppState
from lanes.server.state.cancellation import CancelScope, ClientDisconnected, ServerClosing, until_disconnected

T = TypeVar("T")

#: The most query parameters; no route has as many.
MOST_PARAMETERS = 100
#: The longest search of the database for one request (s).
SEARCH_S = 10.0


class HttpRequest:
    """One request with its path parameters."""

    def __init__(self, app_state: AppState, scope: Scope, receive: Receive, headers: dict[str, str]) -> None:
        self.app_state, self.gateway, self.desk = app_state, app_state.gateway, app_state.desk
        self.headers = headers
        self.path_params: dict[str, str] = {}
        self.accepted = False
        self._scope = scope
        self._receive = receive
        self._query: dict[str, list[str]] | None = None
        self._room = 0  # taken for the body, in bytes

    @property
    def method(self) -> str:
        """GET, POST, …"""
        return str(self._scope["method"])

    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Every header, as it came and in its order."""
        headers: Sequence[tuple[bytes, bytes]] = self._scope["headers"]
        return headers

    @property
    def raw_query(self) -> str:
        """The query, as it came."""
        return str(self._scope["query_string"].decode("latin-1"))

    # ------------------------------------------------------------------------------ what it is about

    @property
    def key(self) -> str:
        """The session key, from the raw path or ``?key=``."""
        key = self.path_params.get("key") or self.one("key")
        if not key:
            raise HttpProblem(400, "invalid_key", "name the lane: ?key=")
        return key

    @property
    def actor(self) -> str:
        """The actor for the journal: the name of the token, and the address of the client."""
        name = self.app_state.config.gateway.token_name or "http"
        client = self._scope.get("client")
        return f"{name}@{client[0]}" if client else name

    @property
    def context(self) -> Context:
        """The context of its operation. It may act on watched lanes only if a token is configured: without one, any
        local user could have sent it."""
        guarded = self.app_state.config.gateway.token is not None
        return self.desk.context(self.actor, frees_watched=guarded)

    @property
    def token_name(self) -> str:
        """The scope of idempotency keys, besides the lane."""
        return self.app_state.config.gateway.token_name

    @property
    def session_header(self) -> str | None:
        """The session key in ``X-Lanes-Session``, percent-decoded; None without that header. Raises HttpProblem."""
        header = self.headers.get("x-lanes-session")
        try:
            # ASGI headers are read as Latin-1; a client may as well send plain UTF-8.
            return None if header is None else unquote(header.encode("latin-1").decode("utf-8"), errors="strict")
        except UnicodeDecodeError as error:
            raise HttpProblem(400, "invalid_key", "X-Lanes-Session is not percent-encoded UTF-8") from error

    def switch(self, header: str) -> bool:
        """A header that is true or false; without it, false. Raises HttpProblem."""
        value = self.headers.get(header.lower(), "false").lower()
        if value not in ("true", "false"):
            raise HttpProblem(400, "bad_header", f"{header} must be true or false")
        return value == "true"

    def accepts(self, media_type: str) -> bool:
        """Whether the client asks for this media type by name."""
        return media_type in self.headers.get("accept", "")

    # ------------------------------------------------------------------------------------- parameters

    @property
    def query(self) -> dict[str, list[str]]:
        """The query. Raises HttpProblem if it is not UTF-8: a misread key would be another lane."""
        if self._query is None:
            self._query = self._read_query() if self._scope["query_string"] else {}
        return self._query

    def _read_query(self) -> dict[str, list[str]]:
        try:
            text = self._scope["query_string"].decode("utf-8")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
        except UnicodeDecodeError as error:
            raise HttpProblem(400, "bad_parameter", "the query is not percent-encoded UTF-8") from error
        except ValueError as error:
            message = f"the query has more than {MOST_PARAMETERS} parameters"
            raise HttpProblem(400, "bad_parameter", message) from error
        query: dict[str, list[str]] = {}
        for name, value in pairs:
            query.setdefault(name, []).append(value)
        return query

    def one(self, name: str) -> str | None:
        """A query parameter that may be given once; None if it is missing. Raises HttpProblem."""
        values = self.query.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise HttpProblem(400, "bad_parameter", f"{name} is given more than once")
        return values[0]

    def refuse(self, name: str, reason: str) -> None:
        """Refuse a query parameter that has no meaning here. Raises HttpProblem."""
        if name in self.query:
            raise HttpProblem(400, "bad_parameter", f"{name}: {reason}")

    # ----------------------------------------------------------------------------------------- body

    async def body(self) -> dict[str, Any]:
        """The JSON object of the body; an empty body is an empty object. Raises HttpProblem, ClientDisconnected."""
        return await parsed(await self.raw_body(self.app_state.config.gateway.max_body_bytes))

    async def raw_body(self, most: int) -> bytes:
        """The body; refused as soon as it, or its declared length, is too large. The protocol limits its time. Raises
        HttpProblem, ClientDisconnected, ServerClosing."""
        with CancelScope() as cut, self.app_state.while_open(cut):
            return await self._raw_body(most)

    async def _raw_body(self, most: int) -> bytes:
        chunks = list[bytes]()
        size, more = 0, True
        declared = self.headers.get("content-length", "")
        expected = int(declared) if declared.isdecimal() else most
        if expected > most:
            raise self._too_large(most, unread=True)
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
            size += len(chunks[-1])
            if size > most:
                raise self._too_large(most)
            if size > LARGE_BODY and not self._room:
                await self._take_room(expected)
        return b"".join(chunks)

    def _too_large(self, most: int, *, unread: bool = False) -> HttpProblem:
        """The refusal of a body. The rest is read and discarded: a client whose connection is closed while it sends
        would not see the answer. One that waits for ``100 Continue`` sends nothing, so its connection is closed."""
        closing = {"Connection": "close"} if unread and "expect" in self.headers else {}
        return HttpProblem(413, "too_large", f"the body is larger than {most} bytes", closing)

    async def _take_room(self, size: int) -> None:
        try:
            self._room = await self.app_state.bodies.take(size)
        except TimeoutError as error:
            later = {"Retry-After": str(RETRY_AFTER_S)}
            raise HttpProblem(503, "busy", "too many large bodies at the same time: try again", later) from error

    def give_room(self) -> None:
        """Give back the room of the body, which is not needed any more."""
        self.app_state.bodies.give(self._room)
        self._room = 0

    def stored(self) -> None:
        """Note that a message is stored for this request: no later error may cause the client to send it again."""
        self.accepted = True
        self.give_room()

    # -------------------------------------------------------------------------------------- waiting

    async def while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """``work``, ended when the client has left (ClientDisconnected) or the gateway has stopped (ServerClosing)."""
        if self.app_state.closed:
            work.close()
            raise ServerClosing
        with until_disconnected(self._receive) as cut, self.app_state.while_open(cut):
            return await work

    async def searching(self, work: Coroutine[Any, Any, T]) -> T:
        """``work`` whose amount the client chooses: ended when the client has left (ClientDisconnected), and when it
        takes too long (TooMuch). Like ``while_connected``, only after the body was read.
        """
        limit = asyncio.timeout(SEARCH_S)
        try:
            async with limit:
                return await self.while_connected(work)
        except TimeoutError:
            if not limit.expired():
                raise
            sentence = f"the search was ended after {SEARCH_S:g} s: narrow the filter, or use a command on the file"
            raise TooMuch(sentence) from None
