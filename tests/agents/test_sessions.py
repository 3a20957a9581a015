"""An agent's own id of a conversation is kept on the lane, and its next run goes on with that."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lanes.runners.command.program import unknown_session
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
        assert "rate limited" in (await told(site, "fail rate limited") or "")
        assert starts(tmp_path) == 2
        assert await told(site) == "turn 3"


#: Failures that speak of sessions, and of none that the agent does not know.
OTHERS = [
    "could not write session file: No space left on device",
    "could not write session @ID: file not found",
    "Your login session has expired",
    "session @ID: your login has expired",
    "No API key found for this session",
    "Conversation is too long and could not be sent",
    "No conversation found with session ID: @ID0",
    "ERROR codex_core::session: failed to record rollout items: thread @ID not found",
    "thread 'main' panicked at src/main.rs:7:\nsession @ID\nnote: run with `RUST_BACKTRACE=1`",
]


async def test_F411_a_failure_that_speaks_of_a_session_starts_nothing_twice(tmp_path: Path) -> None:
    async with commanded(tmp_path, NEW, resume=RESUME, output="claude-json") as site:
        assert await told(site) == "turn 1"
        for count, why in enumerate(OTHERS, start=2):
            assert "ended with exit code 1" in (await told(site, f"fail {why}") or "")
            assert starts(tmp_path) == count, why
        assert await told(site) == f"turn {len(OTHERS) + 2}"


@pytest.mark.parametrize(
    "said",
    [
        "No conversation found with session ID: s-1",  # claude
        "Error: thread/resume: thread/resume failed: no rollout found for thread id s-1 (code -32600)",  # codex
        "Error: thread/read: thread/read failed: thread not loaded: s-1 (code -32600)",
        'Error resuming session: Invalid session identifier "s-1".\n  Use --list-sessions to see others',  # gemini
        'NotFoundError\n data: {\n  message: "Session not found: s-1",\n},',  # opencode
        "\x1b[91m\x1b[1mError: \x1b[0mSession not found",  # the same with --format json
        "Error resuming session: No previous sessions found for this project.",
        "agent: unknown session s-1",
        "session 's-1' does not exist",
        "The conversation s-1 was not found.",
    ],
)
def test_F411_how_agents_say_that_they_do_not_know_a_session(said: str) -> None:
    assert unknown_session(f"a warning\n{said}\nanother", "s-1")
    assert unknown_session(said, "s-2") == ("s-1" not in said)


async def test_F412_a_second_start_that_fails_before_its_conversation_keeps_the_id(tmp_path: Path) -> None:
    async with commanded(tmp_path, NEW, resume=RESUME, output="claude-json") as site:
        assert await told(site) == "turn 1"
        (before,) = known(tmp_path)
        (tmp_path / "work" / "1" / "conversations.json").rename(tmp_path / "elsewhere")
        assert "rate limited" in (await told(site, "fail rate limited") or "")
        assert (starts(tmp_path), json.loads(session(tmp_path) or "{}")) == (3, {"coder": before})
        (tmp_path / "elsewhere").rename(tmp_path / "work" / "1" / "conversations.json")
        assert await told(site) == "turn 2"


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
