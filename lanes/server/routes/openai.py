"""The OpenAI-compatible routes: ``/v1/chat/completions`` and ``/v1/models``.

A message belongs to its connection: when the client leaves, it ends ``aborted`` and never runs again, unless
``X-Lanes-Detach: true``. The final chunk is sent only after the run is completed in the database.
"""

import json
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response
from starlette.types import ASGIApp

from lanes.base.terminal import check_key
from lanes.engine.runs.streams import Listener
from lanes.records import Message
from lanes.records.problems import Problem
from lanes.runners.base import Delta
from lanes.runners.providers.draft import HEAD
from lanes.server.asgi.errors import HttpProblem, of_failure, openai_error
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse
from lanes.server.routes.intake import RUN, accept, end_wait, waiting
from lanes.server.routes.verbs import of_header
from lanes.server.state.cancellation import ClientGone, ServerClosing
from lanes.server.state.clients import Client
from lanes.server.state.sent import Differs, Sent
from lanes.server.state.streaming import WatchedStream, events, next_pieces
from lanes.verbs.kinds import FLAG, OBJECT, TEXT, ParamKind
from lanes.verbs.sending import send
from lanes_storage.law import BoundTo, MessageState
from lanes_storage.reads.shapes import parsed

_json = json.JSONEncoder().encode
#: What ``Idempotency-Key`` gives.
NAME = send.by_name["idempotency_key"]
#: What a stream ends with whose reply another run begins again, in other words.
BEGAN_AGAIN = Problem(502, "restarted", "the run was cut in the middle of its reply, and another one answers otherwise")


async def get_models(call: HttpRequest) -> ASGIApp:
    """The runners, as models; ``lanes`` is the one that the policy names."""
    names = ["lanes", *call.gateway.specs]
    return JsonResponse({"object": "list", "data": [_model(name) for name in names]})


async def get_model(call: HttpRequest) -> ASGIApp:
    """One of them."""
    name = call.path_params["model"]
    if name != "lanes" and name not in call.gateway.specs:
        raise HttpProblem(404, "model_not_found", "there is no such model here; see /v1/models", param="model")
    return JsonResponse(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "lanes"}


async def post_chat(call: HttpRequest) -> ASGIApp:
    """A chat completion, streamed or whole."""
    body = await call.body()
    model, stream = _field(body, "model", TEXT), _field(body, "stream", FLAG)
    usage = bool(_field(_field(body, "stream_options", OBJECT) or {}, "include_usage", FLAG))
    key = _session(call, body)
    anonymous, key = key is None, key or f"anonymous:{uuid.uuid4()}"
    detached, name = call.switch("X-Lanes-Detach"), of_header(NAME, call)
    client = call.app_state.clients.come(key, name)
    try:
        message = await accept(
            call,
            key,
            request=body,
            waiting_run=of_header(RUN, call),
            runner=model if model in call.gateway.specs else None,
            idempotency_key=name,
            bound_to=None if detached else BoundTo.CLIENT,
            bound_owner=None if detached else call.gateway.owner_id,
            anonymous=anonymous,
        )
    except BaseException:
        client.leave()
        raise
    answer = _Completion(call, client, message, model or "lanes", usage=usage)
    return await (answer.streamed() if stream else answer.whole())


def _field(body: dict[str, Any], name: str, kind: ParamKind) -> Any:
    """A field that may be missing or null. Raises Unfit."""
    return None if (value := body.get(name)) is None else kind.read(value, name)


def _session(call: HttpRequest, body: dict[str, Any]) -> str | None:
    """The lane that a request names; None: it names none. What is no key is never taken for none."""
    conversation, metadata = body.get("conversation"), _field(body, "metadata", OBJECT) or {}
    names = [
        _decoded(call.headers.get("x-lanes-session")),
        _field(metadata, "lanes_session", TEXT),
        (_field(conversation, "id", TEXT) or "")
        if isinstance(conversation, dict)
        else _field(body, "conversation", TEXT),
        *(_field(body, name, TEXT) for name in call.app_state.config.gateway.session_from),
    ]
    return next((check_key(name) for name in names if name is not None), None)


def _decoded(header: str | None) -> str | None:
    try:
        # ASGI headers are read as Latin-1; a client may as well send plain UTF-8.
        return None if header is None else unquote(header.encode("latin-1").decode("utf-8"), errors="strict")
    except UnicodeDecodeError as error:
        raise HttpProblem(400, "invalid_key", "X-Lanes-Session is not percent-encoded UTF-8") from error


