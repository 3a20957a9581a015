"""The native routes about messages: accept, follow, list, retry, drop."""

import json
from collections.abc import AsyncIterator, Sequence

from starlette.types import ASGIApp

from lanes import operations
from lanes.procedure import Procedure
from lanes.records import Message, Pruned
from lanes.runners.base import Delta
from lanes.server.answer import Answer, long_answer
from lanes.server.call import Call
from lanes.server.cut import Closing
from lanes.server.fields import Fields
from lanes.server.intake import accept, no_longer_waiting, waiting
from lanes.server.problems import HttpProblem
from lanes.server.streaming import WatchedStream, events, next_pieces
from lanes_storage.law import TERMINAL, MessageState
from lanes_storage.records import LaneFilter, Subject

MOST_WAIT_S = 600.0
MOST_MESSAGES = 1_000
#: A list of messages ends where these have so many characters together.
MOST_CHARACTERS = 16_000_000


async def post_message(call: Call) -> ASGIApp:
    """Accept a message: 202, or with ``wait`` 200 once it has ended."""
    key, wait = call.key, call.number("wait", MOST_WAIT_S)
    fields = Fields(await call.body())
    text, request, if_idle = fields.get("text", str), fields.get("request", dict), fields.flag("if_idle")
    name = call.idempotency_key(fields.get("idempotency_key", str))
    fields.done()
    if (text is None) == (request is None):
        raise HttpProblem(400, "bad_request", "send exactly one of text and request")
    waits = wait is not None or call.accepts("text/event-stream")
    message = await accept(call, key, text, waits=waits, request=request, idempotency_key=name, if_idle=if_idle)
    if call.accepts("text/event-stream"):
        return _stream(call, message)
    if wait is None:
        return Answer(message, 202)
    return await _when_ended(call, message, wait)


async def get_message(call: Call) -> ASGIApp:
    """State and reply of a message; ``wait`` seconds for its end."""
    number, wait = call.message_id, call.number("wait", MOST_WAIT_S)
    message = await call.desk.message(number)
    if wait is None:
        return Answer(message)
    if call.waiting_run is not None:
        await call.desk.perform(operations.begin_wait(call.waiting_run, number))
    return await _when_ended(call, message, wait, unfinished=200)


async def _when_ended(call: Call, message: Message, wait: float, *, unfinished: int = 202) -> ASGIApp:
    try:
        message = await waiting(call, message.id, call.desk.when_ended(message, timeout=wait))
    except Closing:
        message = await call.desk.message(message.id)
    return Answer(message, 200 if message.state in TERMINAL else unfinished)


def _stream(call: Call, message: Message) -> ASGIApp:
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


async def get_messages(call: Call) -> ASGIApp:
    """The messages of a lane, the newest first."""
    states = chosen(call, "state", MessageState)
    limit = call.count("limit", MOST_MESSAGES, MOST_MESSAGES)
    page = {"limit": limit, "before": call.id("before"), "within": MOST_CHARACTERS}
    return await _listed(call, operations.messages(call.key, states=states, chosen=_filter(call), **page))


async def get_dead_letters(call: Call) -> ASGIApp:
    """The failed messages of every lane, the newest first, those that were retried too."""
    limit = call.count("limit", MOST_MESSAGES, MOST_MESSAGES)
    page = {"limit": limit, "before": call.id("before"), "within": MOST_CHARACTERS}
    return await _listed(call, operations.dead_letters(chosen=_filter(call), **page))


async def get_message_ids(call: Call) -> ASGIApp:
    """The ids of what a filter chooses and could be acted on, the oldest first: what waits, for `drop`; dead letters
    that were not retried yet, for `retry`."""
    action, chosen = call.one("for"), _filter(call)
    if action not in ("retry", "drop"):
        raise HttpProblem(400, "bad_parameter", "for is retry or drop")
    found = operations.retriable(chosen) if action == "retry" else operations.droppable(chosen)
    ids = await call.searching(call.desk.perform(found))
    return await long_answer([str(number) for number in ids])


def _filter(call: Call) -> LaneFilter:
    return call.filter(Subject.MESSAGE)


async def _listed(call: Call, procedure: Procedure[list[Message]]) -> ASGIApp:
    return await long_answer(await call.searching(call.desk.perform(procedure)))


async def prune_dead_letters(call: Call) -> ASGIApp:
    """Delete the dead letters that failed at least `older_than` ago, for good, and say how many went."""
    fields = Fields(await call.body())
    older_than = fields.span("older_than")
    fields.done()
    if older_than is None:
        raise HttpProblem(400, "bad_request", "older_than says of what age they are to go (0s: all)")
    gone = await call.desk.perform(operations.prune_dead_letters(older_than, actor=call.actor))
    return Answer(Pruned(gone))


async def retry_message(call: Call) -> ASGIApp:
    """Accept a dead letter once more."""
    Fields(await call.body()).done()
    retried = await call.desk.retry(call.message_id, actor=call.actor)
    return Answer(retried, 202)


async def drop_message(call: Call) -> ASGIApp:
    """End a waiting message."""
    Fields(await call.body()).done()
    return Answer(await call.desk.drop(call.message_id, actor=call.actor))


def chosen(call: Call, name: str, words: type[MessageState]) -> Sequence[MessageState]:
    """A repeatable parameter that is one of these words. Raises HttpProblem."""
    given = call.query.get(name, [])
    if unknown := [word for word in given if word not in set(words)]:
        raise HttpProblem(400, "bad_parameter", f"{name} is one of {', '.join(words)}, not {unknown[0]!r}")
    return [words(word) for word in given]
