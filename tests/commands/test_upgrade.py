"""A database of 0.1.0 in the hands of today's commands: what they say of it is what 0.1.0 said."""

import contextlib
import gzip
import io
import json
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from lanes.commands.common.entry import run
from lanes.commands.output import progress
from lanes.commands.output.progress import growing
from lanes_storage.errors import DatabaseFull
from lanes_storage.law import LaneState
from lanes_storage.schema.versions import VERSION
from lanes_storage.sqlite.inspect import marks
from tests.commands.conftest import Call
from tests.kit.filesystems import MEGABYTE, needed_disk
from tests.kit.processes import eventually
from tests.kit.stage import Stage

FIXTURE = Path(__file__).parents[1] / "fixtures" / "of_0_1_0"


@pytest.fixture
def said() -> dict[str, Any]:
    """What 0.1.0 said of the database."""
    found: dict[str, Any] = json.loads(gzip.decompress((FIXTURE / "said.json.gz").read_bytes()))
    return found


@pytest.fixture
def upgraded(database: Path, lanes: Call) -> Path:
    """The database, upgraded by hand."""
    database.write_bytes(gzip.decompress((FIXTURE / "lanes.db.gz").read_bytes()))
    done = lanes("db", "upgrade")
    assert (done.code, done.out) == (0, f"{database}: schema 1 → {VERSION}\n")
    assert "the disk needs" in done.err
    return database


