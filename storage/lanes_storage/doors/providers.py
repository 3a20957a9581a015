"""The health of providers: what every gateway knows of them, and who may ask one now.

A provider that refused cools until a stored time. After that one request is sent, the probe; with each answer that
begins, more may be in flight: ``ProviderRow`` decides how many. A run that may ask a provider with such a limit has a
*place* there, a column of its row. The place ends with the run, however the run ends, so a probe whose process was
killed blocks nobody.
"""

from collections.abc import Collection, Mapping
from typing import Any

from lanes_storage.clock import Now
from lanes_storage.doors.shared import record
from lanes_storage.interface import Transaction
from lanes_storage.law import EventType
from lanes_storage.records import PlacesTaken, ProviderCounts, ProviderRefusal, ProviderReset, ProviderRow
from lanes_storage.records.providers import OF_LOAD
from lanes_storage.statements import providers as sql

FIRST_MS = 1_000
LONGEST_MS = 60_000
#: A refusal during a cooldown extends it only if it would end later by at least this, in milliseconds.
SAME_MS = 1_000


def cool(
    tx: Transaction,
    provider: str,
    refusal: ProviderRefusal,
    now: Now,
    *,
    by: str,
    most_ms: int,
    fingerprint: str | None = None,
    run: int | None = None,
    in_flight: Collection[int] = (),
) -> ProviderRow:
    """Send no requests to a provider for as long as it demands, at most ``most_ms``; if it names no time, for 1 s,
    doubled up to 60 s while it refuses.

    A refusal during a cooldown (the answer to an earlier request of another run) does not double it again. ``run`` is
    the run that was refused; ``in_flight`` are the other runs that are asking the provider.
    """
    row = known(tx, provider, fingerprint)
    cools = row.cools(now.wall)
    tries, for_ms = row.tries if cools and row.tries else row.tries + 1, refusal.for_ms
    if for_ms is None:
        for_ms = min(LONGEST_MS, FIRST_MS << min(tries - 1, 16))
    before = row.until if cools and row.until is not None else 0
    until = now.wall + min(for_ms, most_ms)
    same = cools and until < before + SAME_MS
    tx.many(sql.NOTE_PLACE, [(provider, each) for each in in_flight])
    if run is not None:
        leave_place(tx, run)
    cooled = row.refusing(now.wall, places(tx, provider, now).runs if refusal.cause in OF_LOAD else 0)
    if not same:
        cooled = cooled._replace(since=now.wall, until=max(before, until), tries=tries)
    cooled = cooled._replace(
        cause=refusal.cause,
        message=refusal.message,
        refused=refusal.message_id,
        refused_at=None if refusal.message_id is None else now.wall,
    )
    if cooled != row:
        save(tx, cooled)
    if not same:
        detail = {"provider": provider, "until": cooled.until}
        record(tx, EventType.COOLDOWN, now, actor=by, cause=refusal.cause, detail=detail)
    return cooled


def refuse(tx: Transaction, provider: str, message: int, now: Now, *, fingerprint: str | None = None) -> None:
    """Store that a provider refused a message again, with another one served in between. This is about the message, so
    the provider does not cool."""
    save(tx, known(tx, provider, fingerprint)._replace(refused=message, refused_at=now.wall))


def answered(
    tx: Transaction, provider: str, now: Now, *, fingerprint: str | None = None, run: int | None = None
) -> ProviderRow:
    """A provider has begun to answer a run after a cooldown: the next cooldown is short again, and more requests may be
    in flight. A cooldown that another run caused meanwhile stands. A doubted refusal (``doubt``) was not the
    provider's, unless it was for another key."""
    before = _stored(tx, provider)
    another = before.of_another(fingerprint)
    tx.run(sql.ANSWERED, {"run": run})
    if another and before.cause not in OF_LOAD:
        return before.under(fingerprint)
    row = before.answering(now.wall, places(tx, provider, now))
    row = row if another else row._replace(doubted=None)
    if row != before:
        save(tx, row)
    return row


def doubt(tx: Transaction, provider: str, key: str, message: str, *, fingerprint: str | None = None) -> bool:
    """Store a refusal that may concern the key or model of a provider, or only the request of this lane.

    Returns whether such a refusal of another lane was stored before, and nobody was served since. ``message``: as for
    ``try_last``.
    """
    row = known(tx, provider, fingerprint)
    if row.doubted is None:
        save(tx, row._replace(doubted=key, message=_kept_message(row, message)))
    return row.doubted not in (None, key)


