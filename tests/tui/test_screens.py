"""The screens over the main one, on a database and through a gateway before it: what they show and what keys do."""

from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen

from lanes.host.identity import identity_of
from lanes.records import LaneDetail, RunProcess
from lanes.testing import DAY, HOUR, Hands
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import MessageState
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.screens.dead_letters import DeadLettersScreen
from lanes_tui.screens.journal import JournalScreen
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.owners import OwnersScreen
from lanes_tui.sources.source import AsOf, Source
from lanes_tui.tables.rows import Rows
from lanes_tui.widgets.sheet import Sheet
from tests.kit.databases import new_store
from tests.kit.halted import stopped_listener
from tests.kit.stage import Stage
from tests.kit.world import World
from tests.tui.driving import Drive, dashboard


def shown(screen: Screen[Any], name: str) -> str:
    """What a part of a screen shows."""
    part = screen.query_one(f"#{name}")
    assert isinstance(part, Sheet | Rows)
    return part.plain


async def test_a_running_lane_shows_its_clocks_against_their_limits(stage: Stage, drive: Drive) -> None:
    stage.hold("held:1", stage.owner(), "waiting", "waiting too")
    async with drive(stage.path) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: shown(screen, "why").startswith("Run 1 of "), "the paragraph")
        clocks = shown(screen, "clocks")
        assert [line.split()[0] for line in clocks.splitlines()] == ["run", "stall", "beat"]
        assert "of 5m 0s" in clocks
        assert "of 2m 0s" in clocks
        assert "of 30 s" in clocks
        assert shown(screen, "queue-head") == "MESSAGES 2 waiting"
        assert "claim → running" in shown(screen, "events")
        await driver.press("escape")
        await driver.closed()


async def test_the_chosen_message_is_shown_whole_with_its_providers(stage: Stage, drive: Drive) -> None:
    stage.fail(stage.hold("failed:1", stage.owner()), "every provider failed\nand nothing helped")
    async with drive(stage.path) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: "MESSAGE #1 ✖ failed" in shown(screen, "message"), "the message")
        whole = shown(screen, "message")
        assert "and nothing helped" in whole
        assert "codex server_error 500" in whole
        assert "backup idle_timeout silent" in whole


async def test_a_running_message_shows_what_was_said_so_far(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    claimed = stage.hold("held:1", owner)
    stage.say(claimed, owner, "Once upon a time\nthere was a lane")
    async with drive(stage.path) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: "there was a lane" in shown(screen, "message"), "the message")
        assert "so far: Once upon a time there was" in shown(screen, "messages")
        assert "REPLY SO FAR" in shown(screen, "message")
        stage.fail(claimed)
        await driver.until(lambda: "codex server_error 500" in shown(screen, "message"), "the failure")
        assert "there was a lane" in shown(screen, "message"), "it says how far the run had come"


async def test_F203_a_waiting_message_is_dropped_after_a_question(stage: Stage, drive: Drive) -> None:
    stage.hold("held:1", stage.owner(), "first", "second")
    async with drive(stage.path) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: "second" in shown(screen, "messages"), "the queue")
        await driver.press("j", "j", "d")
        dialog = await driver.dialog(ActionDialog)
        assert "#3" in dialog.plain
        assert "second" in dialog.plain
        await driver.press("y")
        await driver.until(lambda: driver.said, "a word on it")
        assert "message 3 of held:1: dropped" in driver.said[-1]
        assert stage.message(3).state is MessageState.DROPPED
        assert stage.message(2).state is MessageState.QUEUED


async def test_what_runs_is_not_dropped(stage: Stage, drive: Drive) -> None:
    stage.hold("held:1", stage.owner())
    async with drive(stage.path) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: "the one that runs" in shown(screen, "messages"), "the message")
        await driver.press("d")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: driver.said, "the refusal")
        assert "use abort" in driver.said[-1]


async def test_a_failed_message_is_retried_from_its_lane(stage: Stage, drive: Drive) -> None:
    stage.fail(stage.hold("failed:1", stage.owner()))
    async with drive(stage.path) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: "#1" in shown(screen, "messages"), "the message")
        await driver.press("R")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: driver.said, "a word on it")
        assert "message 1 waits again as #2" in driver.said[-1]
        assert stage.waits("failed:1")


