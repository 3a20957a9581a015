"""Other programs' gateways: who watches them, what is seen there, and requests to free a session."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from lanes_storage.clock import Now
from lanes_storage.doors.shared import record
from lanes_storage.interface import Transaction
from lanes_storage.law import HELD_THERE, EventType, SourceState, WatchedState
from lanes_storage.records import Freeing, Sighting
from lanes_storage.statements import watched as sql

#: How long ended requests are kept, in milliseconds.
KEEP_FREEINGS_MS = 86_400_000


def watch(
    tx: Transaction,
    name: str,
    kind: str,
    url: str,
    owner: int,
    now: Now,
    *,
    is_gone: Callable[[Transaction, int], bool],
) -> bool:
    """Make ``owner`` the one process that watches a source. Returns False if another one watches it, unless ``is_gone``
    says that this one is gone."""
    for watcher, _, _ in tx.rows(sql.WATCHER_OF, {"name": name}):
        if watcher != owner and not is_gone(tx, watcher):
            return False
    tx.run(sql.TAKE_SOURCE, {"name": name, "kind": kind, "url": url, "owner": owner, "now": now.wall})
    return True


def note_source(
    tx: Transaction,
    name: str,
    owner: int,
    state: SourceState,
    now: Now,
    *,
    version: str | None = None,
    why: str | None = None,
    fix: str | None = None,
) -> bool:
    """Store whether a source can be watched. Returns False if another process watches it."""
    before = tx.rows(sql.WATCHER_OF, {"name": name})
    values = {"name": name, "owner": owner, "state": state, "version": version, "why": why, "fix": fix, "now": now.wall}
    if not tx.run(sql.NOTE_SOURCE, values):
        return False
    if before and tuple(before[0][1:]) != (state, why):
        detail = {"source": name, "state": state} | ({"why": why} if why else {})
        record(tx, EventType.SOURCE, now, actor=f"owner:{owner}", detail=detail)
    return True


def keep_sightings(
    tx: Transaction, source: str, owner: int, seen: Sequence[Sighting], now: Now, *, from_files: bool, whole: bool
) -> bool:
    """Store the sessions that were seen in a source; ``whole``: there are no others.

    Returns False if another process watches it; then nothing is stored.
    """
    if not tx.rows(sql.WATCHES, {"name": source, "owner": owner}):
        return False
    known = {
        key: (state, epoch, runs) for key, state, epoch, runs, *_ in tx.rows(sql.KEPT_SIGHTINGS, {"source": source})
    }
    rows = []
    for each in seen:
        runs = json.dumps(each.runs)
        state, epoch, before = known.get(each.key, ("", 0, ""))
        moved = before != runs or (each.held and state not in HELD_THERE)
        values = each._asdict() | {"runs": runs, "epoch": epoch + moved or 1, "source": source}
        rows.append(values | {"from_files": from_files, "now": now.wall})
    if rows:
        tx.many(sql.KEEP_SIGHTING, rows)
    if whole:
        missing = known.keys() - {each.key for each in seen}
        tx.many(sql.DROP_SIGHTING, [{"source": source, "key": key} for key in missing])
    return True


def forget_sources(tx: Transaction, names: Sequence[str]) -> None:
    """Delete what is known of sources that are not among these."""
    if tx.rows(sql.DROP_SOURCES, {"names": json.dumps(list(names))}):
        tx.run(sql.DROP_SIGHTINGS, {})


def warn_silent(tx: Transaction, source: str, key: str, epoch: int, now: Now, detail: dict[str, Any]) -> None:
    """Warn, once for each epoch, that a session is held and shows no sign of life."""
    if tx.run(sql.WARNED, {"source": source, "key": key, "epoch": epoch}):
        about = {"key": f"{source}:{key}"} | detail
        record(tx, EventType.WATCHED_SILENT, now, actor=f"source:{source}", epoch=epoch, detail=about)


def ask_to_free(
    tx: Transaction, source: str, key: str, epoch: int | None, now: Now, *, reset: bool, actor: str, reason: str | None
) -> tuple[int | None, int] | None:
    """Request that a session is freed. Returns the id of the request (None if the session has another epoch, or is not
    held) and the epoch of the session; None if there is no such session.
    """
    rows = tx.rows(sql.EPOCH_OF_SIGHTING, {"source": source, "key": key})
    if not rows:
        return None
    ((current, state),) = rows
    if epoch not in (None, current) or (state not in HELD_THERE and not (reset and state == WatchedState.STALE)):
        return None, current
    values = {"source": source, "key": key, "epoch": current, "reset": reset, "actor": actor, "reason": reason}
    return int(tx.rows(sql.ASK_TO_FREE, values | {"now": now.wall})[0][0]), current


def free_by_itself(tx: Transaction, source: str, key: str, epoch: int, now: Now, *, owner: int, reason: str) -> None:
    """Request, once for each epoch, that a session is freed because it has been silent for too long."""
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
    """Store the outcome of a request. Returns False if it had already ended."""
    values = {"id": id_, "outcome": outcome, "steps": json.dumps(list(steps)), "now": now.wall}
    for source, key, actor, reason in tx.rows(sql.END_FREEING, values):
        detail = {"key": f"{source}:{key}", "outcome": outcome, "steps": list(steps)}
        record(tx, EventType.FREED, now, actor=actor, detail=detail | ({"reason": reason} if reason else {}))
        return True
    return False
