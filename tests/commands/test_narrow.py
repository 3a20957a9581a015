"""Tables on a narrow terminal: what is needed to act stands there whole."""

import sys
from collections.abc import Callable
from pathlib import Path

import pexpect  # type: ignore[import-untyped]  # it has no hints
import pytest

from tests.commands.conftest import Call
from tests.kit.processes import PATIENCE_S, environment
from tests.kit.stage import Stage

KEY = "agent:main:feishu:group:oc_d497a51e0bdc4f9a8e3f1c2b7d6e5f40"
FAILED = "every provider failed: main: server_error;"
Shown = Callable[..., list[str]]


@pytest.fixture
def shown(database: Path) -> Shown:
    """What a command prints on a terminal of that many columns, until it ends or has printed ``until``."""

    def on_terminal(columns: int, *arguments: str, until: str | None = None) -> list[str]:
        screen = pexpect.spawn(
            sys.executable,
            ["-m", "lanes", "--db", str(database), *arguments],
            env=environment(database.parent) | {"COLUMNS": str(columns), "NO_COLOR": "1"},
            dimensions=(24, columns),
            encoding="utf-8",
            timeout=PATIENCE_S,
        )
        if until is None:
            said = str(screen.read())
        else:
            screen.expect_exact(until)
            said = f"{screen.before}{until}"
        screen.close(force=True)
        return said.splitlines()

    return on_terminal


def furnish(stage: Stage) -> None:
    stage.fail(stage.hold(KEY, stage.owner(), "waits"), " ".join([FAILED] * 8))


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_F835_a_key_that_does_not_fit_stands_whole_below_its_row(stage: Stage, shown: Shown, columns: int) -> None:
    furnish(stage)
    for command in (("list",), ("events",), ("dead-letters",), ("abort", "--all", "--scope", "both", "--dry-run")):
        said = shown(columns, *command)
        assert any(line.strip() == KEY for line in said), (command, said)
        rest = [line for line in said if line.strip() != KEY and "`" not in line]
        assert [line for line in rest if len(line) > max(columns, 66)] == [], (command, said)


def test_F835_what_to_do_about_an_event_is_not_cut(stage: Stage, lanes: Call, shown: Shown) -> None:
    furnish(stage)
    whole = " ".join([FAILED] * 8)
    for command in (("events", "--type", "notice"), ("messages", KEY), ("dead-letters",)):
        assert whole in " ".join(line.strip() for line in shown(80, *command)), command
        assert whole in lanes(*command).out, command
    whole = lanes("events", "--type", "notice").out
    followed = "\n".join(shown(80, "events", "--follow", "--type", "notice", until="`lanes retry 1`"))
    assert "retry it with `lanes retry 1`" in whole
    assert len(whole.splitlines()) == 2, "on a pipe each is one line"
    assert KEY in followed


def test_F835_a_key_that_is_too_long_cuts_no_other(stage: Stage, shown: Shown) -> None:
    stage.send("agent:main:telegram:42", "hello")
    stage.hold(KEY, stage.owner())
    said = shown(80, "list")
    assert [line for line in said if line.startswith("agent:main:telegram:42  idle")] != [], said


def test_F835_a_key_that_fits_beside_the_rest_is_not_cut_for_a_remark(stage: Stage, shown: Shown) -> None:
    key = "agent:main:feishu:group:oc_d497"
    stage.hold(key, stage.owner())
    said = shown(80, "list")
    assert [line for line in said if line.startswith(f"{key}  running")] != [], said


def test_the_help_of_a_narrow_terminal_is_wrapped(shown: Shown) -> None:
    said = shown(50, "--help")
    commands = said[said.index("Look:") : said.index("  Examples:")]
    assert "..." not in "".join(commands)
    assert max(map(len, commands)) <= 50
