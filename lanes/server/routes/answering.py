"""Answers a request of a model API, in whatever dialect its client speaks.

A message belongs to its connection: when the client leaves, it ends ``aborted`` and never runs again, unless
``X-Lanes-Detach: true``. The end of a stream is sent only after the run is completed in the database.
"""

import time
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any

from starlette.types import ASGIApp

from lanes.base.terminal import check_key
from lanes.dialects.dialect import AnswerWriter, ClientRequest, Dialect, StoredReply
from lanes.engine.runs.streams import Listener
from lanes.records import Message
from lanes.records.problems import Problem
from lanes.runners.base import Delta
from lanes.runners.http.failures import AttemptFailed
from lanes.runners.providers.outgoing import Outgoing
from lanes.server.asgi.errors import HttpProblem, of_failure
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse, TextResponse
from lanes.server.passing.naming import named
from lanes.server.routes.intake import RUN, accept, end_wait, waiting
from lanes.server.routes.verbs import of_header
from lanes.server.state.cancellation import ClientDisconnected, ServerClosing
from lanes.server.state.clients import Leave
from lanes.server.state.sent import Differs, Sent
from lanes.server.state.streaming import WatchedStream, events, next_pieces
from lanes.verbs.kinds import FLAG, OBJECT, TEXT, ParamKind
from lanes.verbs.sending import send
from lanes_storage.law import BoundTo, MessageState
from lanes_storage.reads.shapes import parsed

#: The parameter that the header ``Idempotency-Key`` gives.
NAME = send.by_name["idempotency_key"]
#: Ends a stream whose run was cut, when a new run starts the reply again with other text.
BEGAN_AGAIN = Problem(
    502, "restarted", "the run was cut in the middle of its reply, and another run gives a different answer"
)


async def answer(call: HttpRequest, dialect: Dialect, ours: dict[str, Any] | None = None) -> ASGIApp:
    """Accept a request of this dialect and answer it, streamed or whole. ``ours``: fields of lanes, stored with it."""
    body = await call.body()
    model, stream = _field(body, "model", TEXT), _field(body, "stream", FLAG)
    _field(_field(body, "stream_options", OBJECT) or {}, "include_usage", FLAG)
    detached, name = call.switch("X-Lanes-Detach"), of_header(NAME, call)
    key = session_of(call, body)
    anonymous, key = key is None, key or _own_lane(name)
    request, runner = body | (ours or {}), model if model in call.gateway.models else None
    _check_translatable(call, dialect, request, runner or call.app_state.config.policy(key).runner)
    leave = call.app_state.clients.come(key, name)
    try:
        message = await accept(
            call,
            key,
            request=request,
            waiting_run=of_header(RUN, call),
            runner=runner,
            idempotency_key=name,
            bound_to=None if detached else BoundTo.CLIENT,
            bound_owner=None if detached else call.gateway.owner_id,
            anonymous=anonymous,
        )
    except BaseException:
        leave()
        raise
    pending = _Answer(call, leave, message, dialect.writer(ClientRequest(message.id, int(time.time()), body)))
    del body, request  # the answer may take an hour
    return await (pending.streamed() if stream else pending.whole())


def _own_lane(name: str | None) -> str:
    """The key of a lane for one request; the same idempotency key gives the same lane."""
    return f"anonymous:{uuid.uuid4() if name is None else uuid.uuid5(uuid.NAMESPACE_OID, name)}"


def _check_translatable(call: HttpRequest, dialect: Dialect, request: dict[str, Any], runner: str) -> None:
    """Refuse a request, before it is stored, that cannot be translated for any provider of the chain, where all of them
    speak other dialects. Raises HttpProblem, Unfit.
    """
    config = call.app_state.config
    chosen = config.runner(runner)
    chain = {
        (each := config.providers[name]).dialect: each for name in (chosen.providers if chosen is not None else ())
    }
    if not chain or dialect.name in chain:
        return
    dialect.check(request)
    refusals = list[AttemptFailed]()
    for provider in chain.values():
        try:
            Outgoing(dialect, request).body(provider)
        except AttemptFailed as refusal:
            refusals.append(refusal)
        else:
            return
    words = refusals[0].words
    raise HttpProblem(400, words.code or "bad_request", refusals[0].message, param=words.param, error_type=words.type)


def _field(body: dict[str, Any], name: str, kind: ParamKind) -> Any:
    """A field that may be missing or null. Raises Unfit."""
    return None if (value := body.get(name)) is None else kind.read(value, name)


