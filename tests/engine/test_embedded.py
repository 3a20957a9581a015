"""What the program around lanes does: what its functions raise, which modules it replaces, what it leaves open."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lanes import Gateway, Hooks, RunContext, StorageError, ThreadRunner, connect
from lanes.engine.background.isolation import LONGEST_TRACE
from lanes.runners.base import RunnerSpec, StopHow
from lanes.testing import Hands
from lanes.testing import gateway as timed
from lanes_storage.errors import StoreClosed
from lanes_storage.law import Cause, RunnerKind
from lanes_storage.lazily import lazily
from lanes_storage.logs import Log
from tests.kit.gateways import Gates
from tests.kit.until import until


class Unspeakable:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise ValueError("no words")


class Unspoken(StopIteration):
    """An error that no future takes, and that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


class Noted(Exception):
    """An error whose notes end the program that looks at them."""

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise SystemExit("the notes")


async def echo(run: RunContext) -> str:
    return run.text


@pytest.mark.parametrize(
    "error",
    [StopIteration(Unspeakable()), Unspoken(), asyncio.CancelledError(), GeneratorExit()],
    ids=lambda e: type(e),
)
async def test_F1070_what_no_future_takes_ends_the_run_of_a_thread_as_well(error: BaseException) -> None:
    def function(run: RunContext) -> str:
        if run.text == "raise":
            raise error
        return run.text

    async with timed(ThreadRunner(function), max_runs=1) as gateway:
        failed = await asyncio.wait_for(gateway.desk.ask("a", "raise"), 60)
        assert failed.error is not None
        assert failed.error.cause is Cause.RUNNER_FAILED
        assert (await gateway.desk.ask("a", "hello")).reply == "hello", "its slot is free"
        assert gateway.strays == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [(ValueError("\x1b[2J" * LONGEST_TRACE), "ValueError"), (Noted("hm"), "Noted")],
    ids=["long", "odd"],
)
async def test_F1071_what_a_hook_raises_is_logged_as_what_a_runner_raises(
    error: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def hook(_: object) -> None:
        raise error

    async with timed(echo, hooks=Hooks(after_run=hook)) as gateway:
        assert (await gateway.desk.ask("a", "hello")).reply == "hello"
        await until(lambda: gateway.hook_counts["after_run failed"], "the call of the hook")
        (record,) = [record for record in caplog.records if record.name == "lanes.hooks"]
        text = logging.Formatter().format(record)
        assert said in text
        assert "\x1b" not in text
        assert len(text) < 5 * LONGEST_TRACE
        assert gateway.healthy()


class Odd(BaseException):
    """What some frameworks end a test or a green thread with."""


@pytest.mark.parametrize(
    "error",
    [TimeoutError("no answer"), asyncio.CancelledError(), StorageError("of another"), GeneratorExit(), Odd()],
    ids=repr,
)
async def test_F1072_whatever_a_stop_raises_costs_only_its_run(error: BaseException) -> None:
    def fails(run: RunContext, how: StopHow) -> None:
        raise error

    async def hangs(run: RunContext) -> str:
        await asyncio.Event().wait()
        return run.text

    specs = {"chat": RunnerSpec("chat", RunnerKind.PYTHON, hangs, 2, stop=fails)}
    async with timed(specs=specs) as gateway:
        await gateway.desk.send("a", "aborted")
        cut = await gateway.desk.send("b", "cut by the end of the gateway")
        await gateway.advance(0)
        assert (await gateway.desk.abort("a", timeout=60)).outcome == "released"
        assert gateway.healthy()
        await gateway.stop()
        assert (await gateway.desk.message(cut.id)).state == "failed"


def test_F1073_a_bot_runs_on_a_module_that_stands_in_for_sqlite3(tmp_path: Path) -> None:
    """As programs with a vector store use pysqlite3, which does not name the extended result codes."""
    program = """if True:
        import asyncio, sqlite3, sys, types

        stand_in = types.ModuleType("sqlite3")
        extended = ("SQLITE_IOERR_", "SQLITE_CONSTRAINT_", "SQLITE_READONLY_")
        vars(stand_in).update({name: value for name, value in vars(sqlite3).items() if not name.startswith(extended)})
        sys.modules["sqlite3"] = stand_in

        import lanes

        async def runner(run):
            return run.text.upper()

        async def main():
            async with lanes.connect(sys.argv[1]) as desk, lanes.Gateway(desk, runner):
                print((await desk.ask("a", "hello")).reply)

        asyncio.run(main())
    """
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "lanes.db"], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("HELLO\n", "")


