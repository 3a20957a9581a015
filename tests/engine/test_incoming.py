"""What an embedding program hands to a desk, checked where it comes in."""

import math
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

import lanes
from lanes.base.sentences import LAST_MOMENT
from lanes.desk import Desk
from lanes.engine.runs.hooks import Hooks
from lanes.runners.base import RunnerSpec
from lanes.testing import SECOND, Hands
from lanes.text.timestamps import moment
from lanes.verbs import queries
from lanes_storage import reads
from lanes_storage.law import Cause, RunnerKind, Scope
from lanes_storage.records import How, LaneFilter
from tests.kit.engine import echo

Call = Callable[[Desk], Coroutine[Any, Any, object]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with lanes.connect(str(tmp_path / "lanes.db")) as made:
        yield made


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


CHAT = {"messages": [{"role": "user", "content": "hi"}]}
#: Calls whose arguments no row takes, or that would mean something else than they say.
UNFIT: dict[str, Call] = {
    "a key of bytes": lambda desk: desk.send(cast("str", b"a"), "x"),
    "neither a text nor a request": lambda desk: desk.send("a", None),
    "both a text and a request": lambda desk: desk.send("a", "x", request=CHAT),
    "a text of bytes": lambda desk: desk.send("a", cast("str", b"x")),
    "a request with nan": lambda desk: desk.send("a", request={**CHAT, "temperature": math.nan}),
    "a request with an object": lambda desk: desk.send("a", request={**CHAT, "x": object()}),
    "a request that is a list": lambda desk: desk.send("a", request=cast("Any", [1])),
    "a deep request": lambda desk: desk.send("a", request={**CHAT, "x": deep(300)}),
    "a request without messages": lambda desk: desk.send("a", request={"messages": []}),
    "a request for two answers": lambda desk: desk.send("a", request={**CHAT, "n": 2}),
    "more lanes than anybody lists": lambda desk: desk.lanes(limit=10**30),
    "a place behind every lane": lambda desk: desk.lanes(offset=10**30),
    "half a lane": lambda desk: desk.lanes(limit=cast("int", 1.5)),
    "more messages than anybody lists": lambda desk: desk.messages("known", limit=10**30),
    "more events than anybody lists": lambda desk: desk.events(limit=10**30),
    "an actor of bytes": lambda desk: desk.send("a", "x", actor=cast("str", b"me")),
    "no actor": lambda desk: desk.send("a", "x", actor=cast("str", None)),
    "a long actor": lambda desk: desk.send("a", "x", actor="x" * 100_000),
    "a runner of bytes": lambda desk: desk.send("a", "x", runner=cast("str", b"r")),
    "a name of bytes": lambda desk: desk.send("a", "x", idempotency_key=cast("str", b"k")),
    "an unknown mode": lambda desk: desk.send("a", "x", mode="sometimes"),
    "an unknown overflow": lambda desk: desk.send("a", "x", overflow="spill"),
    "a cap that is a word": lambda desk: desk.send("a", "x", cap=cast("int", "20")),
    "a cap below nothing": lambda desk: desk.send("a", "x", cap=-1),
    "a scope": lambda desk: desk.abort("known", scope=cast("Scope", "everything")),
    "a cause": lambda desk: desk.abort("known", cause=cast("Cause", "Not a cause")),
    "a reason of bytes": lambda desk: desk.abort("known", reason=cast("str", b"why")),
    "a long reason": lambda desk: desk.pause("known", reason="x" * 100_000),
    "a grace that is a word": lambda desk: desk.abort("known", grace_ms=cast("int", "5s")),
    "a grace that no row takes": lambda desk: desk.abort("known", grace_ms=2**70),
    "a patience": lambda desk: desk.abort("known", timeout=math.nan),
    "a pause without an end to show": lambda desk: desk.pause("known", until=2**62),
    "a pause that is over at once": lambda desk: desk.pause("known", until=1),
    "a pause of all that is over at once": lambda desk: desk.pause_all(until=1),
    "a pause until a float": lambda desk: desk.pause("known", until=cast("int", 5.5)),
    "a pause without a zone": lambda desk: desk.pause("known", until=cast("int", datetime(2099, 1, 1))),  # noqa: DTZ001
    "who drains": lambda desk: desk.drain(by=cast("str", 7)),
    "a drain without an end": lambda desk: desk.drain(until=cast("int", math.inf)),
    "an id": lambda desk: desk.message(2**70),
    "no id": lambda desk: desk.wait(cast("int", None)),
    "an id that is a word": lambda desk: desk.message(cast("int", "7")),
    "who retries": lambda desk: desk.retry(1, actor=cast("str", b"x")),
    "who drops": lambda desk: desk.drop(1, actor=cast("str", b"x")),
    "who acknowledges": lambda desk: desk.ack("known", actor=cast("str", b"x")),
    "who resumes": lambda desk: desk.resume("known", actor=cast("str", b"x")),
    "no conversation": lambda desk: desk.import_conversation("known", cast("Any", None)),
    "a filter of events that is none": lambda desk: desk.events(chosen=cast("LaneFilter", {})),
    "who prunes": lambda desk: desk.prune_dead_letters(0, actor=cast("str", b"x")),
}


@pytest.mark.parametrize("name", UNFIT)
async def test_F101_what_an_embedder_hands_in_is_checked(desk: Desk, name: str) -> None:
    await desk.send("known", "x")
    before = await desk.events()
    with pytest.raises((lanes.Unfit, lanes.InvalidKey)):
        await UNFIT[name](desk)
    assert await desk.events() == before, "nothing was stored"
    assert [lane.key for lane in await desk.lanes()] == ["known"]


@pytest.mark.parametrize("name", [None, 5, b"lanes.db", ["lanes.db"]])
async def test_F101_the_name_of_a_database_is_a_text_or_a_path(tmp_path: Path, name: object) -> None:
    with pytest.raises(lanes.Unfit, match="the name of a database must be a str"):
        async with lanes.connect(cast("str", name)):
            pass
    async with lanes.connect(tmp_path / "lanes.db") as desk:
        assert desk.store.name == str(tmp_path / "lanes.db")


async def test_F101_a_configuration_that_is_none_leaves_the_desk_as_it_was(desk: Desk) -> None:
    for wrong in ({"config": {"queue": {"cap": 5}}}, {"hooks": print}):
        with pytest.raises(lanes.Unfit, match="must be made by"):
            lanes.Gateway(desk, echo, **cast("Any", wrong))
    async with lanes.Gateway(desk, echo):
        assert (await desk.ask("a", "hello")).state == "done"


async def test_F101_what_says_the_same_in_another_type_is_taken(desk: Desk) -> None:
    await desk.send("a", "x")
    await desk.send("a", "y")
    until = datetime(2099, 1, 1, tzinfo=UTC)
    pause = (await desk.pause("a", until=cast("int", until))).paused
    assert pause is not None
    assert pause.until == until.timestamp() * 1000
    result = await desk.abort("a", scope=cast("Scope", "run"), cause=cast("Cause", "over_quota"))
    assert (result.outcome, result.dropped) == ("not_held", 0), "a scope as a word means what it says"


@pytest.mark.parametrize("ms", [2**62, -(2**62), 2**63 - 1, LAST_MOMENT, LAST_MOMENT + 1, -1, 0])
def test_F101_a_time_that_nobody_can_mean_is_shown_all_the_same(ms: int) -> None:
    said = moment(ms)
    assert said is not None
    assert said.endswith("Z")
    datetime.fromisoformat(said)


@pytest.mark.parametrize(
    "spec",
    [
        lambda: RunnerSpec(cast("str", b"r"), RunnerKind.PYTHON, echo, 1),
        lambda: RunnerSpec("", RunnerKind.PYTHON, echo, 1),
        lambda: RunnerSpec("x" * 1_000, RunnerKind.PYTHON, echo, 1),
        lambda: RunnerSpec("r", cast("RunnerKind", "magic"), echo, 1),
        lambda: RunnerSpec("r", RunnerKind.PYTHON, cast("Any", None), 1),
        lambda: RunnerSpec("r", RunnerKind.PYTHON, echo, 0),
        lambda: RunnerSpec("r", RunnerKind.PYTHON, echo, cast("int", 1.5)),
        lambda: Hooks(timeout_s=math.nan),
        lambda: Hooks(timeout_s=cast("float", "5")),
        lambda: Hooks(timeout_s=-1),
    ],
    ids=["bytes", "empty", "long", "kind", "nothing", "no slot", "half a slot", "nan", "a word", "negative"],
)
def test_F101_runners_and_hooks_are_checked(spec: Callable[[], object]) -> None:
    with pytest.raises(lanes.Unfit):
        spec()


async def test_F99_a_filter_by_pauses_that_names_no_moment_judges_them_now(tmp_path: Path) -> None:
    time = Hands()
    async with lanes.connect(str(tmp_path / "timed.db"), clock=time) as desk:
        await desk.send("over", "x")
        await desk.send("paused", "x")
        await desk.pause("over", until=time().wall + SECOND)
        await desk.pause("paused")
        time.move(2 * SECOND)
        for paused, keys in ((True, ["paused"]), (False, ["over"])):
            chosen = LaneFilter().where("paused", How.IS, paused)
            assert [lane.key for lane in await desk.lanes(chosen)] == keys
            assert await desk.lanes_total(chosen) == 1
            page = await desk.perform(queries.list_(desk.context(), filter_=chosen, abortable=Scope.BOTH))
            assert [lane.key for lane in page.lanes] == keys
            with pytest.raises(ValueError, match="needs the time"):
                await desk.store.read(reads.lanes(chosen))


async def test_a_configuration_or_filter_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lanes.Unfit, match=r"config must be made by lanes\.config\.load\(path\), not str"):
        async with lanes.connect(str(tmp_path / "lanes.db"), config="lanes.toml"):  # type: ignore[arg-type]
            raise AssertionError("it was opened")
    assert not (tmp_path / "lanes.db").exists()
    async with lanes.connect(str(tmp_path / "lanes.db")) as desk:
        for ask in (desk.lanes, desk.lanes_total):
            with pytest.raises(lanes.Unfit, match="chosen must be made by LaneFilter"):
                await ask("sate:x")  # type: ignore[arg-type]
