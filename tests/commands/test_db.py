"""lanes db: upgrade, check, compact, backup, restore; copies made under traffic, and what a restore must not let
happen."""

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from lanes.testing import broken
from lanes_storage import reads
from lanes_storage.errors import DatabaseUnavailable
from lanes_storage.records import LaneFilter
from lanes_storage.schema.versions import VERSION
from lanes_storage.sqlite import copies
from lanes_storage.sqlite.copies import numbers
from lanes_storage.sqlite.file.wal import log_bytes
from lanes_storage.sqlite.inspect import damage
from tests.commands.conftest import Call
from tests.kit.filesystems import needed_disk
from tests.kit.forms import are_forms
from tests.kit.processes import PATIENCE_S, House, environment
from tests.kit.stage import Stage

pytestmark = pytest.mark.disk


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def spoil(path: Path) -> None:
    """Overwrite the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = b"\xff" * (len(content) // 2 - len(content) // 3)
    path.write_bytes(content)


# -------------------------------------------------------------------------------------------- upgrade


def test_upgrade_makes_what_is_missing_and_leaves_what_is_new(lanes: Call, database: Path) -> None:
    made = lanes("db", "upgrade")
    assert (made.code, made.out) == (0, f"{database}: schema 0 → {VERSION}\n")
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    again = lanes("db", "upgrade", "--json").json
    assert again == {"database": str(database), "from": VERSION, "to": VERSION}
    assert "newest" in lanes("db", "upgrade").out


def test_a_newer_schema_is_refused_untouched(lanes: Call, stage: Stage, database: Path) -> None:
    stage.close()
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    refused = lanes("db", "upgrade")
    assert refused.code == 69
    assert "newer lanes" in refused.err


# ---------------------------------------------------------------------------------------------- check


def test_check(stage: Stage, lanes: Call) -> None:
    stage.send("k", *("text " * 400 for _ in range(50)))
    sound = lanes("db", "check", "--json")
    assert sound.code == 0
    are_forms(sound.json, "Check")
    assert "every index fits" in lanes("db", "check").out
    stage.close()
    spoil(stage.path)
    damaged = lanes("db", "check", "--json")
    assert damaged.code == 1
    assert {check["level"] for check in damaged.json} >= {"broken"}


@pytest.mark.parametrize("command", [["check"], ["compact"], ["backup", "copy.db"]], ids=" ".join)
def test_without_a_database_it_is_69(lanes: Call, database: Path, command: list[str]) -> None:
    missing = lanes("db", *command)
    assert (missing.code, missing.out) == (69, "")
    assert str(database) in missing.err
    assert not database.exists()


# --------------------------------------------------------------------------------------------- backup


def test_a_backup_is_whole_private_and_alone(stage: Stage, lanes: Call, bare: Call, tmp_path: Path) -> None:
    stage.hold("k", stage.owner(), "waits")
    copy = tmp_path / "copy.db"
    made = lanes("db", "backup", str(copy))
    assert made.code == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not {name for name in files(tmp_path) if name.startswith(("copy.db.", "copy.db-"))}
    assert bare("--db", str(copy), "list", "--json").json[0]["key"] == "k"
    again = lanes("db", "backup", str(copy))
    assert again.code == 1
    assert "already exists" in again.err
    other = lanes("db", "backup", str(tmp_path / "other.db"), "--json").json
    assert (other["database"], other["backup"]) == (str(stage.path), str(tmp_path / "other.db"))
    assert other["bytes"] > 0
    assert lanes("db", "backup", str(tmp_path)).code == 2
    assert lanes("db", "backup", str(tmp_path / "no" / "folder.db")).code == 69


def test_a_backup_on_a_full_disk_names_that_disk(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    with needed_disk(tmp_path / "small", 1) as disk:
        disk.fill()
        full = lanes("db", "backup", str(disk.folder / "copy.db"))
        assert (full.code, str(stage.path) in full.err) == (69, False)
        assert f"no room left on the disk of {disk.folder / 'copy.db'}" in full.err
        assert not (disk.folder / "copy.db").exists()


def test_a_backup_under_traffic_is_of_one_moment(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    for number in range(40):
        stage.send(f"k{number}", "text " * 500)
    stop = threading.Event()

    def traffic() -> None:
        other = Stage(stage.path)
        owner, number = other.owner(), 0
        while not stop.is_set():
            number += 1
            other.complete(other.hold(f"t{number}", owner))
        other.close()

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        assert lanes("db", "backup", str(tmp_path / "copy.db")).code == 0
    finally:
        stop.set()
        thread.join()
    copied = Stage(tmp_path / "copy.db")
    assert broken(copied.store) == []
    copied.close()


def test_F597_of_two_backups_to_one_name_each_is_whole(stage: Stage, tmp_path: Path) -> None:
    for number in range(40):
        stage.send(f"k{number}", "text " * 2_000)
    copy, begun, goes_on = tmp_path / "copy.db", threading.Event(), threading.Event()

    def wait(done: int, pages: int) -> None:
        begun.set()
        goes_on.wait(PATIENCE_S)

    late = threading.Thread(target=copies.copy, args=(stage.path, copy, wait))
    late.start()
    assert begun.wait(PATIENCE_S)
    copies.copy(stage.path, copy)
    first = damage(copy), keys_of(copy)
    goes_on.set()
    late.join()
    assert first == (damage(copy), keys_of(copy)) == ([], 40)
    assert not [name for name in files(tmp_path) if "part" in name]


def test_a_backup_whose_name_was_taken_meanwhile_leaves_no_draft(stage: Stage, tmp_path: Path) -> None:
    stage.send("k", "text")
    copy = tmp_path / "copy.db"
    with pytest.raises(DatabaseUnavailable):
        copies.copy(stage.path, copy, lambda done, pages: copy.mkdir(exist_ok=True))
    assert not [name for name in files(tmp_path) if "part" in name]


def test_F713_what_a_killed_backup_left_is_removed_by_a_later_one(stage: Stage, tmp_path: Path) -> None:
    """Not what may still be written, nor what only resembles it."""
    for number in range(40):
        stage.send(f"k{number}", "text " * 2_000)
    pid = os.fork()
    if pid == 0:
        copies.copy(stage.path, tmp_path / "monday.db", lambda done, pages: os._exit(9))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    (left,) = (tmp_path / name for name in files(tmp_path) if name.endswith(copies.DRAFT))
    other = tmp_path / "film.part"
    other.write_bytes(b"not ours")
    copies.copy(stage.path, tmp_path / "tuesday.db")
    assert left.exists()
    for path in (left, other):
        os.utime(path, (0, time.time() - copies.ABANDONED_S - 60))
    copies.copy(stage.path, tmp_path / "wednesday.db")
    assert not {name for name in files(tmp_path) if name.startswith(left.name)}
    assert other.exists()


def keys_of(path: Path) -> int:
    copied = Stage(path)
    count = len(copied.store.read(reads.lanes(LaneFilter())))
    copied.close()
    return count


def test_a_bar_on_a_terminal(stage: Stage, database: Path, tmp_path: Path) -> None:
    import sys

    stage.send("k", "text")
    screen = pexpect.spawn(
        sys.executable,
        ["-m", "lanes", "--db", str(database), "db", "backup", str(tmp_path / "copy.db")],
        env=environment(tmp_path),
        encoding="utf-8",
        timeout=PATIENCE_S,
    )
    screen.expect("copying")
    screen.expect("100%")
    screen.expect(pexpect.EOF)


# -------------------------------------------------------------------------------------------- compact


def test_F774_compact_gives_the_room_of_deleted_rows_back(stage: Stage, lanes: Call, database: Path) -> None:
    """Also while somebody reads. What is left stays as it was."""
    for number in range(40):
        stage.send(f"k{number}", f"{number} " * 20_000)
    with sqlite3.connect(database) as other:
        other.execute("UPDATE messages SET text = 'short' WHERE id > 2")
    kept, assigned = other.execute("SELECT id, text FROM messages").fetchall(), numbers(database)
    done = lanes("db", "compact", "--json").json
    assert done == {"database": str(database), "before": done["before"], "after": database.stat().st_size}
    assert done["after"] < done["before"] / 2
    assert other.execute("SELECT id, text FROM messages").fetchall() == kept
    assert numbers(database) == assigned
    assert damage(database, whole=True) == []
    other.close()
    stage.send("k0", "one more")
    assert lanes("doctor").code == 0


def test_F823_a_compact_without_room_leaves_no_log_and_says_which_disks_need_it(
    stage: Stage, lanes: Call, tmp_path: Path
) -> None:
    for number in range(40):
        stage.send(f"k{number}", f"{number} " * 20_000)
    with needed_disk(tmp_path / "small", 4) as disk:
        copy = disk.folder / "copy.db"
        assert lanes("db", "backup", str(copy)).code == 0
        full = lanes("--db", str(copy), "db", "compact")
        assert (full.code, "SQLITE_TMPDIR" in full.err) == (69, True)
        assert log_bytes(copy) < 100_000
        assert damage(copy, whole=True) == []


def test_F824_a_compact_beside_a_long_reader_says_that_nothing_was_given_back(
    stage: Stage, lanes: Call, database: Path
) -> None:
    stage.send("a", "text " * 100_000)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("UPDATE messages SET text = 'short'")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        kept = lanes("db", "compact")
        assert (kept.code, "cannot shrink while a process keeps reading it" in kept.err) == (0, True)
        reader.execute("COMMIT")
        again = lanes("db", "compact")
        assert (again.code, again.err) == (0, "")
        assert log_bytes(database) < 100_000
        assert database.stat().st_size < 400_000


# -------------------------------------------------------------------------------------------- restore


def test_a_restore_pauses_what_is_unfinished_and_gives_no_number_twice(
    stage: Stage, lanes: Call, tmp_path: Path
) -> None:
    owner = stage.dead_owner()
    stage.send("waits", "one")
    stage.hold("runs", owner)
    stage.complete(stage.hold("ended", owner))
    stage.send("paused", "one")
    lanes("pause", "paused", "--reason", "in repair")
    stage.send("paused for a while", "one")
    lanes("pause", "paused for a while", "--for", "1h")
    copy = tmp_path / "copy.db"
    assert lanes("db", "backup", str(copy)).code == 0
    stage.complete(stage.hold("since", owner))
    newest = numbers(stage.path)
    stage.close()
    done = lanes("db", "restore", str(copy), "--json")
    assert done.code == 0, done
    assert sorted(done.json["paused"]) == ["paused", "paused for a while", "runs", "waits"]
    assert done.json["epoch"] > newest["epoch"]
    by_key = {lane["key"]: lane for lane in lanes("list", "--json").json}
    assert {key: lane["paused"] and lane["paused"]["reason"] for key, lane in by_key.items()} == {
        "waits": "restored", "runs": "restored", "ended": None, "paused": "in repair", "paused for a while": "restored",
    }  # fmt: skip
    assert by_key["paused for a while"]["paused"]["until"] is None
    kept = Path(done.json["kept"])
    assert kept.parent == tmp_path
    assert lanes("--db", str(kept), "list", "--match", "since", "--json").json, "the newer file is kept whole"
    again = Stage(stage.path)
    assert broken(again.store) == []
    assert again.send("new", "text")[0].id > newest["messages"]
    assert again.hold("newer", again.owner()).ticket.epoch > newest["epoch"]
    assert {event.detail and event.detail["reason"] for event in again.store.read(reads.events(type="paused"))} >= {
        "restored"
    }
    again.close()
    assert lanes("reconcile").code == 0
    assert [lane["key"] for lane in lanes("list", "--held", "--json").json] == ["newer"]
    assert not {name for name in files(tmp_path) if "restoring" in name or name.endswith(".part")}


def test_a_restore_where_there_was_nothing_or_only_ruins(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    stage.send("k", *("text " * 400 for _ in range(50)))
    copy = tmp_path / "copy.db"
    assert lanes("db", "backup", str(copy)).code == 0
    stage.close()
    spoil(stage.path)
    text = lanes("db", "restore", str(copy))
    assert text.code == 0, text
    assert "1 lane paused" in text.out
    assert "is kept as" in text.err
    assert lanes("doctor").code == 0
    stage.path.unlink()
    assert lanes("db", "restore", str(copy), "--json").json["kept"] is None
    assert lanes("list", "--json").json[0]["key"] == "k"


def test_F80_restores_in_one_second_keep_each_file(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    stage.send("k", "one")
    copy = tmp_path / "copy.db"
    assert lanes("db", "backup", str(copy)).code == 0
    stage.send("since", "two")
    stage.close()
    kept = [Path(lanes("db", "restore", str(copy), "--json").json["kept"]) for _ in range(3)]
    assert len(set(kept)) == 3
    listed = [{lane["key"] for lane in lanes("--db", str(file), "list", "--json").json} for file in kept]
    assert listed == [{"k", "since"}, {"k"}, {"k"}]


def test_F80_of_two_restores_at_once_one_is_refused(
    stage: Stage, lanes: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.send("k", "one")
    copy = tmp_path / "copy.db"
    assert lanes("db", "backup", str(copy)).code == 0
    stage.close()
    said = []
    put = copies.put_in_place

    def late(draft: Path, path: Path) -> Path | None:
        said.append(lanes("db", "restore", str(copy)))
        return put(draft, path)

    monkeypatch.setattr(copies, "put_in_place", late)
    assert lanes("db", "restore", str(copy)).code == 0
    assert said[0].code == 1
    assert "another restore is under way" in said[0].err
    assert [lane["key"] for lane in lanes("list", "--json").json] == ["k"]


def test_a_backup_takes_no_place_that_is_taken(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    stage.send("k", "one")
    link = tmp_path / "link.db"
    link.symlink_to("nowhere")
    assert lanes("db", "backup", str(link)).code == 1
    assert link.is_symlink()


def test_F593_ids_continue_where_the_copy_had_none(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert lanes("db", "backup", str(copy)).code == 0
    newest = stage.send("k", *("text" for _ in range(5)))[-1].id
    stage.close()
    assert lanes("db", "restore", str(copy)).code == 0
    again = Stage(stage.path)
    first = again.send("k", "text")[0].id
    assert first > newest
    again.close()
    spoil(stage.path)  # what was assigned there cannot be read
    assert lanes("db", "restore", str(copy)).code == 0
    assert int(lanes("send", "k", "text", "--json").json["id"]) > newest


#: Restores a copy, and is killed before the n-th time that a file is renamed, or its WAL is checkpointed.
KILLED = """
import os, signal, sys
from pathlib import Path
from lanes.commands import main
from lanes_storage.sqlite import copies

