"""Errors over HTTP: RFC 9457 problem documents, written by a gateway and read by its clients.

One table for both directions, so that a command on a remote gateway fails with the same error, the same sentence and
the same exit code as on a file.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeGuard

from lanes.base import errors
from lanes_storage.errors import NotStorable, StorageError

#: Seconds after which a sender may retry at a full or draining gateway.
RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of error: its status and its code for programs.

    ``members``: the arguments of its class, which the document carries; without any, the class takes the sentence.
    """

    error: type[errors.LanesError | NotStorable]
    status: int
    code: str
    members: tuple[str, ...] = ()
    newer: tuple[str, ...] = ()  # arguments with a default, which older gateways do not send
    later: bool = False  # the same request may succeed in a moment
    also: tuple[str, ...] = ()  # codes that a gateway uses for the same error when it parses the request


#: The first match decides. 409 is never used: clients retry it automatically.
KINDS = (
    ProblemKind(errors.InvalidKey, 400, "invalid_key", ("why",)),
    ProblemKind(errors.Ambiguous, 400, "ambiguous", ("key", "sources")),
    ProblemKind(errors.NotPermitted, 403, "not_permitted"),
    ProblemKind(errors.Unfit, 400, "unfit", also=("bad_request", "bad_parameter")),
    ProblemKind(NotStorable, 400, "not_storable"),
    ProblemKind(errors.QueueFull, 429, "queue_full", ("key", "cap"), later=True),
    ProblemKind(errors.LaneBusy, 423, "lane_busy", ("key",), newer=("rejects",)),
    ProblemKind(errors.Draining, 503, "draining", ("key",), later=True),
    ProblemKind(errors.WaitCycle, 422, "wait_cycle", ("keys",)),
    ProblemKind(errors.IdempotencyConflict, 422, "idempotency_conflict", ("key", "idempotency_key")),
    ProblemKind(errors.TooMuch, 400, "too_much"),
    ProblemKind(errors.NotFound, 404, "not_found", ("what", "name")),
    ProblemKind(errors.Changed, 412, "changed", ("key", "epoch")),
    ProblemKind(errors.NotAllowed, 422, "not_allowed"),
)
DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Problem:
    """A request that is refused: the status, a code for programs, a sentence for people."""

    status: int
    code: str
    sentence: str
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The problem document."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.sentence,
            "code": self.code,
            **self.members,
        }


def status_of(error: type[errors.LanesError]) -> int:
    """The HTTP status of an error of that type."""
    return next(kind.status for kind in KINDS if issubclass(error, kind.error))


def problem_of(error: errors.LanesError | StorageError | NotStorable) -> Problem:
    """The problem of an error."""
    later = {"Retry-After": str(RETRY_AFTER_S)}
    if isinstance(error, StorageError):
        return Problem(503, DATABASE, f"{error}: {error.fix}", headers=later)
    for kind in KINDS:
        if isinstance(error, kind.error):
            members = {name: getattr(error, name) for name in (*kind.members, *kind.newer)}
            if (param := getattr(error, "param", None)) is not None:
                members["param"] = param
            return Problem(kind.status, kind.code, str(error), members, later if kind.later else {})
    return Problem(400, "refused", str(error))


def is_problem(document: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether an answer is a problem document of a gateway."""
    return isinstance(document, dict) and all(isinstance(document.get(name), str) for name in ("code", "detail"))


def error_of(document: Mapping[str, Any]) -> errors.LanesError | NotStorable:
    """The error of a problem document; a plain LanesError if its code is not known."""
    detail = str(document.get("detail") or document.get("title") or "refused")
    for kind in KINDS:
        if document.get("code") in (kind.code, *kind.also):
            with contextlib.suppress(LookupError, TypeError):  # the members may be anything if the server is no gateway
                newer = {name: document[name] for name in kind.newer if name in document}
                said = [document[name] for name in kind.members] if kind.members else [detail]
                error = kind.error(*said, **newer)
                if isinstance(error, errors.Unfit) and isinstance(param := document.get("param"), str):
                    error.param = param
                return error
    return errors.LanesError(detail)
