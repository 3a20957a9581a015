"""Retention: rows that are finished and old enough are deleted, a few at a time."""

from collections.abc import Sequence

from lanes_storage.clock import Now
from lanes_storage.doors.shared.journal import record
from lanes_storage.fragments import EVENTS_OF_A_BLOCK
from lanes_storage.interface import Transaction
from lanes_storage.law import EventType, Prunable
from lanes_storage.statements import pruning as sql

_WITH_IT = {
    Prunable.RUNS: sql.PRUNE_ALL_OF_RUN,
    Prunable.LANES: sql.PRUNE_ALL_OF_IDLE_LANE,
    Prunable.ANONYMOUS: sql.PRUNE_ALL_OF_LANE,
}


def prune(tx: Transaction, kind: Prunable, chosen: Sequence[tuple[int, int]]) -> int:
    """Delete rows of one kind, with their dependent rows; returns how many rows of that kind were deleted.

    ``chosen`` contains pairs: an id, and the wall time before which the row must have been finished.
    """
    if kind is Prunable.EVENTS:
        return _prune_events(tx, chosen)
    gone = [id_ for id_, before in chosen if tx.run(sql.PRUNE[kind], {"id": id_, "before": before}) == 1]
    for id_ in gone:
        for statement in _WITH_IT.get(kind, ()):
            tx.run(statement, {"id": id_})
    return len(gone)


def _prune_events(tx: Transaction, chosen: Sequence[tuple[int, int]]) -> int:
    """Delete events, and the entries of blocks in which their lanes have no other events."""
    gone = [
        (id_, lane)
        for id_, before in chosen
        for (lane,) in tx.rows(sql.PRUNE[Prunable.EVENTS], {"id": id_, "before": before})
    ]
    blocks = dict.fromkeys((lane, id_ // EVENTS_OF_A_BLOCK) for id_, lane in gone if lane is not None)
    tx.many(sql.PRUNE_BLOCK, [{"lane": lane, "block": block} for lane, block in blocks])
    return len(gone)


def prune_idempotency(tx: Transaction, before: int, limit: int) -> int:
    """Delete idempotency keys older than ``before`` (wall time); returns how many."""
    return tx.run(sql.PRUNE_IDEMPOTENCY, {"before": before, "limit": limit})


def note_pruned(tx: Transaction, kind: Prunable, count: int, older_than_ms: int, now: Now, *, actor: str) -> None:
    detail = {"what": kind, "count": count, "older_than_ms": older_than_ms}
    record(tx, EventType.PRUNED, now, actor=actor, detail=detail)
