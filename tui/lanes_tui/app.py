"""The dashboard as a terminal program, with the actions that are available on every screen."""

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from textual import on, work
from textual._compositor import ChopsUpdate
from textual.binding import BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen

from lanes import filters
from lanes_tui.actions.acting import ActionRun
from lanes_tui.actions.keys import bind, usable
from lanes_tui.actions.messages import FilterWanted
from lanes_tui.display import text
from lanes_tui.display.ascii import AsciiFilter
from lanes_tui.display.contrast import tone_variables
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import Views
from lanes_tui.display.words import show_local_time
from lanes_tui.lanes.exporting import text_of, write
from lanes_tui.lanes.screen import MainScreen
from lanes_tui.painting import NarrowUpdate
from lanes_tui.screens.guarded import Guarded
from lanes_tui.screens.watching import Watching
from lanes_tui.signals import leave_on_signals
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Lost, Source
from lanes_tui.surroundings import QuietDriver, Surroundings
from lanes_tui.terminal import ABLE, TerminalTraits
from lanes_tui.typed_ahead import TypedAhead

USUAL_THEME, LIGHT_THEME, POOR_THEME = "textual-dark", "textual-light", "ansi-dark"
#: More lanes than anyone reads; `lanes list --json` has no limit.
MOST_EXPORTED = 10_000


