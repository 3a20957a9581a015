"""Queries about old rows: walks by id, oldest first, so that retention needs no index that the hot path must update."""

from lanes_storage.interface import Query
from lanes_storage.law import Prunable
from lanes_storage.records import Old
from lanes_storage.statements.upkeep import KINDS


def old(kind: Prunable, after: int, limit: int) -> Query[list[Old]]:
    """The rows of a kind after id ``after``, with the columns that decide whether they may be pruned."""
    return Query(KINDS[kind].walk, {"after": after, "limit": limit}, lambda rows: [Old(*row) for row in rows])
