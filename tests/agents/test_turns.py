"""One message, one program: what goes in, what comes out, and what counts as success."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lanes.runners.command.transcript import is_session
from tests.agents.kit import commanded, program
from tests.kit.until import until

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
#: What each writes while it asks a failing provider again, and what lanes was asked to wait with it for ever.
RETRIES: dict[str, dict[str, Any]] = {
    "codex-json": {"type": "error", "message": "Reconnecting... waiting for network"},
    "claude-json": {"type": "system", "subtype": "api_retry", "attempt": 3, "error": "unknown"},
    "opencode-json": {"type": "step_start", "sessionID": "ses_1", "part": {"type": "step-start"}},
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
    argv = program("speak", "0", "--", "{key}", "{lane_id} {run_id}", '{"a": {"b": 1}}')
    async with commanded(tmp_path, argv, input="argument") as site:
        ended = await site.ask("--help me; rm -rf *")
        lane = await site.desk.lane("agent:main:test")
        assert ended.reply == "\n".join(
            ["--", "agent:main:test", f"1 {lane.epoch}", '{"a": {"b": 1}}', "--", "--help me; rm -rf *"]
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


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1.0, 1e14])
async def test_F452_a_cost_that_is_no_amount_is_left_out(tmp_path: Path, cost: float) -> None:
    events = [*RECORDED["claude-json"][:-1], RECORDED["claude-json"][-1] | {"total_cost_usd": cost}]
    async with commanded(tmp_path, program("speak", "0", *lines(events)), output="claude-json") as site:
        ended = await site.ask()
        assert (ended.state, ended.reply, ended.error) == ("done", "Two files.", None)
        assert ended.usage is not None
        assert "cost_usd" not in ended.usage


async def test_F452_a_count_below_zero_is_left_out(tmp_path: Path) -> None:
    events = [
        *RECORDED["claude-json"][:-1],
        RECORDED["claude-json"][-1] | {"usage": {"input_tokens": -5, "output_tokens": 7}},
    ]
    async with commanded(tmp_path, program("speak", "0", *lines(events)), output="claude-json") as site:
        usage = (await site.ask()).usage
        assert usage is not None
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (0, 7)


@pytest.mark.parametrize("said", ["", "x" * 513, "a\x00b", "--dangerously", "a\nb", 7, None])
def test_F453_what_cannot_name_a_session_is_not_kept(said: object) -> None:
    assert not is_session(said)
    assert is_session("0199-a b.c")


@pytest.mark.parametrize(
    ("output", "event", "tokens", "cost"),
    [
        ("codex-json", {"usage": {"input_tokens": 150, "cached_input_tokens": 70, "output_tokens": 9}}, 52, None),
        ("claude-json", {"usage": {"input_tokens": 50, "output_tokens": 2}, "total_cost_usd": 0.35}, 52, 0.1),
    ],
)
async def test_F311_usage_that_is_reported_for_the_whole_conversation_counts_once(
    tmp_path: Path, output: str, event: dict[str, Any], tokens: int, cost: float | None
) -> None:
    """The second run reports the sum of both; one that is lower has begun again."""
    events = RECORDED[output]
    again = [*events[:-1], events[-1] | event]
    resume = program("speak", "0", *lines(again), "{session}")
    async with commanded(tmp_path, program("speak", "0", *lines(events)), output=output, resume=resume) as site:
        first, second = await site.ask(), await site.ask()
        assert first.usage is not None
        assert second.usage is not None
        assert (first.usage["total_tokens"], second.usage["total_tokens"]) == (107, tokens)
        assert second.usage.get("cost_usd") == cost
        third = await site.ask()
        assert third.usage is not None
        assert third.usage["completion_tokens"] == (0 if output == "codex-json" else 2)


@pytest.mark.parametrize("ends", ["fails", "is aborted"])
async def test_F321_what_a_run_used_counts_also_if_it_ends_without_a_reply(tmp_path: Path, ends: str) -> None:
    """opencode reports each step: what was used before the end is known."""
    step = OPENCODE[2]
    last = ["1", *lines([step, FAILED["opencode-json"]])] if ends == "fails" else ["hang", *lines([step])]
    clocks = {"abort_grace": "2s", "heartbeat_interval": "100ms"}
    async with commanded(tmp_path, program("speak", *last), output="opencode-json", clocks=clocks) as site:
        sent = await site.desk.send("agent:main:test", "go")
        if ends == "is aborted":

            async def stepped() -> bool:
                return (await site.desk.lane("agent:main:test")).progress == "event step_finish"

            await until(stepped, "its step")
            await site.desk.abort("agent:main:test", actor="me")
        assert (await site.desk.wait(sent.id)).state == ("failed" if ends == "fails" else "aborted")
        with closing(sqlite3.connect(tmp_path / "lanes.db")) as connection:
            (stored,) = connection.execute("SELECT usage FROM runs").fetchone()
            totals = connection.execute("SELECT input_tokens, output_tokens, cost_micros FROM lanes").fetchone()
        assert json.loads(stored) == {"input_tokens": 60, "output_tokens": 3, "cost_micros": 100_000}
        assert totals == (60, 3, 100_000)


async def test_tokens_that_were_read_from_a_cache_are_part_of_the_prompt(tmp_path: Path) -> None:
    told = CLAUDE[-1] | {
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 40,
            "cache_read_input_tokens": 500,
            "output_tokens": 7,
        }
    }
    async with commanded(tmp_path, program("speak", "0", *lines([told])), output="claude-json") as site:
        usage = (await site.ask()).usage
        assert usage is not None
        assert (usage["prompt_tokens"], usage["prompt_tokens_details"]) == (543, {"cached_tokens": 500})
    step = {"tokens": {"input": 3, "output": 7, "cache": {"read": 500, "write": 40}}, "reason": "stop"}
    steps: Events = [{"type": "step_finish", "part": step}] * 2
    folder = tmp_path / "opencode"
    folder.mkdir()
    async with commanded(folder, program("speak", "0", *lines(steps)), output="opencode-json") as site:
        usage = (await site.ask()).usage
        assert usage is not None
        assert (usage["prompt_tokens"], usage["prompt_tokens_details"]) == (1086, {"cached_tokens": 1000})


@pytest.mark.parametrize("output", RECORDED)
async def test_an_agent_that_says_that_it_failed_has_failed_whatever_its_exit_code(tmp_path: Path, output: str) -> None:
    events = [*RECORDED[output][:-1], FAILED[output]]
    async with commanded(tmp_path, program("speak", "0", *lines(events)), output=output) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "agent_error")
        assert ended.error is not None
        assert "overloaded" in ended.error.message


@pytest.mark.parametrize("output", RETRIES)
async def test_F312_another_attempt_at_a_failing_provider_is_no_progress(tmp_path: Path, output: str) -> None:
    """Some programs repeat that without an end: an event each time would keep their lane held up to run_timeout."""
    argv = program("repeat", json.dumps(RETRIES[output]))
    clocks = {"stall_timeout": "1s", "abort_grace": "2s"}
    async with commanded(tmp_path, argv, output=output, clocks=clocks) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "stall_timeout")


async def test_F736_a_tool_that_only_goes_on_is_no_progress(tmp_path: Path) -> None:
    """claude says so every half minute: a tool that hangs would hold the lane up to run_timeout."""
    argv = program("repeat", json.dumps({"type": "tool_progress", "tool_name": "Bash", "heartbeat": True}))
    clocks = {"stall_timeout": "1s", "abort_grace": "2s"}
    async with commanded(tmp_path, argv, output="claude-json", clocks=clocks) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "stall_timeout")


async def test_F313_a_step_that_is_cut_and_repeated_for_ever_ends_its_program(tmp_path: Path) -> None:
    """opencode asks its provider again at once, without a pause and without an end, when a stream was cut."""
    step: Events = [
        {"type": "step_start", "sessionID": "ses_1"},
        {"type": "text", "part": {"type": "text", "text": "All is"}},
        {"type": "step_finish", "part": {"reason": "unknown"}},
    ]
    async with commanded(tmp_path, program("repeat", *lines(step)), output="opencode-json") as site:
        ended = await site.ask()
        assert ended.error is not None
        assert (ended.state, ended.error.cause) == ("failed", "agent_error")
        assert "5 steps in a row brought nothing (unknown)" in ended.error.message


async def test_the_message_of_a_failure_is_not_a_text_of_the_agent(tmp_path: Path) -> None:
    told = "Prompt is too long"
    said = {"role": "assistant", "model": "<synthetic>", "content": [{"type": "text", "text": told}]}
    events = [{"type": "assistant", "message": said}, FAILED["claude-json"]]
    async with commanded(tmp_path, program("speak", "1", *lines(events)), output="claude-json") as site:
        sent = await site.desk.send("k", "hello")
        assert "".join([piece.text async for piece in site.gateway.listen(sent.id)]) == ""


async def test_the_reason_of_a_failure_that_is_reported_without_one(tmp_path: Path) -> None:
    cut = {"type": "error", "severity": "error", "message": "Model stream ended without a finish reason."}
    events = [cut, {"type": "result", "status": "error"}]
    async with commanded(tmp_path, program("speak", "0", *lines(events)), output="gemini-json") as site:
        ended = await site.ask()
        assert ended.error is not None
        assert (ended.error.cause, cut["message"] in ended.error.message) == ("agent_error", True)


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
    nice = min(os.nice(0) + 5, 19)
    argv = ["sh", "-c", "nice; ulimit -t; ulimit -v"]
    async with commanded(tmp_path, argv, nice=5, max_cpu="90s", max_memory_bytes=1 << 30) as site:
        assert (await site.ask()).reply == f"{nice}\n90\n{1 << 20}"


async def test_a_wrapper_starts_the_program(tmp_path: Path) -> None:
    async with commanded(tmp_path, ["sh", "-c", "echo $WRAPPED"], wrap=["env", "WRAPPED={cwd}"]) as site:
        assert (await site.ask()).reply == str(tmp_path / "work" / "1")
