"""Actions: on the lane under the cursor or on all marked ones, always at the epoch that was on the screen."""

import asyncio
from pathlib import Path

import pytest
from textual.events import Key
from textual.widgets import Button

from lanes.base.errors import NotAllowed
from lanes.base.procedure import run
from lanes.context import Context
from lanes.testing import Hands
from lanes.verbs import control, table
from lanes_storage import doors, reads
from lanes_storage.clock import system_clock
from lanes_storage.law import LaneState
from lanes_storage.records import Admission, LaneRow, NewMessage
from lanes_tui.actions.acting import ActionResult
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.results import Results
from lanes_tui.display.words import PAUSED
from lanes_tui.sources.file import FileSource
from tests.kit.databases import new_store
from tests.kit.stage import Stage
from tests.kit.until import until
from tests.kit.world import World
from tests.tui.driving import Drive, dashboard


def lane(stage: Stage, key: str) -> LaneRow:
    """A lane as it stands."""
    found = stage.store.read(reads.lane(key))
    assert found is not None
    return found


def told_of(results: Results) -> list[ActionResult]:
    """What came of each."""
    return [*results.run.grave, *results.run.well]


async def test_an_abort_asks_first_with_cancel_in_focus(stage: Stage) -> None:
    stage.hold("held:1", stage.dead_owner(), "waiting")
    async with dashboard(stage.path) as driver:
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        assert "held:1" in dialog.plain
        assert "running for" in dialog.plain
        assert "epoch 1" in dialog.plain
        assert "dead or silent" in dialog.plain
        focused = dialog.focused
        assert isinstance(focused, Button)
        assert "Cancel" in str(focused.label)
        await driver.press("enter")
        await driver.closed()
        assert lane(stage, "held:1").state is LaneState.RUNNING


async def test_F204_an_abort_says_that_a_message_that_ran_before_ends(tmp_path: Path) -> None:
    world = World(new_store(tmp_path / "lanes.db"), Hands(system_clock()))
    world.interrupted("again:1", 1)
    world.send("again:1")
    async with dashboard(tmp_path / "lanes.db", clock=world.time) as driver:
        await driver.until(lambda: driver.key == "again:1", "the lane")
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        await driver.until(
            lambda: "Ends 1 waiting message that ran before; 1 waiting message is kept." in dialog.plain, "what ends"
        )
    world.store.close()


async def test_F204_where_there_is_nothing_to_abort_nothing_is_asked(stage: Stage) -> None:
    stage.fail(stage.hold("failed:1", stage.owner(), "waits"))
    async with dashboard(stage.path) as driver:
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        await driver.until(lambda: "Nothing to abort" in dialog.plain, "the word on it")
        await driver.press("y")
        assert driver.app.screen is dialog
    assert stage.waits("failed:1")


async def test_an_abort_frees_the_lane_and_says_what_was_proven(stage: Stage) -> None:
    stage.hold("held:1", stage.dead_owner(), "waiting")
    async with dashboard(stage.path) as driver:
        await driver.press("a")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: driver.said, "a word on it")
        assert driver.said[-1].startswith("held:1: repaired after")
        found = lane(stage, "held:1")
        assert (found.state, found.queued) == (LaneState.ABORTED, 1)
        assert "alice@here" in {event.actor for event in stage.store.read(reads.events(lane=found.id))}


async def test_a_reason_that_is_typed_at_once_is_no_answer(stage: Stage) -> None:
    stage.hold("held:1", stage.dead_owner())
    async with dashboard(stage.path) as driver:
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        await driver.press(*"myths")
        await driver.until(lambda: dialog.how == {"reason": "myths"}, "the reason")
        assert dialog.is_open
        await driver.press("escape")
        await driver.closed()
        assert lane(stage, "held:1").state is LaneState.RUNNING


