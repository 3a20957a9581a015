"""Creating, checking and upgrading the schema.

The version is a number in the file (``PRAGMA user_version``). A fresh database is created directly from the tables;
one of an older release is upgraded step by step; any other is refused without any change. A test checks that creation
and upgrade lead to the same schema.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module

from lanes_storage import errors
from lanes_storage.interface import Transaction

#: The version that this program reads and writes. Increase it together with a step in MIGRATIONS.
VERSION = 3
#: ``PRAGMA application_id`` of the files of lanes ("lane"), to recognize databases of other programs.
APPLICATION_ID = 0x6C616E65


def _to_3(tx: Transaction) -> None:
    import_module("lanes_storage.migrations.to_3").step(tx, creation())  # once in the life of a file


#: The step from each released version to the next one. A released step is never edited.
MIGRATIONS: dict[int, Callable[[Transaction], None]] = {1: _to_3}


def check(database: str, found: int, *, upgrade: bool = False) -> None:
    """Refuse a newer version, a version that no release had and, unless ``upgrade``, an older one.

    Raises DatabaseTooNew, DatabaseUnreleased, DatabaseTooOld.
    """
    if found > VERSION:
        raise errors.DatabaseTooNew(database, found, VERSION)
    if found not in (0, VERSION, *MIGRATIONS):
        raise errors.DatabaseUnreleased(database, found, VERSION)
    if found < VERSION and not upgrade:
        raise errors.DatabaseTooOld(database, found, VERSION)


@cache
def creation() -> tuple[str, ...]:
    """The statements that create an empty database of the newest version, the tables first. Imports SQLModel.

    They are always in the same order: the engine's choice between two indexes may depend on it.
    """
    from sqlalchemy.dialects.sqlite import dialect
    from sqlalchemy.schema import CreateIndex, CreateTable

    from lanes_storage.schema.tables import metadata

    def text(statement: CreateTable | CreateIndex) -> str:
        return str(statement.compile(dialect=dialect())).strip()

    tables = metadata.tables.values()
    indexes = (text(CreateIndex(index)) for table in tables for index in table.indexes)
    return (*(text(CreateTable(table)) for table in tables), *sorted(indexes))


def create(tx: Transaction) -> None:
    """Create the tables in an empty database."""
    for statement in creation():
        tx.run(statement, {})
    tx.run("INSERT INTO counters (name, value) VALUES ('epoch', 0), ('touch', 0)", {})


def upgrade(tx: Transaction, found: int) -> None:
    """Bring a database of version ``found`` to ``VERSION``."""
    for version in sorted(MIGRATIONS):
        if version >= found:
            MIGRATIONS[version](tx)
