"""How a request that was passed on ends if its provider does not end it."""

import json
import time
from typing import Any

from lanes.config.declared.model import SourceConfig
from lanes.dialects.dialect import ClientRequest, Dialect, StoredReply, event
from lanes.records import Message
from lanes.records.problems import Problem
from lanes.runners.base import Delta
from lanes.runners.passing.follower import Follower
from lanes.server.asgi.errors import ENDED, ONCE, HttpProblem, of_failure
from lanes.server.asgi.response import TextResponse
from lanes.server.passing.outline import Outline
from lanes_storage.law import AttemptCause, Cause

#: The limits of a source: a request that one of them ends must not be sent again.
LIMITS = frozenset({AttemptCause.FIRST_BYTE_TIMEOUT, AttemptCause.IDLE_TIMEOUT})
SILENT_TEXT = "the provider showed no sign of life for too long"
UNREACHED_TEXT = "the provider could not be reached, or gave no answer"
REPEATED_TEXT = "this request was ended a moment ago, and is not passed on again"


def ended_problem(message: Message | None, source: SourceConfig) -> Problem:
    """The error for the client if its message ended without an answer of the provider. ``None``: the gateway stops."""
    failure = None if message is None else message.error
    if failure is None or failure.cause is Cause.CLIENT_GONE:  # the client is here: it is the gateway that stops
        return of_failure(None).problem
    last = failure.attempts[-1].cause if failure.attempts else None
    if failure.cause is Cause.PROVIDER_FAILED and last in LIMITS:
        return ended(last, SILENT_TEXT)
    if failure.cause is Cause.PROVIDER_FAILED:  # no status came: the client may ask again, as it would without lanes
        return Problem(502, last or failure.cause, UNREACHED_TEXT)
    if failure.cause is Cause.ABORTED:
        return ended(failure.cause, source.abort_text)
    return of_failure(failure).problem


def ended(code: str, sentence: str) -> Problem:
    """The error for a request that lanes ended, and that its client must not send again."""
    return HttpProblem(ENDED, code, sentence, ONCE).problem


def as_answer(message: Message, outline: Outline, dialect: Dialect, text: str) -> TextResponse:
    """A text as an ordinary short answer of the model."""
    writer = dialect.writer(ClientRequest(message.id, int(time.time()), outline.echoed()))
    reply = StoredReply(text, {})
    if not outline.streamed:
        return TextResponse(json.dumps(writer.whole(reply)), 200, media_type="application/json")
    events = writer.piece(Delta(text)) + writer.ending(reply, begun=True)
    return TextResponse(events, 200, {"cache-control": "no-store"}, "text/event-stream; charset=utf-8")


def last_event(message: Message, outline: Outline, dialect: Dialect, problem: Problem, follower: Follower) -> bytes:
    """The error event that ends a stream which the provider began."""
    before = "" if follower.between else "\n\n"
    if dialect.name == "responses" and follower.response is not None:
        code = "invalid_prompt" if problem.status < 500 else "server_error"  # clients do not ask again after the first
        error = {"code": code, "message": problem.sentence}
        response = {"id": follower.response, "object": "response", "status": "failed", "error": error, "output": []}
        failed: dict[str, Any] = {"type": "response.failed", "response": response, **dialect.envelope(problem)}
        failed["sequence_number"] = follower.sequence + 1
        return (before + event(failed, "response.failed")).encode("ascii")
    writer = dialect.writer(ClientRequest(message.id, int(time.time()), outline.echoed()))
    return (before + writer.error(problem)).encode("ascii")
