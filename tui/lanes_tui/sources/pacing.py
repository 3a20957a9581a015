"""Limits how often an expensive query runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
#: One kind of query takes at most this fraction (one part in so many) of the time.
SHARE = 20
#: An answer is kept for at most so many seconds: one query may have taken long because the machine was busy.
MOST_S = 10.0


class Paced(Generic[T]):
    """Keeps the last answer for a multiple of the time that it took: what is quick is always fresh."""

    def __init__(self, share: int = SHARE) -> None:
        self._share = share
        self._question: object = None
        self._kept: list[T] = []
        self._until = 0.0

    async def answer(self, question: object, query: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question: the last one, if the question is the same and the time has not come."""
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
        """Ask the next time, whatever it takes: what was answered may have changed by what was done here."""
        self._until = 0.0
