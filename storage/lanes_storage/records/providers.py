"""Records of the health of providers."""

import json
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from functools import reduce

from lanes_storage.law import AttemptCause
from lanes_storage.tuples import NamedTuple

#: So long after it answered its probe a provider counts as well again, in milliseconds: until then few requests at a
#: time wait for it to begin its answer.
TRICKLE_MS = 600_000
#: How many those are, and after how many answers there is one more; each refusal takes one of these away. So it refuses
#: about one in that many.
AT_ONCE, ONE_MORE = 2, 8
#: What has waited for so long is not refused any more, however long its answer takes to begin, in milliseconds.
REFUSES_WITHIN_MS = 5_000
#: After an outage a provider may take requests and answer none: of those sent within so long, ``AT_ONCE`` at most wait.
HANGS_WITHIN_MS = 60_000
#: A provider that refused for load is asked by no more than asked it then, for so long, in milliseconds; then by one
#: more, after as long again by three more, by seven, and so on. Each time that it refuses the first one more, it is
#: twice as long; each time that it answers while it is asked by more, half as long.
HOLD_MS = 5_000
LONGEST_HOLD_MS = 60_000
#: After so many times that long it is taken to answer any number.
HELD_FOR = 8
#: Refusals that may come from how many requests are in flight.
OF_LOAD = frozenset({AttemptCause.RATE_LIMITED, AttemptCause.OVERLOADED})
#: Answers and failures are counted in periods of so long, in milliseconds, and so many of them are kept.
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
    """How many runs have a place at a provider, and how many of these it may still refuse: it has not begun to answer,
    and they have not waited for long. ``waiting``: with those that have waited for less than a minute."""

    runs: int = 0
    unanswered: int = 0
    waiting: int = 0

    @property
    def answered(self) -> int:
        """How many it does not refuse any more."""
        return self.runs - self.unanswered


class ProviderRow(NamedTuple):
    """What is known of a provider; see ``lanes_storage.schema.tables``."""

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
        """Whether it has not answered since an outage, or another refusal that was not for load."""
        return not self.probed and self.cause not in OF_LOAD

    def health(self, now_wall: int) -> Health:
        """Its state. From any of them, a refusal leads to a cooldown, and a cooldown to the next two."""
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
        """Whether it has cooled, and has not shown for long enough that it is well again."""
        return self.health(now_wall) in (Health.PROBING, Health.TRICKLING)

    def most(self, now_wall: int, max_requests: int | None) -> int | None:
        """How many requests may be in flight; None: any number. ``max_requests`` is what its configuration says."""
        holds = self._holds(now_wall)
        if holds is None and self.health(now_wall) is Health.PROBING:
            holds = 1
        return min(filter(None, (holds, max_requests)), default=None)

    def free(self, now_wall: int, taken: PlacesTaken, max_requests: int | None) -> int | None:
        """How many more requests may be sent to it now; None: any number."""
        if self.cools(now_wall):
            return 0
        free = [most - taken.runs for most in (self._holds(now_wall), max_requests) if most is not None]
        if self.recovers(now_wall):
            at_once = AT_ONCE + self.begun // ONE_MORE if self.probed else 1
            free.append(at_once - taken.unanswered)
            if self.down:
                free.append(AT_ONCE - taken.waiting)
        return max(0, min(free)) if free else None

    def answering(self, now_wall: int, taken: PlacesTaken) -> "ProviderRow":
        """What is known once it has begun to answer one of those that have a place there: it does not refuse."""
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
        """What is known of how many it answers at a time, once it has refused one beside so many others."""
        begun = max(0, self.begun - ONE_MORE)
        if self.cools(now_wall):  # of a burst, those that are not refused as well are what it holds
            return self._replace(begun=begun, held=min(self.held or 0, others) or None)
        if not self.recovers(now_wall):
            return self._replace(begun=0, held=others or None, hold_ms=HOLD_MS)
        if not self.probed:
            return self._replace(begun=0)  # its probe: that says nothing of how many
        again = others == self.held and now_wall >= (self.since or 0) + self.hold_ms
        hold_ms = min(LONGEST_HOLD_MS, 2 * self.hold_ms) if again else HOLD_MS
        return self._replace(begun=begun, held=others or None, hold_ms=hold_ms)

    def filled(self, now_wall: int, taken: PlacesTaken) -> bool:
        """Whether with these it is asked by more than it held, while it is held to so many or few more."""
        return self._holds(now_wall) is not None and taken.runs > (self.held or 0)

    def _holds(self, now_wall: int) -> int | None:
        """How many it is taken to answer at a time; None: any number."""
        if self.held is None or not self.recovers(now_wall):
            return None
        times = max(0, now_wall - (self.since or 0)) // self.hold_ms if self.hold_ms else 0
        return self.held - 1 + (1 << times) if times < HELD_FOR else None

    def of_another(self, fingerprint: str | None) -> bool:
        """Whether it was seen under another key or address."""
        return fingerprint is not None and self.fingerprint not in (None, fingerprint)

    def under(self, fingerprint: str | None) -> "ProviderRow":
        """What of it holds for a provider with this key and address: its load is that of all who ask it."""
        if not self.of_another(fingerprint):
            return self
        if self.cause in OF_LOAD:
            return self._replace(tried_last_until=None, doubted=None)
        return ProviderRow(self.provider, fingerprint=fingerprint, counts=self.counts)


class ProviderReset(NamedTuple):
    """What a reset ended: what was known before, and after, and how many messages that waited need wait no longer."""

    before: ProviderRow
    after: ProviderRow
    woken: int


class ProviderCounts(NamedTuple):
    """How the requests to a provider ended. ``latency_ms``: of all answers together."""

    answers: int = 0
    latency_ms: int = 0
    failures: Mapping[str, int] = {}

    def plus(self, other: "ProviderCounts") -> "ProviderCounts":
        """The sum of two."""
        failures = dict(Counter(self.failures) + Counter(other.failures))
        return ProviderCounts(self.answers + other.answers, self.latency_ms + other.latency_ms, failures)

    def stored(self, before: str | None, now_wall: int) -> str:
        """The JSON of a row with these added to the present period; periods that are too old are left out."""
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
