"""The dialog that asks before every action.

It tells what the action applies to, by counts and by name, what ends and what is kept; takes a reason, a scope and a
duration; for many targets asks for their number; and shows the equivalent command.
"""

from time import monotonic
from typing import Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input

from lanes.base import durations
from lanes_storage.law import Scope
from lanes_tui.actions.command_line import command_line
from lanes_tui.actions.keys import bind, means
from lanes_tui.actions.subjects import ActionSubject
from lanes_tui.dialogs.dialog import BUTTON_KEYS, Dialog, KeyButton, sign_of
from lanes_tui.dialogs.fields import FieldEntered, FieldInput, LabelledField, NumberInput, WordChoice
from lanes_tui.display import text
from lanes_tui.sources.source import Lost, Source
from lanes_tui.widgets.sheet import Sheet

#: For more targets, their number has to be typed.
TYPED_ABOVE = 20
#: How often a subject that may change is read again, in seconds; but reading takes at most this fraction (one part in
#: so many) of the time.
LOOK_EVERY_S, LOOK_SHARE = 0.5, 10
#: On a small screen: the lines of border, title, problem and buttons; and those of the command.
_FRAME, _SAME = 5, 3


class ActionDialog(Dialog[dict[str, Any] | None]):
    """Its result is the parameters of the action, or None if the action is cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *BUTTON_KEYS,
        bind("yes", "give"),
        bind("copy", "copy"),
        *(bind(name, "dismiss") for name in ("back", "interrupt")),
    ]

    def __init__(self, source: Source, subject: ActionSubject) -> None:
        super().__init__()
        self._source, self.subject = source, subject
        self.action = action = subject.action
        self._copy_key = ""
        self._title, self._lines = Sheet(id="dialog-title"), Sheet(wrap=True, id="dialog-lines")
        self._same, self._problem = Sheet(wrap=True, id="same"), Sheet(wrap=True, id="refused")
        self._number = NumberInput(compact=True, id="number", max_length=9)
        usual = "the configured time" if action.verb.name == "drain" else "until it is resumed"
        # a character that is typed on a button begins the text: the focus must not select it
        options: dict[str, Any] = {"compact": True, "select_on_focus": False}
        self._duration = FieldInput(id="duration", placeholder=f"{usual}; or 10m, 1h, 2d", **options)
        self._reason = FieldInput(id="reason", placeholder="why; kept in the journal", **options)
        self._scope = WordChoice(tuple(Scope), id="scope")
        self._no = KeyButton("Cancel", "back", "dismiss", id="no")
        grave = "-grave" if action.grave else None
        self._yes = KeyButton(action.word, "yes", "give", id="yes", classes=grave)
        self._fields: dict[str, LabelledField] = {"number": LabelledField("how many", self._number)}
        fields = {"for_": self._duration, "reason": self._reason, "scope": self._scope}
        self._fields |= {
            name: LabelledField(name.rstrip("_"), each) for name, each in fields.items() if action.takes(name)
        }

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield self._title
            yield self._lines
            yield from self._fields.values()
            yield self._problem
            yield self._same
            with Horizontal(id="choices"):
                yield self._no
                yield self._yes

    def on_mount(self) -> None:
        self._copy_key = sign_of(self, "copy")
        self.renew()
        self._load()
        self.set_focus(self._number if self._wanted else self._no if self.action.grave else self._yes)

    def on_resize(self) -> None:
        self.call_after_refresh(self.update)

    @work(exclusive=True)
    async def _load(self) -> None:
        wanted, began = self._wanted, monotonic()
        try:
            await self.subject.load(self._source)
        except Lost as lost:
            self._show_note(f"cannot be read: {lost}")
        self.update()
        if not self.is_open:
            return
        if self._wanted and not wanted:
            self.set_focus(self._number)
        if self.subject.renewed:  # ten thousand lanes take a while: leave most of the time to others
            self.set_timer(max(LOOK_EVERY_S, LOOK_SHARE * (monotonic() - began)), self._load)

    # ------------------------------------------------------------------------------------ what it says

    @property
    def how(self) -> dict[str, Any]:
        """The parameters entered so far. Raises ValueError for an invalid duration."""
        params: dict[str, Any] = {}
        if "for_" in self._fields and self._duration.value.strip():
            params["for_"] = durations.parse(self._duration.value.strip())
        if "reason" in self._fields and self._reason.value.strip():
            params["reason"] = self._reason.value.strip()
        if "scope" in self._fields and self._scope.value != Scope.RUN:
            params["scope"] = Scope(self._scope.value)
        return params

    @property
    def plain(self) -> str:
        """The text of the dialog, without styles."""
        return "\n".join((self._title.plain, self._lines.plain, self._problem.plain, self._same.plain))

    @property
    def command(self) -> str | None:
        """The equivalent shell command; None: there is none, or the duration is invalid."""
        words = self.subject.words()
        try:
            how = {**self.action.params, **self.how}
        except ValueError:
            return None
        return None if words is None else command_line(self._source, self.action.verb, words, how)

    @property
    def _wanted(self) -> str:
        """The number that the person has to type; empty: none."""
        return str(self.subject.count) if self.subject.count > TYPED_ABOVE and not self.action.is_reversible else ""

    def renew(self) -> None:
        self.subject.scope = Scope(self._scope.value)
        self._title.show([text.line((self.subject.title(), "accent"))])
        self._lines.show(self.subject.lines())
        command = self.command
        then = "; acts on what matches when run" if "--filter" in (self.subject.words() or ()) else ""
        same = [] if command is None else [text.line((f"{self._copy_key} copies{then}  $ {command}", "muted"))]
        self._same.show(same)
        self._fields["number"].display = bool(self._wanted)
        self._number.placeholder = f"type {self._wanted} to go on"
        self._yes.display = self.subject.possible()
        if self.has_class("-short"):  # the description gets the lines that the other parts leave
            others = _FRAME + sum(each.display for each in self._fields.values()) + (_SAME if same else 0)
            self._lines.styles.max_height = max(3, self.size.height - others)
        else:
            self._lines.styles.max_height = None

    def _show_note(self, sentence: str) -> None:
        self._problem.show([text.line((sentence, "warn"))] if sentence else [])

    @on(Input.Changed)
    @on(WordChoice.Changed)
    def _changed(self) -> None:
        self._show_note("")
        self.update()

    # ---------------------------------------------------------------------------------------- answers

    @on(FieldEntered)
    def _entered(self) -> None:
        """Go on from a field: to the number if it is not right, else to the button of a grave action; else answer."""
        if self._wanted and self._number.value != self._wanted:
            self.set_focus(self._number)
        elif self.action.grave:
            self.set_focus(self._yes)
        else:
            self.action_give()

    def action_give(self) -> None:
        if not self.subject.possible():
            return
        if self._number.value != self._wanted and self._wanted:
            self._show_note(f"Type {self._wanted} to go on.")
            self.set_focus(self._number)
            return
        try:
            self.dismiss(self.how)
        except ValueError as error:
            self._show_note(str(error))
            self.set_focus(self._duration)

    def action_copy(self) -> None:
        if (command := self.command) is not None:
            self.app.copy_to_clipboard(command)
            self._show_note("copied")

    def on_key(self, event: events.Key) -> None:
        """On a button, a digit begins the duration, and any other character the reason."""
        typed = event.character
        if not event.is_printable or typed in (None, " ") or means(self.active_bindings, event.key, "yes", "copy"):
            return
        if "reason" in self._fields and isinstance(self.focused, Button):
            assert typed is not None
            event.stop()
            field = self._duration if typed.isdecimal() and "for_" in self._fields else self._reason
            self.set_focus(field)
            field.insert_text_at_cursor(typed)
