"""Whether a program asks again for what lanes just ended for it."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from lanes_storage.clock import Now
from lanes_storage.interface import Row, Transaction
from lanes_storage.law import AttemptCause, Cause, MessageState
from lanes_storage.records import Repeated
from lanes_storage.statements import children

#: For so long the same request is refused after its end, in milliseconds.
WINDOW_MS = 60_000
#: What lanes ended: an operator, or a limit. A provider that refused is asked again, as a client rightly does.
_ENDED = frozenset({Cause.ABORTED, Cause.RUN_TIMEOUT, Cause.STALL_TIMEOUT})
_LIMITS = frozenset({AttemptCause.FIRST_BYTE_TIMEOUT, AttemptCause.IDLE_TIMEOUT})


class EndedRequest(NamedTuple):
    """How a message of the session ended."""

    at: int
    done: bool
    cause: str | None  # for what lanes ended
    digest: str | None


def repeated(tx: Transaction, key: str, digest: str, now: Now) -> Repeated | None:
    """Judge a request of a session by how its last ones ended, and note it if it is asked again."""
    lanes = [lane for lane, *_ in tx.rows(children.SESSION, {"key": key})]
    if not lanes:
        return None
    known = tx.rows(children.REPEAT, {"lane": lanes[0]})
    before, times, until, resumed_at = known[0] if known else (None, 0, None, None)
    ended = [
        _ended(row) for lane in lanes for row in tx.rows(children.LAST_ENDED, {"lane": lane}) if row[4] is not None
    ]
    last = [each for each in ended if each.at <= now.wall + WINDOW_MS]  # what is later: the wall clock was set back
    found = judge(last, digest, max(now.wall - WINDOW_MS, resumed_at or 0))
    if found is None or found.cause is None:
        return None
    goes_on = before == digest and until is not None and until > now.wall
    again = Repeated(found.cause, times + 1 if goes_on else 2, found.at + WINDOW_MS)
    tx.run(children.NOTE_REPEAT, {"lane": lanes[0], "digest": digest, **again._asdict()})
    return again


def judge(last: Iterable[EndedRequest], digest: str, after: int) -> EndedRequest | None:
    """The newest end of the same request by lanes since ``after``; None if there is none, or a success since."""
    for each in sorted(last, key=lambda ended: ended.at, reverse=True):
        if each.at <= after or each.done:
            return None
        if each.cause is not None and each.digest == digest:
            return each
    return None


def forgive(tx: Transaction, lane: int, now: Now) -> bool:
    """A person resumed the session; returns whether requests were refused."""
    known = tx.rows(children.REPEAT, {"lane": lane})
    tx.run(children.FORGIVE, {"lane": lane, "now": now.wall})
    return bool(known) and known[0][0] is not None


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
