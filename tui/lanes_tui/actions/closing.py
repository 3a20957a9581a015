"""What every screen and dialog is: it closes only itself, and survives being told things after it was left."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import Screen
from textual.scroll_view import ScrollView

T = TypeVar("T")


class ClosingScreen(Screen[T]):
    """A screen that leaves at most once, only while it lies on top, and shows nothing once it has left.

    The toolkit closes the top screen. Keys that were pressed before a screen had closed still reach it, so the second
    of two key presses would close the screen below.

    A screen that is left is taken down part by part, and what it asked for may be answered meanwhile: to look for a
    part that is gone ends the whole dashboard. So whatever comes later than a key goes through ``update``.
    """

    _parts: tuple[ScrollView, ...] | None = None

    def on_mount(self) -> None:
        self._parts = tuple(self.query(ScrollView))

    @property
    def is_open(self) -> bool:
        """Whether the screen is mounted, with all its parts."""
        return (
            self._parts is not None
            and self.is_attached
            and self in self.app.screen_stack
            and all(part.is_attached and part.is_running for part in self._parts)
        )

    def update(self) -> None:
        """Show what is known by now. May be called at any time: before the screen is mounted, and after it was left."""
        if self.is_open:
            self.renew()

    def renew(self) -> None:
        """Show what is known by now. Called only while the screen is mounted."""

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Leave with a result; without effect once it has left, and while something lies over it."""
        on_top = self.app.screen_stack[-1:] == [self]
        return super().dismiss(result) if on_top else AwaitComplete()
