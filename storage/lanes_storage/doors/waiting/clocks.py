"""A wall clock that was set: cooldowns, parked messages, budgets and retries of alerts have their ends in wall time,
for every process and boot to know, but last as long as they were to last."""

import json
from collections.abc import Callable, Sequence
from hashlib import sha256

from lanes_storage.clock import Now
from lanes_storage.interface import Transaction, within
from lanes_storage.reads.of_owners import clock_noted
from lanes_storage.reads.shapes import parsed
from lanes_storage.records import ClockNote
from lanes_storage.statements import clocks as sql
from lanes_storage.statements.spending import SPEND_AGAIN

#: The wall clock and the boot clock may drift apart by so much before that counts as set, in milliseconds.
DRIFT_MS = 2_000
#: What began so much later than now, as far as is known, was written before the clock was set back: clocks of two
#: machines may differ by less.
AHEAD_MS = 60_000


def is_set(ahead: int, noted: int) -> bool:
    """Whether the wall clock was set between two values of how far it is ahead of the boot clock."""
    return abs(ahead - noted) > DRIFT_MS


def is_noted(stored: ClockNote, now: Now) -> bool:
    """Whether there is nothing to note: it is known in this boot, and was not set since."""
    ahead, boot = _note(now)
    return stored.ahead is not None and stored.boot == boot and not is_set(ahead, stored.ahead)


def note_clock(tx: Transaction, now: Now) -> int:
    """Note how far the wall clock is ahead of the boot clock, and move what was written before it was set.

    The first process that notices does it for all. Returns by how much it was set since it was noted in this boot, in
    milliseconds; 0: it was not.
    """
    stored = within(tx, clock_noted())
    if is_noted(stored, now):
        return 0
    ahead, boot = _note(now)
    tx.run(sql.NOTE_CLOCK, {"ahead": ahead, "boot": boot})
    if stored.ahead is None or stored.boot != boot:
        latest = now.wall + AHEAD_MS
        _move(tx, sql.END, sql.TAKE_LATER_SPENT, {"now": now.wall, "latest": latest})
        _move_attempts(tx, lambda at: now.wall if at > latest else at)
        return 0
    by = ahead - stored.ahead
    _move(tx, sql.MOVE_BACK if by < 0 else sql.MOVE_ON, sql.TAKE_SPENT, {"by": by, "now": now.wall})
    _move_attempts(tx, lambda at: at + by if (at > now.wall if by < 0 else at + by <= now.wall) else at)
    return by


def _move(tx: Transaction, statements: Sequence[str], spent: str, times: dict[str, int]) -> None:
    for statement in statements:
        tx.run(statement, times)
    tx.many(SPEND_AGAIN, [tuple(row) for row in tx.rows(spent, times)])


def _move_attempts(tx: Transaction, moved: Callable[[int], int]) -> None:
    """Give the attempts of what is not finished other times; a chain that cannot be read stays."""
    for message, stored in tx.rows(sql.ATTEMPTS, {}):
        chain = parsed(stored, list) or []
        if all(isinstance(each, dict) and isinstance(each.get("at"), int) for each in chain):
            attempts = json.dumps([each | {"at": moved(each["at"])} for each in chain])
            if chain and attempts != stored:
                tx.run(sql.MOVE_ATTEMPTS, {"id": message, "attempts": attempts})


def _note(now: Now) -> tuple[int, int]:
    return now.wall - now.boot, int.from_bytes(sha256(now.boot_id.encode()).digest()[:6])
