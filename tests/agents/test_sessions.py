"""An agent's own id of a conversation is kept on the lane, and its next run goes on with that."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.agents.kit import Site, commanded, program
from tests.kit.until import until

NEW = program("remember")
RESUME = program("remember", "--resume", "{session}")


async def told(site: Site, text: str = "hello") -> str | None:
    ended = await site.ask(text)
    return ended.reply if ended.error is None else ended.error.message


def starts(folder: Path) -> int:
    return len((folder / "work" / "1" / "starts").read_text(encoding="ascii"))


def known(folder: Path) -> list[str]:
    return list(json.loads((folder / "work" / "1" / "conversations.json").read_text(encoding="utf-8")))


async def test_a_lane_goes_on_with_its_conversation_also_in_another_gateway(tmp_path: Path) -> None:
    for first in (1, 3):
        async with commanded(tmp_path, NEW, resume=RESUME, output="claude-json") as site:
            assert [await told(site), await told(site)] == [f"turn {first}", f"turn {first + 1}"]
    assert len(known(tmp_path)) == 1


async def test_without_resume_every_message_begins_a_conversation(tmp_path: Path) -> None:
    async with commanded(tmp_path, NEW, output="claude-json") as site:
        assert [await told(site), await told(site)] == ["turn 1", "turn 1"]


async def test_F154_a_conversation_that_the_agent_does_not_know_any_more_begins_again_once(tmp_path: Path) -> None:
    async with commanded(tmp_path, NEW, resume=RESUME, output="claude-json") as site:
        assert await told(site) == "turn 1"
        (tmp_path / "work" / "1" / "conversations.json").unlink()
        assert [await told(site), await told(site)] == ["turn 1", "turn 2"]
        assert starts(tmp_path) == 4


async def test_another_failure_is_no_reason_to_begin_again(tmp_path: Path) -> None:
    async with commanded(tmp_path, NEW, resume=RESUME, output="claude-json") as site:
        assert await told(site) == "turn 1"
        assert "rate limited" in (await told(site, "fail") or "")
        assert starts(tmp_path) == 2
        assert await told(site) == "turn 3"


async def test_what_was_aborted_in_the_middle_is_gone_on_with(tmp_path: Path) -> None:
    async with commanded(tmp_path, NEW, resume=RESUME, output="claude-json", clocks={"abort_grace": "2s"}) as site:
        await site.desk.send("agent:main:test", "hang")
        await until(lambda: session(tmp_path), "its conversation to be kept")
        await site.desk.abort("agent:main:test", actor="me")
        assert await told(site) == "turn 2"


def session(folder: Path) -> str | None:
    with closing(sqlite3.connect(f"file:{folder / 'lanes.db'}?mode=ro", uri=True)) as connection:
        (stored,) = connection.execute("SELECT agent_session FROM lanes").fetchone()
        return stored and str(stored)
