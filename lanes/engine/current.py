"""Which run the calling code belongs to: what a runner does with the library that runs it is done as that run."""

from contextvars import ContextVar
from typing import NamedTuple


class Current(NamedTuple):
    """A run by its name alone. A timer that was cancelled keeps its context until it would have been due, and with it
    whatever that names."""

    database: str
    id: int


#: Set in the task of a runner and in the block of a hold.
CURRENT: ContextVar[Current | None] = ContextVar("lanes_current_run", default=None)


def current_run(database: str) -> int | None:
    """The id of the run of that database that the calling code belongs to; None: of none."""
    run = CURRENT.get()
    return run.id if run is not None and run.database == database else None
