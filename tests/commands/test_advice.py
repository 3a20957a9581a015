"""The commands that messages advise: each can be pasted, and the refusal of a busy lane tells what is true of it."""

import re
import shlex
import sys
from pathlib import Path

import click
import pexpect  # type: ignore[import-untyped]  # it has no hints
import pytest

from lanes.base.errors import LaneBusy
from lanes.commands.common.app import lanes as app
from lanes.commands.common.exits import fix_of
from lanes.records import problems
from lanes.text.naming import on_lane
from lanes_storage import doors
from lanes_storage.clock import system_clock
from tests.commands.conftest import Call
from tests.kit.processes import PATIENCE_S, environment
from tests.kit.stage import Stage

KEYS = ["k", "a b", "it's", "-k"]
HOOK = """
[[runner]]
name = "chat"
kind = "provider"
providers = ["sim"]

[[provider]]
name = "sim"
base_url = "http://127.0.0.1:1/v1"
model = "m"

[hooks]
notice = "not_there:told"
"""


def advised(said: str) -> list[list[str]]:
    """The arguments of the commands between backticks. Each is one that the parser takes."""
    found = [shlex.split(command)[1:] for command in re.findall(r"`(lanes [^`]*)`", said)]
    parent = click.Context(app, info_name="lanes", **app.context_settings)
    for name, *arguments in found:
        command = app.get_command(parent, name)
        assert command is not None, name
        command.make_context(name, arguments, parent=parent)  # click keeps the help option of the first context
    return found


@pytest.mark.parametrize("key", KEYS)
def test_what_ends_a_pause_is_told_with_its_key(stage: Stage, lanes: Call, key: str) -> None:
    stage.send(key, "text")
    lanes("pause", "--", key)
    for said in (lanes("why", "--", key).out, lanes("send", "--", key, "text").err):
        (ends,) = [command for command in advised(said) if command[0] == "resume"]
        assert lanes(*ends).code == 0
        assert lanes("list", "--json").json[0]["paused"] is None
        lanes("pause", "--", key)


def test_what_waits_after_a_retry_or_a_steer_says_why_as_after_a_send(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    letters = []
    for key in ("k", "k", "l"):
        letters.append(stage.hold(key, owner))
        stage.fail(letters[-1])
    assert lanes("steer", "k", "text").err == ""
    stage.store.write(lambda tx: doors.end_owner(tx, owner, system_clock(), cause="stopped", by="tester"))
    for words in (("steer", "k", "text"), ("retry", str(letters[0].message.id)), ("retry", "--filter", "l")):
        told = lanes(*words)
        assert (told.code, "no gateway lives here: it waits until one starts" in told.err) == (0, True), words
    lanes("pause", "k", "--reason", "to look")
    for words in (("steer", "k", "text"), ("retry", str(letters[1].message.id))):
        assert "to look" in lanes(*words).err
    assert "to look" in lanes("steer", "k", "text", "--json").json["held_up"]


@pytest.mark.parametrize("key", KEYS)
def test_what_an_abort_waits_for_is_asked_with_its_key(stage: Stage, lanes: Call, key: str) -> None:
    stage.hold(key, stage.owner())
    pending = lanes("abort", "--timeout", "10ms", "--", key)
    assert (pending.code, advised(pending.out)) == (5, [shlex.split(on_lane("why", key))[1:]])
    ends = advised(lanes("why", "--", key).out)[-1]
    assert (ends[0], key in ends, "--epoch" in ends) == ("abort", True, True)


def test_an_abort_that_nobody_carries_out_names_the_command_that_does(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    stage.hold("k", owner)
    assert lanes("abort", "k", "--no-wait").code == 0
    stage.store.write(lambda tx: doors.end_owner(tx, owner, system_clock(), cause="stopped", by="tester"))
    assert ["abort", "k", "--epoch", "1"] in advised(lanes("why", "k").out)


def test_a_configuration_whose_code_nobody_approved_is_named_to_a_gateway(bare: Call, tmp_path: Path) -> None:
    (tmp_path / "lanes.toml").write_text(HOOK)
    refused = bare("gateway")
    assert (refused.code, advised(refused.err)) == (78, [["gateway", "--config", "lanes.toml"]])
    ((name, option, file),) = advised(bare("send", "k", "text").err)
    assert (name, option, Path(file).name) == ("gateway", "--config", "lanes.toml")
    assert "no module not_there" in bare(name, option, file).err, "it was about to be run"
    assert ["gateway"] in advised(bare("send", "k", "text").err), "it is approved now"


@pytest.mark.parametrize("mode", ["queue", "reject"])
def test_a_busy_lane_is_refused_for_what_is_true_of_it(stage: Stage, lanes: Call, tmp_path: Path, mode: str) -> None:
    (tmp_path / "lanes.toml").write_text(f'[[policy]]\nmatch = "k"\nmode = "{mode}"\n')
    owner = stage.owner()
    dead = stage.hold("k", owner)
    stage.fail(dead)
    stage.hold("k", owner)
    refused = [lanes("send", "k", "text", "--if-idle")]
    if mode == "reject":
        refused += [lanes("send", "k", "text"), lanes("retry", str(dead.message.id))]
        refused.append(lanes("retry", "--filter", "k"))
    for each in refused:
        assert each.code == 75
        assert ("its mode is reject" in each.err, "--if-idle" in each.err) == (mode == "reject", mode == "queue")


def test_a_client_of_a_gateway_says_the_same_and_an_older_gateway_is_understood() -> None:
    for rejects in (True, False):
        error = LaneBusy("k", rejects)
        document = problems.problem_of(error).document()
        told = problems.error_of(document)
        assert (str(told), fix_of(told)) == (str(error), fix_of(error))
        del document["rejects"]
        assert isinstance(problems.error_of(document), LaneBusy)


@pytest.mark.parametrize("columns", [30, 80])
def test_F751_a_command_in_wrapped_prose_is_on_one_line(stage: Stage, database: Path, columns: int) -> None:
    key = "agent:main:feishu:group:oc_d497"
    stage.hold(key, stage.owner())
    screen = pexpect.spawn(
        sys.executable,
        ["-m", "lanes", "--db", str(database), "why", key],
        env=environment(database.parent) | {"COLUMNS": str(columns)},
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=PATIENCE_S,
    )
    said = screen.read().splitlines()
    screen.close()
    assert any(f"`lanes abort {key} --epoch 1`" in line for line in said), said
    assert max(len(line) for line in said if "`" not in line) <= max(40, columns), "the rest is wrapped"
