"""What is wrong with the file: every command says so in a sentence, changes nothing, and the gateway outlives it."""

import ctypes
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lanes.testing import broken
from lanes_storage import doors, errors, open_store
from lanes_storage.clock import system_clock
from lanes_storage.records import Admission, NewMessage
from lanes_storage.sqlite.store import SqliteStore
from tests.faults.holding import LOCK, holding
from tests.kit.filesystems import needed_disk
from tests.kit.processes import Finished, House, environment, eventually
from tests.scenarios.conftest import configure

pytestmark = pytest.mark.disk

UNREACHABLE = 69
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def obey_modes() -> None:
    """Let the child obey the modes of files, also where this process is root and need not."""
    if os.geteuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def where_modes_hold(made: House, *words: str) -> Finished:
    """What may be done is limited from the start of a program on: this one is not forked."""
    command = [sys.executable, "-m", "lanes", "--db", str(made.database), *words]
    env = environment(made.folder)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, preexec_fn=obey_modes)
    return Finished(done.returncode, done.stdout, done.stderr)


def send_where_modes_hold(made: House) -> Finished:
    return where_modes_hold(made, "send", "a", "hello")


def send(made: House) -> Finished:
    return made.command("send", "a", "hello", check=False)


def refused(made: House, *words: str, send: Callable[[House], Finished] = send) -> Finished:
    """Sending fails with a sentence, and the file is as it was."""
    before = made.database.read_bytes()
    done = send(made)
    assert done.code == UNREACHABLE, done
    assert done.out == ""
    assert len(done.err.splitlines()) == 1, done.err
    for word in words:
        assert word in done.err
    assert made.database.read_bytes() == before
    return done


def test_a_file_that_may_not_be_written(made: House) -> None:
    made.lanes("send", "a", "before")
    for path in made.folder.glob("lanes.db*"):
        path.chmod(0o444)
    made.folder.chmod(0o555)
    try:
        refused(made, "may not be written", "owner and mode", send=send_where_modes_hold)
    finally:
        made.folder.chmod(0o755)


@pytest.mark.parametrize("barred", ["lanes.db", "lanes.db-wal", "lanes.db-shm", "lanes.db-lock", "."])
def test_F714_the_doctor_names_what_this_user_may_not_write(made: House, barred: str) -> None:
    made.lanes("send", "a", "before")
    path = made.folder if barred == "." else made.folder / barred
    if barred == ".":
        (made.folder / "lanes.db-lock").unlink()
    mode = path.stat().st_mode & 0o777
    assert permissions(made)["level"] == "ok"
    path.chmod(0o555 if barred == "." else 0)
    try:
        found = permissions(made)
    finally:
        path.chmod(mode)
    assert found["level"] == "warning"
    assert f"may not write {path} (mode 0" in found["message"]
    assert found["fix"] == f"chmod u+rw {path}"


@pytest.mark.parametrize("barred", ["lanes.db", "lanes.db alone", "lanes.db-wal", "lanes.db-lock"])
def test_F1043_a_file_that_may_not_be_read_says_whose_it_is(made: House, barred: str) -> None:
    """SQLite's "unable to open database file" led to the doctor, and that to a backup."""
    made.lanes("send", "a", "before")
    path = made.folder / barred.split()[0]
    if barred.endswith("alone"):
        for beside in made.folder.glob("lanes.db-*"):
            beside.unlink()
    mode = path.stat().st_mode & 0o777
    path.chmod(0)
    try:
        listed, doctor = where_modes_hold(made, "list"), where_modes_hold(made, "doctor", "--json")
        sent = send_where_modes_hold(made)
    finally:
        path.chmod(mode)
    said = f"{path}: this user may not read it: it belongs to {path.owner()} (mode 0000)"
    for refused_ in (listed, sent):
        assert (refused_.code, refused_.out) == (UNREACHABLE, "")
        assert said in refused_.err
        assert "owner and mode" in refused_.err
    (unread,) = (each for each in doctor.json if each["check"] == "file")
    assert said in unread["message"]
    assert "restore" not in doctor.out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("barred", ["", "-wal"])
def test_F878_the_doctor_gives_no_database_away(made: House, barred: str) -> None:
    """Its own user was kept out from then on: `chown root` was the advice that root got."""
    made.lanes("send", "a", "before")
    for path in made.folder.glob("lanes.db*"):
        os.chown(path, 4711, 4711)
    if barred:
        made.folder.joinpath("lanes.db").chmod(0o666)
        made.folder.joinpath(f"lanes.db{barred}").chmod(0o600)
        found = permissions(made)
        assert found["message"].startswith(f"root may not write {made.folder}/lanes.db{barred}")
        assert found["fix"] == "run lanes as 4711, to whom the database belongs"
    else:
        (found,) = (each for each in made.lanes("doctor", "--json").json if each["check"] == "permissions")
        assert "belongs to 4711, and root uses it" in found["message"]
        assert found["fix"] == "run every lanes of this database as 4711"


