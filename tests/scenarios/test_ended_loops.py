"""Event loops that end under a gateway: by what a runner's own tasks raise, by Ctrl-C, or closed by their program."""

import subprocess
import sys
from pathlib import Path

import pytest

from lanes_storage import open_store, reads
from tests.kit.processes import PATIENCE_S, House, environment, heed_interrupts
from tests.scenarios.conftest import configure

BEGIN = """
import asyncio, os, signal, sys, threading, time
import lanes

async def raises(_):
    raise KeyboardInterrupt

async def in_a_task(_):
    asyncio.create_task(raises(_))
    await asyncio.Event().wait()

async def two_signals(run):
    os.kill(os.getpid(), signal.SIGINT)  # asyncio cancels its main task at the first, and raises at the second
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()

async def fails(run):
    raise lanes.RunFailed("tool_missing", "no tool")

async def waits(run):
    await asyncio.Event().wait()

async def serve(runner, texts=("hello",), **hooks):
    async with lanes.connect(sys.argv[1]) as desk, lanes.Gateway(desk, runner, hooks=lanes.Hooks(**hooks)):
        for text in texts:
            await desk.send("a", text)
        await asyncio.Event().wait()
"""

#: How a program runs such a gateway, and the code it exits with.
PROGRAMS = {
    "a task of a runner": ("asyncio.run(serve(in_a_task))", 130),
    "tasks of a hook, also while the loop ends": ("asyncio.run(serve(fails, 'abc', notice=in_a_task))", 130),
    "the terminal": ("asyncio.run(serve(two_signals))", 130),
}

ABANDONED = """
async def begin():
    began.append(lanes.connect(sys.argv[1]))
    desk = await began[0].__aenter__()
    began.append(lanes.Gateway(desk, waits))
    await began[1].start()
    message = await desk.send("a", "hello")
    while not began[1].held:
        await asyncio.sleep(0.001)

began = []
loop = asyncio.new_event_loop()
loop.run_until_complete(begin())
loop.close()
while {"lanes-upkeep", "lanes-housekeeping"} & {thread.name for thread in threading.enumerate()}:
    time.sleep(0.01)
os._exit(0)
"""


def end_of(program: str, database: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program, str(database)],
        capture_output=True,
        timeout=PATIENCE_S,
        cwd=database.parent,
        env=environment(database.parent),
        preexec_fn=heed_interrupts,
        check=False,
    )
    return done.returncode


@pytest.mark.parametrize("how", PROGRAMS)
def test_F118_a_process_ends_whose_event_loop_is_ended_from_within(tmp_path: Path, how: str) -> None:
    program, code = PROGRAMS[how]
    assert end_of(program, tmp_path / "lanes.db") in (code, 128 + code, -2)


def test_F118_an_engine_whose_event_loop_was_closed_gives_up_what_it_held(tmp_path: Path) -> None:
    assert end_of(ABANDONED, tmp_path / "lanes.db") == 0
    store = open_store(str(tmp_path / "lanes.db"))
    try:
        assert store.read(reads.owners()) == []
    finally:
        store.close()


def test_F118_a_gateway_whose_event_loop_is_ended_from_within_exits_with_an_error(made: House) -> None:
    configure(made, made.provider())
    (made.folder / "scenario_runners.py").write_text(
        "import asyncio, sys\n"
        "async def leave():\n"
        "    sys.exit()\n"
        "async def block(run):\n"
        "    task = asyncio.create_task(leave())\n"
        "    await asyncio.Event().wait()\n"
    )
    gateway = made.gateway()
    made.lanes("send", "blocking:a", "hello")
    assert gateway.popen.wait(PATIENCE_S) == 1
    assert "ended the event loop" in gateway.said()
    assert made.count("SELECT count(*) FROM owners WHERE ended_at IS NULL") == 0
