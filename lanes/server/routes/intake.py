"""Accepts the messages of requests, and ends the wait of a run whose request waited for a message."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from lanes.base.errors import Draining
from lanes.records import Message
from lanes.server.asgi.request import HttpRequest
from lanes.server.routes.verbs import of_header
from lanes.verbs import sending

T = TypeVar("T")

#: The parameter that the header ``X-Lanes-Run`` gives.
RUN = sending.message.by_name["waiting_run"]


async def accept(call: HttpRequest, key: str, text: str | None = None, **fields: Any) -> Message:
    """Accept a message; once it is stored, no error may cause the client to send it again.

    Raises what ``lanes.verbs.sending.send`` raises, and Draining.
    """
    if call.gateway.draining is not None:
        raise Draining(key)
    context = call.desk.context(call.actor)
    message: Message = await call.desk.call(sending.send, context, key=key, text=text, token=call.token_name, **fields)
    call.stored()
    return message


async def end_wait(call: HttpRequest, message_id: int) -> None:
    """Store that the run which waited with this request, if any, no longer waits."""
    if (run := of_header(RUN, call)) is not None:
        await call.desk.perform(sending.end_wait(run, message_id))


async def begin_wait(call: HttpRequest, run: int, message_id: int) -> None:
    """Store that a run waits with this request, unless an earlier one left its wait open. Raises WaitCycle."""
    if not call.app_state.polled.take(run, message_id):
        await call.desk.perform(sending.begin_wait(call.desk.context(), run, message_id))


async def waiting(
    call: HttpRequest, message_id: int, work: Coroutine[Any, Any, T], goes_on: Callable[[T], bool] = lambda _: False
) -> T:
    """``work`` while the client is connected; then the wait of the run that sent the request is ended, or left to the
    next request if it ``goes_on`` after that result."""
    left = False
    try:
        outcome = await call.while_connected(work)
        left = goes_on(outcome)
        return outcome
    finally:
        if (run := of_header(RUN, call)) is not None:  # rarely true, and a task for it would cost every request
            if left:
                call.app_state.polled.leave(run, message_id)
            else:
                await asyncio.shield(end_wait(call, message_id))
