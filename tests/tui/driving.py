"""The dashboard driven by its keys: the real program on a real file, without a terminal around it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.screen import Screen

from lanes.drivers.client import GatewayClient
from lanes_storage.clock import Clock, system_clock
from lanes_tui.app import Dashboard
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import Views
from lanes_tui.lanes.header import Header
from lanes_tui.lanes.screen import MainScreen
from lanes_tui.sources.file import FileSource
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.remote import RemoteSource
from lanes_tui.sources.source import Source
from lanes_tui.terminal import ABLE, TerminalTraits
from lanes_tui.widgets.filter_bar import FilterBar
from lanes_tui.widgets.sheet import Sheet
from tests.kit.until import until

T = TypeVar("T", bound=Screen[Any])


#: Opens a dashboard on a database, by one of the ways to look at one.
Drive = Callable[..., AbstractAsyncContextManager["Driver"]]


class Listened(Dashboard):
    """Keeps the words that were said: those on the screen go away after a while, also on a slow machine."""

    def __init__(self, *given: Any, **more: Any) -> None:
        self.heard: list[str] = []
        super().__init__(*given, **more)

    def notify(self, message: str, **more: Any) -> None:
        self.heard.append(message)
        super().notify(message, **more)


async def _at_once(*_: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def no_idling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pilot waits until the processor is idle, up to a second for each key: ``Driver.settle`` looks at the queues."""
    for module in ("app", "pilot"):
        monkeypatch.setattr(f"textual.{module}.wait_for_idle", _at_once)


@pytest.fixture(autouse=True)
def quick_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test knows what it acts on: it takes no time to see what came under the cursor."""
    monkeypatch.setattr("lanes_tui.tables.cursor.GLANCE_S", 0.0)


@pytest.fixture
def slow_hands(quick_hands: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever came under the cursor came just now, until a key was refused for it."""
    monkeypatch.setattr("lanes_tui.tables.cursor.GLANCE_S", 3_600.0)


class Driver:
    """One dashboard with a hand on its keys and an eye on its screen."""

    def __init__(self, app: "Listened", pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def main(self) -> MainScreen:
        """The main screen, whatever lies over it."""
        return next(screen for screen in self.app.screen_stack if isinstance(screen, MainScreen))

    @property
    def header(self) -> str:
        """The two lines of the header."""
        return self.main.query_one(Header).plain

    @property
    def bar(self) -> str:
        """What stands at the right of the filter line."""
        return self.main.query_one(FilterBar).query_one("#order", Sheet).plain

    @property
    def rows(self) -> list[str]:
        """The lines of the table that are seen."""
        table = self.main.table
        return [table.render_line(y).text.rstrip() for y in range(table.size.height)]

    @property
    def keys(self) -> list[str]:
        """The keys of the lanes that the table holds, in order."""
        window = self.main.table.window
        return [] if window is None else [lane.key for lane in window.rows]

    @property
    def total(self) -> int:
        """How many lanes the filter chooses."""
        window = self.main.table.window
        return 0 if window is None else window.total

    @property
    def key(self) -> str | None:
        """The lane under the cursor."""
        lane = self.main.lane
        return None if lane is None else lane.key

    @property
    def said(self) -> list[str]:
        """The words that were said so far, the last one last."""
        return self.app.heard

    async def press(self, *keys: str) -> None:
        """Press keys, and let each take effect."""
        for key in keys:
            await self.app._press_keys([key])
            await self.settle()

    async def settle(self) -> None:
        """Return when nothing is left that a part of the dashboard was told and has not done, and it is painted."""
        await self._works()
        self.app.screen._on_timer_update()  # paint, and call what waits for that
        while await self._works():
            self.app.screen._on_timer_update()

    async def _works(self) -> bool:
        """Wait until no part does anything; whether one did. The pilot sends each a message and waits for its end."""
        turns = quiet = 0
        while quiet < 3 and self.app._exception is None:  # two turns of the loop bring a key into the app's queue
            await asyncio.sleep(0 if turns < 100 else 0.001)
            turns += 1
            quiet = 0 if any(map(_is_busy, (self.app, *self.app.screen.walk_children(with_self=True)))) else quiet + 1
        return turns > quiet

    async def write(self, text: str) -> None:
        """Type a text."""
        await self.press(*(_NAMES.get(character, character) for character in text))

    async def filter(self, typed: str) -> None:
        """Filter by that, and come back to the table."""
        await self.press("slash")
        await self.write(typed)
        await self.press("enter")
        await self.listed()

    async def listed(self) -> None:
        """Wait until the lanes of the filter are listed, in the order that was chosen."""
        await self.until(lambda: self.main.picture is not None and self.main.picture.wish == self.main.wish, "the list")

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition holds, and for what it brings to be painted."""
        try:
            await until(condition, what)
        except AssertionError as error:
            raise AssertionError("\n".join((str(error), *self.said, self.header, self.bar, *self.rows))) from None
        await self.settle()

    async def shows(self, *words: str) -> None:
        """Wait until header or table show all of this."""
        await self.until(lambda: all(word in "\n".join((self.header, *self.rows)) for word in words), str(words))

    async def dialog(self, kind: type[T]) -> T:
        """Wait until such a screen is on top, with all its parts."""
        await self.until(lambda: isinstance(self.app.screen, kind) and self.app.screen.is_mounted, kind.__name__)
        screen = self.app.screen
        assert isinstance(screen, kind)
        return screen

    async def closed(self) -> None:
        """Wait until nothing lies over the main screen."""
        await self.until(lambda: self.app.screen is self.main, "the main screen")


def _is_busy(part: MessagePump) -> bool:
    """Whether it does something: it does not wait for a message."""
    queued: asyncio.Event = part._message_queue.ready_event
    waits = bool(queued._waiters) and not queued.is_set()
    return part._running and not part._closing and not waits


_NAMES = {
    " ": "space", ":": "colon", ">": "greater_than_sign", "<": "less_than_sign", '"': "quotation_mark",
    "-": "minus", ",": "comma", "*": "asterisk", "=": "equals_sign", ".": "full_stop",
}  # fmt: skip


@asynccontextmanager
async def dashboard(
    path: Path,
    size: tuple[int, int] = (120, 40),
    *,
    clock: Clock = system_clock,
    read_only: bool = False,
    settings: Settings | None = None,
    with_gateway: bool = False,
    url: str | None = None,
    traits: TerminalTraits = ABLE,
    views: Views | None = None,
) -> AsyncIterator[Driver]:
    """A dashboard on a file, or on a gateway before it at ``url``, looked at without a pause."""
    source: Source = FileSource(str(path), actor="alice@here", read_only=read_only, clock=clock)
    if url is not None:
        source = RemoteSource(GatewayClient(url, None), read_only=read_only, clock=clock, wait_s=0.05)
    rhythm = Rhythm(look_every=0.25, ask_every=0.03, least_gap=0.0, retry_every=0.05)
    app = Listened(source, settings, with_gateway=with_gateway, rhythm=rhythm, traits=traits, views=views)
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        await driver.until(lambda: driver.main.table.window or driver.main.freshness.lost, "the first look")
        yield driver
