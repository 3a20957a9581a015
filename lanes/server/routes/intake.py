"""Accepting a message for a request, by the policy of its lane; and a run that waits with the request."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from lanes.base.errors import Draining
from lanes.records import Message
from lanes.server.asgi.errors import HttpProblem
from lanes.server.asgi.request import HttpRequest
from lanes.verbs.sending import end_wait

T = TypeVar("T")


async def accept(call: HttpRequest, key: str, text: str | None = None, *, waits: bool, **what: Any) -> Message:
    """Accept a message; once it is stored, no error may make the client send it again.

    ``waits``: the request goes on until the message has ended, and the run that it is a part of with it.
    Raises what ``lanes.verbs.sending.send`` raises, and Draining.
    """
    if (request := what.get("request")) is not None:
        _check_request(request)
    if call.gateway.draining is not None:
        raise Draining(key)
    message = await call.desk.send(
        key,
        text,
        actor=call.actor,
        token=call.token_name,
        waiting_run=call.waiting_run if waits else None,
        **what,
    )
    call.accepted = True
    return message


def _check_request(request: dict[str, Any]) -> None:
    """Refuse before it is stored what no run could answer. Raises HttpProblem."""
    messages, n = request.get("messages"), request.get("n")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise HttpProblem(400, "bad_request", "messages must be a list of at least one message", param="messages")
    if n is not None and (n != 1 or isinstance(n, bool)):
        raise HttpProblem(400, "bad_request", "a message gets one answer: n must be 1", param="n")


async def no_longer_waiting(call: HttpRequest, message_id: int) -> None:
    """The run that waited with this request, if one did, waits no longer."""
    if call.waiting_run is not None:
        await call.desk.perform(end_wait(call.waiting_run, message_id))


async def waiting(call: HttpRequest, message_id: int, work: Coroutine[Any, Any, T]) -> T:
    """``work`` while the client is there; when it is over, the run of the request waits no longer."""
    try:
        return await call.while_connected(work)
    finally:
        if call.waiting_run is not None:
            await asyncio.shield(no_longer_waiting(call, message_id))