def try_last(tx: Transaction, provider: str, until: int, message: str, *, fingerprint: str | None = None) -> None:
    """Let the other providers of each chain be asked before this one, until ``until`` (wall time).

    ``message``: what the provider said. It is stored only if no cooldown is, since the cause and the message of a
    cooldown belong together.
    """
    row = known(tx, provider, fingerprint)
    save(tx, row._replace(tried_last_until=until, message=_kept_message(row, message)))


def _kept_message(row: ProviderRow, message: str) -> str | None:
    return message if row.cause is None else row.message


def count(tx: Transaction, provider: str, counts: ProviderCounts, now: Now, *, fingerprint: str | None = None) -> None:
    row = known(tx, provider, fingerprint)
    save(tx, row._replace(counts=counts.stored(row.counts, now.wall)))


def reset_provider(
    tx: Transaction, provider: str, now: Now, *, by: str, fingerprint: str | None = None
) -> ProviderReset:
    """Forget what is known against a provider; messages that are parked for it may start at once."""
    before = known(tx, provider, None)
    fresh = ProviderRow(provider, fingerprint=fingerprint or before.fingerprint, counts=before.counts)
    save(tx, fresh)
    woken = tx.run(sql.UNPARK, {"provider": provider, "now": now.wall})
    if woken or before.cools(now.wall) or before.recovers(now.wall):
        record(tx, EventType.COOLDOWN_ENDED, now, actor=by, detail={"provider": provider, "messages": woken})
    return ProviderReset(before, fresh, woken)


def take_place(
    tx: Transaction,
    run: int,
    provider: str,
    now: Now,
    *,
    max_requests: int | None = None,
    fingerprint: str | None = None,
) -> bool:
    """Give a run a place at a provider, in exchange for the one that it has.

    Returns False if none is free there: then nothing changes.
    """
    row = known(tx, provider, fingerprint)
    if row.free(now.wall, places(tx, provider, now, except_run=run), max_requests) == 0:
        return False
    tx.run(sql.TAKE_PLACE, {"run": run, "provider": provider})
    note_request(tx, run, provider, now)
    return True


def leave_place(tx: Transaction, run: int) -> None:
    """Take away the place of a run, which no longer asks a provider at which requests are limited."""
    tx.run(sql.TAKE_PLACE, {"run": run, "provider": None})


def note_request(tx: Transaction, run: int, provider: str, now: Now) -> None:
    """Store when a run got its place at a provider that recovers: its answer has not begun."""
    tx.run(sql.NOTE_REQUEST, (now.boot, run, provider, now.wall))


def note_provider(
    tx: Transaction, provider: str, cause: str | None, now: Now, *, by: str, detail: Mapping[str, Any]
) -> None:
    """Record that a provider has begun to fail, or that it answers again (``cause`` None)."""
    type_ = EventType.PROVIDER_ANSWERS if cause is None else EventType.PROVIDER_FAILING
    record(tx, type_, now, actor=by, cause=cause, detail={"provider": provider, **detail})


def places(tx: Transaction, provider: str, now: Now, *, except_run: int | None = None) -> PlacesTaken:
    """How many runs have a place at a provider, not counting the run ``except_run``."""
    found = tx.rows(sql.PLACES_AT, {"boot": now.boot, "provider": provider, "but": except_run})
    return PlacesTaken(*map(int, found[0][1:])) if found else PlacesTaken()


def known(tx: Transaction, provider: str, fingerprint: str | None) -> ProviderRow:
    """What is known of a provider with this key and address."""
    row = _stored(tx, provider)
    return row.under(fingerprint)._replace(fingerprint=fingerprint or row.fingerprint)


def _stored(tx: Transaction, provider: str) -> ProviderRow:
    rows = tx.rows(sql.FIND_PROVIDER, {"provider": provider})
    return ProviderRow(*rows[0]) if rows else ProviderRow(provider)


def save(tx: Transaction, row: ProviderRow) -> None:
    tx.run(sql.SAVE_PROVIDER, row._asdict())
