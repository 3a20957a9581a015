"""The providers as a table: how each does, what it is asked, why it cools; and the end of a cooldown."""

from lanes_storage import reads
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.results import Results
from lanes_tui.lanes.screen import MainScreen
from lanes_tui.screens.providers import ProvidersScreen
from tests.kit.stage import Stage
from tests.tui.driving import Drive, Driver, dashboard
from tests.tui.test_screens import shown


async def opened(driver: Driver) -> ProvidersScreen:
    """The screen of the providers, with its first row."""
    await driver.press("H")
    screen = await driver.dialog(ProvidersScreen)
    await driver.until(lambda: screen.rows.key, "the providers")
    return screen


def cools(stage: Stage, provider: str) -> bool:
    """Whether it is not asked."""
    return any(each.provider == provider for each in stage.store.read(reads.cooldowns(0)))


async def test_the_worst_provider_comes_first_and_each_says_what_it_is_asked_and_why_it_failed(
    stage: Stage, drive: Drive
) -> None:
    owner = stage.owner()
    stage.counted("backup", 120, 1_500, first_byte_timeout=2, server_error=9)
    stage.counted("spare", 3, 400)
    stage.asks(stage.hold("asks:1", owner), owner, "backup")
    stage.refuse("codex", "rate_limited", "429 too many\nrequests")
    async with drive(stage.path) as driver:
        screen = await opened(driver)
        rows = [line.split() for line in shown(screen, "rows").splitlines()]
        assert [row[0] for row in rows] == ["codex", "backup", "spare"]
        assert rows[0][1:3] == ["✖", "cooling"]
        assert rows[1][1:] == ["●", "well", "1", "11", "120", "2", "s", "9", "server_error,", "2", "first_byte_timeout"]
        assert rows[2][1:] == ["●", "well", "3", "400", "ms"]
        whole = shown(screen, "whole")
        assert "PROVIDER codex" in whole
        assert "rate_limited 429 too many requests" in whole
        assert "until" in whole


async def test_a_cooldown_is_ended_after_a_question(stage: Stage, drive: Drive) -> None:
    stage.refuse("codex")
    async with drive(stage.path) as driver:
        screen = await opened(driver)
        await driver.press("ctrl+r")
        dialog = await driver.dialog(ActionDialog)
        assert "Ask this provider again now?" in dialog.plain
        assert "codex  ✖ cooling" in dialog.plain
        assert "$ lanes providers reset codex" in dialog.plain
        assert cools(stage, "codex"), "nothing is done before it is answered"
        await driver.press("enter")
        await driver.until(lambda: driver.said, "a word on it")
        assert driver.said[-1] == "provider codex is asked again"
        await driver.until(lambda: "● well" in shown(screen, "rows"), "the provider to be well")
        assert not cools(stage, "codex")


async def test_the_marked_providers_are_asked_again_all_of_them(stage: Stage, drive: Drive) -> None:
    for name in ("one", "two", "three"):
        stage.refuse(name)
    async with drive(stage.path) as driver:
        screen = await opened(driver)
        await driver.press("slash")
        await driver.write("state:cooling provider:t")
        await driver.press("ctrl+a")
        await driver.until(lambda: set(screen.marks) == {"two", "three"}, "the marks")
        await driver.press("ctrl+r")
        assert "Ask 2 providers again now?" in (await driver.dialog(ActionDialog)).plain
        await driver.press("y")
        results = await driver.dialog(Results)
        await driver.until(lambda: results.run.ended, "the end")
        assert results.run.counts == {("reset", False): 2}
        await driver.until(lambda: "2 of 2 providers" in shown(results, "dialog-title"), "what it was done to")
        assert not screen.marks
    assert [cools(stage, name) for name in ("one", "two", "three")] == [True, False, False]


async def test_a_provider_leads_to_the_lanes_that_ask_it_and_to_their_abort(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    for number, provider in enumerate(("codex", "codex", "a backup, in *quotes*")):
        stage.asks(stage.hold(f"asks:{number}", owner), owner, provider)
    stage.refuse("codex")
    stage.refuse("a backup, in *quotes*")
    async with drive(stage.path) as driver:
        screen = await opened(driver)
        await driver.press("end", "a")
        dialog = await driver.dialog(ActionDialog)
        assert "Abort 2 lanes?" in dialog.plain
        assert {"asks:0", "asks:1"} <= {*(dialog.command or "").split()}
        await driver.press("escape")
        await driver.until(lambda: driver.app.screen is screen, "the providers")
        await driver.press("enter")
        await driver.closed()
        await driver.until(lambda: driver.keys == ["asks:0", "asks:1"], "its lanes")
        assert driver.main.typed == "provider:codex"
        screen = await opened(driver)
        await driver.press("home", "enter")
        await driver.closed()
        await driver.until(lambda: driver.keys == ["asks:2"], "the lane of the other one")
        assert isinstance(driver.app.screen, MainScreen)


async def test_nothing_is_reset_while_it_is_only_looked_at(stage: Stage) -> None:
    stage.refuse("codex")
    async with dashboard(stage.path, read_only=True) as driver:
        await opened(driver)
        await driver.press("ctrl+r")
        await driver.until(lambda: driver.said, "the refusal")
        assert driver.said[-1] == "this dashboard is read-only"
        assert cools(stage, "codex")


async def test_what_a_provider_is_called_and_says_commands_no_terminal(stage: Stage) -> None:
    hostile = "\x1b[31mred\x1b[0m [bold]\u202e\u0301\u0301\u0301\u0301\u0301\u0301"
    stage.refuse(hostile[:60], hostile[:60], f"{hostile}\x9b2J" * 200)
    async with dashboard(stage.path, size=(80, 24)) as driver:
        screen = await opened(driver)
        said = "".join(
            segment.text for strip in driver.app.screen._compositor.render_strips() for segment in strip
        ) + shown(screen, "whole")
        assert not set(said) & set("\x1b\x9b\u202e")
        assert "[bold]" in said, "brackets are no markup"
        await driver.press("ctrl+r")
        assert "[bold]" in (await driver.dialog(ActionDialog)).plain


async def test_without_a_provider_it_says_so(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        await driver.press("H")
        screen = await driver.dialog(ProvidersScreen)
        await driver.until(lambda: "no provider is configured here" in shown(screen, "rows"), "a word on it")
        await driver.press("ctrl+r", "a", "enter", "space", "V", "i", "ctrl+a")
        assert driver.app.screen is screen
