"""Agents that take input while they work: what people add reaches them, and they ask before they use a tool."""

from pathlib import Path
from typing import Any

import pytest

from lanes.base.errors import ConfigError
from lanes.config import from_data
from tests.agents.kit import asked, commanded, program
from tests.kit.until import until

KEY = "agent:main:test"
HOW: dict[str, Any] = {"input": "stream-json", "output": "claude-json"}


@pytest.mark.parametrize(("said", "came"), [("yes", "allow"), ("no", "deny")])
async def test_F252_an_agent_asks_before_it_uses_a_tool(tmp_path: Path, said: str, came: str) -> None:
    async with commanded(tmp_path, program("converse"), **HOW) as site:
        message = await site.desk.send(KEY, "remove it", actor="alice")
        assert await asked(site) == 'May it use Bash: {"command": "rm -r build"}?'
        queued = await site.desk.send(KEY, "yes", actor="alice")
        await site.desk.answer(KEY, said, actor="operator")
        assert (await site.desk.wait(message.id)).reply == f"remove it, {came}"
        assert (await site.desk.wait(queued.id)).reply == "yes", "a separate message"


async def test_F735_a_turn_that_it_begins_by_itself_may_ask_too(tmp_path: Path) -> None:
    async with commanded(tmp_path, program("converse"), **HOW) as site:
        message = await site.desk.send(KEY, "remove it later", actor="alice")
        await asked(site)
        await site.desk.answer(KEY, "yes", actor="operator")
        assert (await site.desk.wait(message.id)).reply == "remove it later, allow"


async def test_F255_what_people_add_reaches_the_agent_while_it_works(tmp_path: Path) -> None:
    async with commanded(tmp_path, program("converse"), **HOW) as site:
        message = await site.desk.send(KEY, "wait for me", actor="alice")
        await until(lambda: site.gateway.held == 1, "the run")
        steer = await site.desk.steer(KEY, "in German")
        assert (await site.desk.wait(message.id)).reply == "wait for me, in German"
        assert (await site.desk.wait(steer.id)).answered_by == message.id


async def test_F414_what_people_added_is_given_to_the_second_start_too(tmp_path: Path) -> None:
    """The agent takes it, and only then says that it does not know its conversation any more."""
    resume = program("converse", "--resume", "{session}")
    async with commanded(tmp_path, program("converse"), resume=resume, **HOW) as site:
        assert (await site.ask("hello", KEY)).reply == "hello"
        message = await site.desk.send(KEY, "wait for me", actor="alice")
        await until(lambda: site.gateway.held == 1, "the run")
        steer = await site.desk.steer(KEY, "in German")
        assert (await site.desk.wait(message.id)).reply == "wait for me, in German"
        assert (await site.desk.wait(steer.id)).answered_by == message.id


async def test_an_abort_while_the_agent_asks_ends_its_process(tmp_path: Path) -> None:
    async with commanded(tmp_path, program("converse"), **HOW) as site:
        message = await site.desk.send(KEY, "remove it", actor="alice")
        await asked(site)
        assert (await site.desk.abort(KEY)).outcome == "released"
        assert (await site.desk.wait(message.id)).state == "aborted"
        lane = await site.desk.lane(KEY)
        assert (lane.question, lane.paused) == (None, None)


def test_a_dialogue_needs_to_read_what_the_program_asks() -> None:
    runner = {"name": "coder", "kind": "command", "argv": ["x"], "input": "stream-json"}
    with pytest.raises(ConfigError, match='set output = "claude-json"'):
        from_data({"runner": [runner]})