async def test_a_lane_that_moved_on_under_the_question_is_left_alone(stage: Stage) -> None:
    owner = stage.owner()
    first = stage.hold("held:1", owner)
    async with dashboard(stage.path) as driver:
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        stage.complete(first)
        second = stage.hold("held:1", owner)
        await driver.until(lambda: "is now at epoch 2, not 1" in dialog.plain, "the question to see it")
        await driver.press("y")
        await driver.until(lambda: driver.said, "a word on it")
        await driver.until(lambda: any("changed" in said for said in driver.said), "what came of it")
        found = lane(stage, "held:1")
        assert found.run is not None
        assert (found.run.id, found.run.abort_at) == (second.ticket.run_id, None)


async def test_force_takes_a_lane_from_a_living_owner_without_a_grace(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.press("A")
        dialog = await driver.dialog(ActionDialog)
        await driver.until(lambda: "taken from its owner immediately" in dialog.plain, "what force does")
        await driver.press("y")
        await driver.until(lambda: driver.said, "a word on it")
        assert "released by force" in driver.said[-1]
        assert lane(stage, "held:1").epoch == 2


async def test_an_owner_that_confirms_is_told_as_released(stage: Stage) -> None:
    claimed = stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.press("a")
        await driver.dialog(ActionDialog)
        await driver.press("y")

        def asked() -> bool:
            run = lane(stage, "held:1").run
            return run is not None and run.abort_at is not None

        await driver.until(asked, "the request")
        stage.confirm_abort(claimed)
        await driver.until(lambda: driver.said, "a word on it")
        assert driver.said[-1].startswith("held:1: released after")


async def test_p_pauses_and_resumes(stage: Stage) -> None:
    stage.hold("held:1", stage.owner(), "waiting")
    async with dashboard(stage.path) as driver:
        await driver.press("p")
        await driver.dialog(ActionDialog)
        await driver.press("enter")
        await driver.until(lambda: lane(stage, "held:1").pause, "the pause")
        await driver.shows(f"▶ running {PAUSED.symbol}", f"{PAUSED.symbol} paused 1")
        await driver.until(lambda: driver.main.lane is not None and driver.main.lane.paused, "the pause on the screen")
        await driver.press("p")
        dialog = await driver.dialog(ActionDialog)
        assert "paused from the dashboard" in dialog.plain, "it is named, also one that somebody else set a moment ago"
        await driver.press("enter")
        await driver.until(lambda: lane(stage, "held:1").pause is None, "the end of the pause")


async def test_F362_what_is_typed_ahead_of_a_question_is_for_the_question(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    for number in (1, 2):
        stage.hold(f"agent:{number}", owner)
    async with drive(stage.path) as driver:
        await driver.filter("agent:2")
        await driver.until(lambda: driver.key == "agent:2", "the lane")
        await driver.press("space")
        await driver.until(lambda: len(driver.main.marks) == 1, "the mark")
        for name in ("p", "1", "h"):
            driver.app.post_message(Key(name, name))
        dialog = await driver.dialog(ActionDialog)
        await driver.until(lambda: "--for 1h" in dialog.plain, "what was typed")
        assert "agent:2" in dialog.plain
        await driver.press("enter")
        await driver.until(lambda: lane(stage, "agent:2").pause, "the pause")
        assert lane(stage, "agent:1").pause is None
        assert driver.main.typed == "agent:2"


async def test_F362_without_a_question_what_was_typed_ahead_of_it_is_dropped(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key, "the lane")
        driver.app.hold_keys()
        await driver.press("O", "P")
        driver.app.release_keys()
        await driver.press("j")
        assert driver.app.screen is driver.main


async def test_F1050_keys_typed_ahead_of_a_question_get_to_it_in_their_order(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key, "the lane")
        busy = asyncio.Event()
        driver.main.table.call_later(busy.wait)  # so that what is behind the first key stays there
        driver.app.hold_keys()
        for name in ("1", "h"):
            driver.app.post_message(Key(name, name))
        await until(driver.app._message_queue.empty, "the keys")
        driver.main.pause_all()
        driver.app.release_keys()
        dialog = await driver.dialog(ActionDialog)
        await driver.until(lambda: len(dialog._duration.value + dialog._reason.value) == 2, "what was typed")
        busy.set()
        assert "--for 1h" in dialog.plain


async def test_r_retries_and_k_takes_note(stage: Stage) -> None:
    stage.fail(stage.hold("failed:1", stage.owner()))
    async with dashboard(stage.path) as driver:
        await driver.press("K")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: lane(stage, "failed:1").state is LaneState.IDLE, "the note")
        await driver.until(lambda: driver.said, "a word on it")
        await driver.press("R")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: lane(stage, "failed:1").queued == 1, "the message to wait again")
        await driver.until(lambda: len(driver.said) == 2, "both words")
        assert "waits again as #2" in driver.said[-1]
        await driver.press("R")
        dialog = await driver.dialog(ActionDialog)
        await driver.until(lambda: "that was not retried" in dialog.plain, "the refusal")