left = int(sys.argv.pop(1))
def killed(real):
    def late(*given):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given)
    return late

Path.replace, copies.checkpoint = killed(Path.replace), killed(copies.checkpoint)
main()
"""


def test_F594_a_restore_that_is_killed_leaves_the_old_file_or_none(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    stage.send("k", "one")
    copy, database = tmp_path / "copy.db", stage.path
    assert lanes("db", "backup", str(copy)).code == 0
    stage.send("since", "two")
    stage.close()
    seen = set[bool | None]()
    for moment in count(1):
        command = [sys.executable, "-c", KILLED, str(moment), "--db", str(database), "db", "restore", str(copy)]
        ended = subprocess.run(command, env=environment(tmp_path), check=False, capture_output=True).returncode
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        sent = lanes("send", "after", "text")
        if database.exists():
            keys = {lane["key"] for lane in lanes("list", "--json").json}
            assert (sent.code, keys) in [(0, {"k", "since", "after"}), (0, {"k", "after"})]
            seen.add("since" in keys)
        else:
            assert (sent.code, database.exists()) == (69, False), "no empty one is made in its place"
            assert "lanes db restore" in sent.err
            seen.add(None)
            assert lanes("db", "restore", str(copy)).code == 0
            assert lanes("send", "since", "two").code == 0
    assert seen == {True, False, None}
    assert {lane["key"] for lane in lanes("list", "--json").json} == {"k"}
    assert lanes("doctor").code == 0


@pytest.mark.parametrize("frozen", [False, True])
def test_a_restore_and_a_compact_are_refused_while_a_gateway_lives_or_hangs(
    served: House, lanes: Call, tmp_path: Path, frozen: bool
) -> None:
    gateway = served.gateway()
    copy = tmp_path / "copy.db"
    assert lanes("db", "backup", str(copy)).code == 0
    if frozen:
        gateway.freeze(served.database)
    refused = lanes("db", "restore", str(copy))
    assert refused.code == 1
    assert f"process {gateway.pid}" in refused.err
    assert "stop it first" in refused.err
    compacted = lanes("db", "compact")
    assert (compacted.code, "stop it first, then compact it" in compacted.err) == (1, True)
    gateway.kill()
    assert lanes("db", "restore", str(copy)).code == 0


def test_what_is_no_backup_is_refused_and_nothing_is_touched(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    stage.send("k", *("text " * 400 for _ in range(50)))
    text, foreign, damaged = tmp_path / "text.db", tmp_path / "foreign.db", tmp_path / "damaged.db"
    text.write_text("no database, and long enough to be looked at as one " * 20)
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    assert lanes("db", "backup", str(damaged)).code == 0
    spoil(damaged)
    before = files(tmp_path)
    assert not any(name.startswith("damaged.db-") for name in before)
    for file in (text, foreign, damaged, tmp_path / "none.db", tmp_path):
        refused = lanes("db", "restore", str(file))
        assert refused.code == 1, file
        assert refused.err.startswith("lanes: nothing was restored: ")
        assert len(refused.err.splitlines()) == 1
    assert files(tmp_path) == before
    assert lanes("list", "--json").json[0]["queued"] == 50
