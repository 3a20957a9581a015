"""Keys that are typed ahead: before the field has the focus, or the question is asked, that they are meant for."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from textual import events, on
from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump
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


@dataclass(frozen=True, eq=False)
class GivenKey:
    """A key that may not have taken effect yet, and what has it."""

    to: MessagePump
    key: str


class KeyDone(Message):
    """Takes the way of a key, behind it. ``again``: what the key led to is still on that way."""

    def __init__(self, given: GivenKey, *, again: bool) -> None:
        super().__init__()
        self.given, self.again = given, again


class TypedAhead(App[int]):
    """Keeps such keys for what they are meant for, so that they trigger no commands before.

    Each key takes effect before another one is given to what has the focus by then: a field keeps every character that
    it is given. Only characters for a field, and one key that is held down, come as fast as they are typed.
    """

    _held_keys: HeldKeys | None = None
    _given: GivenKey | None = None
    _keys_behind: Sequence[events.Key] = ()  # typed since, in order

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key) or event.is_forwarded:
            await self._take(event)
            return
        while self._given is not None and self._given.to is not (self.focused or self.screen):
            await self._go_on()  # it has led elsewhere
        to = self.focused or self.screen
        if self._given is not None and (self._keys_behind or self._given.key != event.key):
            self._keys_behind = (*self._keys_behind, event)
        elif self._given is not None or (isinstance(to, Input) and event.is_printable):
            await self._take(event)
        else:
            self._given = given = GivenKey(to, event.key)
            await self._take(event)
            await self._follow(given, again=True)

    @on(KeyDone)
    async def _key_done(self, event: KeyDone) -> None:
        if event.given is not self._given:
            return  # that one has led elsewhere: the keys behind it went on then
        await (self._follow(event.given, again=False) if event.again else self._go_on())

    async def _follow(self, given: GivenKey, *, again: bool) -> None:
        if not given.to.post_message(KeyDone(given, again=again)):
            await self._go_on()

    async def _go_on(self) -> None:
        behind, self._given, self._keys_behind = self._keys_behind, None, ()
        for key in behind:
            await self.on_event(key)

    async def _take(self, event: events.Event) -> None:
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
        elif held is not None:
            self._held_keys = None
            self._keys_behind = tuple(key for key in self._keys_behind if key.key in LEAVING)

    def _pass_on(self, held: HeldKeys) -> None:
        """Give them to the question in the order in which they were typed: before those that no widget got so far."""
        self._held_keys = None
        self._given = first = GivenKey(self, "")
        self._keys_behind = (*held.keys, *self._keys_behind)
        self.post_message(KeyDone(first, again=False))
