"""How a run is told to stop."""

from dataclasses import dataclass
from enum import StrEnum

from lanes_storage.law import Cause
from lanes_storage.records import RunFailure


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
