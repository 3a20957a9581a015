"""Every command explains itself."""

import json
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from lanes.commands.common.app import COMMANDS, ENTRY_POINTS, GROUPS, OF_VERBS, grouped, lanes
from lanes.commands.common.options import GLOBALS
from tests.commands.conftest import Call
from tests.house.modules import ROOT

#: The commands of the contract that are built, with those of other packages.
PROMISED = {
    "up", "gateway", "dashboard", "status", "list", "show", "why", "send", "abort", "pause", "resume", "ack",
    "messages", "retry", "drop", "dead-letters", "events", "drain", "reconcile", "doctor", "bundle", "db", "config",
    "simulate", "bench", "demo", "completion", "move", "guard", "conversation", "providers",
    "steer", "answer", "watch",
}  # fmt: skip


def every() -> list[tuple[str, ...]]:
    """Every command of ours, those of groups too."""
    found: list[tuple[str, ...]] = []
    context = click.Context(lanes)
    for name in (*COMMANDS, *OF_VERBS):
        command = lanes.get_command(context, name)
        assert command is not None
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.commands]
    return found


def test_the_commands_are_those_that_were_promised() -> None:
    listed = [name for names in grouped().values() for name in names]
    assert sorted(listed) == sorted(PROMISED)
    added = {point.name for point in entry_points(group=ENTRY_POINTS)}
    assert set(listed) - added == set(COMMANDS) | set(OF_VERBS)


def test_a_module_for_each_command_that_is_more_than_its_verb() -> None:
    folder = ROOT / "lanes" / "commands"
    makes_one = re.compile(r"^(@command_for|@click\.command|@click\.group|command = )", re.MULTILINE)
    modules = {
        path.stem.replace("_", "-"): path.parent.name
        for path in folder.glob("[a-z]*/[a-z]*.py")
        if path.parent.name != "common" and makes_one.search(path.read_text(encoding="utf-8"))
    }
    assert modules == COMMANDS


def test_help_tells_what_each_does_with_an_example(bare: Call) -> None:
    for command in every():
        helped = bare(*command, "--help")
        assert helped.code == 0, command
        shown = rf"^ +lanes {' '.join(command)}|Example: lanes {' '.join(command)}"
        assert re.search(shown, helped.out, re.MULTILINE), command
        assert max(map(len, helped.out.splitlines())) <= 80, command
        assert not re.search(r"^  .*\.\.\.$", helped.out, re.MULTILINE), (
            f"{command}: what one of its commands does is cut"
        )
        short = bare(*command, "-h")
        assert (short.code, short.out, short.err) == (0, helped.out, helped.err), command


def test_every_option_is_explained() -> None:
    for command in every():
        context = click.Context(lanes)
        found: click.Command | None = lanes
        for name in command:
            assert isinstance(found, click.Group)
            found = found.get_command(context, name)
        assert found is not None
        options = [param for param in found.params if isinstance(param, click.Option)]
        assert all(option.help and option.help.endswith((".", "]")) for option in options), command
        if not isinstance(found, click.Group):
            assert set(GLOBALS) <= set(options), command


def test_the_help_of_lanes_itself(bare: Call) -> None:
    helped = bare("--help")
    assert helped.code == 0
    commands = helped.out[helped.out.index(f"\n{next(iter(GROUPS))}:\n") :]
    assert [title for title in GROUPS if f"\n\n{title}:\n" not in helped.out] == []
    assert all(len(re.findall(rf"^  {name}  ", commands, re.MULTILINE)) == 1 for name in PROMISED)
    assert "..." not in commands, "every command is described in a line that fits"
    alone = bare()
    assert (alone.code, alone.out, alone.err) == (2, "", helped.out)


def test_version(bare: Call) -> None:
    project = tomllib.loads(Path(ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert bare("--version").out == f"lanes {project['version']}\n"


@pytest.mark.parametrize(
    ("word", "hint"), [("lst", "did you mean `list`?"), ("qqqq", "lists them"), ("--lst", "No such option")]
)
def test_what_is_no_command(bare: Call, word: str, hint: str) -> None:
    refused = bare(word)
    assert (refused.code, refused.out) == (2, "")
    assert hint in refused.err


def test_F917_the_options_of_every_command_stand_between_a_group_and_its_command_too(lanes: Call) -> None:
    for command in (
        ("db", "check"),
        ("conversation", "show", "k"),
        ("conversation", "k"),
        ("conversation", "new", "k"),
    ):
        group, *rest = command
        for options in (("--db", "nowhere.db"), ("--db=nowhere.db",)):
            called = lanes(group, "--json", *options, *rest)
            error = json.loads(called.err)
            assert (called.code, "nowhere.db" in error["detail"]) == (69, True), called.err
    assert lanes("simulate", "--json", "provider", "--help").code == 0
    assert lanes("conversation", "--help").out.startswith("Usage: lanes conversation [OPTIONS] COMMAND")
