"""Screens that close only themselves."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen

T = TypeVar("T")


class ClosingScreen(Screen[T]):
    """A screen that leaves at most once, and only while it lies on top.

    The toolkit closes the top screen. Keys that were pressed before a screen had closed still reach it, so the second
    of two key presses would close the screen below.
    """

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Leave with a result; without effect once it has left, and while something lies over it."""
        on_top = self.app.screen_stack[-1:] == [self]
        return super().dismiss(result) if on_top else AwaitComplete()
