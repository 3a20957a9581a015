"""What becomes of a result that cannot be written: a full disk, a closed standard output."""

import contextlib
import errno
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lanes.commands.common.session import Session
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import MessageState
from tests.commands.conftest import Call
from tests.kit.stage import Stage

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def on_full(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    with FULL.open("w") as full:
        return subprocess.run(
            [sys.executable, "-m", "lanes", "--db", str(database), *arguments],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )


def test_what_was_changed_is_told_on_stderr_and_is_no_failure(stage: Stage) -> None:
    owner = stage.owner()
    stage.fail(stage.hold("failed", owner))
    stage.hold("held", owner, "waits")
    for arguments, told in (
        (("send", "k", "hello"), "4\n"),
        (("send", "k", "hello", "--json"), '"id": "5"'),
        (("pause", "k", "held"), "held: paused"),
        (("resume", "k"), "k: resumed"),
        (("ack", "failed"), "failed: idle"),
        (("retry", "1"), "6\n"),
        (("drop", "3"), "message 3 of held: dropped"),
        (("abort", "k", "--scope", "both"), "k: cleared"),
        (("dead-letters", "--prune", "--older-than", "0s", "--yes"), "pruned"),
        (("drain", "--wait", "0s"), "drained, still holds 1 lane"),
        (("reconcile",), ""),
        (("db", "backup", f"{stage.path}.copy"), "a copy of"),
    ):
        done = on_full(stage.path, *arguments)
        assert done.returncode == (5 if arguments[0] == "drain" else 0), done.stderr
        assert told in done.stderr
        if told:
            assert "cannot be written (No space left on device); the command was carried out" in done.stderr
    assert stage.message(4).state is MessageState.ABORTED


def test_an_event_names_what_it_is_about_and_what_to_do(stage: Stage, lanes: Call) -> None:
    stage.fail(stage.hold("k", stage.owner(), "waits"), "every provider failed: " + "main: server_error; " * 20)
    stage.refuse("codex")
    lanes("pause", "--match", "a:*", "--reason", "repair")
    lanes("resume", "--match", "a:*")
    detail = {"holder": "held by run 1 of owner 1"}
    stage.store.write(lambda tx: doors.warn_wait(tx, 2, system_clock(), by="owner:1", detail=detail))
    for type_, said in (
        ("notice", "retry it with `lanes retry 1`"),
        ("cooldown", "provider codex"),
        ("paused", "all lanes that fit a:*"),
        ("resumed", "all lanes that fit a:*"),
        ("wait_exceeded", "held by run 1 of owner 1"),
    ):
        assert said in lanes("events", "--type", type_).out, type_


def test_a_folder_that_cannot_be_looked_into_is_one_sentence(bare: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where HOME is that of another user; this one works for root, too."""
    monkeypatch.setenv("XDG_STATE_HOME", "/" + "x" * 300)
    monkeypatch.chdir("/")
    seen = bare("list")
    assert (seen.code, seen.out) == (69, "")
    assert seen.err.startswith("lanes: /xxx")
    assert seen.err.endswith("gateways: File name too long\n")


@pytest.mark.parametrize(
    ("path", "fix"),
    [("/homes/ann/lanes.toml", "does HOME belong"), ("/homes/bob/lanes.toml", "check the owner and mode")],
)
def test_what_may_not_be_opened_is_a_matter_of_home_only_there(
    bare: Call, monkeypatch: pytest.MonkeyPatch, path: str, fix: str
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setenv("HOME", "/homes/ann")
    monkeypatch.setattr(Session, "database", refused)
    seen = bare("list")
    assert (seen.code, seen.out) == (69, "")
    assert seen.err.startswith(f"lanes: {path}: Permission denied: {fix}")


def test_what_only_reads_fails(stage: Stage) -> None:
    stage.hold("k", stage.dead_owner())
    for arguments in (
        ("list",), ("show", "k"), ("abort", "k", "--dry-run"), ("reconcile", "--dry-run"), ("list", "--help"),
    ):  # fmt: skip
        done = on_full(stage.path, *arguments)
        assert (done.returncode, "output cannot be written" in done.stderr) == (1, True), done.stderr


def test_a_closed_standard_output_loses_no_id(stage: Stage) -> None:
    command = f'exec "{sys.executable}" -m lanes --db "{stage.path}" send k hello >&-'
    done = subprocess.run(["sh", "-c", command], check=False, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "1"), done.stderr


def test_F841_what_only_reads_fails_where_standard_output_is_closed(stage: Stage) -> None:
    stage.send("k", "hello")
    for arguments in ("list", "list --json", "status", "events --follow"):
        command = f'exec "{sys.executable}" -m lanes --db "{stage.path}" {arguments} >&-'
        done = subprocess.run(["sh", "-c", command], check=False, stderr=subprocess.PIPE, text=True, env=os.environ)
        said = "lanes: the output cannot be written: standard output is closed\n"
        assert (done.returncode, said in done.stderr or "{" in done.stderr) == (1, True), (arguments, done.stderr)


def test_F836_with_json_an_error_is_one_line_for_programs(
    stage: Stage, lanes: Call, bare: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stage.complete(stage.hold("k", stage.owner(), "waits"))
    broken = tmp_path / "broken.toml"
    broken.write_text("[clocks]\nrun_timout = '5m'\n")
    for call, arguments, code, exit_code in (
        (lanes, ("show", "nobody"), "not_found", 3),
        (lanes, ("retry", "1"), "not_allowed", 1),
        (lanes, ("send", "k", "text", "--if-idle"), "lane_busy", 75),
        (lanes, ("list", "--bogus"), "usage", 2),
        (lanes, ("abort",), "usage", 2),
        (lanes, ("abort", "nobody"), "not_found", 3),
        (lanes, ("pause", "nobody"), "not_found", 3),
        (bare, ("lst",), "usage", 2),
        (bare, ("--db", "nowhere.db", "list"), "database", 69),
        (bare, ("--url", "http://127.0.0.1:1", "list"), "gateway", 69),
        (bare, ("--config", str(broken), "gateway"), "configuration", 78),
    ):
        plain, told = call(*arguments), call(*arguments, "--json")
        assert (plain.code, told.code) == (exit_code, exit_code), arguments
        assert plain.err.startswith(("lanes: ", "Usage: ")), arguments
        assert told.out in ("", "[]\n"), arguments
        (line,) = told.err.splitlines()
        said = json.loads(line)
        assert (said["code"], said["exit_code"]) == (code, exit_code), arguments
        assert said["detail"], arguments
        assert said["fix"] is None or said["fix"] in plain.err, arguments
    assert json.loads(bare("--json").err)["detail"] == "Missing command."
    named = json.loads(lanes("show", "nobody", "--json").err)
    assert (named["what"], named["name"]) == ("lane", "nobody"), "as over HTTP"
    monkeypatch.setenv("XDG_STATE_HOME", "/" + "x" * 300)
    monkeypatch.chdir("/")
    assert json.loads(bare("list", "--json").err)["code"] == "file"


def test_F836_of_several_each_that_failed_is_a_line(stage: Stage, lanes: Call) -> None:
    stage.hold("k", stage.owner())
    paused = lanes("pause", "k", "nobody", "else", "--json")
    assert paused.code == 3
    assert [each["key"] for each in paused.json] == ["k"]
    assert [json.loads(line)["name"] for line in paused.err.splitlines()] == ["nobody", "else"]


def test_F836_what_follows_two_dashes_is_no_option(stage: Stage, lanes: Call) -> None:
    assert lanes("show", "--", "--json").err == "lanes: no lane '--json': `lanes list` shows the lanes\n"


def test_F890_an_option_without_its_value_is_wrong_usage(bare: Call) -> None:
    for arguments in (("list", "--limit"), ("--db",), ("db", "backup", "--config"), ("list", "--json=1")):
        plain, told = bare(*arguments), bare("--json", *arguments)
        assert (plain.code, told.code) == (2, 2), arguments
        said = json.loads(told.err)
        assert (said["code"], said["exit_code"]) == ("usage", 2), arguments
        assert said["fix"] in plain.err, arguments


def test_F893_a_list_that_ends_early_is_not_taken_for_whole(
    stage: Stage, lanes: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was printed before the fault stands there: closed, it would pass for all that there is."""
    for number in range(30):
        stage.send("k", f"text {number} ".ljust(400, "."))
    with contextlib.closing(sqlite3.connect(stage.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    whole = bytearray(stage.path.read_bytes())
    page = whole.index(b"text 10 ") // size * size
    whole[page : page + size] = b"\xa5" * size
    stage.path.write_bytes(whole)
    monkeypatch.setattr("lanes.commands.common.verbs.PAGE", 5)
    listed = lanes("messages", "k", "--json")
    assert (listed.code, json.loads(listed.err)["code"]) == (69, "database")
    assert "text 29 " in listed.out
    with pytest.raises(json.JSONDecodeError):
        json.loads(listed.out)
