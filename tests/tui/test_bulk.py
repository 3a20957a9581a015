"""An action on many: in pages of one transaction each, painted seldom, stopped and left at any time."""

from collections.abc import Callable
from typing import Any

import pytest

from lanes.base.procedure import PAGE
from lanes.config import from_data
from lanes_storage import doors, reads
from lanes_storage.clock import system_clock
from lanes_storage.interface import Step
from lanes_storage.law import Cause
from lanes_storage.records import LaneFilter, RunFailure
from lanes_storage.sqlite.aio import AsyncSqliteStore
from lanes_tui.actions.acting import ACTIONS, ActionResult, ActionRun, ActionTarget
from lanes_tui.actions.subjects import MessageSubject
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.results import Results
from lanes_tui.sources.file import FileSource
from tests.kit.crowd import crowd
from tests.kit.stage import Stage
from tests.tui.driving import Driver, dashboard
from tests.tui.test_everywhere import painted_text

MANY = 300


@pytest.fixture
def crowded(stage: Stage) -> Stage:
    crowd(stage.path, MANY)
    return stage


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[Step[Any]]:
    """The steps that this process hands to a database from now on."""
    seen: list[Step[Any]] = []
    write: Callable[..., Any] = AsyncSqliteStore.write

    async def noted(self: AsyncSqliteStore, step: Step[Any]) -> Any:
        seen.append(step)
        return await write(self, step)

    monkeypatch.setattr(AsyncSqliteStore, "write", noted)
    return seen


async def paused(driver: Driver, *more: str) -> Results:
    """Pause everything, with these keys before the answer."""
    await driver.until(lambda: driver.total >= MANY, "the lanes")
    await driver.press("ctrl+a")
    await driver.until(lambda: len(driver.main.marks) == driver.total, "the marks")
    await driver.press("p")
    dialog = await driver.dialog(ActionDialog)
    await driver.until(lambda: str(driver.total)[0] in dialog.plain, "the number")
    await driver.press(*more, "enter")
    return await driver.dialog(Results)


