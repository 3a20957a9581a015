"""Requests to free a session of another program's gateway."""

import json
from collections.abc import Sequence
from typing import Any

from lanes_storage.clock import Now
from lanes_storage.doors.shared.journal import record
from lanes_storage.interface import Transaction
from lanes_storage.law import HELD_THERE, EventType, WatchedState
from lanes_storage.records import Freeing
from lanes_storage.statements.watched import sightings as sql

#: Ended requests are kept for a day.
KEEP_FREEINGS_MS = 86_400_000


def ask_to_free(
    tx: Transaction, source: str, key: str, epoch: int | None, now: Now, *, reset: bool, actor: str, reason: str | None
) -> tuple[int | None, int] | None:
    """Ask to free a session; the number of the request, None if it is at another epoch or not held; and its epoch.

    None: there is no such session.
    """
    rows = tx.rows(sql.EPOCH_OF_SIGHTING, {"source": source, "key": key})
    if not rows:
        return None
    ((found, state),) = rows
    if epoch not in (None, found) or (state not in HELD_THERE and not (reset and state == WatchedState.STALE)):
        return None, found
    values = {"source": source, "key": key, "epoch": found, "reset": reset, "actor": actor, "reason": reason}
    return int(tx.rows(sql.ASK_TO_FREE, values | {"now": now.wall})[0][0]), found


def free_by_itself(tx: Transaction, source: str, key: str, epoch: int, now: Now, *, owner: int, reason: str) -> None:
    """Ask to free a session because it was silent for longer than it may be; once for its runs."""
    if tx.run(sql.FREED_BY_ITSELF, {"source": source, "key": key, "epoch": epoch}):
        ask_to_free(tx, source, key, epoch, now, reset=False, actor=f"owner:{owner}", reason=reason)


def take_freeings(tx: Transaction, source: str, owner: int, now: Now) -> list[Freeing]:
    """Take the open requests of a source. The owner of the source carries them out."""
    if not tx.rows(sql.WATCHES, {"name": source, "owner": owner}):
        return []
    tx.run(sql.PRUNE_FREEINGS, {"before": now.wall - KEEP_FREEINGS_MS})
    rows = tx.rows(sql.OPEN_FREEINGS, {"source": source, "owner": owner})
    found = [Freeing(row[0], row[1], row[2], bool(row[3]), row[4]) for row in rows]
    tx.many(sql.TAKE_FREEING, [{"owner": owner, "id": each.id} for each in found])
    return found


def end_freeing(tx: Transaction, id_: int, outcome: str, steps: Sequence[dict[str, Any]], now: Now) -> bool:
    """Store the outcome of a request; False: it has ended before."""
    values = {"id": id_, "outcome": outcome, "steps": json.dumps(list(steps)), "now": now.wall}
    for source, key, actor, reason in tx.rows(sql.END_FREEING, values):
        detail = {"key": f"{source}:{key}", "outcome": outcome, "steps": list(steps)}
        record(tx, EventType.FREED, now, actor=actor, detail=detail | ({"reason": reason} if reason else {}))
        return True
    return False
