"""Opening the file: what is made, with which mode and pragmas, and what is refused untouched."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.testing import broken
from lanes_storage import open_store, reads
from lanes_storage.errors import (
    DatabaseDamaged,
    DatabaseForeign,
    DatabaseLocked,
    DatabaseMissing,
    DatabaseReadOnly,
    DatabaseTooNew,
    DatabaseTooOld,
    DatabaseUnavailable,
    StorageError,
    StoreClosed,
)
from lanes_storage.interface import Query, Store
from lanes_storage.schema import versions
from lanes_storage.sqlite.file import connect, locking
from lanes_storage.sqlite.file.interrupts import interruptible
from tests.kit.processes import PATIENCE_S, eventually
from tests.kit.world import World

pytestmark = pytest.mark.disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lanes.db"


@pytest.fixture
def made(path: Path) -> Iterator[Store]:
    store = open_store(str(path), create=True)
    yield store
    store.close()


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def raw(path: Path, *statements: str) -> None:
    """Change a file beside the program."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


# -------------------------------------------------------------------------------------------- pragmas


@pytest.mark.parametrize(("asked", "synchronous"), [("full", 2), ("normal", 1)])
def test_the_writer_is_durable_and_waits_and_keeps_references(path: Path, asked: str, synchronous: int) -> None:
    connection = connect.open_writer(path, create=True, synchronous=asked)
    try:
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == synchronous
        assert pragma(connection, "busy_timeout") == locking.BUSY_TIMEOUT_MS
        assert pragma(connection, "foreign_keys") == 1
        assert pragma(connection, "temp_store") == 2
        assert pragma(connection, "cache_size") == -16384
        assert pragma(connection, "journal_size_limit") == 64 * 1024 * 1024
        assert pragma(connection, "application_id") == versions.APPLICATION_ID
        assert pragma(connection, "user_version") == versions.VERSION
    finally:
        connection.close()


def test_a_reader_can_not_write(made: Store, path: Path) -> None:
    connection = connect.open_reader(path)
    try:
        assert pragma(connection, "busy_timeout") == locking.BUSY_TIMEOUT_MS
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM lanes")
    finally:
        connection.close()


# ----------------------------------------------------------------------------------------------- modes


def test_files_and_folders_are_for_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lanes" / "lanes.db"
    before = os.umask(0)
    try:
        store = open_store(str(path), create=True)
    finally:
        os.umask(before)
    try:
        store.write(lambda tx: tx.run("UPDATE counters SET value = 1", {}))
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
        assert {file.name for file in path.parent.iterdir()} == {
            "lanes.db", "lanes.db-wal", "lanes.db-shm", "lanes.db-lock",
        }  # fmt: skip
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0
    finally:
        store.close()


