"""The fixtures of the storage tests serve here too."""

from tests.storage.conftest import engine, store, time, url, world

__all__ = ["engine", "store", "time", "url", "world"]