def session_of(call: HttpRequest, body: dict[str, Any]) -> str | None:
    """The key of the lane that a request names, None if it names none. Raises InvalidKey, Unfit, HttpProblem."""
    conversation, metadata = body.get("conversation"), _field(body, "metadata", OBJECT) or {}
    names = [
        call.session_header,
        _field(metadata, "lanes_session", TEXT),
        (_field(conversation, "id", TEXT) or "")
        if isinstance(conversation, dict)
        else _field(body, "conversation", TEXT),
        *(_named(call, body, word) for word in call.app_state.config.gateway.session_from),
    ]
    return next((check_key(name) for name in names if name is not None), None)


def _named(call: HttpRequest, body: dict[str, Any], word: str) -> str | None:
    """The text that a word of ``session_from`` points to in the request. Raises Unfit if it is no text."""
    return None if (value := named(word, call.headers, body)) is None else TEXT.read(value, word)


class _Answer:
    """One answer, in the dialect of its writer."""

    def __init__(self, call: HttpRequest, leave: Leave, message: Message, writer: AnswerWriter) -> None:
        self._call = call
        self._leave = leave
        self._message = message
        self._writer = writer
        self._begun = False
        self._sent = Sent()
        self._listener: Listener | None = None

    async def whole(self) -> ASGIApp:
        """Wait for the end of the message, and answer with the whole reply."""
        try:
            message = await waiting(self._call, self._message.id, self._call.desk.wait(self._message))
        except ClientDisconnected:
            await self._client_left()
            return TextResponse(status=499)
        except ServerClosing:
            message = await self._call.desk.message(self._message.id)
        finally:
            self._leave()
        if message.state is not MessageState.DONE:
            raise of_failure(message.error)
        return JsonResponse(self._writer.whole(_stored_reply(message)))

    async def streamed(self) -> ASGIApp:
        """Pieces as they come. A failure before the first is an error with its own status."""
        listener = self._listener = self._call.gateway.listen(self._message)
        try:
            first = await self._first(listener)
        except ClientDisconnected:
            listener.close()
            await self._client_left()
            return TextResponse(status=499)
        except BaseException:
            listener.close()
            self._leave()
            raise

        async def over(whole: bool) -> None:
            listener.close()
            try:
                await end_wait(self._call, self._message.id)
            finally:
                if not whole:
                    await self._client_left()
                self._leave()

        return WatchedStream(self._events(events(first, listener, self._encoded, self._ending, self._silence)), over)

    async def _first(self, listener: Listener) -> list[Delta] | None:
        """The first pieces, or None. Raises ClientDisconnected, and HttpProblem if the message failed before any."""
        try:
            first = await self._call.while_connected(next_pieces(listener))
        except ServerClosing:
            first = []
        if first == []:
            message = await self._call.desk.message(self._message.id)
            if message.state is not MessageState.DONE:
                raise of_failure(message.error)
        return first

    async def _events(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The stream. If it cannot be continued, it ends with an error, and its client no longer waits."""
        try:
            async for piece in pieces:
                yield piece
        except Differs:
            yield self._writer.error(BEGAN_AGAIN).encode("ascii")
            await self._client_left()

    def _encoded(self, pieces: Iterable[Delta]) -> bytes:
        new = [piece for each in pieces if (piece := self._sent.unsent_part(each)) is not None]
        self._begun |= bool(new)
        return "".join(map(self._writer.piece, new)).encode("ascii")

    def _silence(self) -> bytes:
        return self._writer.silence().encode("ascii")

    async def _ending(self) -> AsyncIterator[bytes]:
        """The last events, from the message as it is stored."""
        message = await self._call.desk.message(self._message.id)
        if message.state is not MessageState.DONE:
            yield self._writer.error(of_failure(message.error).problem).encode("ascii")
            return
        if self._begun and self._void and message.reply is not None:
            rest = self._sent.rest_of(message.reply)
            if rest:
                yield self._encoded([Delta(rest)])
        yield self._writer.ending(_stored_reply(message), begun=self._begun).encode("ascii")

    @property
    def _void(self) -> bool:
        """Whether the part that was sent is of another run than the one that answered."""
        return self._sent.incomplete or (self._listener is not None and self._listener.void)

    async def _client_left(self) -> None:
        """End the message, since its client has left, unless another client waits for it here, or it belongs to another
        gateway, where this client only found it by its idempotency key."""
        if self._leave() and self._message.bound_owner == self._call.gateway.owner_id:
            await self._call.desk.client_gone(self._message.id)


def _stored_reply(message: Message) -> StoredReply:
    detail: dict[str, Any] | None = parsed(message.reply_detail, dict) if message.reply_detail else None
    return StoredReply(message.reply or "", detail or {})
