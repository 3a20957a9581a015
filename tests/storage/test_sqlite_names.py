"""The names of a database: which are taken for a file, and that a file has one alone."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lanes_storage import errors, open_store
from lanes_storage.interface import Store
from lanes_storage.sqlite import copies, path_of
from lanes_storage.sqlite.file.connect import open_reader
from lanes_storage.sqlite.inspect import other_names
from tests.kit.databases import lay
from tests.kit.forks import run_elsewhere
from tests.storage.test_sqlite_identity import ENDS, PRELUDE, SEND, beside, elsewhere, keys, send


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return lay(tmp_path / "lanes.db")


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with contextlib.closing(open_store(str(path))) as made:
        yield made


def test_F82_the_file_is_found_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(open_store("lanes.db", create=True)) as store:
        (tmp_path / "sub").mkdir()
        monkeypatch.chdir(tmp_path / "sub")
        store.write(send("a"))
    assert keys(tmp_path / "lanes.db") == ["a"]


def test_F1096_a_folder_that_only_the_name_led_through_may_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of an old release, say, in which the gateway was started: it said that the database was deleted."""
    release = tmp_path / "releases" / "1"
    release.mkdir(parents=True)
    monkeypatch.chdir(release)
    with contextlib.closing(open_store("../../lanes.db", create=True)) as store:
        release.rmdir()
        store.write(send("a"))
    assert keys(tmp_path / "lanes.db") == ["a"]
    assert path_of(str(release / ".." / ".." / "lanes.db")) == tmp_path / "lanes.db"


@pytest.mark.parametrize(
    "name", ["file:x.db", "file:x.db?mode=memory", "file::memory:?cache=shared", "sqlite:///file:x"]
)
def test_F82_a_URI_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.DatabaseUnavailable, match="URIs"):
        open_store(name, create=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["~nobody-of-this-name/lanes.db", "x" * 300])
def test_F82_a_name_that_no_file_can_have_is_refused_in_words(name: str) -> None:
    with pytest.raises(errors.StorageError):
        path_of(name)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_F82_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "lanes.db"
    make(path)
    for look in (lambda: open_store(str(path), create=True), lambda: open_reader(path)):
        with pytest.raises(errors.DatabaseUnavailable, match="that is"):
            look()
    assert list(tmp_path.iterdir()) == [path]


def test_F82_a_relative_name_in_a_folder_that_was_deleted_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(errors.DatabaseUnavailable, match="was deleted"):
        path_of("lanes.db")


@pytest.mark.parametrize("name", ["a?mode=memory", "a%20b", "a#b", "ä b", "file:x?mode=ro"])
def test_F82_every_other_name_is_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with contextlib.closing(open_store(str(path), create=True)) as store:
        store.write(send("a"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys(path) == ["a"]


# -------------------------------------------------------------------------------------- other names


def linked(path: Path) -> Path:
    other = path.with_name("other.db")
    other.hardlink_to(path)
    return other


def renamed(path: Path) -> Path:
    return path.rename(path.with_name("other.db"))


@pytest.mark.parametrize("harm", [linked, renamed])
def test_F78_under_another_name_it_would_have_another_log(
    store: Store, path: Path, harm: Callable[[Path], Path]
) -> None:
    store.write(send("before"))
    other = harm(path)
    assert elsewhere(other, "elsewhere") == "DatabaseAliased"
    with pytest.raises(errors.DatabaseAliased, match=r"hard links|under its former name"):
        open_reader(other)
    assert other_names(other) is not None
    if harm is renamed:
        other.rename(path)
    else:
        other.unlink()
    store.write(send("after"))
    assert elsewhere(path, "elsewhere") == ""
    assert keys(path) == ["after", "before", "elsewhere"]
    assert other_names(path) is None


def test_F596_a_file_that_is_mounted_by_itself_has_another_log_there(path: Path, tmp_path: Path) -> None:
    """So a container is given one file; what waits in its log would be gone with the container."""
    other = tmp_path / "container" / "data.db"
    other.parent.mkdir()
    other.touch()
    assert mounted(f'mount --bind "{path}" "{other}"', SEND, str(other), "key") == "DatabaseAliased\n"
    assert elsewhere(path, "key") == ""


def test_F87_a_copy_of_the_file_alone_has_everything_on_a_read_only_file_system_too(path: Path, tmp_path: Path) -> None:
    assert elsewhere(path, "key") == ""
    (tmp_path / "snapshot").mkdir()
    copy = tmp_path / "snapshot" / "copy.db"
    copy.write_bytes(path.read_bytes())
    read_only = f'mount --bind "{copy.parent}" "{copy.parent}" && mount -o remount,bind,ro "{copy.parent}"'
    reading = f"{PRELUDE}print(open_reader(path).execute('SELECT key FROM lanes').fetchall())"
    assert mounted(read_only, reading, str(copy)) == "[('key',)]\n"
    assert [file.name for file in copy.parent.iterdir()] == ["copy.db"]


def mounted(mounting: str, program: str, *arguments: str) -> str:
    """What a program prints where something is mounted, for itself alone."""
    script = f'{mounting} || exit 77; exec "$0" -c "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, sys.executable, program]
    try:
        done = subprocess.run([*command, *arguments], check=False, capture_output=True, text=True)
    except OSError:
        pytest.skip("needs unshare")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_F78_two_may_read_one_copy(store: Store, path: Path, tmp_path: Path) -> None:
    """It has no log, under no name."""
    copies.copy(path, tmp_path / "copy.db")
    reading = open_reader(tmp_path / "copy.db")
    reading.execute("BEGIN")
    reading.execute("SELECT * FROM lanes").fetchall()
    look = f"{PRELUDE}open_reader(path).close()"
    run_elsewhere(look, str(tmp_path / "copy.db"))
    reading.close()


@pytest.mark.parametrize("end", ENDS)
def test_F78_a_process_whose_locks_fell_has_no_other_name(store: Store, path: Path, end: str) -> None:
    store.write(send("before"))
    beside(path, end).read_bytes()
    assert elsewhere(path, "elsewhere") == ""
    assert other_names(path) is None
