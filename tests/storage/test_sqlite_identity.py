"""What a store holds open, against what its names name: nothing is told of a commit that nobody else will see."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lanes.backups import restore
from lanes.testing import START
from lanes_storage import doors, errors, open_async_store, open_store, reads
from lanes_storage.interface import Query, Step, Store, Transaction
from lanes_storage.records import Admission, LaneFilter, NewMessage
from lanes_storage.sqlite import copies
from lanes_storage.sqlite.file import locking, paths
from lanes_storage.sqlite.file.connect import open_reader
from lanes_storage.sqlite.inspect import damage
from tests.kit.databases import lay
from tests.kit.forks import run_elsewhere

ENDS = ("", "-wal", "-shm")
#: Another process that sends one message, or says why it could not. It waits for a lock no longer than a moment.
SEND = """
import sys
from lanes.testing import START
from lanes_storage import doors, errors, open_store
from lanes_storage.records import Admission, NewMessage
from lanes_storage.sqlite import copies, path_of
from lanes_storage.sqlite.file import locking
from lanes_storage.sqlite.file.connect import open_reader
from lanes_storage.sqlite.inspect import other_names
locking.BUSY_TIMEOUT_MS = 100
try:
    store = open_store(sys.argv[1])
    store.write(doors.accept(NewMessage(sys.argv[2], "hello"), Admission(), START))
    store.close()
except errors.StorageError as error:
    print(type(error).__name__)
