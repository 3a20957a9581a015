"""How a run is told to stop, and how its lane is released then."""

from dataclasses import dataclass
from enum import StrEnum

from lanes_storage import doors
from lanes_storage.clock import Now
from lanes_storage.doors import Evidence
from lanes_storage.interface import CommandStep
from lanes_storage.law import Cause
from lanes_storage.records import Release, RetryTerms, RunFailure, Ticket


class StopKind(StrEnum):
    """Why a run was told to stop."""

    ABORT = "abort"
    EXPIRE = "expire"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop request: why, with which grace, and since when (monotonic clock, milliseconds)."""

    kind: StopKind
    cause: Cause
    message: str
    grace_ms: int
    since_mono: int
    budget_ms: int | None = None  # of an exceeded limit
    elapsed_ms: int | None = None

    @property
    def failure(self) -> RunFailure:
        """How a run that obeys it ends."""
        return RunFailure(self.cause, self.message, budget_ms=self.budget_ms, elapsed_ms=self.elapsed_ms)

    def release(
        self, ticket: Ticket, now: Now, *, by: str, forced: bool, retry: RetryTerms | None = None
    ) -> CommandStep[Release]:
        """How its lane is released: by force if the run did not obey."""
        match self.kind:
            case StopKind.ABORT:
                return doors.abort(ticket, now, by=by, forced=forced)
            case StopKind.EXPIRE:
                return doors.expire(ticket, self.failure, now, by=by, forced=forced, retry=retry)
            case StopKind.DRAIN if forced:
                return doors.reclaim(ticket, self.failure, now, by=by, evidence=Evidence())
            case StopKind.DRAIN:
                return doors.interrupt(ticket, self.failure, now, by=by)
