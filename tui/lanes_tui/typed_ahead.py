"""Typed-ahead keys: delivers keys that arrive before their field has the focus, or before their question is open."""

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

#: How long keys are held at most, in seconds.
LONGEST_S = 10.0
#: Keys that are never held: they leave a screen or the dashboard.
LEAVING = ("ctrl+c", "ctrl+q", "escape")


class HeldKeys:
    """The keys typed since ``hold_keys``, and the screen that was open then. ``depth``: how many holds are nested."""

    def __init__(self, below: Screen[object]) -> None:
        self.below = below
        self.keys: list[events.Key] = []
        self.depth = 0
        self._since = monotonic()

    @property
    def has_expired(self) -> bool:
        """Whether the question has taken so long that keys have their usual meaning again."""
        return monotonic() - self._since > LONGEST_S


@dataclass(frozen=True, eq=False)
class SentKey:
    """A key that may not be handled completely yet, and the widget, screen or app that it was sent to."""

    target: MessagePump
    key: str


class KeyDone(Message):
    """Follows a key through the same widget queues; when it arrives at the app, the key has been handled.

    ``again``: send it once more, since handling the key may have queued further messages.
    """

    def __init__(self, sent: SentKey, *, again: bool) -> None:
        super().__init__()
        self.sent, self.again = sent, again


class TypedAhead(App[int]):
    """An app in which each key goes to the widget that it was typed for, however fast keys arrive.

    A key is sent to the focused widget only once the key before it has been handled completely, since that one may move
    the focus: a field keeps every character that it is sent. Two kinds of keys do not wait: characters for a focused
    field, and repeats of a key that is held down.

    Between ``hold_keys`` and ``release_keys`` keys are collected for a question that is not open yet.
    """

    _held_keys: HeldKeys | None = None
    _sent: SentKey | None = None
    _waiting_keys: Sequence[events.Key] = ()  # typed after the sent key, in order

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key) or event.is_forwarded:
            await self._hold_or_handle(event)
            return
        while self._sent is not None and self._sent.target is not (self.focused or self.screen):
            await self._send_waiting()  # the focus has moved: the sent key has taken effect
        target = self.focused or self.screen
        if self._sent is not None and (self._waiting_keys or self._sent.key != event.key):
            self._waiting_keys = (*self._waiting_keys, event)
        elif self._sent is not None or (isinstance(target, Input) and event.is_printable):
            await self._hold_or_handle(event)
        else:
            self._sent = sent = SentKey(target, event.key)
            await self._hold_or_handle(event)
            await self._send_after(sent, again=True)

    @on(KeyDone)
    async def _key_done(self, event: KeyDone) -> None:
        if event.sent is not self._sent:
            return  # that key moved the focus: the keys that waited for it were sent then
        await (self._send_after(event.sent, again=False) if event.again else self._send_waiting())

    async def _send_after(self, sent: SentKey, *, again: bool) -> None:
        """Send ``KeyDone`` after a key; or the waiting keys, if the target of the key is gone."""
        if not sent.target.post_message(KeyDone(sent, again=again)):
            await self._send_waiting()

    async def _send_waiting(self) -> None:
        """Send the keys that waited, up to the first one that has to wait itself."""
        waiting, self._sent, self._waiting_keys = self._waiting_keys, None, ()
        for key in waiting:
            await self.on_event(key)

    async def _hold_or_handle(self, event: events.Event) -> None:
        held = self._held_keys
        if held is None or not isinstance(event, events.Key) or event.key in LEAVING or held.has_expired:
            await super().on_event(event)
        else:
            held.keys.append(event)

    def hold_keys(self) -> None:
        """Collect keys for a question that opens once its data is read, so that they trigger nothing before."""
        held = self._held_keys
        self._held_keys = held = HeldKeys(self.screen) if held is None or held.has_expired else held
        held.depth += 1

    def release_keys(self) -> None:
        """End a hold. After the outermost one, the open question gets the keys; without a question they are dropped."""
        held = self._held_keys
        if held is not None and held.depth > 1:
            held.depth -= 1
        elif held is not None and self.screen is not held.below and isinstance(self.screen, Dialog):
            self.screen.call_after_refresh(self._give_held, held)  # once it has its fields, and one has the focus
        elif held is not None:
            self._held_keys = None
            self._waiting_keys = tuple(key for key in self._waiting_keys if key.key in LEAVING)

    def _give_held(self, held: HeldKeys) -> None:
        """Send the held keys to the question, followed by the keys that still wait, in the order of typing."""
        self._held_keys = None
        self._sent = first = SentKey(self, "")  # stands for a key before them, so that later keys queue up behind them
        self._waiting_keys = (*held.keys, *self._waiting_keys)
        self.post_message(KeyDone(first, again=False))