def test_an_existing_file_keeps_its_mode(made: Store, path: Path) -> None:
    path.chmod(0o640)
    open_store(str(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_F595_the_files_beside_it_are_for_whom_the_file_is_for(made: Store, path: Path) -> None:
    made.close()
    for file in path.parent.glob("lanes.db-*"):
        file.unlink()
    path.chmod(0o660)
    if os.geteuid() == 0:  # root upgrades or sends for the user of the service
        os.chown(path, 65534, 65534)
    open_store(str(path)).close()
    owned = {(file.name, stat.S_IMODE(file.stat().st_mode), file.stat().st_uid) for file in path.parent.iterdir()}
    names = {"lanes.db", "lanes.db-wal", "lanes.db-shm", "lanes.db-lock"}
    assert owned == {(name, 0o660, path.stat().st_uid) for name in names}


# ------------------------------------------------------------------------------------------- refusals


def test_a_missing_file_is_not_made_unless_asked(path: Path) -> None:
    with pytest.raises(DatabaseMissing, match=str(path)):
        open_store(str(path))
    assert not path.exists()


def test_F78_no_connection_makes_a_file_in_the_place_of_a_deleted_one(made: Store, path: Path) -> None:
    path.unlink()
    for connecting in (connect.connect_writing, connect.connect_reading):
        with pytest.raises(sqlite3.OperationalError):
            connecting(path)
    assert not path.exists()


def test_F79_a_new_file_shares_nothing_with_a_deleted_one_that_may_come_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the file itself was deleted, under a process that may not be looked at: the rest is in use for it."""
    monkeypatch.setattr("lanes_storage.sqlite.file.connect.check_vacant", lambda path: None)
    first = World(open_store(str(path), create=True))
    told = first.send("a", "acknowledged")
    beside = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]
    for file in beside:
        os.link(file, file.with_name(f"kept-{file.name}"))
    path.unlink()
    second = World(open_store(str(path), create=True))
    for number in range(50):
        second.send("b", f"number {number}", cap=100)
    second.store.close()
    for file in beside:
        file.unlink(missing_ok=True)
        file.with_name(f"kept-{file.name}").rename(file)
    assert first.message(told).text == "acknowledged"
    first.send("a", "after it")
    assert broken(first.store) == []
    first.store.close()
    third = open_store(str(path))
    assert [message.text for message in third.read(reads.messages(1))] == ["after it", "acknowledged"]
    third.close()


def test_a_folder_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="folder"):
        open_store(str(tmp_path), create=True)


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnavailable):
        open_store(str(tmp_path / "file" / "lanes.db"), create=True)


@pytest.mark.parametrize(
    "content", [b"not a database at all, but rather long" * 100, b"SQLite format 3\0" + b"\7" * 4096]
)
def test_what_is_no_database_is_refused_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DatabaseForeign):
        open_store(str(path), create=True)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "mark", ["PRAGMA application_id = 77", "PRAGMA user_version = 3", "CREATE TABLE theirs (id INTEGER)"]
)
def test_the_database_of_another_program_is_refused_untouched(path: Path, mark: str) -> None:
    raw(path, mark)
    content = path.read_bytes()
    with pytest.raises(DatabaseForeign, match="another program"):
        open_store(str(path), create=True)
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_newer_database_is_refused_untouched(made: Store, path: Path) -> None:
    made.close()
    raw(path, f"PRAGMA user_version = {versions.VERSION + 1}")
    content = path.read_bytes()
    with pytest.raises(DatabaseTooNew) as refused:
        open_store(str(path), create=True)
    assert (refused.value.found, refused.value.known) == (versions.VERSION + 1, versions.VERSION)
    assert path.read_bytes() == content


def test_an_older_database_is_upgraded_only_by_who_may_create(made: Store, path: Path) -> None:
    made.close()
    raw(path, "PRAGMA user_version = 0")
    with pytest.raises(DatabaseTooOld):
        open_store(str(path))


def test_a_torn_file_is_damaged(made: Store, path: Path) -> None:
    made.close()
    path.with_name("lanes.db-wal").unlink()  # it still has every page
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(DatabaseDamaged):
        open_store(str(path))


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Give up the rights of root, to whom no mode of a file says no."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_may_not_be_written_says_so(create: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lanes.db"
        open_store(str(path), create=True).close()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        with as_nobody(), pytest.raises(DatabaseReadOnly, match="may not be written"):
            open_store(str(path), create=create)
        path.parent.chmod(0o755)


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lanes.db"
        open_store(str(path), create=True).close()
        path.chmod(0)
        path.parent.chmod(0o755)
        with as_nobody(), pytest.raises(StorageError, match=folder):
            open_store(str(path))


# ------------------------------------------------------------------------------------ two processes


def test_a_file_that_another_process_keeps_locked_says_so(
    made: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "BUSY_TIMEOUT_MS", 200)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(DatabaseLocked, match="locked by another process"):
            made.write(lambda tx: tx.run("UPDATE counters SET value = 9", {}))
        assert made.read(Query("SELECT value FROM counters WHERE name = 'epoch'", {}, list)) == [(0,)], (
            "readers are not blocked"
        )
    finally:
        other.execute("ROLLBACK")
        other.close()
    made.write(lambda tx: tx.run("UPDATE counters SET value = 9", {}))
    assert made.read(Query("SELECT value FROM counters WHERE name = 'epoch'", {}, list)) == [(9,)]


def test_the_version_differs_when_another_connection_committed(made: Store, path: Path) -> None:
    before = made.version()
    assert made.version() == before
    other = open_store(str(path))
    other.write(lambda tx: tx.run("UPDATE counters SET value = 9", {}))
    other.close()
    assert made.version() != before


def test_a_closed_store_says_so(made: Store) -> None:
    made.close()
    made.close()
    with pytest.raises(StoreClosed):
        made.write(lambda tx: tx.run("UPDATE counters SET value = 9", {}))
    with pytest.raises(StoreClosed):
        made.read(Query("SELECT 1", {}, list))
    with pytest.raises(StoreClosed):
        made.version()


# ----------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_a_path_and_a_url_name_the_same_file(path: Path, prefix: str) -> None:
    assert connect.path_of(f"{prefix}{path}") == path


@pytest.mark.parametrize("url", ["", ":memory:", "sqlite://", "sqlite:///:memory:", "a\0b"])
def test_what_no_file_can_be_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        connect.path_of(url)


@pytest.mark.parametrize("url", ["postgres://secret@host/db", "mysql://host/db"])
def test_an_engine_that_is_not_there_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        open_store(url, create=True)
    assert "secret" not in str(refused.value)


def test_a_new_file_has_small_pages_and_an_older_one_keeps_its_own(tmp_path: Path) -> None:
    """What a run writes lies all over the file, so that it costs whole pages."""
    older = tmp_path / "older.db"
    made = sqlite3.connect(older)
    made.execute("PRAGMA page_size = 4096")
    made.execute("VACUUM")
    made.close()
    for path, size in ((tmp_path / "new.db", 2048), (older, 4096)):
        connection = connect.open_writer(path, create=True)
        try:
            assert connection.execute("PRAGMA page_size").fetchone() == (size,)
        finally:
            connection.close()


# -------------------------------------------------------------------------------------------- Ctrl-C

#: It works for ever in one statement, which has begun when there is a journal.
ENDLESS = """
import contextlib, signal, sqlite3, sys
from lanes_storage.sqlite.file.interrupts import interruptible
signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent may have it ignored
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
around = interruptible(sqlite3.connect(":memory:")) if sys.argv[2:] else contextlib.nullcontext()
try:
    with around, interruptible(connection):
        connection.execute(f"CREATE TABLE t AS {endless}")
except KeyboardInterrupt:
    print("ended", connection.execute("SELECT count(*) FROM sqlite_schema").fetchone(), flush=True)
"""


@pytest.mark.parametrize("around", [[], ["within another block"]])
def test_F775_ctrl_c_ends_a_long_statement(tmp_path: Path, around: list[str]) -> None:
    file = tmp_path / "a.db"
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(file), *around], stdout=subprocess.PIPE, text=True)
    try:
        eventually(file.with_name("a.db-journal").exists, "the statement to begin")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE_S)[0] == "ended (0,)\n"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("beside", ["a thread", "an event loop"])
def test_F775_where_no_signal_comes_it_is_in_nobodys_way(beside: str) -> None:
    handed = []

    def use() -> None:
        with contextlib.closing(sqlite3.connect(":memory:")) as connection, interruptible(connection):
            handed.append(connection.execute("SELECT 1").fetchone())

    async def within() -> None:
        use()
        await asyncio.get_running_loop().run_in_executor(None, use)  # wakes the loop as ever

    if beside == "a thread":
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    else:
        asyncio.run(within())
    assert set(handed) == {(1,)}


#: It forks a process within the block, which lives until this one has left the block, and said so.
FORKED = """
import os, signal, sqlite3, sys
from lanes_storage.sqlite.file.interrupts import interruptible
signal.signal(signal.SIGINT, signal.default_int_handler)
read_end, write_end = os.pipe()
with interruptible(sqlite3.connect(":memory:")):
    if os.fork() == 0:
        os.close(write_end)
        os._exit(len(os.read(read_end, 1)))
print("left", flush=True)
os.close(write_end)
os.wait()
"""


def test_F870_a_process_that_was_forked_meanwhile_keeps_nobody_from_going_on() -> None:
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", FORKED], stdout=subprocess.PIPE, text=True)
    try:
        assert process.communicate(timeout=PATIENCE_S)[0] == "left\n"
    finally:
        process.kill()
        process.wait()


#: It gets Ctrl-C in a statement that works for a while longer.
HANDLED = """
import asyncio, os, signal, sqlite3, sys
from lanes_storage.sqlite.file.interrupts import interruptible
connection = sqlite3.connect(":memory:")
connection.create_function("ctrl_c", 0, lambda: os.kill(os.getpid(), signal.SIGINT))
counted = "WITH RECURSIVE n (i) AS (SELECT ctrl_c() UNION ALL SELECT 1 FROM n LIMIT 1000000) SELECT count(*) FROM n"
async def main():
    with interruptible(connection):
        print(connection.execute(counted).fetchone(), flush=True)
if sys.argv[1] == "asyncio.run":
    signal.signal(signal.SIGINT, signal.default_int_handler)
else:
    signal.signal(signal.SIGINT, lambda *_: None)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""


@pytest.mark.parametrize("handler", ["asyncio.run", "its own"])
def test_F822_where_a_program_handles_ctrl_c_itself_no_statement_fails(handler: str) -> None:
    command = [sys.executable, "-c", HANDLED, handler]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.stdout, done.stderr) == ("(1000000,)\n", "")
