"""Pieces of a reply that came together leave together: one mark of progress and one wake-up for all of them."""

import asyncio
from typing import Protocol

from lanes.runners.base import Delta


class Emit(Protocol):
    """Hands on pieces: ``RunContext.emit``."""

    def __call__(self, *pieces: Delta) -> None: ...


class Outlet:
    """Hands on, at the end of each turn of the event loop, the pieces that were put in during it."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._call_soon = asyncio.get_running_loop().call_soon
        self._pieces: list[Delta] = []

    def put(self, piece: Delta) -> None:
        """Hand on a piece with the others of this turn."""
        if not self._pieces:
            self._call_soon(self.flush)
        self._pieces.append(piece)

    def flush(self) -> None:
        """Hand on what there is. To be called at the end, so that nothing is handed on after it."""
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._emit(*pieces)
