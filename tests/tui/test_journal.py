"""The journal reaches back to its first event, tells together what alternates, and does not grow without end."""

import pytest

from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.display.coalescing import FEWEST, coalesced
from lanes_tui.screens import journal
from lanes_tui.screens.journal import JournalScreen
from tests.kit.crowd import crowd
from tests.kit.stage import Stage
from tests.tui.driving import Drive, dashboard
from tests.tui.test_pausing_all import pause
from tests.tui.test_pieces import event
from tests.tui.test_screens import shown


def test_what_alternates_is_told_together() -> None:
    """As every failure writes two events: that it failed, and that its sender is told."""
    events = [event(n, "fail" if n % 2 else "notice", key=f"k{n}") for n in range(1, 41)]
    groups = coalesced(events)
    assert [(group.last.type, len(group.events)) for group in groups] == [("fail", 20), ("notice", 20)]


def test_what_says_something_else_is_not_told_together() -> None:
    """The same type of event with another reason, or of no lane."""
    reasons = ["repair"] * 4 + ["migration"] * 4
    events = [event(n, "paused", key=f"k{n}", detail={"reason": reason}) for n, reason in enumerate(reasons, 1)]
    events += [event(n, "paused", key=None, detail={"reason": "migration"}) for n in range(9, 13)]
    found = [(len(group.events), group.lanes, (group.last.detail or {})["reason"]) for group in coalesced(events)]
    assert found == [(4, 4, "repair"), (4, 4, "migration"), (4, 0, "migration")]


async def test_F667_a_line_tells_which_provider_which_lanes_and_what_to_do_next(stage: Stage) -> None:
    """In the words of `lanes events`; and lines about different providers are not told together."""
    stage.fail(stage.hold("failed:1", stage.owner()))
    for number in range(FEWEST):
        stage.refuse(f"provider-{number}")
    pause(stage, "cron:*")
    async with dashboard(stage.path) as driver:
        await driver.press("J")
        screen = await driver.dialog(JournalScreen)
        await driver.until(lambda: "all lanes that fit cron:*" in shown(screen, "rows"), "the lanes of the pause")
        lines = shown(screen, "rows")
        assert all(f"provider provider-{number}" in lines for number in range(FEWEST)), lines
        assert "retry it with `lanes retry 1`" in lines


async def test_F700_a_narrow_line_tells_what_happened_and_the_one_under_the_cursor_also_what_to_do_next(
    stage: Stage,
) -> None:
    stage.fail(stage.hold("failed:1", stage.owner()), "codex: quota (HTTP 429)")
    async with dashboard(stage.path, (80, 24)) as driver:
        await driver.press("J")
        screen = await driver.dialog(JournalScreen)
        await driver.until(lambda: screen.rows.key, "the events")
        assert " notice provider_failed lanes codex: q" in screen.rows.render_line(screen.rows.total - 1).text
        assert "codex: quota (HTTP 429), check the providers" in " ".join(shown(screen, "event").split())
        assert "retry it with `lanes retry 1`" in " ".join(shown(screen, "event").split())


async def test_F367_a_line_that_is_about_many_lanes_means_none_of_them(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    for number in range(5):
        stage.hold(f"held:{number}", owner)
    async with drive(stage.path) as driver:
        await driver.press("J")
        screen = await driver.dialog(JournalScreen)
        await driver.until(lambda: "×5 on 5 lanes" in shown(screen, "rows"), "the bundle")
        await driver.press("a")
        await driver.until(lambda: driver.said, "the refusal")
        assert "this line is about 5 lanes: press b" in driver.said[-1]
        assert (driver.app.screen, screen.lane_key) == (screen, None)
        await driver.press("b")
        await driver.until(lambda: screen.lane_key, "a lane of a single event")
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        assert screen.lane_key is not None
        assert screen.lane_key in dialog.plain


@pytest.mark.usefixtures("slow_hands")
async def test_F699_a_key_for_the_newest_event_does_nothing_to_a_newer_one(stage: Stage) -> None:
    """From the first such key on the cursor stays on its event, though the newest is followed."""
    stage.send("lane:1", "hello")
    async with dashboard(stage.path) as driver:
        await driver.press("J")
        screen = await driver.dialog(JournalScreen)
        await driver.press("b")  # each event is a line
        await driver.until(lambda: screen.lane_key == "lane:1", "the event")
        stage.send("lane:2", "hello")
        await driver.until(lambda: screen.lane_key == "lane:2", "a newer one")
        await driver.press("a")
        assert driver.app.screen is screen
        assert "the cursor is now on another row" in driver.said[-1]
        stage.send("lane:3", "hello")
        await driver.until(lambda: "lane:3" in shown(screen, "rows"), "one more")
        assert screen.lane_key == "lane:2"
        await driver.press("a")
        assert "lane:2" in (await driver.dialog(ActionDialog)).plain
        await driver.press("escape", "G")
        stage.send("lane:4", "hello")
        await driver.until(lambda: screen.lane_key == "lane:4", "the newest to be followed again")


async def test_older_events_are_read_when_the_cursor_comes_to_the_top(stage: Stage, drive: Drive) -> None:
    crowd(stage.path, 400)
    async with drive(stage.path) as driver:
        await driver.press("J")
        screen = await driver.dialog(JournalScreen)
        await driver.until(lambda: "older above" in screen.filter.plain, "the newest")
        assert len(screen.events) == journal.PAGE
        await driver.press("t", "g")
        await driver.until(lambda: "older above" not in screen.filter.plain, "the first event of all")
        assert screen.events[0].id == 1


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
