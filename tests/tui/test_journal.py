"""The journal reaches back to its first event, tells together what alternates, and does not grow without end."""

import pytest

from lanes_tui.display.coalescing import coalesced
from lanes_tui.screens import journal
from lanes_tui.screens.journal import JournalScreen
from tests.kit.crowd import crowd
from tests.kit.stage import Stage
from tests.tui.driving import Drive, dashboard
from tests.tui.test_pieces import event


def test_what_alternates_is_told_together() -> None:
    """As every failure writes two events: that it failed, and that its sender is told."""
    events = [event(n, "fail" if n % 2 else "notice", key=f"k{n}") for n in range(1, 41)]
    groups = coalesced(events)
    assert [(group.last.type, len(group.events)) for group in groups] == [("fail", 20), ("notice", 20)]


async def test_older_events_are_read_when_the_cursor_comes_to_the_top(stage: Stage, drive: Drive) -> None:
    crowd(stage.path, 400)
    async with drive(stage.path) as driver:
        await driver.press("J")
        screen = await driver.dialog(JournalScreen)
        await driver.until(lambda: len(screen.events) == journal.PAGE, "the newest")
        assert "older above" in screen.filter.plain
        await driver.press("t", "g")
        await driver.until(lambda: screen.events[0].id == 1, "the first event of all")
        assert "older above" not in screen.filter.plain


async def test_what_is_followed_for_long_is_held_no_longer_than_a_few_pages(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PAGE", 10)
    monkeypatch.setattr(journal, "MOST_HELD", 30)
    async with dashboard(stage.path) as driver:
        await driver.press("J")
        screen = await driver.dialog(JournalScreen)
        for number in range(40):
            stage.send(f"lane:{number}", "hello")
        await driver.until(lambda: screen.events and screen.events[-1].key == "lane:39", "the newest")
        stage.send("lane:40", "hello")
        await driver.until(lambda: len(screen.events) <= 30 and screen.events[-1].key == "lane:40", "fewer of them")
        await driver.press("t", "g")
        await driver.until(lambda: screen.events[0].key == "lane:0", "those that were let out, read again")
