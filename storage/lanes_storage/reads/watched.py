"""Queries about the sessions of other programs' gateways."""

import json
from collections.abc import Sequence

from lanes_storage.fragments import columns, lanes_of
from lanes_storage.interface import Query, Row
from lanes_storage.law import SourceState, WatchedState
from lanes_storage.reads.shapes import many, one, parsed
from lanes_storage.records import FreeingRow, Sighting, SightingRow, SourceRow

_SOURCE = columns(SourceRow._fields, "w.")
#: The number of columns of the source, which come first.
_WIDTH = len(SourceRow._fields)
SOURCES = f"SELECT {_SOURCE} FROM sources w ORDER BY w.name"
_SIGHTED = f"""
SELECT {_SOURCE}, s.key, s.state, s.runs, s.since, s.last_sign, s.waiting, s.outcome, s.epoch, s.from_files,
  s.changed_at,
  (SELECT 1 FROM freeings f WHERE f.source = s.source AND f.key = s.key AND f.ended_at IS NULL LIMIT 1) IS NOT NULL,
  s.warned_epoch, s.freed_epoch
FROM sightings s JOIN sources w ON w.name = s.source
"""
SIGHTINGS = f"{_SIGHTED} ORDER BY s.source, s.key"
SIGHTING = f"{_SIGHTED} WHERE s.source = :source AND s.key = :key"
NAMED = f"{_SIGHTED} WHERE s.key = :key ORDER BY s.source LIMIT 3"
FREEING = f"SELECT {columns(FreeingRow._fields)} FROM freeings WHERE id = :id"
#: Those of ``:keys`` that are lanes, and the program that the newest message of each came from (null: not from one).
ORIGINS = f"""
SELECT l.key, (SELECT m.source FROM messages m WHERE m.lane_id IN ({lanes_of("l.id")}) ORDER BY m.id DESC LIMIT 1)
FROM json_each(:keys) j CROSS JOIN lanes l ON l.key = j.value
"""
#: The lanes that run a request of a program that names no session.
UNNAMED = """
SELECT l.key, r.claimed_at FROM lanes l JOIN runs r ON r.id = l.run_id JOIN messages m ON m.id = r.message_id
WHERE l.anonymous AND l.run_id IS NOT NULL AND m.source = :source ORDER BY l.id LIMIT 2
"""


def sources() -> Query[list[SourceRow]]:
    return Query(SOURCES, {}, many(_source))


def sightings() -> Query[list[SightingRow]]:
    """Every session of every watched gateway."""
    return Query(SIGHTINGS, {}, many(_sighting), broad=True)


def sighting(source: str, key: str) -> Query[SightingRow | None]:
    return Query(SIGHTING, {"source": source, "key": key}, one(_sighting))


def sightings_named(key: str) -> Query[list[SightingRow]]:
    """At most three sessions with this key, of any source."""
    return Query(NAMED, {"key": key}, many(_sighting), broad=True)


def freeing(id_: int) -> Query[FreeingRow | None]:
    return Query(FREEING, {"id": id_}, one(_freeing))


def has_freeings(source: str, owner: int) -> Query[bool]:
    """Whether there is a request that the owner of the source should carry out."""
    from lanes_storage.statements import watched as sql  # imported here, since lists of lanes do not need it

    return Query(f"{sql.OPEN_FREEINGS} LIMIT 1", {"source": source, "owner": owner}, bool)


def origins(keys: Sequence[str]) -> Query[dict[str, str | None]]:
    """Those of ``keys`` that are lanes, and the program that their newest message came from."""
    return Query(ORIGINS, {"keys": json.dumps(list(keys))}, lambda rows: {row[0]: row[1] for row in rows}, broad=True)


def unnamed(source: str) -> Query[list[tuple[str, int]]]:
    """At most two lanes that run a request of a program that names no session, and since when."""
    return Query(UNNAMED, {"source": source}, lambda rows: [(row[0], row[1]) for row in rows], broad=True)


def _source(row: Row) -> SourceRow:
    name, kind, url, owner, state, *others = row
    return SourceRow(name, kind, url, owner, SourceState(state), *others)


def _sighting(row: Row) -> SightingRow:
    key, state, runs, *times = row[_WIDTH : _WIDTH + 7]
    known = tuple(str(run) for run in parsed(runs, list) or ())
    epoch, from_files, changed_at, freeing, *epochs = row[_WIDTH + 7 :]
    seen = Sighting(key, WatchedState(state), known, *times)
    return SightingRow(_source(row[:_WIDTH]), seen, epoch, bool(from_files), changed_at, bool(freeing), *epochs)


def _freeing(row: Row) -> FreeingRow:
    id_, source, key, epoch, taken_by, outcome, stored, ended_at = row
    steps = parsed(stored, list) if stored else None
    shown = tuple(each for each in steps or () if isinstance(each, dict))
    return FreeingRow(id_, source, key, epoch, taken_by, outcome, shown, ended_at)