def permissions(made: House) -> dict[str, str]:
    """What the doctor says of them."""
    (found,) = (one for one in where_modes_hold(made, "doctor", "--json").json if one["check"] == "permissions")
    return dict(found)


def test_a_file_of_a_newer_lanes(made: House) -> None:
    made.lanes("send", "a", "before")
    connection = sqlite3.connect(made.database)
    connection.execute("PRAGMA user_version = 99")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    refused(made, "schema 99", "newer lanes")


def test_a_file_that_is_something_else(made: House) -> None:
    made.database.write_bytes(b"this is no database, but somebody's diary " * 500)
    refused(made, "not a database", "is this the right file", "--db", "LANES_DB", "restore a backup")


def test_a_file_with_damaged_pages(made: House) -> None:
    made.send_many([(f"lane:{number}", "hello " * 200) for number in range(200)])
    connection = sqlite3.connect(made.database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = bytearray(made.database.read_bytes())
    whole[4096:] = b"\xa5" * (len(whole) - 4096)
    made.database.write_bytes(whole)
    done = refused(made, "malformed", "restore a backup")
    assert "the right file" not in done.err, "it is one of lanes, and damaged"
    doctor = made.lanes("doctor", check=False)
    assert doctor.code != 0
    assert "Traceback" not in doctor.err


def test_locked_by_another_process_for_longer_than_the_busy_timeout(made: House) -> None:
    configure(made, made.provider())
    gateway = made.gateway()
    made.lanes("send", "a", "before", "--wait")
    with holding(made.database, LOCK):
        done = made.lanes("send", "a", "meanwhile", check=False)
        assert done.code == UNREACHABLE
        assert "locked by another process" in done.err
        assert "it is held by process" in done.err
        eventually(lambda: "locked" in gateway.said(), "the gateway to say so")
    assert gateway.popen.poll() is None, "it lives on"
    assert made.lanes("send", "a", "after", "--wait").out.strip() == "after"
    assert not made.history(settled=True).problems


def test_a_disk_without_room(made: House) -> None:
    """The file may grow no more, for the gateway; then it may again."""
    configure(made, made.provider())
    gateway = made.gateway()
    made.lanes("send", "a", "before", "--wait")
    unlimited = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (1, unlimited[1]))
    assert "a quota or a limit" in why_not(gateway.url)
    waiting = made.lanes("send", "a", "meanwhile").out.strip()
    heartbeats = "SELECT max(heartbeats) FROM owners"
    before = made.count(heartbeats)
    eventually(lambda: not ready(gateway.url), "the gateway to say that it cannot write")
    assert made.count(heartbeats) <= before + 1
    assert made.lanes("show", "a", "--json").json["messages"][0]["state"] in ("queued", "running")
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, unlimited)
    answered = f"SELECT count(*) FROM messages WHERE id = {waiting} AND reply = 'meanwhile'"
    eventually(lambda: made.count(answered), "the message to be answered")
    assert gateway.popen.poll() is None
    assert not made.history(settled=True).problems


def why_not(url: str) -> str:
    """What a gateway says that accepts no message."""
    import httpx

    told = httpx.post(f"{url}/api/lanes/b/messages", json={"text": "hello"}, timeout=30, verify=False)
    assert told.status_code == 503
    return str(told.json()["detail"])


def ready(url: str) -> bool:
    """Whether a gateway says that it is ready."""
    import httpx

    return httpx.get(f"{url}/readyz", timeout=30, verify=False).status_code == 200


def test_a_full_database_keeps_what_it_has(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "lanes.db", create=True)
    send = doors.accept(NewMessage("a", "hello " * 2_000), Admission(10_000), system_clock())
    connection = store._open()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 10}")
    accepted = 0

    def fill() -> None:
        nonlocal accepted
        while True:
            store.write(send)
            accepted += 1

    with pytest.raises(errors.DatabaseFull, match="no room left"):
        fill()
    assert accepted
    store.close()
    again = open_store(str(tmp_path / "lanes.db"))
    assert broken(again) == []
    again.write(send)
    again.close()
    assert House(tmp_path).count("SELECT count(*) FROM messages") == accepted + 1


def test_F1046_where_no_file_can_be_made_inodes_are_to_be_freed(made: House, tmp_path: Path) -> None:
    """It said "No space left on device", or that SQLite is unable to open the file, and led to the doctor."""
    made.lanes("send", "a", "before")
    with needed_disk(tmp_path / "disk", 8, inodes=3) as disk:  # the folder, and two files
        new, copy, other = (disk.folder / name for name in ("new.db", "copy.db", "other"))
        made.lanes("db", "backup", str(tmp_path / "whole.db"))
        shutil.copy(tmp_path / "whole.db", copy)
        other.touch()
        told = [made.lanes("--db", str(path), "send", "a", "b", check=False) for path in (new, copy)]
        other.rename(disk.folder / "copy.db-lock")  # then it is the log that cannot be made
        told.append(made.lanes("--db", str(copy), "send", "a", "b", check=False))
        for refused_ in told:
            assert refused_.code == UNREACHABLE
            assert "no room left" in refused_.err
            assert "df -i" in refused_.err