"""
#: What else opens the file and closes it again, each in a process that is about to end.
SHORT = {
    "reader": "open_reader(path).close()",
    "async": "asyncio.run(open_and_close())",
    "refused": "versions.VERSION += 1\nwith contextlib.suppress(errors.DatabaseTooOld): open_store(str(path))",
    "check": "damage(path, whole=True)",
    "backup": "copies.copy(path, path.with_name('copy.db'))",
    "dropped": "def use(): open_store(str(path)).version()\nuse()",
    "dropped in a thread": "held = [open_store(str(path))]\nother = Thread(target=held.clear)\nother.start()",
    "a child": "store = open_store(str(path))\nif os.fork(): os.wait(); os._exit(0)",
}
#: A creation for which there is no room.
NO_ROOM = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    open_store(str(path), create=True)
except (errors.DatabaseUnavailable, errors.DatabaseFull):
    sys.exit()
sys.exit("it had room")
"""
PRELUDE = """
import asyncio, contextlib, os, sys
from pathlib import Path
from threading import Thread
from lanes_storage import errors, open_async_store, open_store
from lanes_storage.schema import versions
from lanes_storage.sqlite import copies
from lanes_storage.sqlite.file.connect import open_reader
from lanes_storage.sqlite.inspect import damage
path = Path(sys.argv[1])
async def open_and_close():
    await (await open_async_store(str(path))).close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return lay(tmp_path / "lanes.db")


@pytest.fixture(params=["new", "rested"])
def store(path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """In a folder that was changed just now, or in one that is looked at alone since nothing changes in it."""
    with contextlib.closing(open_store(str(path))) as made:
        if request.param == "rested":
            monkeypatch.setattr(paths, "SETTLED_NS", 20_000_000)
            rest(path.parent)
        yield made


def rest(folder: Path) -> None:
    while time.time_ns() - max(folder.stat().st_ctime_ns, folder.stat().st_mtime_ns) <= paths.SETTLED_NS:
        time.sleep(0.002)


def send(key: str) -> Step[object]:
    return doors.accept(NewMessage(key, "hello"), Admission(), START)


def elsewhere(path: Path, key: str) -> str:
    """What another process says that sends a message."""
    return run_elsewhere(SEND, str(path), key).stdout.strip()


def keys(path: Path) -> list[str]:
    """The lanes that who opens the file now finds there."""
    with contextlib.closing(open_store(str(path))) as fresh:
        return sorted(lane.key for lane in fresh.read(reads.lanes(LaneFilter())))


def beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def deleted(file: Path) -> None:
    file.unlink()


def moved(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))


def replaced(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    other.replace(file)


# ------------------------------------------------------------------------------------------- identity


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("harm", [deleted, moved, replaced])
def test_F78_F83_a_file_that_is_another_one_takes_no_write_and_gives_no_read(
    store: Store, path: Path, end: str, harm: Callable[[Path], None]
) -> None:
    store.write(send("before"))
    harm(beside(path, end))
    for _ in range(2):
        with pytest.raises(errors.DatabaseReplaced, match=r"lanes\.db"):
            store.write(send("after"))
    for look in (lambda: store.read(reads.lane("before")), store.version):
        with pytest.raises(errors.DatabaseReplaced):
            look()


def test_F657_who_has_a_deleted_log_open_writes_nothing_into_what_others_share(store: Store, path: Path) -> None:
    store.write(send("before"))
    with contextlib.closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA wal_checkpoint").fetchone()[0] == 0
    beside(path, "-wal").unlink()
    assert elsewhere(path, "others") == "", "it begins another log, and shares the memory that lists the pages of both"
    with pytest.raises(errors.DatabaseReplaced):
        store.write(doors.accept(NewMessage("after", "x" * 100_000), Admission(), START))
    assert elsewhere(path, "later") == ""
    assert keys(path) == ["before", "later", "others"]


@pytest.mark.parametrize("lives", [True, False])
def test_F976_the_log_of_the_file_that_was_here_before_is_read_with_no_other(
    store: Store, path: Path, lives: bool
) -> None:
    """A backup is renamed over it: what was sent then was accepted into a mixture of both, and damaged it for good."""
    store.write(send("old"))
    with beside(path, "-lock").open("a") as side:
        side.write("what some other version says")
    replaced(path)
    if not lives:
        store.close()
    for look in (lambda: open_store(str(path)), lambda: open_reader(path)):
        with pytest.raises(errors.DatabaseReplaced, match=r"lanes\.db-wal is the log of another file") as refused:
            look()
        assert "move lanes.db-wal and lanes.db-shm away" in refused.value.fix
    if not lives:
        deleted(beside(path, "-wal"))
        deleted(beside(path, "-shm"))
        assert keys(path) == []
        with contextlib.closing(open_store(str(path))) as fresh:
            fresh.write(send("new"))
            assert keys(path) == ["new"]


def test_F976_a_database_that_is_copied_or_moved_with_its_log_is_one(store: Store, path: Path) -> None:
    store.write(send("old"))
    copy = path.parent / "copy"
    copy.mkdir()
    for end in (*ENDS, "-lock"):
        shutil.copy(beside(path, end), copy)
    assert keys(copy / path.name) == ["old"]


@pytest.mark.parametrize("made_again", [1, 3])
def test_F976_a_side_file_or_a_log_that_got_its_inode_again_says_nothing(
    store: Store, path: Path, made_again: int
) -> None:
    """Files restored from an archive got their inodes again, save the database, and were refused (F1020)."""
    store.write(send("old"))
    store.close()
    side = beside(path, "-lock")
    told = side.read_text().split()
    told[4] = "1".zfill(20)
    side.write_text(f"{' '.join(told)}\n")
    with pytest.raises(errors.DatabaseReplaced):
        open_store(str(path))
    told[made_again] = "1".zfill(20)
    side.write_text(f"{' '.join(told)}\n")
    with contextlib.closing(open_store(str(path))) as again:
        again.write(send("new"))
    assert keys(path) == ["new", "old"]


def test_F976_a_restore_leaves_the_log_of_another_file_out(store: Store, path: Path) -> None:
    store.write(send("old"))
    backup = path.with_name("backup.db")
    copies.draw(path, backup)
    replaced(path)
    store.close()
    restore(backup, path, lambda: START, actor="test")
    assert keys(path) == ["old"]
    (aside,) = path.parent.glob("*.before-restore-*Z")
    assert damage(aside) == []
    assert path.with_name("lanes.db-wal.of-another-file").exists()


@pytest.mark.parametrize("fails", [KeyError("no such row"), sqlite3.IntegrityError("NOT NULL constraint failed")])
def test_F658_what_fails_because_another_file_is_there_says_so(store: Store, path: Path, fails: Exception) -> None:
    def step(tx: Transaction) -> None:
        deleted(path)
        raise fails

    with pytest.raises(errors.DatabaseReplaced) as caught:
        store.write(step)
    assert caught.value.__context__ is fails


def test_F658_a_read_that_fails_because_another_file_is_there_says_so(store: Store, path: Path) -> None:
    def shape(rows: object) -> None:
        deleted(path)
        raise KeyError("no such row")

    for query in (Query("SELECT 1", {}, shape), Query("SELECT no_such_column FROM lanes", {}, shape)):
        with pytest.raises(errors.DatabaseReplaced):
            store.read(query)


@pytest.mark.parametrize("end", ENDS)
def test_F79_the_file_that_comes_back_goes_on(store: Store, path: Path, end: str) -> None:
    store.write(send("before"))
    file = beside(path, end)
    moved(file)
    with pytest.raises(errors.DatabaseReplaced):
        store.write(send("meanwhile"))
    file.with_name("elsewhere").rename(file)
    store.write(send("after"))
    assert {"after", "before"} <= set(keys(path))


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def a_link_to_itself(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder)


@pytest.mark.parametrize("harm", [gone, no_folder, a_link_to_itself])
async def test_F78_a_folder_that_is_gone_takes_no_write_and_gives_no_read(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    store = await open_async_store(str(lay(folder / "lanes.db")))
    await store.write(send("before"))
    harm(folder)
    for _ in range(3):
        with pytest.raises(errors.StorageError):
            await store.write(send("after"))
        with pytest.raises(errors.StorageError):
            await store.read(reads.lane("before"))
        with pytest.raises(errors.StorageError):
            store.check()
    await store.close()


def test_F79_a_folder_that_comes_back_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with contextlib.closing(open_store(str(lay(folder / "lanes.db")))) as store:
        store.write(send("before"))
        moved(folder)
        for _ in range(2):
            with pytest.raises(errors.DatabaseReplaced):
                store.write(send("meanwhile"))
        folder.with_name("elsewhere").rename(folder)
        store.write(send("after"))
    assert {"after", "before"} <= set(keys(folder / "lanes.db"))


def test_F78_what_a_step_did_outside_is_undone_when_its_commit_counts_for_nothing(store: Store, path: Path) -> None:
    undone: list[str] = []

    def step(tx: Transaction) -> None:
        tx.on_rollback(lambda: undone.append("undone"))
        send("a")(tx)
        deleted(path)

    with pytest.raises(errors.DatabaseReplaced, match="deleted or moved away"):
        store.write(step)
    assert undone == ["undone"]


async def test_F78_an_event_loop_and_its_threads_are_told_as_well(path: Path) -> None:
    store = await open_async_store(str(path))
    reader = store.reader()
    store.check()
    replaced(path)
    with pytest.raises(errors.DatabaseReplaced):
        await store.write(send("a"))
    for ask in (store.read(reads.lane("a")), store.version()):
        with pytest.raises(errors.DatabaseReplaced):
            await ask
    for look in (store.check, lambda: reader.read(reads.lane("a")), reader.version, store.reader):
        with pytest.raises(errors.DatabaseReplaced):
            look()
    reader.close()
    await store.close()


# ---------------------------------------------------------------------------------- locks that fall


@pytest.mark.parametrize("end", ENDS)
def test_F76_a_file_that_is_read_in_this_process_keeps_its_log(store: Store, path: Path, end: str) -> None:
    """Any close of any descriptor drops all locks of the process, so others take themselves for the last."""
    store.write(send("before"))
    log = beside(path, "-wal").stat().st_ino
    beside(path, end).read_bytes()
    assert elsewhere(path, "elsewhere") == ""
    store.write(send("after"))
    assert beside(path, "-wal").stat().st_ino == log, "the other one has not taken it away"
    assert keys(path) == ["after", "before", "elsewhere"]


@pytest.mark.parametrize("end", ENDS)
def test_F77_nobody_writes_into_a_transaction_whose_locks_fell(store: Store, path: Path, end: str) -> None:
    said = []

    def step(tx: Transaction) -> None:
        send("first")(tx)
        beside(path, end).read_bytes()
        said.append(elsewhere(path, "between"))
        send("second")(tx)

    store.write(step)
    assert said == ["DatabaseLocked"], "it waits for the transaction"
    assert elsewhere(path, "later") == ""
    assert keys(path) == ["first", "later", "second"]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_F77_who_opens_it_during_such_a_transaction_waits_as_well(store: Store, path: Path) -> None:
    """Opening rebuilds the shared memory where no lock says that it is in use."""
    look = f"{PRELUDE}open_reader(path)"

    def step(tx: Transaction) -> str:
        beside(path, "-shm").read_bytes()
        return run_elsewhere(look, str(path), check=False).stderr

    assert "DatabaseLocked" in store.write(step)


def test_F77_looking_is_not_held_up_where_the_locks_stand(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "OPENING_TIMEOUT_S", 0.01)
    store.write(send("before"))

    def step(tx: Transaction) -> list[str]:
        send("meanwhile")(tx)
        return keys(path)

    assert store.write(step) == ["before"]


def test_F77_a_side_file_that_is_deleted_is_made_again(store: Store, path: Path) -> None:
    side = beside(path, "-lock")
    assert side.stat().st_mode & 0o777 == 0o600
    side.unlink()
    said = []

    def step(tx: Transaction) -> None:
        beside(path, "-shm").read_bytes()
        said.append(elsewhere(path, "between"))

    store.write(step)
    assert said == ["DatabaseLocked"]
    assert side.exists()


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="a lock that no other close drops is Linux's")


@LINUX
def test_F773_shared_memory_whose_locks_fell_is_not_made_again_under_its_reader(store: Store, path: Path) -> None:
    """A reader that meets it while it is empty would end with SIGBUS."""
    memory = beside(path, "-shm")
    with memory.open("ab") as file:  # beyond the part in use: a process that recreates the file cuts it off
        file.write(bytes(32768))
    run_elsewhere(f"{PRELUDE}open_reader(path).close()", str(path))
    assert memory.stat().st_size == 65536


# --------------------------------------------------------------------------------------------- closes


@LINUX
def test_F773_another_program_that_closes_last_takes_no_log_away_that_is_in_use(store: Store, path: Path) -> None:
    """SQLite itself, without the care that lanes takes."""
    store.write(send("a"))
    log = beside(path, "-wal").stat().st_ino
    path.read_bytes()
    beside(path, "-shm").read_bytes()
    look = "import sqlite3\nother = sqlite3.connect(path)\nother.execute('SELECT count(*) FROM lanes').fetchone()\n"
    run_elsewhere(f"{PRELUDE}{look}other.close()", str(path))
    assert beside(path, "-wal").stat().st_ino == log
    store.write(send("b"))
    assert keys(path) == ["a", "b"]


@LINUX
def test_F821_a_process_that_is_held_up_while_it_closes_the_file_is_no_user_of_another_name(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite gives up the shared memory first, and the lock on the file a moment later."""
    locks = "import fcntl, sys\nfile = open(sys.argv[1], 'rb')\nfcntl.lockf(file, fcntl.LOCK_SH, 510, 0x40000002)\n"
    closing = subprocess.Popen(
        [sys.executable, "-c", f"{locks}print(flush=True)\ninput()", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert closing.stdout is not None
    closing.stdout.readline()
    looks: list[float] = []

    def later(seconds: float) -> None:
        if seconds in locking._LOOK_AGAIN_S:
            looks.append(seconds)
            if len(looks) == 2:
                closing.communicate(b"\n")

    monkeypatch.setattr("time.sleep", later)
    try:
        open_reader(path).close()
    finally:
        closing.communicate()
    assert len(looks) == 2


def test_F815_shared_memory_that_was_left_behind_lets_no_reader_keep_a_writer_out(path: Path) -> None:
    """As beside a backup that was copied into the place of the database: one file, in another mode of the journal."""
    open_store(str(path), create=True).close()
    with contextlib.closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    beside(path, "-shm").write_bytes(bytes(32768))
    with contextlib.closing(open_reader(path)) as reading:
        reading.execute("SELECT count(*) FROM lanes").fetchone()
        with contextlib.closing(open_store(str(path))) as store:
            store.write(send("a"))
        assert reading.execute("SELECT key FROM lanes").fetchall() == [("a",)]


@pytest.mark.parametrize("what", SHORT.values(), ids=SHORT)
def test_F76_no_close_of_a_short_command_takes_the_log_away(store: Store, path: Path, what: str) -> None:
    """Where no lock tells that the file is in use, whoever closes last would delete the log."""
    store.write(send("a"))
    log = beside(path, "-wal").stat()
    path.read_bytes()
    run_elsewhere(PRELUDE + what, str(path))
    assert (beside(path, "-wal").stat().st_ino, beside(path, "-wal").stat().st_size) == (log.st_ino, log.st_size)
    store.write(send("b"))
    assert keys(path) == ["a", "b"]


# ---------------------------------------------------------------------------------------------- forks


def in_child(act: Callable[[], None]) -> int:
    """The exit code of a forked child that does it; one that hangs is ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):
            act()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_F103_a_forked_child_is_told_and_can_open_its_own(store: Store, path: Path) -> None:
    store.write(send("parent"))

    def child() -> None:
        with pytest.raises(errors.ForkedStore, match="belongs to process"):
            store.write(send("wrong"))
        with pytest.raises(errors.ForkedStore):
            store.read(reads.lane("parent"))
        store.close()
        with contextlib.closing(open_store(str(path))) as own:
            own.write(send("child"))

    assert in_child(child) == 0
    store.write(send("after"))
    assert keys(path) == ["after", "child", "parent"]


async def test_F103_F946_the_store_of_an_event_loop_says_so_in_a_child(path: Path) -> None:
    store = await open_async_store(str(path))

    async def asked() -> None:
        for coroutine in (store.write(send("wrong")), store.read(reads.lane("a")), store.version()):
            with pytest.raises(errors.ForkedStore):
                await coroutine
        await store.close()

    def child() -> None:
        with pytest.raises(errors.ForkedStore):
            store.write_blocking(send("wrong"), 30)
        asyncio.run(asked())

        with pytest.raises(errors.ForkedInUse, match=f"was forked while its parent {parent} had"):
            open_store(str(path))  # a lock of SQLite's that a thread held at the fork is never free in the child

    parent = os.getpid()
    assert in_child(child) == 0
    await store.close()
    assert in_child(lambda: open_store(str(path)).close()) == 0, "nothing is open any more"


def test_F103_a_child_that_lives_on_keeps_no_lock_of_a_parent_that_was_killed(path: Path) -> None:
    """The lock on the side file belongs to the open file, which a child shares, unless it closes it."""
    program = f"""
import os, signal, time
from lanes_storage import open_store
store = open_store({str(path)!r})
def step(tx):
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
store.write(step)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.wait()
        try:
            assert elsewhere(path, "a") == ""
        finally:
            os.kill(child, 9)
            parent.stdout.close()


# ----------------------------------------------------------------------------------------- empty files


def test_F106_an_empty_file_is_no_database_and_stays_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(errors.DatabaseMissing):
        open_store(str(path))
    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("room", [5_000, 60_000])
def test_F790_what_a_creation_without_room_leaves_counts_as_no_database(tmp_path: Path, room: int) -> None:
    path = tmp_path / "lanes.db"
    run_elsewhere(PRELUDE + NO_ROOM, str(path), str(room))
    assert path.stat().st_size, "it has begun"
    with pytest.raises(errors.DatabaseMissing):
        open_store(str(path))
    with contextlib.closing(open_store(str(path), create=True)) as store:
        assert store.read(reads.lanes_total(LaneFilter())) == 0


def test_F106_an_older_file_is_refused_untouched_by_who_may_not_upgrade_it(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA user_version = 0")
    before = path.read_bytes()
    with pytest.raises(errors.DatabaseTooOld):
        open_store(str(path))
    assert path.read_bytes() == before
