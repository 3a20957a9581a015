"""From a URL to a store: the only module that knows which engines exist."""

from lanes_storage.interface import AsyncStore, Store
from lanes_storage.sqlite import SqliteStore, path_of


def open_store(url: str, *, create: bool = False, upgrade: bool | None = None, synchronous: str = "full") -> Store:
    """Open a database for a blocking caller. ``upgrade`` migrates an older schema; None means the same as ``create``.

    Raises ``StorageError``: missing (unless ``create``), deleted while a process has it
    open, older (unless ``upgrade``), newer, damaged, locked, not writable.
    """
    return SqliteStore(path_of(url), create=create, upgrade=upgrade, synchronous=synchronous)


async def open_async_store(url: str, *, create: bool = False, synchronous: str = "full") -> AsyncStore:
    """Open a database for an event loop. Raises as ``open_store`` does."""
    # importing asyncio and aiosqlite takes half of the start time of a blocking command
    from lanes_storage.sqlite.aio import AsyncSqliteStore

    return await AsyncSqliteStore.open(path_of(url), create=create, synchronous=synchronous)