async def test_note_is_not_taken_of_a_running_lane(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.press("K")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.until(lambda: driver.said, "the refusal")
        assert "use abort" in driver.said[-1]


@pytest.mark.parametrize("key", ["a", "A", "p", "R", "K"])
async def test_read_only_acts_on_nothing(stage: Stage, key: str) -> None:
    stage.hold("held:1", stage.owner())
    before = lane(stage, "held:1")
    async with dashboard(stage.path, read_only=True) as driver:
        assert "read-only" in driver.header
        await driver.press(key)
        await driver.until(lambda: driver.said, "the refusal")
        assert "read-only" in driver.said[-1]
        await driver.press("space", key)
        await driver.until(lambda: len(driver.said) == 2, "the refusal for many")
    assert lane(stage, "held:1") == before


async def test_read_only_is_kept_by_the_source_itself(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    source = FileSource(str(stage.path), actor="alice@here", read_only=True)
    for verb in table().values():
        if verb.changes:
            with pytest.raises(NotAllowed, match="read-only"):
                await source.call(verb, key="held:1")
    await source.close()


async def test_many_are_asked_for_with_counts_by_state_and_cancel_in_focus(stage: Stage) -> None:
    owner = stage.dead_owner()
    for number in range(8):
        stage.hold(f"held:{number}", owner)
    stage.fail(stage.hold("failed:1", owner))
    async with dashboard(stage.path) as driver:
        await driver.press("ctrl+a")
        await driver.until(lambda: len(driver.main.marks) == 9, "the marks")
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        await driver.until(lambda: "▶ running 8   ✖ errored 1\n" in dialog.plain, "the counts")
        assert "and 3 more" in dialog.plain
        assert isinstance(dialog.focused, Button)
        assert "Cancel" in str(dialog.focused.label)
        await driver.press("enter")
        await driver.closed()
        assert len(driver.main.marks) == 9
        assert {lane(stage, f"held:{number}").state for number in range(8)} == {LaneState.RUNNING}


async def test_F363_the_counts_of_many_are_read_again_while_the_question_stands(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    for number in (1, 2):
        stage.hold(f"held:{number}", owner, "waiting")
    async with drive(stage.path) as driver:
        await driver.press("ctrl+a")
        await driver.until(lambda: len(driver.main.marks) == 2, "the marks")
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        await driver.until(lambda: "2 waiting messages are kept" in dialog.plain, "the counts")
        stage.send("held:1", "one more")
        await driver.until(lambda: "3 waiting messages are kept" in dialog.plain, "the counts of now")


async def test_more_than_twenty_want_their_number_typed(stage: Stage) -> None:
    owner = stage.dead_owner()
    for number in range(21):
        stage.hold(f"held:{number:02}", owner)
    async with dashboard(stage.path) as driver:
        await driver.press("ctrl+a")
        await driver.until(lambda: len(driver.main.marks) == 21, "the marks")
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        await driver.press("y")
        await driver.press("3", "y")
        assert driver.app.screen is dialog
        assert "Type 21 to go on." in dialog.plain
        await driver.press("backspace", "2", "1")
        await driver.press("y")
        results = await driver.dialog(Results)
        await driver.until(lambda: results.run.done == 21, "every outcome")
        assert {told.outcome for told in told_of(results)} == {"repaired"}
        assert not len(driver.main.marks)
        await driver.press("escape")
        await driver.closed()


async def test_twenty_are_aborted_while_others_change_and_only_they(stage: Stage) -> None:
    """Every outcome is shown; a lane that moved on since it was marked is left alone."""
    dead, living = stage.dead_owner(), stage.owner()
    for number in range(18):
        stage.hold(f"stuck:{number:02}", dead)
    moving = [stage.hold(f"stuck:moves{number}", living) for number in range(2)]
    others = [stage.hold(f"other:{number}", living) for number in range(5)]
    async with dashboard(stage.path) as driver:
        await driver.filter("stuck")
        await driver.press("ctrl+a")
        await driver.until(lambda: len(driver.main.marks) == 20, "the marks")
        for claimed, key in zip(moving, ("stuck:moves0", "stuck:moves1"), strict=True):
            stage.complete(claimed)
            stage.hold(key, living)
        for claimed in others[:3]:
            stage.complete(claimed)
        stage.fail(others[3])
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        moved = "2 lanes moved on since being marked, and will be left alone."
        await driver.until(lambda: moved in dialog.plain, "what moved on")
        await driver.press("y")
        results = await driver.dialog(Results)
        await driver.until(lambda: results.run.done == 20, "every outcome")
    outcomes = {told.name: told.outcome for told in told_of(results)}
    assert {key for key, outcome in outcomes.items() if outcome == "changed"} == {"stuck:moves0", "stuck:moves1"}
    assert sum(outcome == "repaired" for outcome in outcomes.values()) == 18
    assert {lane(stage, key).state for key in ("stuck:moves0", "stuck:moves1")} == {LaneState.RUNNING}
    assert {lane(stage, f"stuck:{number:02}").state for number in range(18)} == {LaneState.ABORTED}
    assert [str(lane(stage, f"other:{n}").state) for n in range(5)] == ["idle", "idle", "idle", "errored", "running"]


async def test_many_are_paused_resumed_retried_and_taken_note_of(stage: Stage) -> None:
    owner = stage.owner()
    keys = [f"failed:{number}" for number in range(3)]
    for key in keys:
        stage.fail(stage.hold(key, owner))
    stage.hold("held:1", owner)
    async with dashboard(stage.path) as driver:

        async def act(key: str) -> dict[str, str]:
            await driver.press("ctrl+a")
            await driver.until(lambda: len(driver.main.marks) == 4, "the marks")
            await driver.press(key)
            await driver.dialog(ActionDialog)
            await driver.press("enter")
            results = await driver.dialog(Results)
            await driver.until(lambda: results.run.done == 4, "every outcome")
            await driver.press("escape", "U")
            await driver.closed()
            return {told.name: told.outcome for told in told_of(results)}

        assert set((await act("p")).values()) == {"paused"}
        assert set((await act("p")).values()) == {"resumed"}
        assert await act("K") == dict.fromkeys(keys, "seen") | {"held:1": "not done"}
        assert await act("R") == dict.fromkeys(keys, "retried") | {"held:1": "not done"}


async def test_an_abort_from_elsewhere_is_seen_on_the_screen(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        run(stage.store, control.abort(Context("bob"), "held:1", wait=False))
        await driver.shows("▶ aborting")


@pytest.mark.parametrize("mark", [False, True])
async def test_F641_a_session_is_aborted_as_a_whole(stage: Stage, mark: bool) -> None:
    request, owner = NewMessage("held:1", None, request='{"messages": []}', actor="sender"), stage.dead_owner()
    for _ in range(2):
        stage.store.write(lambda tx: doors.enter_beside(tx, request, Admission(20, concurrency=3), system_clock()))
        stage.claim("held:1", owner)
    async with dashboard(stage.path) as driver:
        if mark:
            await driver.press("ctrl+a")
            await driver.until(lambda: len(driver.main.marks) == 1, "the mark")
        await driver.press("a")
        dialog = await driver.dialog(ActionDialog)
        await driver.until(lambda: "running" in dialog.plain, "the lane")
        await driver.press("y")
        await driver.until(lambda: lane(stage, "held:1").open == 0, "every run to end")
