"""The statements about the health of providers, and about the places of runs there."""

from lanes_storage.records import ProviderRow

_COLUMNS = ProviderRow._fields
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM providers"

ALL_PROVIDERS = f"{_SELECT} ORDER BY provider"
FIND_PROVIDER = f"{_SELECT} WHERE provider = :provider"

SAVE_PROVIDER = f"""
INSERT INTO providers ({", ".join(_COLUMNS)}) VALUES ({", ".join(f":{name}" for name in _COLUMNS)})
ON CONFLICT (provider) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
"""

#: How many runs have a place at each provider.
PLACES_TAKEN = """
SELECT provider, count(*) FROM runs WHERE provider IS NOT NULL AND ended_at IS NULL GROUP BY provider
"""

#: How many runs have a place at a provider; ``:but`` is not counted.
PLACES_AT = "SELECT count(*) FROM runs WHERE provider = :provider AND ended_at IS NULL AND id IS NOT :but"

TAKE_PLACE = "UPDATE runs SET provider = :provider WHERE id = :run AND ended_at IS NULL"

#: The messages that wait for a provider need not wait until their time.
UNPARK = """
UPDATE messages SET parked_until = NULL
WHERE parked_for IS NOT NULL AND state = 'queued' AND parked_until > :now
  AND :provider IN (SELECT value FROM json_each(messages.parked_for))
"""
