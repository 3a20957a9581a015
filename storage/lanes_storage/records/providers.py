"""Records of the health of providers."""

import json
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from functools import reduce

from lanes_storage.law import AttemptCause
from lanes_storage.tuples import NamedTuple

#: How long a provider is ``trickling`` after it answered its probe, in milliseconds: meanwhile only a few requests at a
#: time may wait for their answer to begin.
TRICKLE_MS = 600_000
#: How many of these requests are allowed at first, and after how many answers one more is; each refusal takes one away.
#: So about one request in ``ONE_MORE`` is refused.
AT_ONCE, ONE_MORE = 2, 8
#: A request that has waited for this long, in milliseconds, is taken to be accepted, even if no answer has begun.
REFUSES_WITHIN_MS = 5_000
#: After an outage a provider may accept requests and never answer them. So at most ``AT_ONCE`` requests may wait that
#: were sent within this time, in milliseconds.
HANGS_WITHIN_MS = 60_000
#: After a refusal for load, no more requests are sent at a time than were in flight then, for this long, in
#: milliseconds; then one more, after the same time again three more, then seven, and so on. The time doubles whenever
#: the first additional request is refused, and halves whenever an answer begins while more than that are in flight.
HOLD_MS = 5_000
LONGEST_HOLD_MS = 60_000
#: After this many such times the provider is taken to answer any number.
HELD_FOR = 8
#: Refusals that the number of requests in flight may have caused.
OF_LOAD = frozenset({AttemptCause.RATE_LIMITED, AttemptCause.OVERLOADED})
#: The length of the periods in which answers and failures are counted, in milliseconds, and how many periods are kept.
PERIOD_MS = 600_000
PERIODS = 6


class Health(StrEnum):
    """The states of a provider, the worst first; ``ProviderRow.health`` decides which."""

    COOLING = "cooling"  # it refused everybody: it is not asked until a stored time
    PROBING = "probing"  # it has cooled; one request at a time finds out whether it answers
    TRICKLING = "trickling"  # it answers again; few requests at a time may wait for their answer to begin
    TRIED_LAST = "tried_last"  # it failed: the others of each chain are asked first
    WELL = "well"


class ProviderRefusal(NamedTuple):
    """A provider refuses everybody for now: why, what it said, and for how long (None: it named no time).

    ``message_id`` is the message that it refused, if it may do so because of that message.
    """

    cause: str
    message: str
    for_ms: int | None = None
    message_id: int | None = None


class PlacesTaken(NamedTuple):
    """How many runs have a place at a provider. ``unanswered``: those that it has not begun to answer and may still
    refuse (``REFUSES_WITHIN_MS``); ``waiting``: the same within ``HANGS_WITHIN_MS``."""

    runs: int = 0
    unanswered: int = 0
    waiting: int = 0

    @property
    def answered(self) -> int:
        """How many it will no longer refuse."""
        return self.runs - self.unanswered


