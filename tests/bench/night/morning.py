"""What came of a night, judged by what its clients received and what its providers saw."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from lanes.simulate.record import RequestEnd, Seen
from tests.bench.night.plan import Sending

#: The last one in a text counts: before it may stand what was said earlier, and got no answer.
_NAMED = re.compile(r"(night:\d+) #(\d+)")


class Morning(NamedTuple):
    """How many messages were sent, and received an answer; how many answers came out of the order of their lane, or
    once more; how many requests reached a provider."""

    sent: int
    answered: int
    out_of_order: int
    twice: int
    requests: int

    @property
    def lost(self) -> int:
        return self.sent - self.answered

    @property
    def ratio(self) -> float:
        """Requests for each answer."""
        return self.requests / max(self.answered, 1)

    @property
    def right_share(self) -> float:
        """How many of the messages were answered once and in their order, in per cent."""
        return 100 * max(0, self.answered - self.out_of_order - self.twice) / self.sent

    def __str__(self) -> str:
        wrong = f"{self.lost:,} lost, {self.out_of_order:,} out of order, {self.twice:,} twice"
        return f"{self.answered:,} of {self.sent:,} answered, {wrong}, {self.ratio:.2f} requests an answer"


def judge(sendings: Collection[Sending], received: Iterable[tuple[str, int]], seen: Collection[Seen]) -> Morning:
    """Judge a night. ``received``: whose answer its sender received, by lane and number.

    A lane is in order if each request comes after those of all messages before had ended, whichever provider saw them.
    """
    sent = {(each.key, each.number) for each in sendings}
    asked: defaultdict[str, list[tuple[int, int, Seen]]] = defaultdict(list)
    for each in seen:
        key, number = _NAMED.findall(each.text)[-1]
        asked[key].append((each.started_ns, int(number), each))
    disorder = twice = 0
    for of_lane in asked.values():
        newest, until = 0, 0
        answered = set[int]()
        for began, number, each in sorted(of_lane, key=lambda one: one[0]):
            finished = each.outcome is RequestEnd.FINISHED
            disorder += finished and (number < newest or (number != newest and began < until))
            twice += finished and number in answered
            newest = max(newest, number)
            if finished:
                answered.add(number)
                until = max(until, each.ended_ns or until)
    return Morning(len(sent), len(sent & set(received)), disorder, twice, len(seen))
