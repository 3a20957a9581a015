"""Pausing every lane, lanes to come included: why and for how long; and the end of that."""

import shlex
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input

from lanes.base import durations
from lanes.base.errors import LanesError
from lanes.records import GlobActed, GlobPause, Status
from lanes.text.spans import span
from lanes.verbs.outcomes import all_paused, all_resumed
from lanes_storage.law import LaneState
from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.dialog import Dialog
from lanes_tui.display import text, words
from lanes_tui.sources.source import Lost, Source
from lanes_tui.widgets.sheet import Sheet


class PauseAllDialog(Dialog[str | None]):
    """Pauses all lanes; where they are paused, resumes them. Its result is a sentence on what came of it, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("back", "leave", priority=True),
        bind("interrupt", "leave", priority=True),
        bind("open", "accept", priority=True),
        bind("up", "app.focus_previous", priority=True, only="up"),
        bind("down", "app.focus_next", priority=True, only="down"),
    ]

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._status: Status | None = None
        self._under_way = False
        self._refused = ""

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Sheet(id="dialog-title")
            yield Sheet(wrap=True, id="dialog-lines")
            yield Input(placeholder="how long: 30m, 2h; empty: until resumed", id="for", compact=True)
            yield Input(placeholder="why, for the others", id="reason", compact=True)
            yield Sheet(wrap=True, id="refused")
            with Horizontal(id="choices"):
                yield Button(text.line(" Do it ", ("⏎ ", "muted")), compact=True, classes="-grave", id="accept")
                yield Button(text.line(" Cancel ", ("esc ", "muted")), compact=True, id="cancel")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False  # a blinking cursor is traffic
            field.display = False  # until it is known whether there is anything to pause
        self._look()

    @work
    async def _look(self) -> None:
        try:
            self._status = (await self._source.status()).record
        except (Lost, LanesError) as error:
            self._refuse(f"not read: {error}")
            return
        for field in self.query(Input):
            field.display = self._standing is None
        first = self.query("#for" if self._standing is None else "#cancel").first()
        first.focus()
        self.update()

    @property
    def _standing(self) -> GlobPause | None:
        """The present pause of all lanes."""
        pauses = () if self._status is None else self._status.pauses
        now = self._source.now().wall
        return next((pause for pause in pauses if pause.of_all and words.is_paused(pause, now)), None)

    def renew(self) -> None:
        """Show what would be done, as the fields are now."""
        standing = self._standing
        self.query_one("#dialog-title", Sheet).show(
            [text.line(("Pause all lanes" if standing is None else "Resume all lanes", "accent"))]
        )
        if self._status is not None:
            lines = self._pausing(self._status) if standing is None else self._resuming(standing)
            self.query_one("#dialog-lines", Sheet).show(lines)
        self.query_one("#refused", Sheet).show([text.line((self._refused, "warn"))])

    def _pausing(self, status: Status) -> list[Content]:
        running, queued = status.counts.lanes.get(LaneState.RUNNING, 0), status.counts.messages.queued
        return [
            text.line("Nothing is claimed any more, by any gateway, and over restarts: ", ("lanes to come too", "bad")),
            text.line(
                f"What runs goes on ({words.counted(running, 'run')}), what waits is kept ({words.number(queued)})."
            ),
            text.line((self._command, "muted")),
        ]

    def _resuming(self, pause: GlobPause) -> list[Content]:
        for_ = span(self._source.now().wall - pause.at)
        return [
            text.line(f"Paused by {pause.by} for {for_}: {pause.reason}"),
            text.line(("Lanes that are paused themselves, or by another glob, stay paused.", "muted")),
            text.line(("lanes resume --all", "muted")),
        ]

    @property
    def _command(self) -> str:
        """The equivalent shell command."""
        for_, reason = (self.query_one(f"#{name}", Input).value.strip() for name in ("for", "reason"))
        said = f" --for {shlex.quote(for_)}" if for_ else ""
        return f"lanes pause --all{said}{f' --reason {shlex.quote(reason)}' if reason else ''}"

    @on(Input.Changed)
    def _typed(self) -> None:
        self._refused = ""
        self.update()

    # ------------------------------------------------------------------------------------- acting

    @on(Button.Pressed, "#cancel")
    def action_leave(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#accept")
    def _pressed(self) -> None:
        self._accept()

    def action_accept(self) -> None:
        """Enter: on Cancel it cancels."""
        focused = self.app.focused
        if focused is not None and focused.id == "cancel":
            self.action_leave()
        else:
            self._accept()

    def _accept(self) -> None:
        if self._status is None or self._under_way:
            return
        typed, reason = (self.query_one(f"#{name}", Input).value.strip() for name in ("for", "reason"))
        try:
            for_ms = durations.parse(typed) if typed else None
        except ValueError as error:
            self._refuse(str(error))
            return
        self._under_way = True
        self._act(reason, for_ms, resume=self._standing is not None)

    @work
    async def _act(self, reason: str, for_ms: int | None, *, resume: bool) -> None:
        try:
            acted = await (self._source.resume_all() if resume else self._source.pause_all(reason, for_ms))
        except (Lost, LanesError) as error:
            self._under_way = False
            self._refuse(f"not done: {error}")
            return
        self.dismiss(_told(acted))

    def _refuse(self, sentence: str) -> None:
        self._refused = sentence
        self.update()


def _told(acted: GlobActed) -> str:
    return (all_resumed(acted) if acted.paused is None else all_paused(acted)).sentence
