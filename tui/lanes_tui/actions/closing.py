"""What every screen and dialog is: it closes only itself, and survives being told things after it was left."""

from typing import TypeVar

from textual import events
from textual.await_complete import AwaitComplete
from textual.screen import Screen
from textual.scroll_view import ScrollView

T = TypeVar("T")
#: The turns of the loop that a screen which is mounted takes to give the focus to its field, and some more.
_TURNS = 5


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

    async def on_event(self, event: events.Event) -> None:
        """What is taken down before it was mounted is not mounted any more: it has no parts."""
        if not isinstance(event, events.Mount) or (self.is_attached and self.app.is_running):
            await super().on_event(event)

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

    def on_paste(self, event: events.Paste) -> None:
        """Pass on what was pasted ahead of the field that it is meant for. Nothing else takes it: it is no command."""
        event.stop()
        if not self._gives_to_field(event.text):
            self.app.call_later(self._give_late, event.text, _TURNS)

    def _give_late(self, pasted: str, turns: int) -> None:
        """A field may be about to open: its screen is there, and has its parts and its focus a few turns later."""
        if self._gives_to_field(pasted):
            return
        top = self.app.screen
        if not top.is_mounted or turns:
            top.call_after_refresh(self._give_late, pasted, turns - top.is_mounted)
        else:
            self.notify("not pasted: no field is open", severity="warning", markup=False)

    def _gives_to_field(self, pasted: str) -> bool:
        from textual.widgets import Input, TextArea  # half a megabyte, for who pastes before a field is open

        field = self.app.focused
        if isinstance(field, Input | TextArea):
            field.post_message(events.Paste(pasted))
            return True
        return False

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Leave with a result; without effect once it has left, and while something lies over it."""
        on_top = self.app.screen_stack[-1:] == [self]
        return super().dismiss(result) if on_top else AwaitComplete()
