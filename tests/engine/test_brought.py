"""What a runner brings: checked where it comes in, and whatever it is, its run ends at once and once."""

import asyncio
import math
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, cast

import pytest

from lanes import Delta, Reply, RunContext, RunFailed, RunParked, Unfit
from lanes.base.errors import RunError
from lanes.engine.background.isolation import LONGEST_TRACE
from lanes.engine.runs.execution import Execution
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.results import LEAST_PARK_MS
from lanes.engine.runs.streams import Streams
from lanes.runners.http.failures import NoRoom
from lanes.testing import MINUTE, SECOND
from lanes_storage import AsyncStore, doors
from lanes_storage.clock import Now
from lanes_storage.law import Cause, LaneState, MessageState
from lanes_storage.records import MessageRow, ProviderAttempt, RunFailure
from tests.kit.engine import active
from tests.kit.world import TERMS, World

Ends = Callable[..., Any]


class Counting:
    """A store that counts what is written."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, step: Any) -> Any:
        self.writes += 1
        return await self._store.write(step)


@pytest.fixture
async def counting(astore: AsyncStore) -> Counting:
    return Counting(astore)


@pytest.fixture
async def ends(world: World, counting: Counting) -> AsyncIterator[Ends]:
    """Has a runner's run end, and gives its message."""
    live = LiveSet()
    store = cast("AsyncStore", counting)
    execution = Execution(store, world.time, live, Streams())

    async def end(runner: Any, key: str = "a") -> MessageRow:
        run = active(world, store, world.start(key), runner)
        live.join(run)
        execution.start(run)
        await execution.idle()
        assert len(live) == 0
        return world.message(run.message.id)

    yield end
    await execution.close()


def raising(error: BaseException) -> Any:
    async def runner(run: RunContext) -> str:
        raise error

    return runner


def returning(value: object) -> Any:
    async def runner(run: RunContext) -> object:
        return value

    return runner


class Speechless(Exception):
    """Its own code fails where it is asked for words."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Leaving(Exception):
    """Its words would end the event loop, or the task that asks for them."""

    def __init__(self, how: type[BaseException]) -> None:
        self.how = how

    def __str__(self) -> str:
        raise self.how


class Untouchable(Exception):
    """Whatever is asked of it, also by isinstance(), it raises itself."""

    def __getattribute__(self, name: str) -> Any:
        raise self


class Uncountable(Exception):
    def __bool__(self) -> bool:
        raise self


class UntouchableFailure(RunFailed):
    def __init__(self) -> None:
        pass

    def __getattribute__(self, name: str) -> Any:
        raise self


class LeavingTwice(SystemExit):
    code = cast("Any", property(lambda _: sys.exit(3)))


class LeavingFailure(RunFailed):
    """A program's own kind that leaves when it is asked why."""

    failure = cast("Any", property(lambda _: sys.exit(3)))

    def __init__(self) -> None:
        pass


class LeavingParts(dict[str, Any]):
    def items(self) -> Any:
        raise SystemExit(4)


class Bare(RunFailed):
    """A program's own kind, which forgot its parent."""

    def __init__(self) -> None:
        pass


class BareParked(RunParked):
    def __init__(self) -> None:
        pass


class Garbled(RunFailed):
    def __init__(self) -> None:
        super().__init__("tool_missing", "x")
        self.failure = cast("Any", ("not", "a", "failure"))


class Endless:
    """An iterable that raises in the middle."""

    def __iter__(self) -> Any:
        yield ProviderAttempt("p", "c", "m", 1)
        raise OSError("half of it")


# ------------------------------------------------------------------------------------ causes of one's own


async def test_F90_a_cause_of_a_runners_own_is_stored_as_it_is(ends: Ends, world: World) -> None:
    message = await ends(raising(RunFailed("tool_missing", "no such tool")))
    assert (message.state, message.error.cause, message.error.message) == ("failed", "tool_missing", "no such tool")
    error = world.lane("a").last_error
    assert error is not None
    assert error.cause == "tool_missing"


@pytest.mark.parametrize("cause", ["Tool missing", "", "a" * 65, b"bytes", None, 7, "tool\nmissing", ["x"]], ids=repr)
async def test_F90_what_names_no_cause_is_said(ends: Ends, cause: object) -> None:
    message = await ends(raising(RunFailed(cast("str", cause), "so it was")))
    assert message.error.cause is Cause.RUNNER_FAILED
    assert "is not a cause" in message.error.message
    assert "so it was" in message.error.message