@pytest.fixture
def broken_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """The names of a package whose module cannot be imported."""
    (tmp_path / "broken_module.py").write_text("import sys\nvalue = sys.what_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "broken_package", ModuleType("broken_package"))
    yield lazily("broken_package", {"broken_module": "value"})
    sys.modules.pop("broken_module", None)


def test_F1074_a_module_that_cannot_be_imported_is_not_taken_for_a_missing_name(
    broken_module: Callable[[str], Any],
) -> None:
    with pytest.raises(ImportError, match=r"broken_module failed: .*what_is_not_there"):
        broken_module("value")


async def test_F1075_a_gateway_whose_desk_was_closed_before_it_leaves_no_thread_and_no_open_file(
    tmp_path: Path,
) -> None:
    before, time = set(threading.enumerate()), Hands()
    async with connect(tmp_path / "lanes.db", clock=time) as desk:
        gateway = Gateway(desk, echo)
        await gateway.start()
        (housekeeping,) = [each for each in set(threading.enumerate()) - before if each.name == "lanes-housekeeping"]
        await desk.close()
        with pytest.raises(StoreClosed):
            desk.store.shorten_log()
        time.move(60_000)
        await until(lambda: not housekeeping.is_alive(), "the end of the thread")
        await gateway.stop()


async def test_F1078_a_gateway_whose_desk_was_closed_before_it_waits_for_no_run_that_has_ended(tmp_path: Path) -> None:
    gates = Gates()
    async with connect(tmp_path / "lanes.db") as desk, Gateway(desk, gates) as gateway:
        await desk.send("a", "hello")
        await until(lambda: gates.running, "the run")
        await desk.close()
        gates.open()
        await asyncio.wait_for(gateway.drain(by="test", timeout_s=600), 20)


async def test_F1079_who_waits_as_the_desk_is_closed_is_told_that(tmp_path: Path) -> None:
    gates = Gates()
    async with connect(tmp_path / "lanes.db") as desk, Gateway(desk, gates) as gateway:
        await desk.send("a", "hello")
        await until(lambda: gates.running, "the run")
        waiting = asyncio.create_task(desk.drain_wait([gateway.owner_id]))
        await until(lambda: desk.changes._waiters, "the wait")
        await desk.close()
        with pytest.raises(StoreClosed):
            await waiting
        gates.open()


class Leaving(logging.Handler):
    """A handler that ends the program at the first error, as some services have it."""

    def emit(self, record: logging.LogRecord) -> None:
        raise SystemExit(1)


def test_F1076_a_log_handler_that_calls_sys_exit_ends_no_thread_of_lanes() -> None:
    log, went_on = Log("lanes.test"), []

    def work() -> None:
        log.error("a duty failed")
        went_on.append(True)

    logger = logging.getLogger("lanes.test")
    logger.addHandler(leaving := Leaving())
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        with pytest.raises(SystemExit):
            log.error("in the main thread it ends the program, as the program wants it")
    finally:
        logger.removeHandler(leaving)
    assert went_on


async def test_F1077_a_runner_whose_own_database_was_replaced_fails_at_once(tmp_path: Path) -> None:
    runs = []
    async with connect(tmp_path / "other.db") as other:

        async def runner(run: RunContext) -> str:
            runs.append(run.id)
            return str(await other.lanes())

        (tmp_path / "other.db").rename(tmp_path / "moved.db")
        async with timed(runner, config={"queue": {"on_interrupt": "requeue"}}) as gateway:
            failed = await gateway.desk.ask("a", "hello")
        assert failed.error is not None
        assert (failed.error.cause, len(runs)) == (Cause.RUNNER_FAILED, 1)
        (tmp_path / "moved.db").rename(tmp_path / "other.db")