async def test_the_journal_is_followed_filtered_and_coalesced(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    for number in range(6):
        stage.send(f"many:{number}", "hello")
    stage.hold("held:1", owner)
    async with drive(stage.path) as driver:
        await driver.press("J")
        screen = await driver.dialog(JournalScreen)
        await driver.until(lambda: "×7 on 7 lanes" in shown(screen, "rows"), "the like of it in one line")
        await driver.press("b")
        assert shown(screen, "rows").count("accepted") == 7
        await driver.press("slash")
        await driver.write("type:claim")
        await driver.press("enter")
        await driver.until(
            lambda: "held:1" in shown(screen, "rows") and "accepted" not in shown(screen, "rows"), "the filter"
        )
        assert screen.lane_key == "held:1"
        await driver.press("slash", "escape")
        await driver.until(lambda: "accepted" in shown(screen, "rows"), "no filter")
        stage.send("late:1", "hello")
        await driver.until(lambda: screen.lane_key == "late:1", "the cursor to follow the tail")
        await driver.press("t", "k")
        key = screen.query_one("#rows", Rows).key
        stage.send("late:2", "hello")
        await driver.until(lambda: "late:2" in shown(screen, "rows"), "the event")
        assert screen.query_one("#rows", Rows).key == key
        await driver.press("t")
        await driver.until(lambda: screen.lane_key == "late:2", "the tail again")


async def test_the_journal_of_one_lane_opens_from_its_screen(stage: Stage, drive: Drive) -> None:
    stage.send("other:1", "hello")
    stage.hold("held:1", stage.owner())
    async with drive(stage.path) as driver:
        await driver.until(lambda: driver.keys, "lanes")
        await driver.press("down") if driver.key != "held:1" else None
        await driver.until(lambda: driver.key == "held:1", "the lane")
        await driver.press("enter")
        await driver.dialog(LaneScreen)
        await driver.press("J")
        screen = await driver.dialog(JournalScreen)
        await driver.until(lambda: "claim" in shown(screen, "rows"), "its events")
        assert "journal held:1" in shown(screen, "bar")
        assert screen.lane_key == "held:1"


async def test_owners_are_listed_and_a_living_one_is_drained(stage: Stage, drive: Drive) -> None:
    stage.dead_owner()
    alive = stage.owner(stale_after_ms=86_400_000)
    stage.hold("held:1", alive)
    async with drive(stage.path) as driver:
        await driver.press("O")
        screen = await driver.dialog(OwnersScreen)
        await driver.until(lambda: "alive" in shown(screen, "rows"), "the owners")
        assert "✖ dead or silent" in shown(screen, "rows")
        await driver.press("W")
        await driver.until(lambda: driver.said, "the refusal")
        assert "is dead or silent" in driver.said[-1]
        await driver.press("j", "W")
        question = await driver.dialog(ActionDialog)
        assert "It holds 1 lane" in question.plain
        await driver.press("y")
        await driver.until(lambda: "draining" in shown(screen, "rows"), "the drain")
        await driver.until(lambda: "draining by" in shown(screen, "whole"), "who drains it")
        await driver.until(lambda: len(driver.said) == 2, "a word on it")
        assert f"gateway {alive} drains" in driver.said[-1]


async def test_F755_a_stopped_gateway_is_told_as_stopped_before_its_beat_is_missed(stage: Stage, drive: Drive) -> None:
    stage.owner(stale_after_ms=86_400_000)
    with stopped_listener() as (pid, _):
        stage.owner(identity_of(pid), stale_after_ms=86_400_000)
        async with drive(stage.path) as driver:
            await driver.shows("2 gateways, 1 stopped")
            await driver.press("O")
            screen = await driver.dialog(OwnersScreen)
            await driver.until(lambda: "⚠ stopped" in shown(screen, "rows"), "the owners")
            assert "● alive" in shown(screen, "rows")
            assert f"`kill -CONT {pid}` lets it go on" in shown(screen, "whole"), "the worst one comes first"


async def test_F972_a_stopped_gateway_is_told_as_stopped_after_its_beat_was_missed_too(
    stage: Stage, drive: Drive
) -> None:
    with stopped_listener() as (pid, _):
        stage.owner(identity_of(pid), heartbeat_interval_ms=1, stale_after_ms=3)
        async with drive(stage.path) as driver:
            await driver.press("O")
            screen = await driver.dialog(OwnersScreen)
            await driver.until(lambda: "⚠ stopped" in shown(screen, "rows"), "the owners")
            await driver.press("W")
            await driver.until(lambda: driver.said, "a word on it")
            assert driver.said[-1].endswith(f"is stopped: `kill -CONT {pid}` lets it go on")


async def test_F604_an_owner_that_has_just_begun_is_counted_over_its_life(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    for number in range(7):
        stage.complete(stage.hold(f"done:{number}", owner))
    stage.fail_lanes(3, owner)
    async with drive(stage.path) as driver:
        (health,) = (await driver.app.source.owner_health()).values()
    assert (health.runs_per_min, health.answers_per_min, health.failures_per_min) == (10, 7, 3)


async def test_F364_of_marked_owners_that_are_gone_no_other_is_meant(stage: Stage, drive: Drive) -> None:
    gone, alive = stage.owner(stale_after_ms=86_400_000), stage.owner(stale_after_ms=86_400_000)
    stage.hold("held:1", alive)
    async with drive(stage.path) as driver:
        await driver.press("O")
        screen = await driver.dialog(OwnersScreen)
        await driver.until(lambda: str(alive) in screen.known, "the owners")
        while screen.rows.key != str(gone):  # their order may change meanwhile: it may be above by now
            await driver.press("g")
            await driver.press(*"j" * [*screen.known].index(str(gone)))
        await driver.press("space")
        assert list(screen.marks) == [str(gone)]
        now = system_clock()
        stage.store.write(lambda tx: doors.end_owner(tx, gone, now, cause="stopped", by="tester"))
        await driver.until(lambda: str(gone) not in screen.known, "its end on the screen")
        await driver.press("W")
        await driver.until(lambda: driver.said, "the refusal")
        assert f"1 marked owner is gone ({gone})" in driver.said[0]
        assert driver.app.screen is screen


async def test_a_desk_that_holds_a_lane_is_an_owner_too_and_is_not_drained(stage: Stage, drive: Drive) -> None:
    stage.owner()
    stage.hold("held:1", stage.owner(kind="desk"))
    async with drive(stage.path) as driver:
        await driver.press("O")
        screen = await driver.dialog(OwnersScreen)
        await driver.until(lambda: " desk" in shown(screen, "rows"), "the owners")
        await driver.press("j")
        await driver.until(lambda: "DESK 2" in shown(screen, "whole"), "the desk")
        await driver.press("W")
        await driver.until(lambda: driver.said, "the refusal")
        assert "abort the lane" in driver.said[-1]


async def test_dead_letters_are_retried_after_a_question_and_opened(stage: Stage, drive: Drive) -> None:
    stage.fail(stage.hold("failed:1", stage.owner()))
    async with drive(stage.path) as driver:
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: "failed:1" in shown(screen, "rows"), "the letter")
        assert "provider_failed ×2" in shown(screen, "rows")
        await driver.press("enter")
        await driver.dialog(LaneScreen)
        await driver.press("escape")
        await driver.dialog(DeadLettersScreen)
        await driver.press("R")
        await driver.dialog(ActionDialog)
        await driver.press("escape")
        await driver.dialog(DeadLettersScreen)
        assert not stage.waits("failed:1")
        await driver.press("R")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: "no dead letters" in shown(screen, "rows"), "the retry")
        assert stage.waits("failed:1")


