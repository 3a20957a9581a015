"""The loop guard: runs that send each other messages without end, and senders that send without end, pause a lane."""

from lanes_storage.clock import Now
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.interface import Transaction
from lanes_storage.law import MAX_CHAIN, PauseKind
from lanes_storage.records import Admission, NewMessage
from lanes_storage.statements import guarding as sql

MINUTE_MS = 60_000


def chain_before(tx: Transaction, new: NewMessage) -> int | None:
    """The length of the chain of messages before a new one, each sent by the run of the one before; None: no run sends
    it."""
    if new.from_run is None:
        return new.depth
    rows = tx.rows(sql.DEPTH_AFTER, {"run": new.from_run})
    return rows[0][0] if rows else None


def guard_loop(tx: Transaction, lane: int, depth: int | None, admission: Admission, now: Now) -> bool:
    """Pause a lane whose last message makes a chain too long, or is one too many in a minute: returns whether."""
    reason = _too_long(depth) or _too_many(tx, lane, admission.max_per_minute, now)
    if reason is None or tx.rows(sql.PAUSE_OF_KIND, {"lane": lane, "kind": PauseKind.LOOP}):
        return False
    pause_lane(tx, lane, PauseKind.LOOP, now, actor="lanes", reason=reason)
    return True


def _too_long(depth: int | None) -> str | None:
    if depth is None or depth <= MAX_CHAIN:
        return None
    return f"a loop: {depth} messages, each sent by the run of the one before (at most {MAX_CHAIN})"


def _too_many(tx: Transaction, lane: int, most: int | None, now: Now) -> str | None:
    if most is None:
        return None
    session = [each for (each,) in tx.rows(sql.LANES_OF_SESSION, {"lane": lane})]
    if len(session) == 1:  # as nearly all: to read the newer ones takes ten times as long as to skip them
        before = tx.rows(f"{sql.ACCEPTED} LIMIT 1 OFFSET {most:d}", {"lane": lane})
    else:
        newest = f"{sql.ACCEPTED} LIMIT {most + 1:d}"
        came = [row for each in session for row in tx.rows(newest, {"lane": each})]
        before = sorted(came, key=tuple, reverse=True)[most:]
    # What came so much later than now came before the wall clock was set back, it is not known when.
    if not before or abs(now.wall - before[0][1]) >= MINUTE_MS:
        return None
    return f"more than {most} messages came within a minute (max_per_minute)"
