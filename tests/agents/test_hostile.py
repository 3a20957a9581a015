"""Agents that fork faster than one can look, attack their keeper, or write what is no output."""

import json
import sys
from pathlib import Path

import pytest

from lanes.host.cgroups import ControlGroup
from tests.agents.kit import commanded, program
from tests.agents.trees import within
from tests.kit.until import until

QUICK = {"abort_grace": "5s", "reconcile_interval": "100ms", "heartbeat_interval": "100ms"}
WAYS = ["respawn", "respawn in sessions", "many", "kill the keeper", "stop the keeper", "stop"]


@pytest.mark.parametrize("what", WAYS)
@pytest.mark.parametrize("groups", [True, False], ids=["with control groups", "without"])
async def test_F319_what_an_agent_does_to_survive_its_run(
    tmp_path: Path, what: str, groups: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not groups:
        monkeypatch.setattr(ControlGroup, "make", lambda self: None)
    folder = tmp_path / "work" / "1"
    async with commanded(tmp_path, program("hostile", what), clocks=QUICK) as site:
        await site.desk.send("k", "go")

        async def begun() -> bool:
            lane = await site.desk.lane("k")
            return lane.progress == "content" or not lane.run_id

        await until(begun, "its attack")
        told = await site.desk.abort("k", actor="me")
        assert told.survivors == ()
        assert within(folder) == []
        lane = await site.desk.lane("k")
        await until(lambda: within(folder) == [], "the end of all")
        assert lane.paused is None


async def test_a_line_that_is_too_long_is_no_event_and_the_end_after_it_counts(tmp_path: Path) -> None:
    code = "import json; print(json.dumps({'type': 'user', 'x': 'y' * 100_000_000})); print(END)"
    end = json.dumps({"type": "result", "result": "done", "is_error": False})
    argv = [sys.executable, "-c", code.replace("END", repr(end))]
    async with commanded(tmp_path, argv, output="claude-json", max_output_bytes=200_000_000) as site:
        assert (await site.ask()).reply == "done"
    folder = tmp_path / "bounded"
    folder.mkdir()
    async with commanded(folder, argv, output="claude-json") as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "output_too_large")


async def test_bytes_that_are_no_text_end_no_turn(tmp_path: Path) -> None:
    raw = b'{"type": "result", "result": "a\xff\xfeb\xc3", "is_error": false}\n\xff\xfe\n'
    argv = [sys.executable, "-c", f"import os; os.write(1, {raw!r})"]
    async with commanded(tmp_path, argv, output="claude-json") as site:
        assert (await site.ask()).reply == "a\ufffd\ufffdb\ufffd"