class ProviderRow(NamedTuple):
    """The health of a provider; see ``lanes_storage.schema.tables``."""

    provider: str
    cause: str | None = None
    since: int | None = None
    until: int | None = None
    tries: int = 0
    message: str | None = None
    fingerprint: str | None = None
    answered_at: int | None = None
    tried_last_until: int | None = None
    refused: int | None = None
    refused_at: int | None = None
    counts: str | None = None
    doubted: str | None = None
    held: int | None = None
    hold_ms: int = 0
    begun: int = 0

    @property
    def probed(self) -> bool:
        """Whether the provider has answered since its last cooldown."""
        return self.until is None or (self.answered_at is not None and self.answered_at >= self.until)

    @property
    def down(self) -> bool:
        """Whether it has not answered since its last cooldown, and that was not for load."""
        return not self.probed and self.cause not in OF_LOAD

    def health(self, now_wall: int) -> Health:
        """Its state at a wall time. A refusal makes it ``cooling``; then it is ``probing``, then ``trickling``."""
        if self.until is not None and now_wall < self.until:
            return Health.COOLING
        if not self.probed:
            return Health.PROBING
        if self.until is not None and now_wall < (self.answered_at or 0) + TRICKLE_MS:
            return Health.TRICKLING
        return Health.TRIED_LAST if now_wall < (self.tried_last_until or 0) else Health.WELL

    def cools(self, now_wall: int) -> bool:
        """Whether no request is sent to it."""
        return self.health(now_wall) is Health.COOLING

    def recovers(self, now_wall: int) -> bool:
        """Whether it has cooled, and has not yet answered for long enough to count as well."""
        return self.health(now_wall) in (Health.PROBING, Health.TRICKLING)

    def most(self, now_wall: int, max_requests: int | None) -> int | None:
        """How many requests may be in flight; None: any number. ``max_requests`` is the configured limit."""
        limit = self._load_limit(now_wall)
        if limit is None and self.health(now_wall) is Health.PROBING:
            limit = 1
        return min(filter(None, (limit, max_requests)), default=None)

    def free(self, now_wall: int, taken: PlacesTaken, max_requests: int | None) -> int | None:
        """How many more requests may be sent to it now; None: any number."""
        if self.cools(now_wall):
            return 0
        free = [most - taken.runs for most in (self._load_limit(now_wall), max_requests) if most is not None]
        if self.recovers(now_wall):
            at_once = AT_ONCE + self.begun // ONE_MORE if self.probed else 1
            free.append(at_once - taken.unanswered)
            if self.down:
                free.append(AT_ONCE - taken.waiting)
        return max(0, min(free)) if free else None

    def answering(self, now_wall: int, taken: PlacesTaken) -> "ProviderRow":
        """This row after the provider has begun to answer one of the runs that have a place there."""
        if self.until is None or self.cools(now_wall):
            return self
        known = self.probed and (self.refused_at or 0) < (self.answered_at or 0)
        row = self if known else self._replace(answered_at=now_wall)
        if not self.recovers(now_wall):
            return row
        more = self.held is not None and taken.answered > self.held
        hold_ms = max(HOLD_MS, self.hold_ms // 2) if more else self.hold_ms
        return row._replace(tries=0, begun=self.begun + 1, hold_ms=hold_ms)

    def refusing(self, now_wall: int, others: int) -> "ProviderRow":
        """This row after the provider has refused a request while ``others`` were in flight, if it was for load."""
        begun = max(0, self.begun - ONE_MORE)
        if self.cools(now_wall):  # of a burst, it can answer at most the requests that it has not refused
            return self._replace(begun=begun, held=min(self.held or 0, others) or None)
        if not self.recovers(now_wall):
            return self._replace(begun=0, held=others or None, hold_ms=HOLD_MS)
        if not self.probed:
            return self._replace(begun=0)  # its probe: a single request shows nothing about the load
        again = others == self.held and now_wall >= (self.since or 0) + self.hold_ms
        hold_ms = min(LONGEST_HOLD_MS, 2 * self.hold_ms) if again else HOLD_MS
        return self._replace(begun=begun, held=others or None, hold_ms=hold_ms)

    def filled(self, now_wall: int, taken: PlacesTaken) -> bool:
        """Whether a limit for load holds, and more runs have a place than were in flight at the refusal."""
        return self._load_limit(now_wall) is not None and taken.runs > (self.held or 0)

    def _load_limit(self, now_wall: int) -> int | None:
        """How many requests may be in flight after a refusal for load; None: any number."""
        if self.held is None or not self.recovers(now_wall):
            return None
        times = max(0, now_wall - (self.since or 0)) // self.hold_ms if self.hold_ms else 0
        return self.held - 1 + (1 << times) if times < HELD_FOR else None

    def of_another(self, fingerprint: str | None) -> bool:
        """Whether this was observed with another key or address."""
        return fingerprint is not None and self.fingerprint not in (None, fingerprint)

    def under(self, fingerprint: str | None) -> "ProviderRow":
        """What holds for a provider with this key and address: of another one, only a refusal for load."""
        if not self.of_another(fingerprint):
            return self
        if self.cause in OF_LOAD:
            return self._replace(tried_last_until=None, doubted=None)
        return ProviderRow(self.provider, fingerprint=fingerprint, counts=self.counts)


class ProviderReset(NamedTuple):
    """The health of a provider before and after a reset, and how many parked messages need not wait any longer."""

    before: ProviderRow
    after: ProviderRow
    woken: int


class ProviderCounts(NamedTuple):
    """How the requests to a provider ended. ``latency_ms``: of all answers together."""

    answers: int = 0
    latency_ms: int = 0
    failures: Mapping[str, int] = {}

    def plus(self, other: "ProviderCounts") -> "ProviderCounts":
        """The sum of both."""
        failures = dict(Counter(self.failures) + Counter(other.failures))
        return ProviderCounts(self.answers + other.answers, self.latency_ms + other.latency_ms, failures)

    def stored(self, before: str | None, now_wall: int) -> str:
        """The stored JSON ``before`` with these counts added to the current period, and without periods that are too
        old."""
        period, kept = now_wall // PERIOD_MS, _periods(before, now_wall)
        kept[period] = kept.get(period, ProviderCounts()).plus(self)
        return json.dumps([[number, *kept[number]] for number in sorted(kept)])

    @classmethod
    def read(cls, stored: str | None, now_wall: int) -> "ProviderCounts":
        """The sums over the periods that are kept."""
        return reduce(cls.plus, _periods(stored, now_wall).values(), cls())


def _periods(stored: str | None, now_wall: int) -> dict[int, ProviderCounts]:
    oldest = now_wall // PERIOD_MS - PERIODS + 1
    try:
        found = [(int(number), *counts) for number, *counts in json.loads(stored or "[]")]
        return {
            number: ProviderCounts(int(answers), int(latency_ms), {cause: int(n) for cause, n in failures.items()})
            for number, answers, latency_ms, failures in found
            if number >= oldest
        }
    except (AttributeError, TypeError, ValueError, RecursionError):
        return {}  # not written by this version: counting begins again
