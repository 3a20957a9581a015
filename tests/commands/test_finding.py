"""Which database a command acts on, and what it says when that cannot be used."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lanes.config.declared import places
from tests.commands.conftest import Call
from tests.config.conftest import RUNNER
from tests.kit.processes import House, environment, eventually
from tests.kit.stage import Stage

READERS = [
    ["status"], ["list"], ["show", "k"], ["why", "k"], ["abort", "k"], ["abort", "--all", "--yes"], ["pause", "k"],
    ["resume", "k"], ["ack", "k"], ["messages", "k"], ["retry", "1"], ["drop", "1"], ["events"], ["reconcile"],
    ["dead-letters"], ["drain"], ["doctor"], ["bundle", "b.zip"], ["db", "check"], ["db", "backup", "b.db"],
    ["list", "--watch"], ["events", "--follow"], ["reconcile", "--watch"],
]  # fmt: skip


def file(path: Path, *keys: str) -> Path:
    """A database with lanes of these keys."""
    stage = Stage(path)
    for key in keys:
        stage.send(key, "text")
    stage.close()
    return path


def noted(database: Path) -> Path:
    """Leave the word of a gateway that was killed."""
    gateway = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    places.note_gateway(gateway.pid, str(database))
    gateway.kill()
    gateway.communicate()
    return database


def keys(bare: Call, *arguments: str) -> list[str]:
    return [lane["key"] for lane in bare(*arguments, "list", "--json").json]


def test_F1096_one_database_under_two_names_is_one_and_no_old_folder_is_needed(bare: Call, tmp_path: Path) -> None:
    release = tmp_path / "release"
    release.mkdir()
    noted(file(release / ".." / "one.db", "a"))
    release.rmdir()
    assert keys(bare) == ["a"]


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_all_but_send_exit_69_and_name_the_path_that_they_tried(bare: Call, tmp_path: Path, command: list[str]) -> None:
    missing = bare(*command)
    default = tmp_path / "state" / "lanes" / "lanes.db"
    assert (missing.code, missing.out) == (69, "" if "--json" not in command else "[]")
    assert str(default) in missing.err
    assert "lanes up" in missing.err, "and what to do next"
    assert not default.exists()


def test_flag_over_environment_over_file_over_living_gateway_over_default(
    bare: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = tmp_path / "state" / "lanes" / "lanes.db"
    default.parent.mkdir(parents=True)
    file(default, "default")
    assert keys(bare) == ["default"]
    note = places.note_gateway(os.getpid(), str(file(tmp_path / "living.db", "living")))
    assert keys(bare) == ["living"]
    said = bare("list").err
    assert str(tmp_path / "living.db") in said
    assert str(os.getpid()) in said
    file(tmp_path / "file.db", "file")
    (tmp_path / "lanes.toml").write_text('[database]\nurl = "file.db"\n')
    assert keys(bare) == ["file"]
    monkeypatch.setenv("LANES_DB", str(file(tmp_path / "environment.db", "environment")))
    assert keys(bare) == ["environment"]
    flag = str(file(tmp_path / "flag.db", "flag"))
    assert keys(bare, "--db", flag) == ["flag"]
    assert keys(bare, "--db", f"sqlite:///{flag}") == ["flag"]
    note.unlink()


def test_the_database_of_a_gateway_that_was_killed_is_named(bare: Call, tmp_path: Path) -> None:
    """Who looks then has no living gateway to find it by."""
    used = noted(file(tmp_path / "used.db", "k"))
    assert keys(bare) == ["k"]
    assert bare("list").err == f"no gateway lives; using {used}, of the last one\n"
    assert keys(bare, "--db", str(used)) == ["k"]
    default = tmp_path / "state" / "lanes" / "lanes.db"
    stage = Stage(file(default, "default"))
    assert keys(bare) == ["k"], "no runner ran on the usual one"
    stage.dead_owner()
    stage.close()
    assert keys(bare) == ["default"]
    assert bare("list").err == ""


def test_F840_the_usual_database_is_not_named_for_its_gateway(bare: Call, tmp_path: Path) -> None:
    default = file(tmp_path / "state" / "lanes" / "lanes.db", "k")
    note = places.note_gateway(os.getpid(), str(default))
    assert bare("list").err == ""
    note.unlink()
    assert bare("list").err == "", "of the last gateway"


def test_the_command_that_is_advised_starts_a_gateway_there(
    bare: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both that were advised served another database, or refused to start."""
    default, demo = (tmp_path / "state" / "lanes" / name for name in ("lanes.db", "demo.db"))

    def advised(*arguments: str) -> str:
        called = bare(*arguments, "send", "k", "text")
        assert called.code == 0
        again = bare(*arguments, "status")
        assert again.code == 69
        advice = called.err.splitlines()[-1].partition("it waits until one starts (")[2].removesuffix(")")
        assert again.err.endswith(f"start one with {advice}\n")
        assert f"so nothing is claimed: start one ({advice})" in bare(*arguments, "why", "k").out
        assert f"→ start one: {advice}" in bare(*arguments, "doctor").out
        return advice

    assert advised() == f"`lanes up --db {default}`"
    assert advised("--db", "x y.db") == f"`lanes up --db '{tmp_path / 'x y.db'}'`"
    noted(file(demo))
    assert advised() == "`lanes up`"
    stage = Stage(default)
    stage.dead_owner()
    stage.close()
    assert advised() == f"`lanes gateway --db {default}` once its runner is configured again"
    (tmp_path / "lanes.toml").write_text(RUNNER)
    assert advised() == "`lanes gateway`"
    assert advised("--db", str(demo)) == f"`lanes gateway --db {demo}`"
    (tmp_path / "lanes.toml").rename(tmp_path / "other.toml")
    assert advised("--config", "other.toml") == f"`lanes gateway --config {tmp_path / 'other.toml'}`"


