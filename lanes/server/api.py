"""The native routes: messages, lanes, and what an operator does to them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import JSONResponse, Response

from lanes import forms
from lanes.config import durations
from lanes.server.call import Call, Closing
from lanes.server.problems import HttpProblem
from lanes.server.streaming import WatchedStream, events, next_piece
from lanes_storage.law import TERMINAL, LaneState, Scope
from lanes_storage.records import LaneFilter, Message

MOST_WAIT_S = 600.0
MOST_LANES = 1_000


async def post_message(call: Call) -> Response:
    """Accept a message: 202, or with ``wait`` 200 once it has ended."""
    key, body = call.key, await call.body()
    call.refuse_while_draining(key)
    wait = call.number("wait", None, MOST_WAIT_S)
    text, request = body.get("text"), body.get("request")
    if (text is None) == (request is None):
        raise HttpProblem(400, "bad_request", "send exactly one of text and request")
    if text is not None and not isinstance(text, str):
        raise HttpProblem(400, "bad_request", "text must be a string")
    if request is not None and not isinstance(request, dict):
        raise HttpProblem(400, "bad_request", "request must be an object")
    message = await call.desk.send(
        key,
        text,
        request=request,
        actor=call.actor,
        idempotency_key=call.request.headers.get("idempotency-key"),
        token=call.token_name,
        cap=call.house.config.policy(key).cap,
    )
    if "text/event-stream" in call.request.headers.get("accept", ""):
        return await _stream(call, message)
    if wait is None:
        return _message(message, 202)
    try:
        message = await call.while_connected(call.desk.wait(message.id, timeout=wait))
    except Closing:
        message = await call.desk.message(message.id)
    return _message(message, 200 if message.state in TERMINAL else 202)


async def _stream(call: Call, message: Message) -> Response:
    listener = call.gateway.listen(message.id)
    first = await next_piece(listener)

    async def ending() -> AsyncIterator[bytes]:
        ended = forms.message_form(await call.desk.message(message.id))
        yield _event("message", ended)

    async def over(_: bool) -> None:
        listener.close()

    pieces = events(first, listener, lambda delta: _event("delta", {"text": delta.text}), ending)
    return WatchedStream(pieces, lambda whole: asyncio.ensure_future(over(whole)))


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


async def get_message(call: Call) -> Response:
    """State and reply of a message."""
    return _message(await call.desk.message(call.message_id), 200)


async def retry_message(call: Call) -> Response:
    """Accept a dead letter once more."""
    return _message(await call.desk.retry(call.message_id, actor=call.actor), 202)


async def drop_message(call: Call) -> Response:
    """End a waiting message."""
    return _message(await call.desk.drop(call.message_id, actor=call.actor), 200)


async def get_lanes(call: Call) -> Response:
    """Lanes sorted by harm; ``state`` (repeatable), ``match``, ``limit``, ``cursor``."""
    query = call.request.query_params
    states = query.getlist("state")
    if query.get("held") in ("1", "true"):
        states = ["running"]
    unknown = [state for state in states if state not in set(LaneState)]
    if unknown:
        raise HttpProblem(400, "bad_parameter", f"state is one of {', '.join(LaneState)}")
    limit = int(call.number("limit", 50, MOST_LANES) or 0)
    offset = int(call.number("cursor", 0, 1e9) or 0)
    chosen = LaneFilter(states=tuple(LaneState(state) for state in states), match=query.get("match"))
    lanes = await call.desk.lanes(chosen, limit=limit + 1, offset=offset)
    now = call.desk.clock()
    counts = await call.desk.counts()
    return JSONResponse(
        {
            "lanes": forms.lane_forms(lanes[:limit], now),
            "counts": counts.lanes,
            "next": str(offset + limit) if len(lanes) > limit else None,
        }
    )


async def get_lane(call: Call) -> Response:
    """One lane, as ``lanes show --json``."""
    return JSONResponse(forms.detail_form(await call.desk.detail(call.key), call.desk.clock()))


async def abort_lane(call: Call) -> Response:
    """Abort, as ``lanes abort``: ``scope``, ``reason``, ``epoch``, ``grace``, ``force``, ``wait``, ``timeout``."""
    body = await call.body()
    scope = body.get("scope", "run")
    if scope not in set(Scope):
        raise HttpProblem(400, "bad_request", f"scope is one of {', '.join(Scope)}")
    result = await call.desk.abort(
        call.key,
        actor=call.actor,
        reason=_optional(body, "reason", str),
        scope=Scope(scope),
        epoch=_optional(body, "epoch", int),
        grace_ms=_duration(body, "grace"),
        force=bool(_optional(body, "force", bool)),
        wait=_optional(body, "wait", bool) is not False,
        timeout=None if (ms := _duration(body, "timeout")) is None else ms / 1000,
    )
    return JSONResponse(forms.abort_form(result))


async def pause_lane(call: Call) -> Response:
    """Let a lane claim nothing: ``reason``, ``for`` (a duration)."""
    body = await call.body()
    lasting, now = _duration(body, "for"), call.desk.clock()
    until = None if lasting is None else now.wall + lasting
    lane = await call.desk.pause(call.key, actor=call.actor, reason=_optional(body, "reason", str), until=until)
    return JSONResponse(forms.lane_form(lane, now))


async def resume_lane(call: Call) -> Response:
    """Let a lane claim again."""
    await call.body()
    return JSONResponse(forms.lane_form(await call.desk.resume(call.key, actor=call.actor), call.desk.clock()))


async def ack_lane(call: Call) -> Response:
    """ "Seen": errored or aborted back to idle."""
    await call.body()
    return JSONResponse(forms.lane_form(await call.desk.ack(call.key, actor=call.actor), call.desk.clock()))


async def get_status(call: Call) -> Response:
    """As ``lanes status --json``."""
    return JSONResponse(forms.status_form(await call.desk.status(), call.desk.clock()))


def _message(message: Message, status: int) -> Response:
    return JSONResponse(forms.message_form(message), status)


def _optional(body: dict[str, Any], name: str, kind: type) -> Any:
    value = body.get(name)
    if value is None or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
        return value
    raise HttpProblem(400, "bad_request", f"{name} must be a {kind.__name__}")


def _duration(body: dict[str, Any], name: str) -> int | None:
    value = _optional(body, name, str)
    try:
        return None if value is None else durations.parse(value)
    except ValueError as error:
        raise HttpProblem(400, "bad_request", f"{name}: {error}") from error