class Dashboard(TypedAhead):
    """Shows one source until it is left; its return value is the exit code."""

    DRIVER: ClassVar[type[Driver]] = QuietDriver
    CSS_PATH = Path(__file__).with_name("lanes.tcss")  # absolute, so that subclasses in other folders find it
    ENABLE_COMMAND_PALETTE = False  # the dashboard has its own
    ALLOW_SELECT = False  # the mouse selects lanes instead of text; a key binding copies the lane key
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("message", "message", show=True),
        bind("pause all", "pause_all"),
        bind("outcomes", "outcomes"),
        bind("copy", "copy"),
        *(bind(name, f"watch('{name}')", show=True) for name in ("journal", "owners", "providers", "dead letters")),
        bind("export", "export"),
        bind("screenshot", "screenshot"),
        bind("zone", "zone"),
        bind("theme", "theme"),
        bind("ascii", "ascii"),
        bind("commands", "palette", show=True),
        bind("suspend", "suspend_process"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (70, "-narrow"), (140, "-wide")]  # noqa: RUF012 - as the toolkit has it
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-high")]  # noqa: RUF012 - as the toolkit has it

    def __init__(
        self,
        source: Source,
        settings: Settings | None = None,
        *,
        with_gateway: bool = False,
        rhythm: Rhythm | None = None,
        traits: TerminalTraits = ABLE,
        views: Views | None = None,
    ) -> None:
        plain = bool(os.environ.get("NO_COLOR"))
        super().__init__(driver_class=self.DRIVER, ansi_color=True if plain else None)
        self.settings = settings or Settings()
        self._traits = traits
        self._views = views or Views()
        self.theme = POOR_THEME if plain else self._chosen_theme()
        self.source = source
        self._with_gateway = with_gateway
        self.surroundings = Surroundings(with_gateway=with_gateway)
        self.last_run: ActionRun | None = None
        self._rhythm = rhythm or Rhythm(look_every=self.settings.refresh_s)
        show_local_time(self.settings.local_time)

    def _chosen_theme(self) -> str:
        chosen = self.settings.theme
        if chosen is not None and chosen in self.available_themes:
            return chosen
        return POOR_THEME if self._traits.poor else LIGHT_THEME if self._traits.light else USUAL_THEME

    @property
    def is_behind(self) -> bool:
        """Whether painted output still waits to be sent to the terminal."""
        return isinstance(self._driver, QuietDriver) and self._driver.is_behind

    @property
    def in_ascii(self) -> bool:
        """Whether to draw with ASCII only: as the person chose, else as the terminal needs."""
        return self._traits.ascii if self.settings.ascii is None else self.settings.ascii

    def on_mount(self) -> None:
        if not self.is_headless:
            terminal = sys.stdin.fileno()
            leave_on_signals(self.exit, lambda: self.surroundings.lost(terminal))
        keymap, wrong = usable(self.settings.keymap)
        self.set_keymap(keymap)
        wrong = [*self.settings.wrong, *(f"[keymap] {each}" for each in wrong)]
        if wrong:
            self._show_notice(f"ignored in {self.settings.path}: {'; '.join(wrong)}", grave=True)
        if self._views.broken:
            self._show_notice(
                f"{self._views.path} cannot be read and is left unchanged: views are not kept", grave=True
            )
        self.main = MainScreen(self.source, self.settings, self._rhythm, self._views, with_gateway=self._with_gateway)
        self.push_screen(self.main, wait_for_dismiss=False)
        self.call_after_refresh(self._restore_last_view)

    def on_ready(self) -> None:
        """Exclude what is loaded by now from garbage collection: each search of it took a tenth of a second, in which
        no key was answered."""
        if not self.is_headless:
            gc.freeze()

    def _restore_last_view(self) -> None:
        """Restore the view and the screens that were open when this source was last left."""
        view = self._views.last.get(self.source.name)
        if view is not None:
            self.main.take_up(view)
            for kept in view.screens:
                screen = self._screen_of(kept.name, kept.key)
                if screen is not None:
                    screen.take_up(kept)
                    self.push_screen(screen)

    def _screen_of(self, name: str, key: str | None = None) -> Watching | None:
        """The screen of this name, whose module is imported only now; None: this program has no such screen."""
        match name, key:
            case "journal", key:
                from lanes_tui.screens.journal import JournalScreen

                return JournalScreen(self.source, self._rhythm, key)
            case "owners", None:
                from lanes_tui.screens.owners import OwnersScreen

                return OwnersScreen(self.source, self._rhythm)
            case "providers", None:
                from lanes_tui.screens.providers import ProvidersScreen

                return ProvidersScreen(self.source, self._rhythm)
            case "dead letters", None:
                from lanes_tui.screens.dead_letters import DeadLettersScreen

                return DeadLettersScreen(self.source, self._rhythm)
            case "groups", None:
                return self.main.groups()
            case "lane", str(key):
                return self.main.lane_screen(key)
        return None

    def exit(self, result: int | None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Store the view for the next start, and leave."""
        main = self.main if hasattr(self, "main") else None
        if main is not None and main.is_open:
            over = (each.kept() for each in self.screen_stack if isinstance(each, Watching) and each.is_open)
            self._views.last[self.source.name] = main.kept(tuple(over))
            self._views.save()
        super().exit(result, return_code, message)

    async def on_unmount(self) -> None:
        await self.source.close()

    async def run_action(self, action: Any, default_namespace: Any = None, namespaces: Any = None) -> bool:
        """Run an action as the toolkit does, but refuse one on something that is not shown yet."""
        screen = self.screen
        if isinstance(action, str) and isinstance(screen, Guarded) and screen.refuses_blindly(action):
            return True
        return await super().run_action(action, default_namespace, namespaces)

    @property
    def lane_key(self) -> str | None:
        """The key of the lane that the open screen or its cursor is on."""
        return self.screen.lane_key if isinstance(self.screen, Guarded) else None

    # ------------------------------------------------------------------------------------ screens

    @on(FilterWanted)
    def _filter_wanted(self, event: FilterWanted) -> None:
        self.main.bar.input.value = event.typed

    def action_watch(self, name: str) -> None:
        """Open a screen, unless it is open: the journal of the lane whose screen is open, else of all."""
        of_lane = name == "journal" and isinstance(self.screen, Watching) and self.screen.NAME == "lane"
        screen = self._screen_of(name, self.lane_key if of_lane else None)
        if screen is not None and type(self.screen) is not type(screen):
            self.push_screen(screen)

    def action_palette(self) -> None:
        from lanes_tui.dialogs.palette import Command, Palette, commands

        async def chosen(command: Command | None) -> None:
            if command is not None:
                await self.run_action(command.action, command.node)

        self.push_screen(Palette(list(commands(self))), chosen)

    # -------------------------------------------------------------------------------------- looks

    def get_css_variables(self) -> dict[str, str]:
        """The variables of the theme, and the colours of the tones, which are legible in each theme."""
        variables, theme = super().get_css_variables(), self.current_theme
        colours = self.console.color_system
        ours = tone_variables(variables, ansi=self.native_ansi_color, dark=theme.dark, colours=colours)
        return variables | ours

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, AsciiFilter()] if self.in_ascii else filters

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate):
            renderable = NarrowUpdate(renderable.chops, renderable.spans, renderable.chop_ends)
        super()._display(screen, renderable)

    def action_zone(self) -> None:
        """Switch between UTC and local time."""
        self.settings.local_time = not self.settings.local_time
        show_local_time(self.settings.local_time)
        self._keep_looks("times in the zone of this machine" if self.settings.local_time else "times in UTC")

    def action_theme(self) -> None:
        """Switch to the next theme."""
        themes = sorted(self.available_themes)
        self.action_wear(themes[(themes.index(self.theme) + 1) % len(themes)])

    def action_wear(self, theme: str) -> None:
        """Switch to a theme, and store it for the next start."""
        self.theme = self.settings.theme = theme
        self._keep_looks(f"theme {theme}")

    def action_ascii(self) -> None:
        """Switch drawing with ASCII only on or off."""
        self.settings.ascii = not self.in_ascii
        self._keep_looks("drawn with ASCII only" if self.in_ascii else "drawn with Unicode")

    def _keep_looks(self, sentence: str) -> None:
        self.settings.save()
        self.refresh_css()
        for screen in self.screen_stack:
            for part in screen.walk_children():
                part.refresh()  # each widget has kept lines in the old look
        self._show_notice(sentence)

    # ------------------------------------------------------------------------------------ actions

    def begin(self, run: ActionRun, how: Mapping[str, Any], ended: Callable[[], None]) -> None:
        """Carry out an action. It continues when the screen that began it is left."""

        async def carry_out() -> None:
            await run.carry_out(self.source, how)
            ended()

        if len(run.targets) > 1:
            self.last_run = run
        self.run_worker(carry_out(), name="action")

    def action_outcomes(self) -> None:
        """Show the results of the last action on many targets."""
        from lanes_tui.dialogs.results import Results

        if self.last_run is None:
            self._show_notice("no bulk action yet")
        elif not isinstance(self.screen, Results):
            self.push_screen(Results(self.last_run))

    def action_message(self) -> None:
        """Write a message to the lane of the open screen, or the answer that it waits for."""
        from lanes.records import Message
        from lanes_tui.dialogs.send import SendDialog

        blind = isinstance(self.screen, Guarded) and self.screen.is_blind("message")
        key = None if blind else self.lane_key  # None, as before the first message: the dialog asks for it
        if self.source.read_only:
            self._show_notice("this dashboard is read-only", grave=True)
            return

        def ended(accepted: Message | None) -> None:
            if accepted is not None:
                place = "" if accepted.position is None else f", {accepted.position} in its queue"
                waits = "" if accepted.held_up is None else f", and waits: {accepted.held_up}"
                self._show_notice(f"accepted as message {accepted.id}{place}{waits}", grave=bool(waits))

        lane = self.screen.lane if isinstance(self.screen, Guarded) else None
        question = lane.question if lane is not None and lane.key == key else None
        runs = lane is not None and lane.key == key and lane.run_id is not None
        no_lanes = self.main.picture is not None and not self.main.picture.everything
        self.push_screen(SendDialog(self.source, key, question, runs=runs, first=no_lanes), ended)

    def action_pause_all(self) -> None:
        """Pause all lanes, or resume them. In a dialog, the key is a letter like any other."""
        if isinstance(self.screen, Guarded):
            self.screen.pause_all()

    def action_copy(self) -> None:
        """Copy the key of the lane to the clipboard of the terminal, exactly as it is."""
        key = self.lane_key
        if key is not None:
            self.copy_to_clipboard(key)  # in base64: nothing in it can command the terminal
            self._show_notice(f"copied: {text.key_of(key)}")

    def action_suspend_process(self) -> None:
        """Suspend to the shell; refused under ``lanes up``, where the gateway and its runs would have to stop too."""
        if self._with_gateway:
            self._show_notice(
                "not suspended: the gateway that was started with this dashboard would stop too", grave=True
            )
        else:
            super().action_suspend_process()

    @work(exclusive=True, group="export")
    async def action_export(self) -> None:
        """Write the lanes that the main screen's filter chooses to a file in the working folder."""
        chosen = filters.typed(self.main.typed, self.source.now().wall).chosen
        try:
            lanes = await self.source.export(chosen, self.main.settings.order, MOST_EXPORTED)
            path = write(text_of(lanes), "json", self.source.now().wall, Path.cwd())
        except (Lost, OSError) as error:
            self._show_notice(f"not written: {error}", grave=True)
            return
        self._show_notice(f"{len(lanes)} lanes written to {path}")

    def action_screenshot(self) -> None:  # type: ignore[override]  # the toolkit's own asks for a name and a folder
        """Write a picture of the screen to a file in the working folder."""
        try:
            path = write(self.export_screenshot(title="lanes"), "svg", self.source.now().wall, Path.cwd())
        except OSError as error:
            self._show_notice(f"not written: {error}", grave=True)
            return
        self._show_notice(f"the screen was written to {path}")

    def _show_notice(self, sentence: str, *, grave: bool = False) -> None:
        plain = text.line(sentence).plain  # cleaned; markup off, so that brackets in a key stay brackets
        self.notify(plain, severity="warning" if grave else "information", markup=False, timeout=6)
