"""The SQLite engine: one file, one writer thread, and readers."""

from lanes_storage.sqlite.file.connect import path_of
from lanes_storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "path_of"]
