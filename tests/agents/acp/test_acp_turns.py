"""Agents that speak the Agent Client Protocol: a turn, a permission, a stop, the session of the lane."""

import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from tests.agents.kit import Site, asked, configured
from tests.agents.trees import within
from tests.kit.processes import House, eventually, house

KEY = "agent:main:test"
AGENT = [sys.executable, "-I", str(Path(__file__).with_name("agent.py"))]
QUICK = {"abort_grace": "20s", "reconcile_interval": "100ms", "heartbeat_interval": "100ms"}
pytest.importorskip("acp")


@asynccontextmanager
async def small_agent(folder: Path, **more: Any) -> AsyncIterator[Site]:
    async with configured(folder, {"name": "coder", "kind": "acp", "argv": AGENT, **more}, clocks=QUICK) as site:
        yield site


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        built.config.write_text(
            f"[[runner]]\nname = 'coder'\nkind = 'acp'\nargv = {json.dumps(AGENT)}\n"
            "[clocks]\nabort_grace = '20s'\nreconcile_interval = '100ms'\n",
            encoding="utf-8",
        )
        yield built


def work(folder: Path) -> Path:
    return folder / "work" / "1"


def stored(folder: Path) -> Any:
    """What is kept of the agent's conversation."""
    with closing(sqlite3.connect(f"file:{folder / 'lanes.db'}?mode=ro", uri=True)) as connection:
        return json.loads(connection.execute("SELECT agent_session FROM lanes").fetchone()[0])


async def test_a_turn_and_the_next_ones_in_its_session_also_in_another_gateway(tmp_path: Path) -> None:
    async with small_agent(tmp_path) as site:
        sent = await site.desk.send(KEY, "hello")
        assert "".join([piece.text async for piece in site.gateway.listen(sent.id)]) == "hello"
        first = await site.desk.wait(sent.id)
        assert (first.state, first.reply, first.provider) == ("done", "hello", "coder")
        assert within(work(tmp_path)) == []
        assert (await site.ask("again")).reply == "hello, again"
    async with small_agent(tmp_path) as site:
        third = await site.ask("and again")
        assert third.reply == "hello, again, and again"
        assert third.usage is not None
        assert (third.usage["prompt_tokens"], third.usage["completion_tokens"]) == (100, 7)
        assert third.usage["cost_usd"] == 0.25, "of the whole session only the increase counts"


@pytest.mark.parametrize("said", ["yes", "no"])
async def test_F322_a_permission_is_asked_for_and_answered(tmp_path: Path, said: str) -> None:
    """Its sender's "yes" is another message, and a yes is one for this once only."""
    async with small_agent(tmp_path) as site:
        message = await site.desk.send(KEY, "remove it", actor="alice")
        assert await asked(site) == 'May it use rm: {"command": "rm -r build"}?'
        queued = await site.desk.send(KEY, "yes", actor="alice")
        await site.desk.drop(queued.id)
        await site.desk.answer(KEY, said, actor="operator")
        assert (await site.desk.wait(message.id)).reply == f"remove it, {said}"


def test_F454_a_yes_is_never_given_for_always() -> None:
    from acp.schema import PermissionOption

    from lanes.runners.acp.turn import _option

    always = PermissionOption(option_id="a", name="Always", kind="allow_always")
    never = PermissionOption(option_id="n", name="Never", kind="reject_always")
    once = PermissionOption(option_id="o", name="Once", kind="allow_once")
    assert _option([always, never], "allow") is None
    assert _option([always, once], "allow") is once
    assert _option([always, never], "reject") is never


async def test_F323_an_abort_cancels_the_turn_and_its_question_before_any_signal(tmp_path: Path) -> None:
    async with small_agent(tmp_path) as site:
        message = await site.desk.send(KEY, "remove it")
        await asked(site)
        (result,) = [await site.desk.abort(KEY, actor="me")]
        assert (result.outcome, result.survivors) == ("released", ())
        assert (await site.desk.wait(message.id)).state == "aborted"
        assert (work(tmp_path) / "cancelled").read_text(encoding="utf-8") == '["cancelled"]'
        lane = await site.desk.lane(KEY)
        assert (lane.question, lane.paused) == (None, None)
        assert (await site.ask("go on")).reply == "remove it, go on"


async def test_F324_a_session_that_the_agent_does_not_know_any_more_begins_again_once(tmp_path: Path) -> None:
    async with small_agent(tmp_path) as site:
        assert (await site.ask("hello")).reply == "hello"
        (work(tmp_path) / "s-1").unlink()
        assert (await site.ask("b")).reply == "b"
        assert stored(tmp_path) == {"coder": {"id": "s-1", "used": {"cost_usd": 0.25}}}


def test_F325_a_permission_and_the_session_of_a_gateway_that_was_killed(made: House) -> None:
    """As a person does it: ``lanes answer``, ``kill -9``, and the next gateway goes on with the session."""
    gateway = made.gateway()
    sent = made.lanes("send", KEY, "remove it").out.strip()
    asks = "SELECT 1 FROM runs WHERE ended_at IS NULL AND question IS NOT NULL"
    eventually(lambda: made.rows(asks), "the question")
    assert "rm -r build" in made.lanes("why", KEY).out
    made.lanes("answer", KEY, "yes")
    told = made.lanes("send", KEY, "again", "--wait", "--timeout", "120s").out
    assert told.strip() == "remove it, again"
    assert made.row("SELECT state, reply FROM messages WHERE id = ?", sent) == ("done", "remove it, yes")
    made.lanes("send", KEY, "wait")
    session = made.folder / "work" / "1" / "s-1"  # which may be half written
    eventually(lambda: session.read_text(encoding="utf-8").endswith('"wait"]'), "it")
    gateway.kill()
    made.gateway("second")
    told = made.lanes("send", KEY, "and on", "--wait", "--timeout", "120s").out
    assert told.strip() == "remove it, again, wait, and on"
    assert made.row("SELECT survivors, kind FROM runs WHERE cause = 'owner_gone'") == ("[]", "acp")
    assert within(made.folder / "work" / "1") == []
