"""Agents that stay when their work is done, complain without an end, or repeat their key, and what cannot start."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agents.kit import Site, commanded, program
from tests.agents.test_turns import FAILED, RECORDED, lines
from tests.kit.until import until

KEY = "agent:main:test"
STAYS = {"abort_grace": "1s"}


@pytest.mark.parametrize("output", RECORDED)
async def test_F611_an_agent_that_stays_when_its_turn_is_over_is_ended_and_has_answered(
    tmp_path: Path, output: str
) -> None:
    argv = program("speak", "hang", *lines(RECORDED[output]))
    async with commanded(tmp_path, argv, output=output, clocks=STAYS) as site:
        ended = await site.ask()
        assert (ended.state, ended.reply, ended.error) == ("done", "Two files.", None)


async def test_F611_one_that_has_answered_may_store_its_session_however_short_the_grace_is(tmp_path: Path) -> None:
    said, stored = json.dumps({"type": "result", "result": "done"}), tmp_path / "stored"
    argv = ["sh", "-c", f"echo '{said}'; sleep 0.1; touch {stored}"]
    async with commanded(tmp_path, argv, output="claude-json", clocks={"abort_grace": "0s"}) as site:
        assert (await site.ask()).reply == "done"
    assert stored.exists()


async def test_F611_one_that_has_failed_and_stays_has_failed_for_its_reason(tmp_path: Path) -> None:
    argv = program("speak", "hang", *lines([FAILED["codex-json"]]))
    async with commanded(tmp_path, argv, output="codex-json", clocks=STAYS) as site:
        ended = await site.ask()
        assert (ended.error and ended.error.cause) == "agent_error"


BEHIND: dict[str, Any] = {"type": "system", "subtype": "background_tasks_changed", "tasks": [{"task_id": "t-1"}]}
OF_SUBAGENT = {"type": "tool_progress", "parent_tool_use_id": "t-1", "tool_name": "Bash"}
BEATS = STAYS | {"heartbeat_interval": "100ms"}


async def test_F735_one_that_works_on_when_its_turn_is_over_has_time_for_another_turn(tmp_path: Path) -> None:
    first, second = ({"type": "result", "result": said} for said in ("I wait for it.", "It is done."))
    told, wakes = tmp_path / "told", tmp_path / "wakes"
    told.write_text("\n".join(lines([BEHIND, first])) + "\n", encoding="ascii")
    wakes.write_text("\n".join(lines([BEHIND | {"tasks": []}, second])) + "\n", encoding="ascii")
    argv = ["sh", "-c", f"cat {told}; until [ -e {tmp_path / 'go'} ]; do sleep 0.05; done; cat {wakes}"]
    async with commanded(tmp_path, argv, output="claude-json", clocks=BEATS) as site:
        sent = await site.desk.send(KEY, "hello")
        await _has_told(site, "event result")  # and not that it is to end
        (tmp_path / "go").touch()
        assert (await site.desk.wait(sent.id)).reply == "It is done."


@pytest.mark.parametrize("more", [[], [OF_SUBAGENT]], ids=["silent", "writes"])
async def test_F735_one_that_works_on_and_is_silent_for_too_long_is_ended_and_has_answered(
    tmp_path: Path, more: list[Any]
) -> None:
    argv = program("speak", "hang", *lines([BEHIND, *RECORDED["claude-json"], *more]))
    async with commanded(tmp_path, argv, output="claude-json", clocks=STAYS | {"stall_timeout": "2s"}) as site:
        ended = await site.ask()
        assert (ended.state, ended.reply, ended.error) == ("done", "Two files.", None)


@pytest.mark.parametrize("way", ["stop", "abort"])
async def test_F765_one_that_works_on_when_its_gateway_stops_has_answered(tmp_path: Path, way: str) -> None:
    """Its message failed, or ran again and did everything twice. An abort is one also then."""
    argv = program("speak", "hang", *lines([BEHIND, *RECORDED["claude-json"], OF_SUBAGENT]))
    async with commanded(tmp_path, argv, output="claude-json", clocks=BEATS) as site:
        sent = await site.desk.send(KEY, "hello")
        await _has_told(site, "event tool_progress")
        if way == "stop":
            await site.gateway.stop()
        else:
            await site.desk.abort(KEY, actor="alice")
        ended = await site.desk.message(sent.id)
        assert (ended.state, ended.reply) == (("done", "Two files.") if way == "stop" else ("aborted", None))


async def test_F765_one_that_has_begun_another_turn_has_not_answered_yet(tmp_path: Path) -> None:
    """Something else of it goes on behind that."""
    begins = {"type": "system", "subtype": "init", "session_id": "s-1"}
    argv = program("speak", "hang", *lines([BEHIND, *RECORDED["claude-json"], begins, OF_SUBAGENT]))
    async with commanded(tmp_path, argv, output="claude-json", clocks=BEATS) as site:
        sent = await site.desk.send(KEY, "hello")
        await _has_told(site, "event tool_progress")
        await site.gateway.stop()
        assert (await site.desk.message(sent.id)).state == "failed"


async def _has_told(site: Site, progress: str) -> None:
    """Return once the last sign of its run is that."""

    async def told() -> bool:
        run = (await site.desk.detail(KEY)).run
        return run is not None and (run.progress or "").startswith(progress)

    await until(told, progress)


async def test_F612_too_much_on_standard_error_ends_the_program(tmp_path: Path) -> None:
    async with commanded(tmp_path, ["sh", "-c", "yes >&2"], max_output_bytes=100_000) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "output_too_large")


@pytest.mark.parametrize("output", ["text", "claude-json"])
async def test_F613_a_key_that_an_agent_repeats_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    key = "sk-0123456789-abcdefghij"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    failed = json.dumps({"type": "result", "is_error": True, "result": f"invalid key {key}"})
    argv = program("speak", "1", "!" + f"401: {key}", *([failed] if output == "claude-json" else []))
    async with commanded(tmp_path, argv, output=output, env=["OPENAI_API_KEY"]) as site:
        ended = await site.ask()
        assert ended.error is not None
        assert "***" in ended.error.message
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("lanes.db*"))  # noqa: ASYNC240 - a test
    assert key.encode() not in stored


@pytest.mark.parametrize(
    ("argv", "more", "named"),
    [
        (["no-such-program"], {}, "(no-such-program)"),
        (["./agent.sh"], {}, "{cwd}/agent.sh)"),
        (["cat"], {"wrap": ["no-such-wrapper"]}, "(no-such-wrapper)"),
    ],
)
async def test_what_could_not_be_started_is_named(
    tmp_path: Path, argv: list[str], more: dict[str, Any], named: str
) -> None:
    async with commanded(tmp_path, argv, **more) as site:
        ended = await site.ask()
        assert ended.error is not None
        assert named.format(cwd=tmp_path / "work" / "1") in ended.error.message
