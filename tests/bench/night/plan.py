"""Who sends what and when in a bad night, and what its providers can do. All times in seconds since it began."""

from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import NamedTuple

MINUTE_S = 60.0
#: Nobody reaches any provider.
OUTAGE = (2 * MINUTE_S, 12 * MINUTE_S)
#: The first provider answers only so many requests in a minute.
LIMITED = (12 * MINUTE_S, 18 * MINUTE_S)
#: The first provider is gone; the second answers one request at a time.
DEAD = (18 * MINUTE_S, 23 * MINUTE_S)
#: The last message is sent by then.
LAST_S = 26 * MINUTE_S
#: So long before the outage nothing is sent in a night whose outage meets no request.
LULL_S = 30.0
#: How long an answer of the first provider takes.
ANSWER_S = 2.0
#: Of what is sent: how much more the first provider answers while it limits its requests, and how much the second one.
WITHIN_LIMIT, AT_BACKUP = 1.2, 0.4
#: The window of both models in words, and the words of a message in every so-manieth lane, which fills it.
WINDOW, LONG_TEXT, LONG_EVERY = 400, 60, 20

PRIMARY, BACKUP = "primary", "backup"


class Sending(NamedTuple):
    """A message: when it is sent, to which lane, as which one of that lane."""

    at_s: float
    key: str
    number: int

    @property
    def text(self) -> str:
        """What it says; ``morning`` finds the lane and the number in it again."""
        lane = int(self.key.rpartition(":")[2])
        long = " word" * LONG_TEXT if lane % LONG_EVERY == 0 else ""
        return f"{self.key} #{self.number}{long}"


@dataclass(frozen=True)
class NightPlan:
    """A night of so many lanes and messages. ``calm``: the outage meets no request."""

    lanes: int
    messages: int
    seed: int = 1
    calm: bool = False

    @cached_property
    def sendings(self) -> list[Sending]:
        """All messages, in the order in which they are sent."""
        luck, made = Random(self.seed), []
        for lane in range(self.lanes):
            moments = sorted(self._moment(luck) for _ in range(self.messages // self.lanes))
            made += [Sending(at_s, f"night:{lane}", number) for number, at_s in enumerate(moments, 1)]
        return sorted(made)

    def _moment(self, luck: Random) -> float:
        at_s = luck.uniform(0, LAST_S)
        lull = self.calm and OUTAGE[0] - LULL_S <= at_s < OUTAGE[0]
        return at_s - LULL_S if lull else at_s

    @property
    def a_minute(self) -> int:
        """How many requests the first provider answers in a minute while it limits them."""
        return max(1, round(WITHIN_LIMIT * self._rate * MINUTE_S))

    @property
    def backup_answer_s(self) -> float:
        """How long an answer of the second provider takes."""
        return 1 / (AT_BACKUP * self._rate)

    @property
    def _rate(self) -> float:
        return self.messages / LAST_S
