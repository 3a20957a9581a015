"""The native routes that wait for messages or stream them."""

from collections.abc import AsyncIterator, Sequence

from starlette.types import ASGIApp

from lanes.dialects.dialect import event
from lanes.records import Message
from lanes.runners.base import Delta
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse
from lanes.server.routes.intake import accept, begin_wait, end_wait, waiting
from lanes.server.routes.verbs import answer, of_query, params_of
from lanes.server.state.cancellation import ServerClosing
from lanes.server.state.streaming import WatchedStream, events, next_pieces
from lanes.verbs import sending
from lanes_storage.law import TERMINAL

#: The parameter that ``wait`` in the query gives.
WAIT = sending.message.by_name["wait"]


async def post_message(call: HttpRequest) -> ASGIApp:
    """Accept a message: 202, or with `wait` 200 once it has ended."""
    wait_ms, params = of_query(WAIT, call), await params_of(sending.send, call)
    streams = call.accepts("text/event-stream")
    if not streams and wait_ms is None:
        params.pop("waiting_run", None)
    message = await accept(call, **params)
    if streams:
        return _stream(call, message)
    return JsonResponse(message, 202) if wait_ms is None else await _when_ended(call, message, wait_ms)


async def get_message(call: HttpRequest) -> ASGIApp:
    """State and reply of a message; `wait` seconds for its end."""
    params = await params_of(sending.message, call)
    if (wait_ms := params.get("wait")) is None:
        return await answer(sending.message, call, params)
    message = await call.desk.message(params["id"])
    if (run := params.get("waiting_run")) is not None:
        await begin_wait(call, run, message.id)
    return await _when_ended(call, message, wait_ms, unfinished=200)


async def _when_ended(call: HttpRequest, message: Message, wait_ms: int, *, unfinished: int = 202) -> ASGIApp:
    try:
        work = call.desk.wait(message, timeout=wait_ms / 1000)
        message = await waiting(call, message.id, work, lambda message: message.state not in TERMINAL)
    except ServerClosing:
        message = await call.desk.message(message.id)
    return JsonResponse(message, 200 if message.state in TERMINAL else unfinished)


def _stream(call: HttpRequest, message: Message) -> ASGIApp:
    listener = call.gateway.listen(message)

    async def pieces() -> AsyncIterator[bytes]:
        yield _event("accepted", message.to_json())
        first = await next_pieces(listener)
        async for piece in events(first, listener, _pieces, ending):
            yield piece

    async def ending() -> AsyncIterator[bytes]:
        yield _event("message", (await call.desk.message(message.id)).to_json())

    async def over(_: bool) -> None:
        listener.close()
        await end_wait(call, message.id)

    return WatchedStream(pieces(), over)


def _pieces(deltas: Sequence[Delta]) -> bytes:
    return b"".join(map(_piece, deltas))


def _piece(delta: Delta) -> bytes:
    return _event("restart", {}) if delta.begin_again else _event("delta", {"text": delta.text})


def _event(name: str, data: object) -> bytes:
    return event(data, name).encode()