async def test_many_are_paused_in_pages_and_painted_seldom(crowded: Stage, writes: list[Step[Any]]) -> None:
    async with dashboard(crowded.path) as driver:
        results = await paused(driver)
        await driver.until(lambda: results.run.ended, "the end")
        assert results.run.counts == {("paused", False): MANY}
        assert len(writes) == -(-MANY // PAGE), "one transaction for each page"
        assert not len(driver.main.marks)
        await driver.press("escape")
        await driver.closed()
    counts = crowded.store.read(reads.counts(0))
    assert counts.paused == MANY


async def test_what_is_shown_of_many_is_made_of_the_lines_that_are_seen(crowded: Stage) -> None:
    """However many results there are, and however often it is told of one."""
    async with dashboard(crowded.path) as driver:
        results = await paused(driver)
        for _ in range(100):
            results.update()
        await driver.until(lambda: results.run.ended, "the end")
        pages = -(-MANY // PAGE)
        assert results.painted <= 2 * pages + 2, "what says nothing new is not painted"


async def test_results_are_left_while_the_action_goes_on_and_come_back(crowded: Stage) -> None:
    async with dashboard(crowded.path) as driver:
        results = await paused(driver)
        await driver.press("escape")
        await driver.closed()
        run = results.run
        await driver.until(lambda: run.ended, "the end of what goes on")
        assert run.counts == {("paused", False): MANY}
        await driver.press("o")
        assert (await driver.dialog(Results)).run is run
        await driver.press("o")
        await driver.closed()


async def test_F201_stop_begins_nothing_more_and_what_is_left_stays_marked(crowded: Stage) -> None:
    async with dashboard(crowded.path) as driver:
        results = await paused(driver)
        await driver.press("ctrl+k")
        await driver.until(lambda: results.run.ended, "the end")
        assert results.run.stopped or results.run.done == MANY
        assert len(driver.main.marks) == MANY - results.run.done


async def test_what_did_not_go_as_asked_stays_marked(stage: Stage) -> None:
    owner = stage.owner()
    stage.fail(stage.hold("failed:1", owner))
    stage.hold("held:1", owner)
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.total == 2, "the lanes")
        await driver.press("ctrl+a")
        await driver.until(lambda: len(driver.main.marks) == 2, "the marks")
        await driver.press("K")
        await driver.dialog(ActionDialog)
        await driver.press("y")
        results = await driver.dialog(Results)
        await driver.until(lambda: results.run.ended, "the end")
        assert tuple(driver.main.marks) == ("held:1",)


async def test_a_bad_one_harms_only_itself(stage: Stage) -> None:
    stage.send("one:1", "hello")
    stage.send("two:1", "hello")
    source = FileSource(str(stage.path), actor="alice@here")
    targets = [ActionTarget(key, {"key": key, "epoch": 0}) for key in ("one:1", "no:such", "two:1")]
    run = ActionRun(ACTIONS["pause"], targets)
    await run.carry_out(source, {"reason": "to look"})
    await source.close()
    assert [result.name for result in run.well] == ["one:1", "two:1"]
    assert [(result.name, result.outcome) for result in run.grave] == [("no:such", "not done")]
    lane = stage.store.read(reads.lane("one:1"))
    assert lane is not None
    assert lane.pause is not None
    assert lane.pause.reason == "to look"


async def test_many_aborts_are_requested_first_and_waited_for_together(stage: Stage) -> None:
    owner = stage.owner()
    claimed = [stage.hold(f"held:{number}", owner) for number in range(3)]
    source = FileSource(str(stage.path), actor="alice@here")
    marks = await source.marks(LaneFilter(), 10)
    told: list[str] = []

    def hear(target: ActionTarget, _: object) -> None:
        told.append(target.name)

    run = ActionRun(ACTIONS["abort"], [ActionTarget(m.key, {"key": m.key, "epoch": m.epoch}) for m in marks], hear)

    async def confirm() -> None:
        from tests.kit.until import until

        for each in reversed(claimed):  # each is asked for before any was confirmed
            await until(lambda: all(row.abort_at for row in stage.store.read(reads.open_runs())), "the requests")
            before = len(told)
            stage.confirm_abort(each)
            await until(lambda before=before: len(told) > before, "its end")  # type: ignore[misc]

    import asyncio

    await asyncio.gather(run.carry_out(source, {}), confirm())
    await source.close()
    assert told == ["held:2", "held:1", "held:0"]
    assert run.counts == {("released", False): 3}


@pytest.mark.parametrize("fills", ["queue", "mode"])
async def test_F467_nothing_overtakes_a_message_that_its_lane_refused_between_two_pages(
    stage: Stage, fills: str
) -> None:
    """Between two pages there may be room again."""
    owner, letters = stage.owner(), dict[str, list[int]]()
    for key in ("a", "b", "a", "a", "aa"):
        claimed = stage.hold(key, owner)
        failure = RunFailure(Cause.RUN_TIMEOUT, "it took too long")
        stage.store.write(doors.fail(claimed.ticket, failure, system_clock(), by="tester"))
        letters.setdefault(key, []).append(claimed.message.id)
    config = from_data({"queue": {"cap": 1} if fills == "queue" else {"mode": "reject"}})
    source = FileSource(stage.store.name, actor="me", config=config)
    source.in_order = 1
    a1, a2, a3 = letters["a"]
    chosen = sorted([a1, a2, a3, *letters["b"], *letters["aa"]])
    retried: list[int] = []

    def told(target: ActionTarget, result: ActionResult) -> None:
        if not result.grave:
            retried.append(target.params["id"])
        elif target.params["id"] == a2:  # and now there is room
            again = stage.store.read(reads.message(a1))
            assert again is not None
            stage.store.write(lambda tx: doors.drop(tx, again.retried_as or 0, system_clock(), actor="me"))

    subject = MessageSubject(ACTIONS["retry message"], [], [*chosen, a1, a3])
    assert [target.params["id"] for target in subject.targets] == chosen, "each once, the oldest first"
    run = ActionRun(subject.action, subject.targets, told)
    await run.carry_out(source, {})
    await source.close()
    assert retried == [a1, *letters["b"], *letters["aa"]]
    assert [result.outcome for result in run.grave] == ["not done", "not done"]


@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
async def test_F832_the_last_outcome_and_the_keys_are_seen_on_a_small_screen(
    crowded: Stage, size: tuple[int, int]
) -> None:
    async with dashboard(crowded.path, size) as driver:
        results = await paused(driver)
        await driver.until(lambda: f"{MANY} paused" in painted_text(driver.app), "the end")
        await driver.press("end")
        last = results.run.result(MANY - 1).name
        await driver.until(lambda: last in painted_text(driver.app), "the last of them")
        assert "esc close" in painted_text(driver.app)