async def test_F202_dead_letters_are_pruned_after_a_question_that_counts_them(tmp_path: Path) -> None:
    clock = Hands(system_clock())
    world = World(new_store(tmp_path / "lanes.db"), clock)
    for number in range(3):
        world.fail(world.start(f"failed:{number}").ticket)
        clock.move(HOUR)
    clock.move(2 * DAY)
    async with dashboard(tmp_path / "lanes.db", clock=clock) as driver:
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: "failed:2" in shown(screen, "rows"), "the letters")
        await driver.press("j", "x")
        question = await driver.dialog(ActionDialog)
        await driver.until(lambda: "2 dead letters" in question.plain, "the count")
        assert "oldest  #1 failed:0" in question.plain
        assert "newest  #2 failed:1" in question.plain
        await driver.press("enter")
        await driver.dialog(DeadLettersScreen)
        assert not driver.said, "Cancel has the focus"
        await driver.press("x")
        question = await driver.dialog(ActionDialog)
        await driver.until(lambda: "2 dead letters" in question.plain, "the count")
        await driver.press("y")
        await driver.until(lambda: driver.said, "a word on it")
        assert driver.said[-1] == "2 dead letters pruned"
        await driver.until(lambda: "failed:1" not in shown(screen, "rows"), "the rest")
        assert "failed:2" in shown(screen, "rows")
    world.store.close()


