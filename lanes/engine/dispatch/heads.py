"""The waiting heads of one kind, by age: a million of them take eight megabytes."""

import heapq
from array import array
from bisect import bisect_left


class HeadQueue:
    """Ids of messages, the lowest first; each at most once.

    Most are added in order and are in an array; the few that are added out of order are in a heap beside it.
    """

    def __init__(self) -> None:
        self._ids = array("q")
        self._at = 0
        self._beside: list[int] = []
        self._known: set[int] = set()

    def __bool__(self) -> bool:
        return self._at < len(self._ids) or bool(self._beside)

    @property
    def first(self) -> int:
        """The lowest id. The queue must not be empty."""
        if self._at == len(self._ids):
            return self._beside[0]
        return min(self._ids[self._at], self._beside[0]) if self._beside else self._ids[self._at]

    @property
    def beside(self) -> int:
        """How many ids are outside the array."""
        return len(self._beside)

    def append(self, number: int) -> None:
        """Add an id that is larger than all ids in the array; any other id is added as by ``put``."""
        if not self._ids or number > self._ids[-1]:
            self._ids.append(number)
        else:
            self.put(number)

    def put(self, number: int) -> None:
        """Add an id."""
        place = bisect_left(self._ids, number, self._at)
        if number not in self._known and (place == len(self._ids) or self._ids[place] != number):
            self._known.add(number)
            heapq.heappush(self._beside, number)

    def pop(self) -> int:
        """Remove and return the lowest id."""
        number = self.first
        if self._beside and self._beside[0] == number:
            heapq.heappop(self._beside)
            self._known.discard(number)
        if self._at < len(self._ids) and self._ids[self._at] == number:
            self._at += 1
            if self._at > 4_096 and 2 * self._at > len(self._ids):
                del self._ids[: self._at]
                self._at = 0
        return number