class _Completion:
    """One answer in the chat dialect."""

    def __init__(self, call: HttpRequest, client: Client, message: Message, model: str, *, usage: bool) -> None:
        self._call = call
        self._client = client
        self._message = message
        self._head: dict[str, Any] = {"model": model}
        self._usage = usage
        self._id = f"chatcmpl-{message.id}"
        self._created = int(time.time())
        self._begun = False
        self._sent = Sent()
        self._listener: Listener | None = None
        self._before, self._after = self._around()

    async def whole(self) -> ASGIApp:
        """Wait for the end, and answer with all of it."""
        try:
            message = await waiting(self._call, self._message.id, self._call.desk.when_ended(self._message))
        except ClientGone:
            await self._gone()
            return Response(status_code=499)
        except ServerClosing:
            message = await self._call.desk.message(self._message.id)
        finally:
            self._client.leave()
        if message.state is not MessageState.DONE:
            raise of_failure(message.error)
        detail = _detail(message)
        said = detail.get("message") or {"role": "assistant", "content": message.reply or ""}
        logprobs, head = _besides(detail)
        self._head |= head
        reason = detail.get("finish_reason") or "stop"
        choice = {"index": 0, "message": said, "finish_reason": reason, "logprobs": logprobs}
        return JsonResponse(self._object("chat.completion", [choice], usage=detail.get("usage")))

    async def streamed(self) -> ASGIApp:
        """Pieces as they come. A failure before the first is an error with a status of its own."""
        listener = self._listener = self._call.gateway.listen(self._message.id)
        try:
            first = await self._first(listener)
        except ClientGone:
            listener.close()
            await self._gone()
            return Response(status_code=499)
        except BaseException:
            listener.close()
            self._client.leave()
            raise

        async def over(whole: bool) -> None:
            listener.close()
            try:
                await end_wait(self._call, self._message.id)
            finally:
                if not whole:
                    await self._gone()
                self._client.leave()

        return WatchedStream(self._chunks(events(first, listener, self._said, self._ending)), over)

    async def _first(self, listener: Listener) -> list[Delta] | None:
        """What comes first. Raises HttpProblem where that is the end of a message that failed, and ClientGone."""
        try:
            first = await self._call.while_connected(next_pieces(listener))
        except ServerClosing:
            first = []
        if first == []:
            message = await self._call.desk.message(self._message.id)
            if message.state is not MessageState.DONE:
                raise of_failure(message.error)
        return first

    async def _chunks(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The stream; one that can not be gone on with says so, and its message has no client any more."""
        try:
            async for piece in pieces:
                yield piece
        except Differs:
            yield _data(openai_error(BEGAN_AGAIN))
            await self._gone()

    def _said(self, pieces: Iterable[Delta]) -> bytes:
        return "".join(map(self._piece, pieces)).encode("ascii")

    def _piece(self, piece: Delta) -> str:
        delta = self._sent.what_is_new(piece)
        if delta is None:
            return ""
        if self._begun and delta.choice is delta.beside is None:
            return f'{self._before}{{"content": {_json(delta.text)}}}{self._after}'
        choice = dict(delta.choice) if delta.choice is not None else {"content": delta.text}
        said = _json(choice if self._begun else {"role": "assistant"} | choice)
        self._begun = True
        before, after = self._before, self._after
        if delta.beside is not None:
            logprobs, head = _apart(delta.beside)
            self._head |= head
            self._before, self._after = self._around()
            before, after = (self._before, self._after) if logprobs is None else self._around(logprobs=logprobs)
        return f"{before}{said}{after}"

    def _around(self, **more: Any) -> tuple[str, str]:
        """What stands before and behind the delta of a chunk, the same for nearly all."""
        chunk = self._chunk([{"index": 0, "delta": "here", "finish_reason": None} | more]).decode("ascii")
        before, _, after = chunk.rpartition('"here"')
        return before, after

    async def _ending(self) -> AsyncIterator[bytes]:
        """The last chunks; they say what the database says."""
        message = await self._call.desk.message(self._message.id)
        if message.state is not MessageState.DONE:
            yield _data(openai_error(of_failure(message.error).problem))
            return
        detail = _detail(message)
        if not self._begun:
            self._head |= _besides(detail)[1]
            self._before, self._after = self._around()
        if (not self._begun or self._void) and message.reply is not None:
            rest = self._sent.rest_of(message.reply)
            if rest:
                yield self._said([Delta(rest)])  # what was not streamed comes in one piece
        yield self._chunk([{"index": 0, "delta": {}, "finish_reason": detail.get("finish_reason") or "stop"}])
        if self._usage:
            yield self._chunk([], usage=detail.get("usage"))
        yield b"data: [DONE]\n\n"

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return _data(self._object("chat.completion.chunk", choices, **more))

    def _object(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created} | self._head | {"choices": choices} | more

    @property
    def _void(self) -> bool:
        """Whether what was sent is of another run than the one that answered."""
        return self._sent.incomplete or (self._listener is not None and self._listener.void)

    async def _gone(self) -> None:
        """The client has left, and unless another one waits for it the message ends with that: in the gateway that
        took it. A client of another one, which found it by its name, leaves alone."""
        if self._client.leave() and self._message.bound_owner == self._call.gateway.owner_id:
            await self._call.desk.client_gone(self._message.id)


def _detail(message: Message) -> dict[str, Any]:
    detail: dict[str, Any] | None = parsed(message.reply_detail, dict) if message.reply_detail else None
    return detail or {}


def _besides(detail: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What a stored reply says besides, as ``_apart`` gives it."""
    model = {"model": detail["model"]} if detail.get("model") else {}
    return _apart(model | (detail.get("more") or {}))


def _apart(beside: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The logprobs, and what holds for the whole answer."""
    return beside.get("logprobs"), {name: beside[name] for name in HEAD if name in beside}


def _data(value: object) -> bytes:
    return f"data: {_json(value)}\n\n".encode("ascii")
