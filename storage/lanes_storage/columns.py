"""What tables are made of: the base of all of them, and columns, conditions and indexes of a kind."""

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Table(SQLModel, registry=registry()):
    """The base of all tables of lanes, and of nothing else: the tables that a host program makes with SQLModel share
    one MetaData, and would come into our file, and ours into theirs."""


def together(*columns: str) -> str:
    """A SQL condition: all of the columns are null, or none is."""
    first, *others = columns
    return " AND ".join(f"(({first} IS NULL) = ({other} IS NULL))" for other in others)


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of only those rows for which a condition holds: small, whatever the table has grown to."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def identity() -> Any:
    """An integer key given by the database that is never given twice, so that ids order by time."""
    return Field(default=None, sa_column=Column(Integer, primary_key=True, autoincrement=True))


def number() -> Any:
    """An integer of a key that whoever writes the row gives."""
    return Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))


def reference(table: str, *, required: bool = False) -> Any:
    """A column that names a row of ``table``, checked at commit, since a claim writes rows that name each other.

    Only columns with an index of their own are references: the engine looks them up whenever the named row
    is deleted, and retention deletes many. The others are checked by ``lanes doctor``.
    """
    key = ForeignKey(f"{table}.id", deferrable=True, initially="DEFERRED")
    return Field(default=None, sa_column=Column(Integer, key, nullable=not required))


def widened(metadata: MetaData) -> MetaData:
    """With room for milliseconds, which need more than 32 bits. SQLite has one integer type, and its keys insist on the
    plain name."""
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, Integer):
                column.type = BigInteger().with_variant(Integer, "sqlite")
    return metadata
