"""The SQLite engine: one file, one writer thread, readers beside it."""

from lanes_storage.sqlite.connect import path_of
from lanes_storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "path_of"]
