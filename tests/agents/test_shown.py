"""The processes of a held lane, and what its agent did last, as ``lanes show``, HTTP and the dashboard show them."""

import json
from pathlib import Path

from lanes.explain.pauses import pause_sentence
from lanes.records import RunProcess
from lanes.testing.moments import START
from lanes_storage.law import PauseKind
from lanes_storage.records import PauseRow
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import process_lines
from tests.agents.kit import commanded, program
from tests.agents.trees import EACH, pids
from tests.kit.processes import eventually, house
from tests.kit.until import until


def test_the_processes_of_a_held_lane_with_what_they_use_and_wait_for(tmp_path: Path) -> None:
    with house(tmp_path) as made:
        argv = json.dumps(program("tree"))
        made.config.write_text(f"[[runner]]\nname = 'coder'\nkind = 'command'\nargv = {argv}\n", encoding="utf-8")
        made.gateway()
        made.lanes("send", "k", "go")
        tree = eventually(lambda: pids(made.folder / "work" / "1"), "the tree to stand")
        shown = made.lanes("show", "k", "--json").json["processes"]
        keeper, agent, *others = shown
        assert {each["pid"] for each in shown} == {keeper["pid"], *(pid for pid, _ in tree)}
        assert (keeper["depth"], agent["depth"], agent["pid"]) == (0, 1, tree[0][0])
        assert "tree.py" in agent["command"]
        sleeps = [each for each in others if each["name"] == "sleep"]
        assert len(sleeps) == EACH - 1
        assert {each["depth"] for each in sleeps} == {1, 2}  # the daemon has lost its parent
        assert {each["waits_for"] for each in sleeps} <= {"a timer", None}  # None where the kernel does not tell
        assert all(each["age_s"] >= 0 and each["cpu_s"] >= 0 and each["memory_bytes"] > 0 for each in shown)
        said = made.lanes("show", "k").out
        assert "WAITS FOR" in said
        assert f"{sleeps[0]['pid']}" in said
        made.lanes("abort", "k")
        assert "processes" not in made.lanes("show", "k", "--json").json


def test_the_lane_screen_shows_a_tree() -> None:
    processes = [
        RunProcess(10, 0, "python3", "python3 keeper.py", 65_000, 40, 12_000_000, "an event"),
        RunProcess(11, 1, "node", "codex exec", 64_000, 2_500, 90_400_000, None),
    ]
    lines = [line.plain for line in process_lines(processes, ViewedAt(0, 0))]
    assert lines[0].startswith("PROCESSES")
    assert lines[1].endswith("12 MB  10 python3 keeper.py  waits for an event")
    assert lines[2].endswith("90 MB    11 codex exec")
    assert process_lines([], ViewedAt(0, 0)) == []


def test_F316_a_pause_for_survivors_says_what_ends_it() -> None:
    """A process ends it, not only a person."""
    pause = PauseRow("survivors", "owner:1", 0, None, PauseKind.SURVIVORS)
    said = pause_sentence(pause, "k", START) or ""
    assert (
        "until a lanes process on the same host and in the same container has ended what its last run left behind"
        in said
    )
    assert "`lanes resume k`" in said


async def test_the_last_tool_stays_in_view(tmp_path: Path) -> None:
    events = [
        {"type": "item.started", "item": {"type": "command_execution", "command": "make \x1b]0;x\x07 all"}},
        {"type": "item.completed", "item": {"type": "command_execution"}},
    ]
    argv = program("speak", "hang", *map(json.dumps, events))
    async with commanded(tmp_path, argv, output="codex-json", clocks={"heartbeat_interval": "100ms"}) as site:
        await site.desk.send("k", "go")

        async def progress() -> str | None:
            said = (await site.desk.lane("k")).progress
            return said if said is not None and said.startswith("event item.completed") else None

        assert await until(progress, "its last event") == "event item.completed, last tool make \x1b]0;x\x07 all"
        await site.desk.abort("k", actor="me")
