"""Queries about the child lanes of a session. An abort asks them, and needs none of the queries that list lanes."""

from lanes_storage.fragments import NAMED_LANE
from lanes_storage.interface import Query
from lanes_storage.tuples import NamedTuple

MEMBERS = f"SELECT key, epoch FROM lanes WHERE parent_id = {NAMED_LANE} ORDER BY id"


class Member(NamedTuple):
    """A child lane."""

    key: str
    epoch: int


def members(key: str) -> Query[list[Member]]:
    """The child lanes of a session, oldest first."""
    return Query(MEMBERS, {"key": key}, lambda rows: [Member(*row) for row in rows])
