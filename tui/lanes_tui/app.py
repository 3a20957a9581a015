"""The dashboard as a program for a terminal."""

import os
from typing import ClassVar

from textual.app import App
from textual.binding import BindingType

from lanes_tui.looking import Rhythm
from lanes_tui.main_screen import MainScreen
from lanes_tui.settings import Settings
from lanes_tui.signals import leave_on_signals
from lanes_tui.source import Source


class Dashboard(App[int]):
    """Shows one source until it is left; its return value is the exit code."""

    CSS_PATH = "lanes.tcss"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False  # the mouse points at lanes; what is copied is a key, by a key of ours
    BINDINGS: ClassVar[list[BindingType]] = []
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
        super().__init__(ansi_color=True if plain else None)
        self.theme = "ansi-dark" if plain else "textual-dark"
        self.source = source
        self._with_gateway = with_gateway
        self._settings = settings or Settings()
        self._rhythm = rhythm or Rhythm(look_every=self._settings.refresh_s)

    def on_mount(self) -> None:
        if not self.is_headless:
            leave_on_signals(self.exit)
        main = MainScreen(self.source, self._settings, with_gateway=self._with_gateway, rhythm=self._rhythm)
        self.push_screen(main)

    async def on_unmount(self) -> None:
        await self.source.close()
