"""Migrations go forward, step by step, whole or not at all, and once."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lanes_storage import open_store
from lanes_storage.errors import DatabaseTooOld, StorageError
from lanes_storage.interface import Query, Transaction
from lanes_storage.schema import versions
from tests.kit.world import World

pytestmark = pytest.mark.disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of today with something in it."""
    path = tmp_path / "lanes.db"
    store = open_store(str(path), create=True)
    World(store).send("a", "hello")
    store.close()
    return path


def add(column: str) -> Callable[[Transaction], None]:
    def migration(tx: Transaction) -> None:
        tx.run(f"ALTER TABLE lanes ADD COLUMN {column} TEXT", {})

    return migration


def broken(tx: Transaction) -> None:
    add("half")(tx)
    raise sqlite3.OperationalError("no such thing")


def ahead(monkeypatch: pytest.MonkeyPatch, *migrations: Callable[[Transaction], None]) -> int:
    """A program that is so many versions ahead of the file; returns its version."""
    version = versions.VERSION + len(migrations)
    monkeypatch.setattr(versions, "MIGRATIONS", dict(enumerate(migrations, versions.VERSION)))
    monkeypatch.setattr(versions, "VERSION", version)
    return version


def columns(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [row[1] for row in connection.execute("PRAGMA table_info(lanes)")]
    finally:
        connection.close()


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_every_process_makes_the_same_file() -> None:
    made = versions.creation()
    tables = [statement for statement in made if statement.startswith("CREATE TABLE")]
    others = {*made} - {*tables}
    assert any(" INDEX " in statement for statement in others)
    assert [*made] == [*tables, *sorted(others)]


def test_an_older_file_goes_forward_step_by_step_and_keeps_what_is_in_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = columns(path)
    newest = ahead(monkeypatch, add("first"), add("second"))
    store = open_store(str(path), create=True)
    try:
        assert store.read(Query("SELECT text FROM messages", {}, list)) == [("hello",)]
    finally:
        store.close()
    assert columns(path) == [*before, "first", "second"]
    assert version_of(path) == newest
    open_store(str(path)).close()


def test_who_may_not_change_the_file_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    newest = ahead(monkeypatch, add("first"))
    with pytest.raises(DatabaseTooOld) as refused:
        open_store(str(path))
    assert (refused.value.found, refused.value.known) == (newest - 1, newest)
    assert path.read_bytes() == before


def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, version = columns(path), version_of(path)
    ahead(monkeypatch, add("first"), broken)
    with pytest.raises(StorageError):
        open_store(str(path), create=True)
    assert (columns(path), version_of(path)) == (before, version)


@pytest.mark.parametrize("exists", [True, False])
def test_of_two_that_start_at_once_one_does_it(path: Path, exists: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = ahead(monkeypatch, add("first"))
    if not exists:
        path = path.with_name("fresh.db")
    errors: list[BaseException] = []
    line = threading.Barrier(4)

    def start() -> None:
        line.wait()
        try:
            open_store(str(path), create=True).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert version_of(path) == newest
