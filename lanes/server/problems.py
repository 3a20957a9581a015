"""How errors look: RFC 9457 problem documents under ``/api``, the OpenAI envelope under ``/v1``."""

import json
from http import HTTPStatus

from starlette.responses import Response

from lanes.errors import (
    Draining,
    IdempotencyConflict,
    InvalidKey,
    LaneBusy,
    LanesError,
    NotAllowed,
    NotFound,
    QueueFull,
)
from lanes_storage.errors import StorageError
from lanes_storage.law import Cause
from lanes_storage.records import Failure

#: Seconds after which a sender may try a full or draining gateway again.
RETRY_AFTER_S = "2"
#: The status of an answer to a message that ended otherwise than ``done``.
STATUS_OF_CAUSE = {
    Cause.PROVIDER_FAILED: 502,
    Cause.PROVIDER_COOLING: 503,
    Cause.DRAINED: 503,
    Cause.RUN_TIMEOUT: 504,
    Cause.STALL_TIMEOUT: 504,
}


class HttpProblem(Exception):
    """A request is refused: the status, a code for programs, a sentence for people."""

    def __init__(self, status: int, code: str, sentence: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.code, self.sentence, self.headers = status, code, sentence, headers or {}
        super().__init__(sentence)


def problem_of(error: Exception) -> HttpProblem:
    """The problem that one of our errors is to the caller. Raises what is no expected error."""
    later = {"Retry-After": RETRY_AFTER_S}
    match error:
        case HttpProblem():
            return error
        case InvalidKey():
            return HttpProblem(400, "invalid_key", str(error))
        case QueueFull():
            return HttpProblem(429, error.reason, str(error), later)
        case LaneBusy():
            return HttpProblem(423, error.reason, str(error))
        case Draining():
            return HttpProblem(503, error.reason, str(error), later)
        case IdempotencyConflict():
            return HttpProblem(422, error.reason, str(error))
        case NotFound():
            return HttpProblem(404, "not_found", str(error))
        case NotAllowed():
            return HttpProblem(409, "not_allowed", str(error))
        case StorageError():
            return HttpProblem(503, "database", f"{error}: {error.fix}", later)
        case LanesError():
            return HttpProblem(400, "refused", str(error))
    raise error


def of_failure(failure: Failure | None) -> HttpProblem:
    """The problem of a message that ended without a reply. It was accepted: the client must not send it again."""
    if failure is None:
        return HttpProblem(500, "aborted", "the message ended without a reply", {"x-should-retry": "false"})
    status = STATUS_OF_CAUSE.get(failure.cause, 500)
    return HttpProblem(status, failure.cause, failure.message, {"x-should-retry": "false"})


def render(problem: HttpProblem, *, openai: bool) -> Response:
    """The response of a problem, in the form of its surface."""
    if openai:
        return _json(problem, openai_error(problem), "application/json")
    title = HTTPStatus(problem.status).phrase
    document = {"type": "about:blank", "title": title, "status": problem.status, "detail": problem.sentence}
    return _json(problem, document | {"code": problem.code}, "application/problem+json")


def openai_error(problem: HttpProblem) -> dict[str, object]:
    """The OpenAI error envelope."""
    kind = "invalid_request_error" if problem.status < 500 else "server_error"
    return {"error": {"message": problem.sentence, "type": kind, "param": None, "code": problem.code}}


def _json(problem: HttpProblem, body: object, media_type: str) -> Response:
    return Response(json.dumps(body), problem.status, problem.headers, media_type)
