"""Statements about the health of providers and the places of runs there."""

from lanes_storage.fragments import columns
from lanes_storage.records import ProviderRow
from lanes_storage.records.providers import HANGS_WITHIN_MS, REFUSES_WITHIN_MS, TRICKLE_MS

_COLUMNS = ProviderRow._fields
_SELECT = f"SELECT {columns(_COLUMNS)} FROM providers"

ALL_PROVIDERS = f"{_SELECT} ORDER BY provider"
FIND_PROVIDER = f"{_SELECT} WHERE provider = :provider"

SAVE_PROVIDER = f"""
INSERT INTO providers ({columns(_COLUMNS)}) VALUES ({columns(_COLUMNS, ":")})
ON CONFLICT (provider) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
"""

_PLACES = """
SELECT provider, count(*), count(CASE WHEN asked_boot > :boot - {within:d} THEN 1 END),
  count(CASE WHEN asked_boot > :boot - {hangs:d} THEN 1 END) FROM runs
WHERE {chosen} AND ended_at IS NULL GROUP BY provider
"""
_WITHIN = {"within": REFUSES_WITHIN_MS, "hangs": HANGS_WITHIN_MS}
#: For each provider the fields of ``PlacesTaken``.
PLACES_TAKEN = _PLACES.format(chosen="provider IS NOT NULL", **_WITHIN)
#: The same for one provider; the run ``:but`` is not counted.
PLACES_AT = _PLACES.format(chosen="provider = :provider AND id IS NOT :but", **_WITHIN)

TAKE_PLACE = "UPDATE runs SET provider = :provider, asked_boot = NULL WHERE id = :run AND ended_at IS NULL"

#: Gives a place to a run that asks a provider without one, since requests there were not limited before.
NOTE_PLACE = "UPDATE runs SET provider = :provider WHERE id = :run AND ended_at IS NULL AND provider IS NULL"

#: Stores when the run asked a provider that recovers. A provider that never cooled has no ``until`` and no
#: ``answered_at``.
NOTE_REQUEST = f"""
UPDATE runs SET asked_boot = :boot WHERE id = :run AND (SELECT 1 FROM providers p WHERE p.provider = :provider
  AND (coalesce(p.answered_at, 0) < p.until OR :now < p.answered_at + {TRICKLE_MS})) IS NOT NULL
"""
ANSWERED = "UPDATE runs SET asked_boot = NULL WHERE id = :run"

#: Lets the messages that are parked for a provider start at once.
UNPARK = """
UPDATE messages SET parked_until = NULL
WHERE parked_for IS NOT NULL AND state = 'queued' AND parked_until > :now
  AND :provider IN (SELECT value FROM json_each(messages.parked_for))
"""
