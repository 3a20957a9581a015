"""One message, one program: what goes in, what comes out, and what counts as success."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agents.kit import commanded, program

Events = list[dict[str, Any]]

CODEX: Events = [
    {"type": "thread.started", "thread_id": "0199-aa"},
    {"type": "turn.started"},
    {"type": "error", "message": "stream disconnected, retrying 1/5"},
    {"type": "item.completed", "item": {"id": "item_0", "type": "agent_message", "text": "I look."}},
    {"type": "item.started", "item": {"id": "item_1", "type": "command_execution", "command": "ls"}},
    {"type": "item.completed", "item": {"id": "item_1", "type": "command_execution", "exit_code": 0}},
    {"type": "item.completed", "item": {"id": "item_2", "type": "agent_message", "text": "Two files."}},
    {"type": "turn.completed", "usage": {"input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 7}},
]
CLAUDE: Events = [
    {"type": "system", "subtype": "init", "session_id": "c-1"},
    {"type": "stream_event", "event": {"delta": {"type": "text_delta", "text": "Two "}}},
    {"type": "stream_event", "event": {"delta": {"type": "text_delta", "text": "files."}}},
    {"type": "assistant", "message": {"content": [{"type": "text", "text": "Two files."}]}},
    {"type": "result", "subtype": "success", "is_error": False, "result": "Two files.", "session_id": "c-1",
     "total_cost_usd": 0.25, "usage": {"input_tokens": 100, "output_tokens": 7}},
]  # fmt: skip
OPENCODE: Events = [
    {"type": "step_start", "sessionID": "ses_1", "part": {"type": "step-start"}},
    {"type": "tool_use", "sessionID": "ses_1", "part": {"tool": "bash", "state": {"status": "completed"}}},
    {"type": "step_finish", "sessionID": "ses_1",
     "part": {"reason": "tool-calls", "cost": 0.1, "tokens": {"input": 60, "output": 3}}},
    {"type": "text", "sessionID": "ses_1", "part": {"type": "text", "text": "Two files."}},
    {"type": "step_finish", "sessionID": "ses_1",
     "part": {"reason": "stop", "cost": 0.15, "tokens": {"input": 40, "output": 4}}},
]  # fmt: skip
GEMINI: Events = [
    {"type": "init", "session_id": "g-1", "model": "gemini-pro"},
    {"type": "message", "role": "user", "content": "hello"},
    {"type": "message", "role": "assistant", "content": "Two ", "delta": True},
    {"type": "message", "role": "assistant", "content": "files.", "delta": True},
    {"type": "result", "status": "success", "stats": {"input_tokens": 100, "output_tokens": 7}},
]
RECORDED: dict[str, Events] = {
    "codex-json": CODEX,
    "claude-json": CLAUDE,
    "opencode-json": OPENCODE,
    "gemini-json": GEMINI,
}
#: A failure of the API, as each tells it; claude and opencode end with exit code 0 all the same.
FAILED: dict[str, dict[str, Any]] = {
    "codex-json": {"type": "turn.failed", "error": {"message": "overloaded"}},
    "claude-json": {"type": "result", "subtype": "success", "is_error": True, "result": "overloaded"},
    "opencode-json": {
        "type": "error",
        "sessionID": "ses_1",
        "error": {"name": "APIError", "data": {"message": "overloaded"}},
    },
    "gemini-json": {"type": "result", "status": "error", "error": {"type": "api", "message": "overloaded"}},
}


def lines(events: Events) -> list[str]:
    return [json.dumps(event) for event in events]


async def test_the_text_goes_to_standard_input_and_the_output_is_the_reply(tmp_path: Path) -> None:
    async with commanded(tmp_path, ["cat"]) as site:
        text = "a 'quoted' $HOME; and\na second line " + 200_000 * "x"
        ended = await site.ask(text)
        assert ended.error is None
        assert (ended.state, ended.reply, ended.provider) == ("done", text, "coder")


async def test_the_text_as_an_argument_is_one_word_and_never_an_option(tmp_path: Path) -> None:
    argv = program("speak", "0", "{key}", "{lane_id} {run_id}", '{"a": {"b": 1}}')
    async with commanded(tmp_path, argv, input="argument") as site:
        ended = await site.ask("--help me; rm -rf *")
        lane = await site.desk.lane("agent:main:test")
        assert ended.reply == "\n".join(
            ["agent:main:test", f"1 {lane.epoch}", '{"a": {"b": 1}}', "--", "--help me; rm -rf *"]
        )


@pytest.mark.parametrize("output", RECORDED)
async def test_the_events_of_an_agent(tmp_path: Path, output: str) -> None:
    async with commanded(tmp_path, program("speak", "0", "a warning", *lines(RECORDED[output])), output=output) as site:
        ended = await site.ask()
        assert (ended.state, ended.reply, ended.error) == ("done", "Two files.", None)
        assert ended.usage is not None
        assert (ended.usage["prompt_tokens"], ended.usage["completion_tokens"], ended.usage["total_tokens"]) == (
            100,
            7,
            107,
        )
        if output in ("claude-json", "opencode-json"):
            assert ended.usage["cost_usd"] == 0.25


@pytest.mark.parametrize("output", RECORDED)
async def test_an_agent_that_says_that_it_failed_has_failed_whatever_its_exit_code(tmp_path: Path, output: str) -> None:
    events = [*RECORDED[output][:-1], FAILED[output]]
    async with commanded(tmp_path, program("speak", "0", *lines(events)), output=output) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "agent_error")
        assert ended.error is not None
        assert "overloaded" in ended.error.message


@pytest.mark.parametrize("output", RECORDED)
async def test_an_output_that_was_cut_is_no_reply(tmp_path: Path, output: str) -> None:
    async with commanded(tmp_path, program("speak", "0", *lines(RECORDED[output][:-1])), output=output) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "no_final_event")


@pytest.mark.parametrize("output", ["text", *RECORDED])
async def test_an_exit_code_is_a_failure_after_a_good_end_too(tmp_path: Path, output: str) -> None:
    events = lines(RECORDED.get(output, []))
    async with commanded(tmp_path, program("speak", "3", *events, "!out of luck"), output=output) as site:
        ended = await site.ask()
        assert ended.error is not None
        assert (ended.state, ended.error.cause) == ("failed", "exit_status")
        assert "ended with exit code 3: out of luck" in ended.error.message


async def test_the_rules_of_a_configuration(tmp_path: Path) -> None:
    rules: dict[str, Any] = {
        "json_text": ["/say/*/words ? /kind=speech"],
        "json_final": ["/over"],
        "json_error": ["/oops"],
        "json_usage": ["/used"],
    }
    said: Events = [{"kind": "noise", "say": [{"words": "no"}]}, {"kind": "speech", "say": [{"words": "yes"}]}]
    ends: list[tuple[dict[str, Any], str | None]] = [
        ({"over": True, "used": {"input": 1}}, None),
        ({"over": True, "oops": 1}, "agent_error"),
    ]
    for last, cause in ends:
        folder = tmp_path / str(cause)
        folder.mkdir()
        async with commanded(folder, program("speak", "0", *lines([*said, last])), output="jsonl", **rules) as site:
            ended = await site.ask()
            assert (ended.error and ended.error.cause) == cause
            assert ended.reply == (None if cause else "yes")


async def test_half_a_character_and_a_line_that_is_no_event_harm_nothing(tmp_path: Path) -> None:
    said = [
        "[1, 2]",
        '{"type": "item.completed", "item": {"type": "agent_message", "text": "a\\ud800b \\ud83d\\ude00"}}',
        "{",
    ]
    async with commanded(tmp_path, program("speak", "0", *said, *lines(CODEX[-1:])), output="codex-json") as site:
        assert (await site.ask()).reply == "a?b \U0001f600"


async def test_every_text_is_streamed_as_it_comes(tmp_path: Path) -> None:
    async with commanded(tmp_path, program("speak", "0", *lines(CODEX)), output="codex-json") as site:
        sent = await site.desk.send("k", "hello")
        assert "".join([piece.text async for piece in site.gateway.listen(sent.id)]) == "I look.\n\nTwo files."


async def test_an_agent_gets_what_is_listed_of_the_environment_and_no_key_besides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_KEY", "mine")
    async with commanded(tmp_path, program("speak", "0", "@ENVIRONMENT"), env=["MY_KEY"]) as site:
        environment = json.loads((await site.ask()).reply or "")
        lane = await site.desk.lane("agent:main:test")
        assert "OPENAI_API_KEY" not in environment
        assert (environment["MY_KEY"], environment["LANES_RUN_ID"]) == ("mine", str(lane.epoch))
        assert {"PATH", "LANES_RUN_TAG"} <= environment.keys()


async def test_a_lane_has_a_folder_that_is_kept(tmp_path: Path) -> None:
    async with commanded(tmp_path, program("speak", "0", "@FOLDER")) as site:
        folder = tmp_path / "work" / "1"
        assert (await site.ask()).reply == str(folder)
        (folder / "notes").write_text("kept", encoding="utf-8")
        assert (await site.ask()).reply == str(folder)
        assert (folder / "notes").exists()
        assert (await site.ask(key="../../etc")).reply == str(tmp_path / "work" / "2")


async def test_a_folder_of_one_run_is_thrown_away(tmp_path: Path) -> None:
    async with commanded(tmp_path, program("speak", "0", "@FOLDER"), cwd="w/{run_id}", keep_cwd=False) as site:
        folder = Path((await site.ask()).reply or "")
        assert folder.parent == tmp_path / "w"
        assert not folder.exists()  # noqa: ASYNC240 - a test


async def test_too_much_output_ends_the_program(tmp_path: Path) -> None:
    async with commanded(tmp_path, ["yes"], max_output_bytes=100_000) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "output_too_large")


@pytest.mark.parametrize("argv", [["no-such-program-at-all"], ["/"]])
async def test_a_program_that_cannot_be_started(tmp_path: Path, argv: list[str]) -> None:
    async with commanded(tmp_path, argv) as site:
        ended = await site.ask()
        assert ended.error is not None
        assert (ended.state, ended.error.cause) == ("failed", "not_started")


async def test_a_program_that_does_not_read_its_input(tmp_path: Path) -> None:
    async with commanded(tmp_path, ["echo", "done"]) as site:
        assert (await site.ask(500_000 * "x")).reply == "done"


async def test_limits_of_the_program(tmp_path: Path) -> None:
    argv = ["sh", "-c", "nice; ulimit -t; ulimit -v"]
    async with commanded(tmp_path, argv, nice=5, max_cpu="90s", max_memory_bytes=1 << 30) as site:
        assert (await site.ask()).reply == f"5\n90\n{1 << 20}"


async def test_a_wrapper_starts_the_program(tmp_path: Path) -> None:
    async with commanded(tmp_path, ["sh", "-c", "echo $WRAPPED"], wrap=["env", "WRAPPED=yes"]) as site:
        assert (await site.ask()).reply == "yes"