# -------------------------------------------------------------------------------- ends that cannot be stored

UNFIT_ENDS: dict[str, Any] = {
    "an exception as the sentence": (raising(RunFailed("tool_missing", ValueError("why"))), "ValueError: why"),
    "bytes as the sentence": (raising(RunFailed("tool_missing", b"why")), "why"),
    "an exception without words": (raising(Speechless()), "Speechless"),
    "an exception without words as the sentence": (raising(RunFailed("tool_missing", Speechless())), "Speechless"),
    "attempts that are none": (raising(RunFailed("tool_missing", "x", cast("Any", [1]))), "attempts"),
    "attempts that raise": (raising(RunFailed("tool_missing", "x", cast("Any", Endless()))), "half of it"),
    "an own kind": (raising(Bare()), "did not say why"),
    "a kind that is garbled": (raising(Garbled()), "cannot be stored"),
    "the text of a reply": (returning(Reply(text=cast("str", b"bytes"))), "Reply.text must be a str, not bytes"),
    "no text of a reply": (returning(Reply(text=cast("str", None))), "Reply.text must be a str, not NoneType"),
    "usage": (returning(Reply("x", usage={"tokens": math.nan})), "not valid JSON"),
    "usage that is a list": (returning(Reply("x", usage=cast("Any", [1]))), "Reply.usage must be a dict"),
    "a message": (returning(Reply("x", message={"content": b"bytes"})), "not valid JSON"),
    "a finish reason": (returning(Reply("x", finish_reason=cast("str", None))), "Reply.finish_reason"),
    "a model": (returning(Reply("x", model=cast("str", 7))), "Reply.model"),
    "attempts of a reply": (returning(Reply("x", attempts=cast("Any", "p"))), "holds str"),
    "a time to park that is none": (raising(RunParked(math.nan, "x")), "until must be a datetime"),
    "a time to park without a zone": (raising(RunParked(datetime(2099, 1, 1), "x")), "without a time zone"),  # noqa: DTZ001
    "a time to park that is a word": (raising(RunParked(cast("float", "soon"), "x")), "until must be a datetime"),
    "a time to park that is true": (raising(RunParked(True, "x")), "until must be a datetime"),
    "words that leave": (raising(Leaving(SystemExit)), "Leaving, which cannot be shown"),
    "words that are interrupted": (raising(Leaving(KeyboardInterrupt)), "Leaving, which cannot be shown"),
    "words that cancel": (raising(Leaving(asyncio.CancelledError)), "Leaving, which cannot be shown"),
    "words that leave as the sentence": (raising(RunFailed("tool_missing", Leaving(SystemExit))), "Leaving"),
    "a kind that leaves": (raising(LeavingFailure()), "cannot be stored: SystemExit: 3"),
    "a message that leaves": (returning(Reply("x", message=LeavingParts(a=1))), "cannot be stored: SystemExit: 4"),
    "an error that raises itself": (raising(Untouchable()), "Untouchable, which cannot be shown"),
    "an error that is neither true nor false": (raising(Uncountable()), "Uncountable"),
    "a kind that raises itself": (raising(UntouchableFailure()), "UntouchableFailure, which cannot be shown"),
    "a group of one that raises itself": (raising(ExceptionGroup("one", [Untouchable()])), "Untouchable"),
    "an end of the process that leaves": (raising(LeavingTwice(3)), "sys.exit(3)"),
    "the end of the process": (raising(SystemExit(3)), "sys.exit(3)"),
    "a group": (raising(ExceptionGroup("several", [Speechless(), ValueError("one")])), "several"),
}


@pytest.mark.parametrize("name", UNFIT_ENDS)
async def test_F91_an_end_that_can_not_be_kept_ends_the_run_at_once(
    ends: Ends, counting: Counting, world: World, name: str
) -> None:
    runner, said = UNFIT_ENDS[name]
    message = await ends(runner)
    assert message.state is MessageState.FAILED
    assert message.error.cause in (Cause.RUNNER_FAILED, "tool_missing")
    assert said in message.error.message
    assert counting.writes == 1, "it is not tried again"
    assert world.state("a") is LaneState.ERRORED
    assert (await ends(returning("well"))).reply == "well", "the lane goes on"


