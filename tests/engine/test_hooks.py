"""Hooks are told what happens, beside it: however they misbehave, no lane waits for one and none is left behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lanes import Hooks, RunContext, RunEnded, RunFailed, connect
from lanes.base.errors import ConfigError
from lanes.config import from_data, load
from lanes.engine.runs.hook_runner import MOST_AT_ONCE, PAGE
from lanes.engine.runs.hooks import configured_hooks
from lanes.records import Event
from lanes.testing import Hands
from lanes_storage.law import Cause, Edge, MessageState
from tests.kit.gateways import Gates, Site, gateway_on
from tests.kit.until import until

KEY = "agent:main:telegram:42"
#: A hook that hangs is given up after this: short enough to be met in a test.
SHORT_S = 0.2
#: And this is longer than any test takes.
LONG_S = 3600.0


async def answer(run: RunContext) -> str:
    if run.text == "fail":
        raise RunFailed(Cause.BACKEND_LOST, "the backend is gone")
    return f"reply to {run.text}"


async def hang(_: object) -> None:
    await asyncio.Event().wait()


class Stubborn:
    """Hangs, and swallows its cancellation until the test lets it go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, _: object) -> None:
        while not self.go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.go.wait()


async def raise_it(_: object) -> None:
    raise ValueError("a hook's own business")


def raise_before_it_begins(_: object) -> Awaitable[None]:
    raise ValueError("no coroutine at all")