def test_the_tour_goes_on_after_its_own_kill(made: House) -> None:
    """``lanes up``, ``kill -9``, ``lanes send``, and what that advises."""
    up = made.start("up", "--port", "0", name="up")
    up.address()
    up.kill()

    def lanes(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "lanes", *arguments]
        return subprocess.run(command, cwd=made.folder, env=environment(made.folder), capture_output=True, text=True)

    sent = lanes("send", "k", "hello")
    assert "demo.db, of the last one" in sent.stderr
    assert "`lanes up`" in sent.stderr
    again = made.start("up", "--port", "0", name="again")
    again.address()
    eventually(lambda: '"done"' in lanes("messages", "k", "--json").stdout, "the message to be answered")


def test_gateways_on_two_databases_are_named_and_none_is_chosen(bare: Call, tmp_path: Path) -> None:
    one, other = file(tmp_path / "one.db"), file(tmp_path / "other.db")
    note = places.note_gateway(os.getpid(), str(one))
    parent = places.note_gateway(os.getppid(), str(other))
    unclear = bare("list")
    assert unclear.code == 69
    assert str(one) in unclear.err
    assert str(other) in unclear.err
    assert "--db" in unclear.err
    note.unlink()
    parent.unlink()


def test_global_options_go_before_or_behind(bare: Call, tmp_path: Path) -> None:
    one, other = str(file(tmp_path / "one.db", "one")), str(file(tmp_path / "other.db", "other"))
    assert json.loads(bare("list", "--json", "--db", one).out)[0]["key"] == "one"
    assert json.loads(bare("--json", "--db", one, "list").out)[0]["key"] == "one"
    assert json.loads(bare("--db", one, "--json", "list", "--db", other).out)[0]["key"] == "other"


def test_a_broken_configuration_is_78_and_the_flag_goes_around_it(bare: Call, tmp_path: Path) -> None:
    (tmp_path / "lanes.toml").write_text("[clocks]\nrun_timout = 5\n")
    broken = bare("list")
    assert (broken.code, broken.out) == (78, "")
    assert "lanes.toml:2" in broken.err
    assert "run_timeout" in broken.err
    file(tmp_path / "lanes.db", "k")
    assert keys(bare, "--db", str(tmp_path / "lanes.db")) == ["k"]
    assert bare("--config", str(tmp_path / "none.toml"), "list").code == 78


def test_files_that_are_no_database_of_ours(bare: Call, tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is no database, and long enough to be looked at as one " * 20)
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    for path in (text, foreign, tmp_path):
        refused = bare("--db", str(path), "list")
        assert refused.code == 69
        assert len(refused.err.splitlines()) == 1, "one sentence, and no traceback"
    assert bare("--db", "postgresql://host/lanes", "list").code == 69
    assert bare("--db", "", "list").code == 69


@pytest.mark.parametrize(("option", "code"), [("--db", 69), ("--config", 78)])
def test_F1043_an_empty_name_is_called_that(bare: Call, option: str, code: int) -> None:
    for command in (["list"], ["send", "k", "text"], ["doctor"]):
        refused = bare(*command, option, "")
        assert (refused.code, refused.out) == (code, "")
        assert "is empty" in refused.err, "neither of memory nor of a folder is spoken"