async def test_F91_an_error_of_many_words_is_told_in_few(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:
    error = (await ends(raising(ValueError("\x01" * 10 * LONGEST_TRACE)))).error
    assert error.cause is Cause.RUNNER_FAILED
    assert len(caplog.text) < 5 * LONGEST_TRACE


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
async def test_F91_what_would_end_the_event_loop_ends_its_run_alone(ends: Ends, error: BaseException) -> None:
    message = await ends(raising(error))
    assert (message.state, message.error.cause) == (MessageState.FAILED, Cause.RUNNER_FAILED)


async def test_F575_what_a_task_group_wraps_ends_the_run_as_if_it_were_not_wrapped(ends: Ends, world: World) -> None:
    def grouped(error: Exception) -> Callable[[Any], Any]:
        async def run(_: Any) -> str:
            async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
                inner.create_task(raising(error)(None))
                outer.create_task(asyncio.Event().wait())
            return "no"

        return run

    failed = (await ends(grouped(RunFailed("tool_missing", "git is not there")))).error
    assert (failed.cause, failed.message) == ("tool_missing", "git is not there")
    assert (await ends(grouped(ConnectionResetError("gone")))).error.cause is Cause.BACKEND_LOST
    assert (await ends(grouped(ValueError("wrong")))).error.message == "ValueError: wrong"
    parked = await ends(grouped(RunParked(30, "later")))
    assert (parked.state, parked.parked_until) == (MessageState.QUEUED, world.time().wall + 30 * SECOND)


async def test_F91_a_message_nested_too_deeply_is_no_reply(ends: Ends) -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"x": deep}
    loop: dict[str, Any] = {}
    loop["x"] = loop
    for message in (deep, loop):
        error = (await ends(returning(Reply("x", message=message)))).error
        assert error.cause is Cause.RUNNER_FAILED


async def test_F92_a_reply_that_is_too_large_ends_the_run_at_once(
    ends: Ends, counting: Counting, astore: AsyncStore, world: World
) -> None:
    connection: sqlite3.Connection = astore._writer._connection  # type: ignore[attr-defined]
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)  # a gigabyte, on a smaller scale
    message = await ends(returning("x" * 200_000))
    assert (message.state, message.error.cause) == (MessageState.FAILED, Cause.RUNNER_FAILED)
    assert "too big" in message.error.message
    assert counting.writes == 2, "once as it is, once as what can be stored"


async def test_F92_a_late_reply_that_is_too_large_is_refused_once(
    world: World, counting: Counting, astore: AsyncStore
) -> None:
    connection: sqlite3.Connection = astore._writer._connection  # type: ignore[attr-defined]
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    live, store = LiveSet(), cast("AsyncStore", counting)
    execution = Execution(store, world.time, live, Streams())
    run = active(world, store, world.start("a"), returning("x" * 200_000))
    live.join(run)
    world.reclaim(run.ticket)
    execution.start(run)
    await execution.idle()
    assert world.run(run.ticket).refused_writes == 1
    assert counting.writes == 2
    await execution.close()


# ------------------------------------------------------------------------------------------------- parking


@pytest.mark.parametrize(
    ("until", "ms"),
    [
        (timedelta(seconds=90), 90 * SECOND),
        (90, 90 * SECOND),
        (90.5, 90_500),
        (Fraction(3, 2), 1_500),
    ],
    ids=str,
)
async def test_F91_a_run_parks_for_a_duration(ends: Ends, world: World, until: Any, ms: int) -> None:
    message = await ends(raising(RunParked(until, "later")))
    assert (message.state, message.parked_until) == (MessageState.QUEUED, world.time().wall + ms)


@pytest.mark.parametrize(
    "form", [lambda ms: datetime.fromtimestamp(ms / 1000, UTC), int, float], ids=["datetime", "int", "float"]
)
async def test_F91_a_run_parks_until_a_moment(ends: Ends, world: World, form: Callable[[int], Any]) -> None:
    then = world.time().wall + MINUTE
    assert (await ends(raising(RunParked(form(then), "later")))).parked_until == then


@pytest.mark.parametrize("until", [0, -5, timedelta(days=-1), datetime(2001, 1, 1, tzinfo=UTC), 10**11], ids=str)
async def test_F100_a_run_that_parks_until_a_time_that_has_passed_waits_a_while(
    ends: Ends, world: World, until: Any
) -> None:
    assert (await ends(raising(RunParked(until, "now")))).parked_until == world.time().wall + LEAST_PARK_MS
    assert world.candidates() == []


async def test_F100_a_kind_of_parking_that_forgot_its_parent_waits_a_while(ends: Ends, world: World) -> None:
    assert (await ends(raising(BareParked()))).parked_until == world.time().wall + LEAST_PARK_MS