def test_F772_an_upgrade_that_fits_is_done_and_one_that_does_not_is_undone(tmp_path: Path, lanes: Call) -> None:
    """Events stay where they are: for a file of them, little room is needed."""
    with needed_disk(tmp_path / "disk", 80) as disk:
        path, other = disk.folder / "lanes.db", disk.folder / "other"
        path.write_bytes(gzip.decompress((FIXTURE / "lanes.db.gz").read_bytes()))
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
                " INSERT INTO events (at, type, detail) SELECT 0, 'note', hex(zeroblob(500000)) FROM n"
            )
        other.write_bytes(bytes(shutil.disk_usage(disk.folder).free - MEGABYTE // 4))
        refused = lanes("db", "upgrade", "--db", str(path))
        assert (refused.code, refused.out, marks(path)[1]) == (69, "", 1)
        assert "no room left" in refused.err
        other.unlink()
        other.write_bytes(bytes(shutil.disk_usage(disk.folder).free - 25 * MEGABYTE))
        assert lanes("db", "upgrade", "--db", str(path)).code == 0
        assert marks(path)[1] == VERSION


def test_F803_on_a_full_disk_who_only_looks_is_told_so(tmp_path: Path, lanes: Call) -> None:
    """The shared memory beside the file has no room, which SQLite calls an I/O error."""
    with needed_disk(tmp_path / "disk", 8) as disk:
        path = disk.folder / "lanes.db"
        assert lanes("send", "k", "text", "--db", str(path)).code == 0
        for beside in ("lanes.db-wal", "lanes.db-shm"):  # with no process alive, lanes.db alone has everything
            (disk.folder / beside).unlink()
        disk.fill()
        looked = lanes("list", "--db", str(path))
        assert (looked.code, looked.out) == (69, "")
        assert "no room left" in looked.err
        found = lanes("doctor", "--db", str(path), "--json").json
        assert [check["level"] for check in found if check["check"] == "disk"] == ["warning"]
        assert "no room left" in json.dumps(found)


class Terminal(io.StringIO):
    """What a person would see."""

    def isatty(self) -> bool:
        return True


def test_a_long_upgrade_shows_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, seen = tmp_path / "log", Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    with growing("upgrading", log, 1_000):
        log.write_bytes(b"x" * 500)
        eventually(lambda: "50%" in seen.getvalue(), "half of it")
        log.write_bytes(b"x" * 2_000)
        eventually(lambda: "99%" in seen.getvalue(), "all of it")
        assert "100%" not in seen.getvalue(), "it is not done, and may yet be refused"
    assert "upgrading" in seen.getvalue()
    assert "100%" in seen.getvalue()


def test_F800_an_upgrade_that_is_refused_was_never_shown_as_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, seen = tmp_path / "log", Terminal()
    log.write_bytes(b"x" * 2_000)  # left by an upgrade that was killed
    monkeypatch.setattr(sys, "stderr", seen)

    def refused() -> None:
        with growing("upgrading", log, 1_000):
            eventually(lambda: "99%" in seen.getvalue(), "all of it")
            raise DatabaseFull("lanes.db")

    with pytest.raises(DatabaseFull):
        refused()
    assert "100%" not in seen.getvalue()


@pytest.mark.parametrize(
    "command",
    [("doctor",), ("bundle", "b.zip"), ("db", "check"), ("db", "backup", "b.db"), ("db", "restore", "saved.db")],
    ids=" ".join,
)
def test_F802_what_reads_a_large_file_as_a_whole_says_so_first(
    stage: Stage, lanes: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    stage.send("k", "text")
    assert lanes("db", "backup", "saved.db").err == ""
    monkeypatch.setattr(progress, "LARGE_BYTES", 1)
    assert "of it are read" not in lanes(*command).err, "no terminal"
    for made in ("b.zip", "b.db"):
        Path(made).unlink(missing_ok=True)
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    assert run(("--db", str(stage.path), *command)) == 0
    assert seen.getvalue().index("of it are read") < 100, "before it begins"


def told_before(before: Any, now: Any) -> Any:
    """What is said now, reduced to the fields that 0.1.0 knew, without ages and without what lives at the moment."""
    if isinstance(before, dict):
        kept = {name for name in before if not name.endswith("_s") and name not in ("alive", "why")}
        return {name: told_before(before[name], now[name]) for name in sorted(kept)}
    if isinstance(before, list):
        assert len(before) == len(now)
        return [told_before(old, new) for old, new in zip(before, now, strict=True)]
    return now


@pytest.mark.usefixtures("upgraded")
def test_F134_every_surface_says_what_0_1_0_said(lanes: Call, said: dict[str, Any]) -> None:
    commands: list[tuple[tuple[str, ...], Any]] = [
        (("list",), said["list"]),
        (("dead-letters",), said["dead-letters"]),
        (("events",), said["events"]),
        *(((command, key), form) for command in ("show", "messages") for key, form in said[command].items()),
    ]
    for command, before in commands:
        now = lanes(*command, "--json").json
        assert told_before(before, now) == told_before(before, before), command


@pytest.mark.usefixtures("upgraded")
def test_F134_doctor_finds_nothing_broken(lanes: Call) -> None:
    found = lanes("doctor", "--json")
    assert [check for check in found.json if check["level"] == "broken"] == []
    assert found.code == 0
    assert lanes("db", "check").code == 0


@pytest.mark.usefixtures("upgraded")
def test_F136_what_is_counted_is_what_is_listed(lanes: Call, said: dict[str, Any]) -> None:
    """The fixture has requests without a session that failed: 0.1.0 took them from the idle lanes."""
    status, listed = lanes("status", "--json").json, lanes("list", "--json").json
    by_state = {str(state): sum(lane["state"] == state for lane in listed) for state in LaneState}
    assert status["lanes"] == by_state
    assert said["status"]["lanes"] != by_state, "so much was wrong"
    open_letters = [letter for letter in lanes("dead-letters", "--json").json if letter["retried_as"] is None]
    assert status["messages"]["dead_letters"] == len(open_letters)
    assert status["messages"]["queued"] == sum(lane["queued"] for lane in listed)


@pytest.fixture
def older(database: Path) -> Path:
    """The database as 0.1.0 left it."""
    database.write_bytes(gzip.decompress((FIXTURE / "lanes.db.gz").read_bytes()))
    return database


def test_a_send_leaves_an_older_file_to_the_program_that_uses_it(older: Path, lanes: Call) -> None:
    refused = lanes("send", "k", "text")
    assert (refused.code, refused.out) == (69, "")
    assert "lanes db upgrade" in refused.err
    assert marks(older)[1] == 1
    listed = lanes("list")
    assert (listed.code, listed.err) == (69, refused.err)


def test_a_send_makes_a_new_file(database: Path, lanes: Call) -> None:
    assert lanes("send", "k", "text").code == 0
    assert marks(database)[1] == VERSION


def test_the_doctor_says_of_an_older_file_that_it_is_one_and_no_more(older: Path, lanes: Call) -> None:
    seen = lanes("doctor", "--json")
    wrong = [check for check in seen.json if check["level"] != "ok" and check["check"] != "permissions"]
    assert (seen.code, [check["check"] for check in wrong]) == (0, ["schema"])
    assert "lanes db upgrade" in wrong[0]["fix"]


def test_an_upgrade_counts_what_is_in_the_log(older: Path, lanes: Call) -> None:
    reader = sqlite3.connect(older)
    reader.execute("PRAGMA journal_mode = WAL")
    reader.execute("PRAGMA wal_autocheckpoint = 0")
    reader.execute("CREATE TABLE later AS SELECT zeroblob(3000000) AS content")
    reader.commit()
    log = older.with_name("lanes.db-wal").stat().st_size
    assert log > 2**21
    done = lanes("db", "upgrade")
    reader.close()
    told = done.err.split("upgrading ")[1].split(":")[0]
    assert told.endswith(" MiB"), told
    assert float(told.removesuffix(" MiB")) > log / 2**20
