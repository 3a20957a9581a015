"""The base of all screens and dialogs: it closes only itself, and ignores updates that come after it was left."""

from typing import TypeVar

from textual import events
from textual.await_complete import AwaitComplete
from textual.screen import Screen
from textual.scroll_view import ScrollView

T = TypeVar("T")
#: How many turns of the event loop a mounted screen is given to focus its field; it takes fewer.
_TURNS = 5


class ClosingScreen(Screen[T]):
    """A screen that is dismissed at most once, only while it is on top, and shows nothing afterwards.

    The toolkit dismisses whichever screen is on top. Keys that were pressed before a screen had closed still reach it,
    so the second of two key presses would close the screen below.

    A dismissed screen is taken down widget by widget, while answers to its reads may still arrive: to query a widget
    that is gone would crash the dashboard. So everything that may come late goes through ``update``.
    """

    _parts: tuple[ScrollView, ...] | None = None

    def on_mount(self) -> None:
        self._parts = tuple(self.query(ScrollView))

    async def on_event(self, event: events.Event) -> None:
        """Drop the mount event of a screen that was taken down before: it has no widgets."""
        if not isinstance(event, events.Mount) or (self.is_attached and self.app.is_running):
            await super().on_event(event)

    @property
    def is_open(self) -> bool:
        """Whether the screen is mounted, with all its scrolling widgets."""
        return (
            self._parts is not None
            and self.is_attached
            and self in self.app.screen_stack
            and all(part.is_attached and part.is_running for part in self._parts)
        )

    def update(self) -> None:
        """Show the current data, if the screen is open. May be called before it is mounted, and after it was left."""
        if self.is_open:
            self.renew()

    def renew(self) -> None:
        """Show the current data. Called only while the screen is open."""

    def on_paste(self, event: events.Paste) -> None:
        """Give a paste to the focused field, or to one that is about to open. A paste is never a command."""
        event.stop()
        if not self._gives_to_field(event.text):
            self.app.call_later(self._give_late, event.text, _TURNS)

    def _give_late(self, pasted: str, turns: int) -> None:
        """Try for a few more turns: a screen that opens is on top before it has its widgets and its focus."""
        if self._gives_to_field(pasted):
            return
        top = self.app.screen
        if not top.is_mounted or turns:
            top.call_after_refresh(self._give_late, pasted, turns - top.is_mounted)
        else:
            self.notify("not pasted: no field is open", severity="warning", markup=False)

    def _gives_to_field(self, pasted: str) -> bool:
        from textual.widgets import Input, TextArea  # half a megabyte, needed only for a paste outside a field

        field = self.app.focused
        if isinstance(field, Input | TextArea):
            field.post_message(events.Paste(pasted))
            return True
        return False

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Leave with a result; no effect once it has left, or while another screen is on top."""
        on_top = self.app.screen_stack[-1:] == [self]
        return super().dismiss(result) if on_top else AwaitComplete()
