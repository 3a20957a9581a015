"""Making, checking and upgrading the schema.

The version is a number in the file (``PRAGMA user_version``). A fresh database is created directly from the tables;
an older one is upgraded step by step; a newer one is refused without any change. A test compares the results of
both ways.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module

from lanes_storage.interface import Transaction

#: The version that this program reads and writes. Increase it together with a step in MIGRATIONS.
VERSION = 3
#: ``PRAGMA application_id`` of our files ("lane"), to recognize databases of other programs.
APPLICATION_ID = 0x6C616E65


def _step(version: int) -> Callable[[Transaction], None]:
    """The step to a version. It is imported only when it runs, which is once in the life of a file."""

    def step(tx: Transaction) -> None:
        import_module(f"lanes_storage.migrations.to_{version}").step(tx)

    return step


#: From version N to N + 1. A released step is never edited.
MIGRATIONS: dict[int, Callable[[Transaction], None]] = {1: _step(2), 2: _step(3)}


@cache
def creation(dialect: str) -> tuple[str, ...]:
    """The statements that create an empty database of the newest version, the tables first. Imports SQLModel.

    They are always in the same order: the engine's choice between two indexes may depend on it.
    """
    from sqlalchemy import create_mock_engine

    from lanes_storage.schema.tables import metadata

    statements: list[str] = []

    def note(statement: object, *_: object, **__: object) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)).strip())  # type: ignore[attr-defined]

    engine = create_mock_engine(f"{dialect}://", note)
    metadata.create_all(engine, checkfirst=False)
    return tuple(sorted(statements, key=lambda made: "" if made.startswith("CREATE TABLE") else made))


def create(tx: Transaction, dialect: str) -> None:
    """Make the tables in an empty database."""
    for statement in creation(dialect):
        tx.run(statement, {})
    tx.run("INSERT INTO counters (name, value) VALUES ('epoch', 0), ('touch', 0)", {})


def upgrade(tx: Transaction, found: int) -> None:
    """Bring a database of version ``found`` to ``VERSION``."""
    for version in range(found, VERSION):
        MIGRATIONS[version](tx)
