"""Limits how often an expensive query runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
#: One kind of query takes at most this fraction (one part in so many) of the time.
SHARE = 20
#: How long an answer is kept at most, in seconds: a query may have been slow only because the machine was busy.
MOST_S = 10.0


class Paced(Generic[T]):
    """Keeps the last answer for a multiple of the time that its query took, so that quick answers are always fresh."""

    def __init__(self, share: int = SHARE) -> None:
        self._share = share
        self._question: object = None
        self._kept: list[T] = []
        self._until = 0.0

    async def answer(self, question: object, query: Callable[[], Awaitable[T]]) -> T:
        """The last answer, if the question is the same and its time is not over; else that of ``query``."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._kept and question == self._question and began < self._until:
            return self._kept[0]
        found = await query()
        ended = loop.time()
        self._question, self._kept = question, [found]
        self._until = ended + min(MOST_S, self._share * (ended - began))
        return found

    def forget(self) -> None:
        """Let the next call query in any case: an action here may have changed the answer."""
        self._until = 0.0
