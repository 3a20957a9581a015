"""A database that was deleted or moved away under a living process: every command says so, and none covers it up."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.conftest import Call
from tests.kit.forks import Forked, staying
from tests.kit.processes import House
from tests.kit.stage import Stage

ENDS = ("", "-wal", "-shm", "-lock")
KEEP = """
import signal, sys
from pathlib import Path
from tests.kit.stage import Stage
stage = Stage(Path(sys.argv[1]))
stage.send("k", "hello")
print("open", flush=True)
signal.pause()
"""
LOOKING = (
    ("list",), ("status",), ("why", "k"), ("abort", "k"), ("pause", "k"), ("reconcile",), ("db", "check"),
    ("db", "backup", "copy.db"),
)  # fmt: skip
MAKING = (("send", "k", "text"), ("db", "upgrade"), ("up", "--port", "0"))


@pytest.fixture
def keeper(database: Path) -> Iterator[Forked]:
    """A process that has the database open, with one message that only the log has."""
    with staying(KEEP, str(database)) as process:
        yield process


def beside(database: Path, end: str) -> Path:
    return database.with_name(database.name + end)


@pytest.mark.parametrize("gone", [("",), ENDS[:3], ENDS], ids=len)
def test_what_was_deleted_is_not_what_never_was(
    lanes: Call, database: Path, keeper: Forked, gone: tuple[str, ...]
) -> None:
    for end in gone:
        beside(database, end).unlink()
    for command in LOOKING:
        seen = lanes(*command)
        assert seen.code == 69, command
        assert f"deleted or moved away, and process {keeper.pid} still has it open" in seen.err, command
        assert "start nothing new there" in seen.err
        assert "docs/operations.md" in seen.err
        assert "lanes up" not in seen.err


@pytest.mark.parametrize("gone", [("",), ENDS], ids=len)
def test_nothing_is_made_in_its_place_while_it_can_be_saved(
    made: House, lanes: Call, database: Path, keeper: Forked, gone: tuple[str, ...]
) -> None:
    for end in gone:
        beside(database, end).unlink()
    for command in MAKING:
        refused = made.command(*command, check=False)
        assert (refused.code, refused.out) == (69, ""), command
        assert f"process {keeper.pid} still has it open" in refused.err
        assert not database.exists(), command
    keeper.send_signal(signal.SIGKILL)
    keeper.wait()
    assert lanes("send", "k", "text").code == 0, "with nobody who has the old one, a new one is made"


def test_F976_the_doctor_calls_a_file_broken_that_every_command_refuses(
    lanes: Call, database: Path, keeper: Forked
) -> None:
    keeper.send_signal(signal.SIGKILL)
    keeper.wait()
    copy = database.with_name("copy.db")
    copy.write_bytes(database.read_bytes())
    copy.replace(database)
    assert lanes("list").code == 69
    seen = lanes("doctor")
    assert seen.code == 1
    assert re.search(r"broken +file: it cannot be read: .*lanes\.db-wal is the log of another file", seen.out)
    assert "move lanes.db-wal and lanes.db-shm away" in seen.out


def test_what_is_left_beside_it_tells_that_there_was_one(lanes: Call, stage: Stage, database: Path) -> None:
    stage.close()
    for end in ENDS[1:3]:
        beside(database, end).touch()
    database.unlink()
    seen = lanes("list")
    assert seen.code == 69
    assert "deleted or moved away, and lanes.db-wal, lanes.db-shm, lanes.db-lock still lie there" in seen.err
    assert "start nothing new there before" in seen.err
    assert lanes("doctor").code == 69
    assert "no lanes database at" in lanes("--db", str(database.with_name("other.db")), "list").err


def test_the_doctor_prints_how_to_save_it_and_that_saves_it(
    lanes: Call, bare: Call, database: Path, keeper: Forked, alone: Path
) -> None:
    for end in ENDS:
        beside(database, end).unlink()
    found = lanes("doctor", "--json")
    assert found.code == 1
    (check,) = found.json
    assert [check["message"].count(f"{beside(database, end)} (deleted)") for end in ENDS[:3]] == [1, 1, 1]
    copies = re.findall(r"cp \S+ saved\.db(?:-wal)?", check["fix"])
    assert len(copies) == 2, check["fix"]
    for line in copies:
        subprocess.run(line.split(), check=True, cwd=alone)
    saved = bare("--db", str(alone / "saved.db"), "list", "--json")
    assert [lane["key"] for lane in saved.json] == ["k"]


@pytest.mark.parametrize("gone", [ENDS[:3], ("",)], ids=len)
def test_the_doctor_finds_who_has_what_was_moved_away(
    lanes: Call, database: Path, keeper: Forked, gone: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "aside").mkdir()
    for end in gone:
        beside(database, end).rename(tmp_path / "aside" / f"lanes.db{end}")
    found = lanes("doctor", "--json")
    assert found.code == 1
    assert f"process {keeper.pid} " in found.json[0]["message"]
    assert "back" in found.json[0]["fix"]
    assert lanes("send", "k", "text").code == 69


def test_F562_no_file_is_made_in_place_of_a_folder_that_was_moved_away_whole(
    lanes: Call, database: Path, keeper: Forked
) -> None:
    aside = database.parent.rename(database.parent.with_name("aside"))
    for command in (*LOOKING[:-1], ("send", "k", "text")):
        seen = lanes(*command)
        assert seen.code == 69, command
        assert f"deleted or moved away, and process {keeper.pid} still has it open" in seen.err, command
    (check,) = lanes("doctor", "--json").json
    assert f"process {keeper.pid} " in check["message"]
    assert "move all of it back" in check["fix"]
    assert not database.exists()
    aside.rename(database.parent)
    assert lanes("send", "k", "text").code == 0


def test_through_a_gateway_the_deletion_is_named_and_the_advice_is_given_once(served: House, bare: Call) -> None:
    gateway = served.gateway()
    served.lanes("send", "k", "hello", "--wait")
    for end in ENDS[:3]:
        beside(served.database, end).unlink()
    for command in (("list",), ("status",), ("send", "k", "text")):
        seen = bare("--url", gateway.address(), *command)
        assert seen.code == 69
        assert "was deleted or moved away" in seen.err
        assert seen.err.count("lanes doctor") == 1
        assert "on its host" in seen.err