class Told:
    """What hooks were told, in order."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.notices: list[Event] = []
        self.ends: list[RunEnded] = []

    async def before(self, run: RunContext) -> None:
        self.words.append(f"before {run.text}")

    async def after(self, ended: RunEnded) -> None:
        self.ends.append(ended)
        self.words.append(f"after {ended.run.text}")

    async def notice(self, event: Event) -> None:
        self.notices.append(event)


@asynccontextmanager
async def hooked(folder: Path, hooks: Hooks, runner: Any = answer) -> AsyncIterator[Site]:
    async with gateway_on(folder, runner, Hands(), options={"hooks": hooks}) as site:
        yield site


async def test_each_run_is_told_before_and_after_and_how_it_ended(tmp_path: Path) -> None:
    told = Told()
    async with hooked(tmp_path, Hooks(before_run=told.before, after_run=told.after)) as site:
        for text in ("one", "fail"):
            message = await site.desk.send(KEY, text)
            await site.desk.wait(message.id)
    assert told.words == ["before one", "after one", "before fail", "after fail"]
    assert [(end.edge, end.message_state) for end in told.ends] == [
        (Edge.COMPLETE, MessageState.DONE),
        (Edge.FAIL, MessageState.FAILED),
    ]
    assert told.ends[0].run.key == KEY


async def test_a_run_whose_lane_was_taken_away_is_told_once_and_at_once(tmp_path: Path) -> None:
    told, runner = Told(), Gates(stubborn=True)
    async with hooked(tmp_path, Hooks(after_run=told.after), runner) as site:
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        aborting = asyncio.create_task(site.desk.abort(KEY, actor="alice", force=True))
        await site.by_and_by(lambda: told.ends, "the hook to be told")
        await aborting
        assert KEY in runner.running
        assert (await site.desk.message(message.id)).state is MessageState.ABORTED
        runner.open()
        await until(lambda: KEY not in runner.running, "the ghost to end")
    assert [(end.edge, end.message_state) for end in told.ends] == [(None, None)]


def others() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.mark.parametrize("hook", [hang, raise_it, raise_before_it_begins], ids=lambda hook: hook.__name__)
@pytest.mark.parametrize("place", ["before_run", "after_run", "notice"])
async def test_F65_a_hook_that_misbehaves_holds_no_lane_and_is_counted(
    tmp_path: Path, place: str, hook: Callable[[Any], Awaitable[None]]
) -> None:
    async with hooked(tmp_path, Hooks(**{place: hook}, timeout_s=SHORT_S)) as site:
        failed = await site.desk.send(KEY, "fail")
        answered = await site.desk.send(KEY, "hello")
        assert (await site.desk.wait(answered.id)).reply == "reply to hello"
        assert (await site.desk.message(failed.id)).state is MessageState.FAILED
        word = f"{place} timed_out" if hook is hang else f"{place} failed"
        expected = 1 if place == "notice" else 2
        await until(lambda: site.gateway.hook_counts.get(word) == expected, "the hooks to be counted")
        assert set(site.gateway.hook_counts) == {word}
    assert others() == [], "nothing is left behind"


async def test_F65_a_hook_that_swallows_its_cancellation_is_left_behind(tmp_path: Path) -> None:
    stubborn = Stubborn()
    async with hooked(tmp_path, Hooks(before_run=stubborn, timeout_s=SHORT_S)) as site:
        message = await site.desk.send(KEY, "hello")
        assert (await site.desk.wait(message.id)).reply == "reply to hello"
        await until(lambda: site.gateway.hook_counts.get("before_run timed_out"), "the hook to be counted")
    assert len(others()) == 1
    stubborn.go.set()
    await asyncio.gather(*others(), return_exceptions=True)


async def test_F65_a_release_does_not_wait_for_the_hook_before_it(tmp_path: Path) -> None:
    entered, told = asyncio.Event(), Told()

    async def slow(_: RunContext) -> None:
        entered.set()
        await asyncio.Event().wait()

    async with hooked(tmp_path, Hooks(before_run=slow, after_run=told.after, timeout_s=SHORT_S)) as site:
        message = await site.desk.send(KEY, "hello")
        assert (await site.desk.wait(message.id)).state is MessageState.DONE
        assert entered.is_set()
        await until(lambda: told.ends, "what comes after to be told, although what came before hung")
        assert site.gateway.hook_counts == {"before_run timed_out": 1}


async def test_when_hooks_hang_what_comes_is_skipped_and_the_lanes_go_on(tmp_path: Path) -> None:
    async with hooked(tmp_path, Hooks(before_run=hang, timeout_s=LONG_S)) as site:
        messages = [await site.desk.send(f"lane:{n}", "hello") for n in range(MOST_AT_ONCE + 10)]
        for message in messages:
            assert (await site.desk.wait(message.id)).state is MessageState.DONE
        assert site.gateway.hook_counts["before_run skipped"] == 10


async def test_every_notice_is_told_whoever_wrote_it_and_none_from_before_the_start(tmp_path: Path) -> None:
    told = Told()
    async with connect(str(tmp_path / "lanes.db"), clock=Hands()) as other:
        await other.drop((await other.send("early", "x")).id)
        async with hooked(tmp_path, Hooks(notice=told.notice)) as site:
            await site.desk.send("elsewhere", "x", runner="elsewhere")
            waiting = [await other.send("many", "x", runner="elsewhere", cap=100) for _ in range(2 * PAGE + 3)]
            for message in waiting:
                await other.drop(message.id, actor="alice")
            await until(lambda: len(told.notices) == len(waiting), "every notice")
            await site.desk.wait((await site.desk.send(KEY, "fail")).id)
    assert [notice.message_id for notice in told.notices[:-1]] == [message.id for message in waiting]
    last = told.notices[-1]
    assert (last.key, last.cause) == (KEY, "backend_lost")
    assert last.detail is not None
    assert "lanes retry" in last.detail["next"]


async def test_the_notice_of_what_a_stop_cut_is_told_before_the_gateway_is_gone(tmp_path: Path) -> None:
    told, runner = Told(), Gates()
    options = {"hooks": Hooks(notice=told.notice)}
    async with gateway_on(tmp_path, runner, Hands(), queue={"on_interrupt": "fail"}, options=options) as site:
        await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        await site.gateway.stop()
    assert [notice.cause for notice in told.notices] == ["drained"]


MODULE = """
async def told(about):
    pass

def plain(about):
    pass
"""


def test_a_configuration_names_hooks_beside_it(tmp_path: Path) -> None:
    (tmp_path / "kit_hooks.py").write_text(MODULE)
    (tmp_path / "lanes.toml").write_text('[hooks]\nnotice = "kit_hooks:told"\ntimeout = "250ms"\n')
    config = load(tmp_path / "lanes.toml", env={})
    hooks = configured_hooks(config)
    assert (hooks.before_run, hooks.after_run, hooks.timeout_s) == (None, None, 0.25)
    assert hooks.notice is not None
    assert hooks.notice.__name__ == "told"
    assert config.fingerprint == from_data({}).fingerprint, "hooks change nothing about how lanes are treated"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("kit_hooks:plain", "hooks.notice kit_hooks:plain: plain .* is not async"),
        ("kit_hooks:nothing", "hooks.notice kit_hooks:nothing: kit_hooks .* has no nothing"),
        ("no_such_module:told", "no module no_such_module"),
        ("no target", "hooks.notice.*is not a target"),
    ],
)
def test_a_target_that_is_no_hook_is_refused(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "kit_hooks.py").write_text(MODULE)
    (tmp_path / "lanes.toml").write_text(f'[hooks]\nnotice = "{target}"\n')
    with pytest.raises(ConfigError, match=said):
        configured_hooks(load(tmp_path / "lanes.toml", env={}))
