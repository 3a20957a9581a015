"""Building blocks of tables: their base class, and helpers for columns, conditions and indexes."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Table(SQLModel, registry=registry()):
    """The base class of the tables of lanes, with a MetaData of its own. In the MetaData that all other SQLModel tables
    of a process share, tables of a host program would be created in the file of lanes, and vice versa."""


def together(*columns: str) -> str:
    """A SQL condition: all of the columns are null, or none is."""
    first, *others = columns
    return " AND ".join(f"(({first} IS NULL) = ({other} IS NULL))" for other in others)


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """A partial index: only the rows for which a condition holds. It stays small when the table grows."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where))


def identity() -> Any:
    """An integer key that the database assigns and never reuses, so that ids are in order of time."""
    return Field(default=None, sa_column=Column(Integer, primary_key=True, autoincrement=True))


def number() -> Any:
    """An integer part of a key, set by the code that writes the row."""
    return Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))


def reference(table: str, *, required: bool = False) -> Any:
    """A foreign key to ``table``, checked at commit, because a claim writes rows that refer to each other.

    Only columns with an index are foreign keys: the engine looks them up whenever the referenced row
    is deleted, and retention deletes many rows. ``lanes doctor`` checks the other references.
    """
    key = ForeignKey(f"{table}.id", deferrable=True, initially="DEFERRED")
    return Field(default=None, sa_column=Column(Integer, key, nullable=not required))
