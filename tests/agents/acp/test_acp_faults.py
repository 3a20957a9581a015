"""Agents that misbehave: what they write, how they end, and what they leave."""

import importlib.util
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from lanes.base.errors import ConfigError
from lanes.config import from_data
from lanes.runners.acp.runner import AcpRunner
from tests.agents.kit import Site, asked, configured
from tests.agents.trees import within
from tests.kit.until import until

KEY = "agent:main:test"
pytest.importorskip("acp")


@asynccontextmanager
async def misbehaving(folder: Path, how: str, clocks: dict[str, str] | None = None, **more: Any) -> AsyncIterator[Site]:
    argv = [sys.executable, "-I", "-S", str(Path(__file__).with_name("raw.py")), how]
    quick = {"abort_grace": "5s", "reconcile_interval": "100ms", **(clocks or {})}
    async with configured(folder, {"name": "coder", "kind": "acp", "argv": argv, **more}, clocks=quick) as site:
        yield site
        assert within(folder / "work" / "1") == [], "a process is left"


FAILURES = {
    "dies": ("exit_status", "ended with exit code 3: out of luck"),
    "ends": ("no_final_event", "without an answer"),
    "newer": ("agent_error", "speaks version 7 of ACP"),
    "login": ("agent_error", "needs a login"),
    "broken": ("agent_error", "all is lost"),
    "refuses": ("agent_error", "refuses to continue"),
    "strange": ("agent_error", "not valid ACP"),
}


@pytest.mark.parametrize("how", FAILURES)
async def test_F326_an_agent_that_fails_says_why_and_frees_its_lane(tmp_path: Path, how: str) -> None:
    async with misbehaving(tmp_path, how) as site:
        ended = await site.ask()
        assert ended.error is not None
        assert (ended.state, ended.error.cause) == ("failed", FAILURES[how][0])
        assert FAILURES[how][1] in ended.error.message
        assert (await site.desk.lane(KEY)).paused is None


async def test_F326_a_program_that_is_not_there(tmp_path: Path) -> None:
    async with configured(tmp_path, {"name": "coder", "kind": "acp", "argv": ["no-such-agent"]}) as site:
        ended = await site.ask()
        assert ended.error is not None
        assert (ended.error.cause, "no-such-agent could not be started" in ended.error.message) == ("not_started", True)


def test_without_its_library_the_configuration_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = from_data({"runner": [{"name": "coder", "kind": "acp", "argv": ["x"]}]}, cwd=tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'session-lanes\[acp\]'"):
        AcpRunner(config.runners[0], cast("Any", None), lambda key: 0)


def test_the_library_is_imported_only_where_such_a_runner_runs() -> None:
    """It takes half a second, and 25 MB."""
    loads = "import sys, lanes.gateway, lanes.runners.build; sys.exit('acp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loads], check=False).returncode == 0


async def test_F326_an_agent_that_never_answers_is_ended_by_its_limit(tmp_path: Path) -> None:
    async with misbehaving(tmp_path, "silent", {"stall_timeout": "1s"}) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "stall_timeout")


async def test_F327_garbage_and_what_nobody_asked_for_end_no_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with misbehaving(tmp_path, "garbage") as site:
        ended = await site.ask()
        assert (ended.state, ended.reply, ended.error) == ("done", "well", None)
        assert [record for record in caplog.records if not record.name.startswith("lanes")] == []


async def test_F327_a_line_of_ten_megabytes_is_not_read_and_an_endless_output_ends_its_agent(tmp_path: Path) -> None:
    async with misbehaving(tmp_path, "long") as site:
        assert (await site.ask()).reply == "after"
    folder = tmp_path / "floods"
    folder.mkdir()
    async with misbehaving(folder, "floods", max_output_bytes=2_000_000) as site:
        ended = await site.ask()
        assert (ended.state, ended.error and ended.error.cause) == ("failed", "output_too_large")


async def test_F327_hostile_texts_are_shown_as_texts_and_denied_where_nobody_may_allow(tmp_path: Path) -> None:
    async with misbehaving(tmp_path, "hostile") as site:
        message = await site.desk.send(KEY, "go")
        assert "… and " in await asked(site)
        await site.desk.answer(KEY, "no", actor="operator")
        ended = await site.desk.wait(message.id)
        assert (ended.state, ended.reply) == ("done", "a?b \x1b[31m")


async def test_F323_an_agent_that_ignores_cancel_and_sigterm_is_killed_with_its_tree(tmp_path: Path) -> None:
    async with misbehaving(tmp_path, "deaf") as site:
        message = await site.desk.send(KEY, "go")
        await until(lambda: (tmp_path / "work" / "1" / "pids").exists(), "its tree")
        (result,) = [await site.desk.abort(KEY, actor="me")]
        assert (result.outcome, result.survivors) == ("released", ())
        assert (await site.desk.wait(message.id)).state == "aborted"
        assert within(tmp_path / "work" / "1") == []


async def test_F328_what_an_agent_repeats_of_its_session_is_no_part_of_the_reply(tmp_path: Path) -> None:
    """It answers that the session is loaded, and repeats it only then."""
    async with misbehaving(tmp_path, "late") as site:
        assert [(await site.ask()).reply, (await site.ask()).reply] == ["well", "well"]


async def test_F415_a_loaded_session_that_sends_updates_for_ever_gets_its_prompt(tmp_path: Path) -> None:
    async with misbehaving(tmp_path, "chatters") as site:
        assert [(await site.ask()).reply, (await site.ask()).reply] == ["well", "well"]


@pytest.mark.parametrize("how", ["leaves", "stays"])
async def test_F323_what_an_agent_leaves_ends_before_its_reply_is_stored(tmp_path: Path, how: str) -> None:
    """``stays``: it does not end with its input, nor by SIGTERM."""
    async with misbehaving(tmp_path, how) as site:
        ended = await site.ask()
        assert (ended.state, ended.reply) == ("done", "left" if how == "leaves" else "well")
        assert within(tmp_path / "work" / "1") == []


def test_settings_of_other_kinds_are_refused() -> None:
    for name, value in {"resume": ["x", "{session}"], "output": "text", "input": "stdin", "target": "a:b"}.items():
        with pytest.raises(ConfigError, match="cannot be used with kind acp"):
            from_data({"runner": [{"name": "coder", "kind": "acp", "argv": ["x"], name: value}]})
    with pytest.raises(ConfigError, match="kind acp needs argv"):
        from_data({"runner": [{"name": "coder", "kind": "acp"}]})
