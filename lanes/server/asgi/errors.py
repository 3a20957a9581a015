"""How errors look: RFC 9457 problem documents under ``/api``, the envelope of its dialect under ``/v1``."""

import json
from collections.abc import Callable
from typing import Any

from lanes.records import Attempt, Failure
from lanes.records.problems import Problem
from lanes.runners.providers.judge import OF_THE_REQUEST
from lanes.server.asgi.response import TextResponse
from lanes_storage.law import AttemptCause, Cause

#: How a dialect words a problem.
Envelope = Callable[[Problem], dict[str, Any]]

#: The response status by the cause of a failed message; 500 for every other cause.
STATUS_OF_CAUSE = {
    Cause.PROVIDER_FAILED: 502,
    Cause.PROVIDER_COOLING: 503,
    Cause.DRAINED: 503,
    Cause.WAIT_CYCLE: 422,
}
#: The status and sentences for a message that was ended without an answer; they do not tell by whom, where and why.
#: Clients retry after 5xx, but not after 423.
ENDED = 423
ENDED_TEXT = {
    Cause.ABORTED: "the run was aborted",
    Cause.INTERRUPTED_BY_NEWER: "a newer message of this session took its place",
    Cause.CLIENT_GONE: "its connection or its gateway has ended: the request does not continue",
    Cause.RUN_TIMEOUT: "the run took longer than allowed",
    Cause.STALL_TIMEOUT: "the run showed no progress for too long",
    "expired": "the message waited too long",
    "over_budget": "the budget is used up",
}
#: The HTTP status of a provider that refuses the request itself; None where there was no response, or an error event.
STATUS_OF_REQUEST = frozenset({None, 400, 413, 422})
#: The error code that OpenAI's clients look for, if the dialect of the provider has no codes.
CODE_OF_CAUSE: dict[str, str] = {AttemptCause.CONTEXT_OVERFLOW: "context_length_exceeded"}
#: On every error after a message was accepted: the client must not send it again.
ONCE = {"x-should-retry": "false"}


class HttpProblem(Exception):
    """A request is refused. ``param``: the part of it that is at fault."""

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        headers: dict[str, str] | None = None,
        *,
        param: str | None = None,
        error_type: str | None = None,
    ) -> None:
        more = {"param": param, "error_type": error_type}
        members = {name: value for name, value in more.items() if value is not None}
        self.problem = Problem(status, code, sentence, members, headers or {})
        super().__init__(sentence)


def of_failure(failure: Failure | None) -> HttpProblem:
    """The problem of a message that was accepted and not answered. Without a failure the message has not ended: the
    gateway is stopping, and a message that is bound to its connection ends with it."""
    if failure is None:
        return HttpProblem(503, Cause.DRAINED, "the gateway stopped before the answer came", ONCE)
    if failure.cause in ENDED_TEXT:
        return HttpProblem(ENDED, failure.cause, ENDED_TEXT[failure.cause], ONCE)
    blamed = _blamed(failure)
    if blamed is not None:
        message = blamed.message.removeprefix(f"HTTP {blamed.status}: ")
        kind = blamed.type or "invalid_request_error"
        return HttpProblem(
            400,
            blamed.code or CODE_OF_CAUSE.get(blamed.cause, blamed.cause),
            message,
            ONCE,
            param=blamed.param,
            error_type=kind,
        )
    return HttpProblem(STATUS_OF_CAUSE.get(failure.cause, 500), failure.cause, failure.message, ONCE)


def _blamed(failure: Failure) -> Attempt | None:
    """The error of the first provider, if all providers say that the request is at fault."""
    attempts = failure.attempts if failure.cause is Cause.PROVIDER_FAILED else ()
    all_agree = all(each.cause in OF_THE_REQUEST and each.status in STATUS_OF_REQUEST for each in attempts)
    return attempts[0] if attempts and all_agree else None


def render(problem: Problem, envelope: Envelope | None, *, accepted: bool = False) -> TextResponse:
    """The response of a problem, in the form of its surface: an envelope, or a problem document. ``accepted``: it came
    after a message was stored."""
    headers = {**problem.headers, **ONCE} if accepted else dict(problem.headers)
    if envelope is not None:
        return TextResponse(json.dumps(envelope(problem)), problem.status, headers, "application/json")
    return TextResponse(json.dumps(problem.document()), problem.status, headers, "application/problem+json")
