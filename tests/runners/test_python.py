"""Runners of one's own, found by name."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.base.errors import ConfigError
from lanes.runners.python import load
from tests.kit.runs import KitRun

MODULE = """
import functools
import threading

async def run(run):
    return f"you said {run.text}"

async def two(run, other):
    return ""

def plain(run):
    return f"{run.text}, from a thread"

gate = threading.Event()

def waits(run):
    gate.wait()
    return "at last"

def stops(run):
    raise StopIteration(run.text)

def fails(run):
    raise KeyError(run.text)

class Agent:
    def __init__(self, greeting="hi"):
        self.greeting = greeting
    async def __call__(self, run):
        return f"{self.greeting}, {run.text}"
    async def method(self, run):
        return "from a method"

agent = Agent()
partly = functools.partial(two, other=1)
number = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "kit_agents.py").write_text(MODULE)
    (tmp_path / "kit_broken.py").write_text("1 / 0\n")
    (tmp_path / "kit_ends.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "kit_needs.py").write_text("import a_module_that_nobody_has\n")
    before = list(sys.path)
    yield tmp_path
    sys.path[:] = before
    for name in [name for name in sys.modules if name.startswith("kit_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "reply"),
    [("run", "you said x"), ("agent", "hi, x"), ("agent.method", "from a method"), ("partly", "")],
)
async def test_what_can_be_a_runner(folder: Path, name: str, reply: str) -> None:
    assert await load(f"kit_agents:{name}", folder)(KitRun("x")) == reply


async def test_a_plain_function_runs_in_a_thread_and_keeps_no_other_waiting(folder: Path) -> None:
    hung = asyncio.ensure_future(load("kit_agents:waits", folder, threads=True)(KitRun("x")))
    try:
        assert await load("kit_agents:plain", folder, threads=True)(KitRun("x")) == "x, from a thread"
        with pytest.raises(KeyError, match="x"):
            await load("kit_agents:fails", folder, threads=True)(KitRun("x"))
        with pytest.raises(RuntimeError, match="StopIteration"):
            await load("kit_agents:stops", folder, threads=True)(KitRun("x"))
        with pytest.raises(ConfigError, match="not async"):
            load("kit_agents:Agent", folder, threads=True)
        hung.cancel()
        await asyncio.sleep(0)
        assert not hung.done(), "its thread goes on, so its lane is not free yet"
    finally:
        sys.modules["kit_agents"].gate.set()
    with pytest.raises(asyncio.CancelledError):
        await hung


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("kit_agents:missing", r"kit_agents \(.*kit_agents.py\) has no missing"),
        ("kit_agents:agent.missing", "has no agent.missing"),
        ("kit_agents:", "has no function named"),
        ("kit_agents:plain", "not async; write `async def`"),
        ("kit_agents:Agent", "not async"),
        ("kit_agents:number", "is not a function"),
        ("kit_agents:two", "must take one argument"),
        ("kit_nowhere:run", r"no module kit_nowhere is installed nor in "),
        ("kit_nowhere.sub:run", "no module kit_nowhere is installed"),
        ("kit_broken:run", "importing kit_broken failed: ZeroDivisionError"),
        ("kit_ends:run", "importing kit_ends failed: it ends the program; allow that only under `if __name__"),
        ("kit_needs:run", "importing kit_needs failed: No module named 'a_module_that_nobody_has'"),
    ],
)
def test_what_can_not(folder: Path, target: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        load(target, folder)
    assert str(refused.value).startswith(f"runner target {target}: ")


def test_a_file_beside_the_configuration_never_stands_in_for_an_installed_module(folder: Path) -> None:
    (folder / "zipapp.py").write_text("async def run(run): return 'shadow'\n")
    with pytest.raises(ConfigError, match="has no run"):
        load("zipapp:run", folder)
