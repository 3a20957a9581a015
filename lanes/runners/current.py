"""The run that the calling code belongs to: calls of the library from inside a runner are attributed to that run."""

from contextvars import ContextVar
from typing import NamedTuple


class Current(NamedTuple):
    """A run by its id only. A cancelled timer keeps its context alive until its original due time, and with it every
    object that the context refers to."""

    database: str
    id: int


#: Set in the task of a runner and in the block of a hold.
CURRENT: ContextVar[Current | None] = ContextVar("lanes_current_run", default=None)


def current_run(database: str) -> int | None:
    """The id of the run of that database that the calling code belongs to; None if it belongs to no run."""
    run = CURRENT.get()
    return run.id if run is not None and run.database == database else None