async def test_F365_a_prune_deletes_what_is_listed_below_and_had_failed_by_then(tmp_path: Path) -> None:
    """The list is in the order of acceptance: what is above the cursor may have failed before it."""
    clock = Hands(system_clock())
    world = World(new_store(tmp_path / "lanes.db"), clock)
    first, second, third = (world.start(f"failed:{number}").ticket for number in range(3))
    world.fail(third)
    clock.move(HOUR)
    world.fail(second)
    clock.move(3 * DAY)
    async with dashboard(tmp_path / "lanes.db", clock=clock) as driver:
        await driver.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await driver.until(lambda: "failed:2" in shown(screen, "rows"), "the letters")
        await driver.press("j", "x")
        question = await driver.dialog(ActionDialog)
        await driver.until(lambda: "1 dead letter is deleted" in question.plain, "the count")
        assert question.command is None
        clock.move(1)
        world.fail(first)
        await driver.press("y")
        await driver.until(lambda: driver.said, "a word on it")
        assert driver.said[-1] == "1 dead letter pruned"
        await driver.until(lambda: "failed:1" not in shown(screen, "rows"), "the rest")
        assert "failed:2" in shown(screen, "rows")
        await driver.until(lambda: "failed:0" in shown(screen, "rows"), "what failed while the question stood")
    world.store.close()


async def test_a_screen_says_when_its_source_is_lost_and_acts_on_nothing(stage: Stage) -> None:
    stage.hold("held:1", stage.owner(), "waiting")
    away = stage.path.with_name("away")
    async with dashboard(stage.path) as driver:
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: "waiting" in shown(screen, "messages"), "the queue")
        stage.path.rename(away)
        await driver.until(lambda: "◌ stale" in shown(screen, "bar"), "the loss")
        await driver.press("j", "d")
        await driver.until(lambda: driver.said, "the refusal")
        assert "actions are refused" in driver.said[-1]
        away.rename(stage.path)
        await driver.until(lambda: "● live" in shown(screen, "bar"), "the return")


async def test_a_read_only_dashboard_refuses_on_every_screen(stage: Stage, drive: Drive) -> None:
    stage.fail(stage.hold("failed:1", stage.owner()))
    async with drive(stage.path, read_only=True) as driver:
        for keys, kind in ((("enter",), LaneScreen), (("O",), OwnersScreen), (("D",), DeadLettersScreen)):
            await driver.press(*keys)
            screen = await driver.dialog(kind)
            await driver.until(lambda screen=screen: screen.query_one(Rows).key, "its rows")  # type: ignore[misc]
            before = len(driver.said)
            await driver.press("W" if kind is OwnersScreen else "R")
            await driver.until(lambda before=before: len(driver.said) > before, "the refusal")  # type: ignore[misc]
            assert "read-only" in driver.said[-1]
            await driver.press("escape")
            await driver.closed()
        await driver.press("m")
        await driver.until(lambda: len(driver.said) == 4, "the refusal")
        assert "read-only" in driver.said[-1]


async def test_the_messages_are_seen_below_a_tree_of_processes_on_a_small_screen(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.hold("held:1", stage.owner(), "one", "two")
    tree = tuple(RunProcess(100 + n, n, "sh", "sh -c work", 8_000, 20, 14_000_000, None) for n in range(9))
    reads = Source.detail

    async def with_processes(self: Source, *given: Any) -> AsOf[LaneDetail]:
        found = await reads(self, *given)
        return found._replace(record=found.record.replace(processes=tree))

    monkeypatch.setattr(Source, "detail", with_processes)
    async with dashboard(stage.path, size=(80, 24)) as driver:
        await driver.until(lambda: driver.key, "the lane")
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        await driver.until(lambda: "and 6 more" in shown(screen, "processes"), "the processes")
        await driver.press("j")
        await driver.until(lambda: screen.message and screen.message.text == "one", "the first that waits")
        rows = screen.query_one("#messages", Rows)
        painted = [strip.text for strip in screen._compositor.render_strips()][rows.region.y : rows.region.bottom]
        assert len(painted) >= 3
        assert any("#2" in line for line in painted[:3])
