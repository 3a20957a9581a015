"""Screens that take away themselves, and nothing else."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen

T = TypeVar("T")


class Closing(Screen[T]):
    """A screen that leaves at most once, and only while it lies on top.

    The toolkit takes away whatever lies on top. Keys that were pressed before a screen had gone still reach it, so the
    second of two would take away the screen below.
    """

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Leave with a result; without effect once it has left, and while something lies over it."""
        on_top = self.app.screen_stack[-1:] == [self]
        return super().dismiss(result) if on_top else AwaitComplete()
