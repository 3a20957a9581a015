"""Queries about the lanes of a session. An abort asks them, and needs none of the queries that list lanes."""

from lanes_storage.fragments import NAMED_LANE, lanes_of
from lanes_storage.interface import Query
from lanes_storage.tuples import NamedTuple

_STOPPING = "(SELECT r.id FROM runs r WHERE r.id = lanes.run_id AND r.abort_at IS NOT NULL)"
MEMBERS = lanes_of(NAMED_LANE, f"key, epoch, {_STOPPING}")


class Member(NamedTuple):
    """A lane of a session. ``stopping``: its run, if an abort of it was requested."""

    key: str
    epoch: int
    stopping: int | None


def members(key: str) -> Query[list[Member]]:
    """The lane of a key, and its child lanes; empty if there is no such lane."""
    return Query(MEMBERS, {"key": key}, lambda rows: [Member(*row) for row in rows])