async def test_F120_a_run_that_found_no_descriptor_never_fails_of_it(ends: Ends, world: World) -> None:
    message = await ends(raising(NoRoom()))
    assert (message.state, message.parked_until, message.parked_since) == (MessageState.QUEUED, None, None)
    parked = world.claim("a")
    world.park(parked.ticket)
    since = world.message(message.id).parked_since
    world.time.move(TERMS.max_park_ms)
    ticket = world.claim("a").ticket
    failure = RunFailure(Cause.read("no_descriptor"), "no file descriptor was free")
    release = world.store.write(doors.park(ticket, None, failure, world.time(), by="owner:1"))
    assert release.message_state is MessageState.QUEUED
    assert world.message(message.id).parked_since == since
    assert world.lane("a").last_error.cause == "no_descriptor"  # type: ignore[union-attr]


@pytest.mark.parametrize("until", [timedelta.max, datetime.max.replace(tzinfo=UTC), 10**10, 1.5e10], ids=str)
async def test_F91_a_run_that_would_wait_for_ages_fails(ends: Ends, until: Any) -> None:
    message = await ends(raising(RunParked(until, "much later")))
    assert (message.state, message.error.cause) == (MessageState.FAILED, Cause.PROVIDER_COOLING)


@pytest.mark.parametrize("until", [math.inf, -math.inf, 10**30, 1e300], ids=str)
async def test_F91_a_run_that_would_wait_for_ever_fails(ends: Ends, until: Any) -> None:
    assert (await ends(raising(RunParked(until, "never")))).error.cause is Cause.RUNNER_FAILED


# --------------------------------------------------------------------------------------- what a run reports

REPORTS: dict[str, Callable[[Any], Any]] = {
    "progress of bytes": lambda run: run.progress(b"tool"),
    "progress of nothing": lambda run: run.progress(None),
    "busy for nan": lambda run: run.busy(math.nan),
    "busy for ever": lambda run: run.busy(math.inf),
    "busy for an age": lambda run: run.busy(1e300),
    "busy for less than nothing": lambda run: run.busy(-1),
    "busy for a word": lambda run: run.busy("5"),
    "busy for true": lambda run: run.busy(True),
    "busy for more than a float": lambda run: run.busy(10**400),
    "busy with bytes": lambda run: run.busy(1, b"x"),
    "a piece of bytes": lambda run: run.emit(b"x"),
    "a piece that is a dict": lambda run: run.emit({"text": "x"}),
    "a text that is none": lambda run: run.emit(Delta(cast("str", None))),
    "a choice that is a list": lambda run: run.emit(Delta("x", cast("Any", [1]))),
    "a choice that is no JSON": lambda run: run.emit(Delta("x", {"x": object()})),
    "a choice with nan": lambda run: run.emit(Delta("x", {"x": math.nan})),
}


@pytest.mark.parametrize("name", REPORTS)
async def test_F93_what_a_run_reports_is_checked_and_leaves_no_mark(
    ends: Ends, world: World, astore: AsyncStore, name: str
) -> None:
    run = active(world, astore, world.start("b"))
    before = run.beat()
    world.time.move(SECOND)
    with pytest.raises(Unfit):
        REPORTS[name](run)
    assert run.beat() == before
    assert world.beat(before.ticket) == []

    async def runner(live: RunContext) -> str:
        REPORTS[name](live)
        return "never"

    message = await ends(runner)
    assert (message.state, message.error.cause) == (MessageState.FAILED, Cause.RUNNER_FAILED)
    assert message.error.message.startswith("Unfit: ")


def test_F93_what_is_refused_is_a_value_error_and_a_type_error() -> None:
    assert issubclass(Unfit, ValueError)
    assert issubclass(Unfit, TypeError)
    assert not issubclass(Unfit, RunError)


async def test_F93_one_beat_that_can_not_be_written_does_not_stop_the_others(world: World) -> None:
    good, bad = world.start("good").ticket, world.start("bad").ticket
    world.time.move(SECOND)
    assert world.beat(bad, good, progress=cast("str", b"bytes")) == []
    now: Now = world.time()
    assert [world.run(ticket).left_out for ticket in (good, bad)] == [0, 0]
    assert world.beat(good, progress="content") == []
    assert world.run(good).progress_at == now.wall


async def test_F91_a_runner_that_is_no_async_function_fails_its_run(ends: Ends) -> None:
    for value in ("x", 7, None):
        assert (await ends(lambda run, value=value: value)).error.cause is Cause.RUNNER_FAILED
