"""Other programs' gateways: who watches them, and what is seen there."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from lanes_storage.clock import Now
from lanes_storage.doors.shared.journal import record
from lanes_storage.interface import Transaction
from lanes_storage.law import HELD_THERE, EventType, SourceState
from lanes_storage.records import Sighting
from lanes_storage.statements.watched import sightings as sql


def watch(
    tx: Transaction, name: str, kind: str, url: str, owner: int, now: Now, *, gone: Callable[[Transaction, int], bool]
) -> bool:
    """Become the one process that watches a source; ``gone`` decides whether the one that does is gone."""
    for watcher, _, _ in tx.rows(sql.WATCHER_OF, {"name": name}):
        if watcher != owner and not gone(tx, watcher):
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
    """Note whether a source can be watched; False: another process watches it."""
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
    """Store what was seen of a source; ``whole``: sessions that are not among them exist no more.

    False: another process watches it, and nothing was stored.
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
        gone = known.keys() - {each.key for each in seen}
        tx.many(sql.DROP_SIGHTING, [{"source": source, "key": key} for key in gone])
    return True


def forget_sources(tx: Transaction, names: Sequence[str]) -> None:
    """Delete what is known of sources that are not among these."""
    if tx.rows(sql.DROP_SOURCES, {"names": json.dumps(list(names))}):
        tx.run(sql.DROP_SIGHTINGS, {})


def warn_silent(tx: Transaction, source: str, key: str, epoch: int, now: Now, detail: dict[str, Any]) -> None:
    """Warn, once for its runs, that a session is held and shows no sign of life."""
    if tx.run(sql.WARNED, {"source": source, "key": key, "epoch": epoch}):
        about = {"key": f"{source}:{key}"} | detail
        record(tx, EventType.WATCHED_SILENT, now, actor=f"source:{source}", epoch=epoch, detail=about)
