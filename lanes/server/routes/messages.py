"""The native routes of messages that are waited for or followed."""

import json
from collections.abc import AsyncIterator, Sequence

from starlette.types import ASGIApp

from lanes.records import Message
from lanes.runners.base import Delta
from lanes.server.asgi.errors import HttpProblem
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse
from lanes.server.routes.intake import accept, no_longer_waiting, waiting
from lanes.server.routes.verbs import given
from lanes.server.state.cancellation import ServerClosing
from lanes.server.state.streaming import WatchedStream, events, next_pieces
from lanes.verbs import sending
from lanes.verbs.kinds import MOST_WAIT_S
from lanes_storage.law import TERMINAL


async def post_message(call: HttpRequest) -> ASGIApp:
    """Accept a message: 202, or with ``wait`` 200 once it has ended."""
    wait, what = call.number("wait", MOST_WAIT_S), await given(sending.send, call)
    if ("text" in what) == ("request" in what):
        raise HttpProblem(400, "bad_request", "send exactly one of text and request")
    name = call.idempotency_key(what.pop("idempotency_key", None))
    waits = wait is not None or call.accepts("text/event-stream")
    message = await accept(call, what.pop("key"), waits=waits, idempotency_key=name, **what)
    if call.accepts("text/event-stream"):
        return _stream(call, message)
    if wait is None:
        return JsonResponse(message, 202)
    return await _when_ended(call, message, wait)


async def get_message(call: HttpRequest) -> ASGIApp:
    """State and reply of a message; ``wait`` seconds for its end."""
    number, wait = call.message_id, call.number("wait", MOST_WAIT_S)
    message = await call.desk.message(number)
    if wait is None:
        return JsonResponse(message)
    if call.waiting_run is not None:
        await call.desk.perform(sending.begin_wait(call.desk.context(), call.waiting_run, number))
    return await _when_ended(call, message, wait, unfinished=200)


async def _when_ended(call: HttpRequest, message: Message, wait: float, *, unfinished: int = 202) -> ASGIApp:
    try:
        message = await waiting(call, message.id, call.desk.when_ended(message, timeout=wait))
    except ServerClosing:
        message = await call.desk.message(message.id)
    return JsonResponse(message, 200 if message.state in TERMINAL else unfinished)


def _stream(call: HttpRequest, message: Message) -> ASGIApp:
    listener = call.gateway.listen(message.id)

    async def pieces() -> AsyncIterator[bytes]:
        yield _event("accepted", message.to_json())
        first = await next_pieces(listener)
        async for piece in events(first, listener, _pieces, ending):
            yield piece

    async def ending() -> AsyncIterator[bytes]:
        yield _event("message", (await call.desk.message(message.id)).to_json())

    async def over(_: bool) -> None:
        listener.close()
        await no_longer_waiting(call, message.id)

    return WatchedStream(pieces(), over)


def _pieces(deltas: Sequence[Delta]) -> bytes:
    return b"".join(map(_piece, deltas))


def _piece(delta: Delta) -> bytes:
    return _event("restart", {}) if delta.begin_again else _event("delta", {"text": delta.text})


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
