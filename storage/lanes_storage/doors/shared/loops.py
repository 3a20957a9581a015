"""Guards against endless loops: runs that wait for each other, runs that send each other messages, senders that send
without end, and programs that repeat a request that lanes has just ended."""

import json
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from lanes_storage.clock import Now
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.interface import Row, Transaction
from lanes_storage.law import MAX_CHAIN, AttemptCause, Cause, MessageState, PauseKind
from lanes_storage.records import Admission, NewMessage, Repeated, Waiter
from lanes_storage.statements import FIND_LANE, further


class WaitCircle(NamedTuple):
    """A wait that would never end. ``keys`` are the lanes of the cycle, from the waiting lane back to itself."""

    keys: tuple[str, ...]


def closes_cycle(tx: Transaction, run: int, key: str) -> WaitCircle | None:
    """The cycle that would be closed if the run waited for a message of the lane ``key``.

    Returns None if there would be no cycle, if the run no longer holds a lane, or if the lane does not exist yet.
    """
    waiting, target = tx.rows(further.OPEN_RUN, {"run": run}), tx.rows(FIND_LANE, {"key": key})
    if not waiting or not target:
        return None
    return _search(tx, waiting[0], (target[0][0], key, target[0][3]))


def begin_wait(tx: Transaction, waiter: Waiter, message: int, now: Now) -> WaitCircle | bool:
    """Store that a run waits, in some process, for a message: the run is not stalled until that message has ended.

    Refused if that closes a cycle of waits. Returns False if the run no longer holds a lane; then nothing is stored.
    """
    run, process = waiter
    waiting = tx.rows(further.OPEN_RUN, {"run": run})
    target = tx.rows(further.LANE_OF_MESSAGE, {"message": message})
    if not waiting or not target:
        return False
    cycle = _search(tx, waiting[0], target[0])
    if cycle is not None:
        return cycle
    tx.run(further.MAKE_WAIT, process._asdict() | {"run": run, "message": message, "now": now.wall})
    tx.run(further.WAIT_IS_PROGRESS, now.params | {"run": run})
    return True


def end_wait(tx: Transaction, waiter: Waiter, message: int) -> None:
    """End the wait of a run in a process, whether or not the message has ended."""
    tx.run(further.END_WAIT, waiter.process._asdict() | {"run": waiter.run_id, "message": message})


def _search(tx: Transaction, waiting: Row, target: Row) -> WaitCircle | None:
    """Search from the target lane along the waits of its run; a path back to the waiting lane is the cycle."""
    home, home_key, _ = waiting
    seen = {target[0]}
    paths: deque[tuple[tuple[str, ...], int, int | None]] = deque([((home_key, target[1]), target[0], target[2])])
    while paths:
        keys, lane, run = paths.popleft()
        if lane == home:
            return WaitCircle(keys)
        if run is None:
            continue
        for next_lane, key, holder in tx.rows(further.WAITED_FOR, {"run": run}):
            if next_lane not in seen:
                seen.add(next_lane)
                paths.append(((*keys, key), next_lane, holder))
    return None


# ----------------------------------------------------------------------------------- too many messages

MINUTE_MS = 60_000


def chain_before(tx: Transaction, new: NewMessage) -> int | None:
    """How many messages precede a new one in its chain, each sent by the run of the one before; None: unknown."""
    if new.from_run is None:
        return new.depth
    rows = tx.rows(further.DEPTH_AFTER, {"run": new.from_run})
    return rows[0][0] if rows else None


def guard_loop(tx: Transaction, lane: int, depth: int | None, admission: Admission, now: Now) -> bool:
    """Pause a lane if its newest message makes a chain too long, or is one too many within a minute. Returns whether it
    was paused."""
    reason = _too_long(depth) or _too_many(tx, lane, admission.max_per_minute, now)
    if reason is None or tx.rows(further.PAUSE_OF_KIND, {"lane": lane, "kind": PauseKind.LOOP}):
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
    session = [each for (each,) in tx.rows(further.LANES_OF_SESSION, {"lane": lane})]
    if len(session) == 1:  # nearly always; reading the newer rows would take ten times as long as skipping them
        before = tx.rows(f"{further.ACCEPTED} LIMIT 1 OFFSET {most:d}", {"lane": lane})
    else:
        newest = f"{further.ACCEPTED} LIMIT {most + 1:d}"
        arrivals = [row for each in session for row in tx.rows(newest, {"lane": each})]
        before = sorted(arrivals, key=tuple, reverse=True)[most:]
    # A time this far in the future was stored before the wall clock was set back, and says nothing.
    if not before or abs(now.wall - before[0][1]) >= MINUTE_MS:
        return None
    return f"more than {most} messages came within a minute (max_per_minute)"


# ----------------------------------------------------------------------------------- repeated requests

#: How long the same request is refused after its end, in milliseconds.
WINDOW_MS = 60_000
#: The causes of an end by lanes, by an operator or a limit. After the refusal of a provider, a client may ask again.
_ENDED = frozenset({Cause.ABORTED, Cause.RUN_TIMEOUT, Cause.STALL_TIMEOUT})
_LIMITS = frozenset({AttemptCause.FIRST_BYTE_TIMEOUT, AttemptCause.IDLE_TIMEOUT})


class EndedRequest(NamedTuple):
    """How a message of the session ended."""

    at: int
    done: bool
    cause: str | None  # None unless lanes ended it
    digest: str | None


def repeated(tx: Transaction, key: str, digest: str, now: Now) -> Repeated | None:
    """The refusal of a request that repeats one of its session that lanes has just ended. The repetition is stored.
    None: the request is not refused."""
    lanes = [lane for lane, *_ in tx.rows(further.SESSION_LANES, {"key": key})]
    if not lanes:
        return None
    known = tx.rows(further.REPEAT, {"lane": lanes[0]})
    before, times, until, resumed_at = known[0] if known else (None, 0, None, None)
    ended = [_ended(row) for lane in lanes for row in tx.rows(further.LAST_ENDED, {"lane": lane}) if row[4] is not None]
    last = [each for each in ended if each.at <= now.wall + WINDOW_MS]  # the others: the clock was set back
    found = judge(last, digest, max(now.wall - WINDOW_MS, resumed_at or 0))
    if found is None or found.cause is None:
        return None
    goes_on = before == digest and until is not None and until > now.wall
    again = Repeated(found.cause, times + 1 if goes_on else 2, found.at + WINDOW_MS)
    tx.run(further.NOTE_REPEAT, {"lane": lanes[0], "digest": digest, **again._asdict()})
    return again


def judge(last: Iterable[EndedRequest], digest: str, after: int) -> EndedRequest | None:
    """The newest end of the same request by lanes after ``after``; None if there is none, or any later success."""
    for each in sorted(last, key=lambda ended: ended.at, reverse=True):
        if each.at <= after or each.done:
            return None
        if each.cause is not None and each.digest == digest:
            return each
    return None


def _ended(row: Row) -> EndedRequest:
    state, cause, attempts, digest, at = row
    if cause == Cause.PROVIDER_FAILED:
        cause = _last_cause(attempts)
    elif cause not in _ENDED:
        cause = None
    return EndedRequest(at, state == MessageState.DONE, cause, digest)


def _last_cause(attempts: str | None) -> str | None:
    """The limit that ended the last attempt at a provider; None if it was none."""
    try:
        last = json.loads(attempts or "[]")[-1]["cause"]
    except (ValueError, LookupError, TypeError):
        return None
    return last if last in _LIMITS else None
