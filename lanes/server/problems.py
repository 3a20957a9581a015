"""How errors look: RFC 9457 problem documents under ``/api``, the OpenAI envelope under ``/v1``."""

import json

from starlette.responses import Response

from lanes.problems import Problem
from lanes_storage.law import Cause
from lanes_storage.records import Failure

#: The status of an answer to a message that ended otherwise than ``done``.
STATUS_OF_CAUSE = {
    Cause.PROVIDER_FAILED: 502,
    Cause.PROVIDER_COOLING: 503,
    Cause.DRAINED: 503,
    Cause.RUN_TIMEOUT: 504,
    Cause.STALL_TIMEOUT: 504,
    Cause.WAIT_CYCLE: 422,
}
#: On every error about a message that was accepted: the client must not send it again.
ONCE = {"x-should-retry": "false"}


class HttpProblem(Exception):
    """A request is refused. ``param``: the part of it that is to blame."""

    def __init__(
        self, status: int, code: str, sentence: str, headers: dict[str, str] | None = None, *, param: str | None = None
    ) -> None:
        members = {} if param is None else {"param": param}
        self.problem = Problem(status, code, sentence, members, headers or {})
        super().__init__(sentence)


def of_failure(failure: Failure | None) -> HttpProblem:
    """The problem of a message that was accepted and is not answered. Without a failure it has not ended: the
    gateway stops, and a message that belongs to its connection ends with it."""
    if failure is None:
        return HttpProblem(503, Cause.DRAINED, "the gateway has stopped before the answer came", ONCE)
    return HttpProblem(STATUS_OF_CAUSE.get(failure.cause, 500), failure.cause, failure.message, ONCE)


def render(problem: Problem, *, openai: bool, accepted: bool = False) -> Response:
    """The response of a problem, in the form of its surface. ``accepted``: it came after a message was stored."""
    headers = {**problem.headers, **ONCE} if accepted else dict(problem.headers)
    if openai:
        return Response(json.dumps(openai_error(problem)), problem.status, headers, "application/json")
    return Response(json.dumps(problem.document()), problem.status, headers, "application/problem+json")


def openai_error(problem: Problem) -> dict[str, object]:
    """The OpenAI error envelope."""
    kind = "invalid_request_error" if problem.status < 500 else "server_error"
    return {
        "error": {
            "message": problem.sentence,
            "type": kind,
            "param": problem.members.get("param"),
            "code": problem.code,
        }
    }
