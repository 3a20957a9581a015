"""The dashboard as a terminal program, with the actions that are available on every screen."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from textual import events, work
from textual.app import App
from textual.binding import BindingType
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import Input

from lanes import filters
from lanes_tui.actions.keys import bind
from lanes_tui.display import text
from lanes_tui.display.ascii import AsciiFilter
from lanes_tui.display.settings import Settings
from lanes_tui.display.words import show_local_time
from lanes_tui.lanes import exporting
from lanes_tui.lanes.screen import MainScreen
from lanes_tui.screens.guarded import Guarded
from lanes_tui.signals import leave_on_signals
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Lost, Source
from lanes_tui.surroundings import QuietDriver, Surroundings

USUAL_THEME = "textual-dark"
#: More lanes than anyone reads; `lanes list --json` has no limit.
MOST_EXPORTED = 10_000


@runtime_checkable
class OnLane(Protocol):
    """A screen that stands on a lane, or on none."""

    @property
    def lane_key(self) -> str | None: ...


class Dashboard(App[int]):
    """Shows one source until it is left; its return value is the exit code."""

    CSS_PATH = "lanes.tcss"
    ENABLE_COMMAND_PALETTE = False  # there is one, on a key of ours
    ALLOW_SELECT = False  # the mouse selects lanes instead of text; a key binding copies the lane key
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("message", "message", show=True),
        bind("pause all", "pause_all"),
        bind("copy", "copy"),
        bind("journal", "journal"),
        bind("owners", "owners"),
        bind("dead letters", "dead_letters"),
        bind("export", "export"),
        bind("screenshot", "screenshot"),
        bind("zone", "zone"),
        bind("theme", "theme"),
        bind("ascii", "ascii"),
        bind("commands", "palette", show=True),
        bind("suspend", "suspend_process"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-high")]  # noqa: RUF012 - as the toolkit has it

    def __init__(
        self,
        source: Source,
        settings: Settings | None = None,
        *,
        with_gateway: bool = False,
        rhythm: Rhythm | None = None,
    ) -> None:
        plain = bool(os.environ.get("NO_COLOR"))
        super().__init__(driver_class=QuietDriver, ansi_color=True if plain else None)
        self.settings = settings or Settings()
        self.theme = "ansi-dark" if plain else self._chosen_theme()
        self.source = source
        self._with_gateway = with_gateway
        self.surroundings = Surroundings(with_gateway=with_gateway)
        self._rhythm = rhythm or Rhythm(look_every=self.settings.refresh_s)
        show_local_time(self.settings.local_time)

    def _chosen_theme(self) -> str:
        chosen = self.settings.theme
        return chosen if chosen is not None and chosen in self.available_themes else USUAL_THEME

    def on_mount(self) -> None:
        if not self.is_headless:
            terminal = sys.stdin.fileno()
            leave_on_signals(self.exit, lambda: self.surroundings.lost(terminal))
        self.main = MainScreen(self.source, self.settings, with_gateway=self._with_gateway, rhythm=self._rhythm)
        self.push_screen(self.main)

    async def on_unmount(self) -> None:
        await self.source.close()

    def on_key(self, event: events.Key) -> None:
        """Pass keys that were typed ahead to the field that they are meant for, so that they trigger no commands.

        A field keeps every character that it is given, so one that comes by was given to what had the focus before.
        """
        field = self.focused
        if event.is_printable and isinstance(field, Input):
            event.prevent_default()
            field.post_message(events.Key(event.key, event.character))

    @property
    def lane_key(self) -> str | None:
        """The lane that the open screen stands on."""
        return self.screen.lane_key if isinstance(self.screen, OnLane) else None

    # ------------------------------------------------------------------------------------ screens

    def action_journal(self) -> None:
        """The journal: of the lane whose screen is open, else of all."""
        from lanes_tui.screens.journal import JournalScreen
        from lanes_tui.screens.lane import LaneScreen

        key = self.screen.lane_key if isinstance(self.screen, LaneScreen) else None
        self._open(JournalScreen(self.source, self._rhythm, key))

    def action_owners(self) -> None:
        from lanes_tui.screens.owners import OwnersScreen

        self._open(OwnersScreen(self.source, self._rhythm))

    def action_dead_letters(self) -> None:
        from lanes_tui.screens.dead_letters import DeadLettersScreen

        self._open(DeadLettersScreen(self.source, self._rhythm))

    def action_palette(self) -> None:
        from lanes_tui.dialogs.palette import Command, Palette, commands

        async def chosen(command: Command | None) -> None:
            if command is not None:
                await command.run()

        self.push_screen(Palette(list(commands(self, self.screen, self.wear))), chosen)

    def _open(self, screen: Screen[None]) -> None:
        if type(self.screen) is not type(screen):
            self.push_screen(screen)

    # -------------------------------------------------------------------------------------- looks

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, AsciiFilter()] if self.settings.ascii else filters

    def action_zone(self) -> None:
        """Write times in the other zone."""
        self.settings.local_time = not self.settings.local_time
        show_local_time(self.settings.local_time)
        self._keep_looks("times in the zone of this machine" if self.settings.local_time else "times in UTC")

    def action_theme(self) -> None:
        """Switch to the next theme."""
        themes = sorted(self.available_themes)
        self.wear(themes[(themes.index(self.theme) + 1) % len(themes)])

    def wear(self, theme: str) -> None:
        """Switch to a theme, and store it for the next start."""
        self.theme = self.settings.theme = theme
        self._keep_looks(f"theme {theme}")

    def action_ascii(self) -> None:
        """Switch drawing with ASCII only on or off."""
        self.settings.ascii = not self.settings.ascii
        self._keep_looks("drawn with ASCII only" if self.settings.ascii else "drawn with all signs")

    def _keep_looks(self, said: str) -> None:
        self.settings.save()
        self.refresh_css()
        for screen in self.screen_stack:
            for part in screen.walk_children():
                part.refresh()  # all of it: what a line looked like before is kept by each part
        self._say(said)

    # ------------------------------------------------------------------------------------ actions

    def action_message(self) -> None:
        """Write to the lane that the screen stands on."""
        from lanes.records import Message
        from lanes_tui.dialogs.send import SendDialog

        key = self.lane_key
        if key is None:
            self._say("there is no lane to write to", grave=True)
            return
        if self.source.read_only:
            self._say("this dashboard is read-only", grave=True)
            return

        def ended(accepted: Message | None) -> None:
            if accepted is not None:
                place = "" if accepted.position is None else f", {accepted.position} in its queue"
                waits = "" if accepted.held_up is None else f", and waits: {accepted.held_up}"
                self._say(f"accepted as message {accepted.id}{place}{waits}", grave=bool(waits))

        self.push_screen(SendDialog(self.source, key), ended)

    def action_pause_all(self) -> None:
        """Let every lane claim nothing, or claim again."""
        from lanes_tui.dialogs.pausing import PauseAllDialog

        def ended(told: str | None) -> None:
            if told is not None:
                self._say(told)

        if not isinstance(self.screen, Guarded) or self.screen.may_act():
            self.push_screen(PauseAllDialog(self.source), ended)

    def action_copy(self) -> None:
        """The key of the lane to the clipboard of the terminal, exactly as it is."""
        key = self.lane_key
        if key is not None:
            self.copy_to_clipboard(key)  # in base64: nothing in it can command the terminal
            self._say(f"copied: {key}")

    @work(exclusive=True, group="export")
    async def action_export(self) -> None:
        """The lanes that the main screen's filter chooses, to a file in the working folder."""
        chosen = filters.typed(self.main.typed, self.source.now().wall).chosen
        try:
            lanes = await self.source.export(chosen, self.main.settings.order, MOST_EXPORTED)
            path = exporting.write_json(lanes, self.source.now().wall, Path.cwd())
        except (Lost, OSError) as error:
            self._say(f"not written: {error}", grave=True)
            return
        self._say(f"{len(lanes)} lanes written to {path}")

    def action_screenshot(self) -> None:  # type: ignore[override]  # the toolkit's own asks for a name and a folder
        """A picture of the screen, to a file in the working folder."""
        try:
            path = exporting.write_svg(self.export_screenshot(title="lanes"), self.source.now().wall, Path.cwd())
        except OSError as error:
            self._say(f"not written: {error}", grave=True)
            return
        self._say(f"the screen was written to {path}")

    def _say(self, sentence: str, *, grave: bool = False) -> None:
        said = text.line(sentence).plain  # cleaned; markup off, so that brackets in a key stay brackets
        self.notify(said, severity="warning" if grave else "information", markup=False, timeout=6)
