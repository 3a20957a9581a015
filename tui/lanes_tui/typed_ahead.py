"""Keys that are typed ahead: before the field has the focus, or the question is asked, that they are meant for."""

from time import monotonic

from textual import events
from textual.app import App
from textual.screen import Screen
from textual.widgets import Input

from lanes_tui.dialogs.dialog import Dialog

#: Nothing is held for longer than that, in seconds; and keys that leave something are never held.
LONGEST_S = 10.0
LEAVING = ("ctrl+c", "ctrl+q", "escape")


class HeldKeys:
    """What was typed since, and the screen where it was typed. ``times``: how often they were held, one in another."""

    def __init__(self, below: Screen[object]) -> None:
        self.below = below
        self.keys: list[events.Key] = []
        self.times = 0
        self._since = monotonic()

    @property
    def is_over(self) -> bool:
        """Whether it takes so long that keys have their usual meaning again."""
        return monotonic() - self._since > LONGEST_S


class TypedAhead(App[int]):
    """Keeps such keys for what they are meant for, so that they trigger no commands before."""

    _held_keys: HeldKeys | None = None

    async def on_event(self, event: events.Event) -> None:
        held = self._held_keys
        if held is None or not isinstance(event, events.Key) or event.key in LEAVING or held.is_over:
            await super().on_event(event)
        else:
            held.keys.append(event)

    def hold_keys(self) -> None:
        """From now on, what is typed triggers nothing: a question is about to be asked, once what it is for is read."""
        held = self._held_keys
        self._held_keys = held = HeldKeys(self.screen) if held is None or held.is_over else held
        held.times += 1

    def release_keys(self) -> None:
        """The question is asked, and gets what was typed ahead of it. Where none came of it, that is dropped."""
        held = self._held_keys
        if held is not None and held.times > 1:
            held.times -= 1
        elif held is not None and self.screen is not held.below and isinstance(self.screen, Dialog):
            self.screen.call_after_refresh(self._pass_on, held)  # once it has its fields, and one has the focus
        else:
            self._held_keys = None

    def _pass_on(self, held: HeldKeys) -> None:
        self._held_keys = None
        for key in held.keys:
            self.post_message(events.Key(key.key, key.character))

    def on_key(self, event: events.Key) -> None:
        """Pass keys to the field that has the focus by now.

        A field keeps every character that it is given, so one that comes by was given to what had the focus before.
        """
        field = self.focused
        if event.is_printable and isinstance(field, Input):
            event.prevent_default()
            field.post_message(events.Key(event.key, event.character))
