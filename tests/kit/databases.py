"""Databases to begin with: the first costs the schema and its libraries, every further one a copy of it."""

import contextlib
import functools
import tempfile
from pathlib import Path

from lanes_storage import AsyncStore, Store, open_async_store, open_store


@functools.cache
def _empty() -> bytes:
    """A closed database with the newest schema and no rows, which has nothing left in its log."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lanes.db"
        open_store(str(path), create=True).close()
        return path.read_bytes()


def lay(path: Path) -> Path:
    """Lay an empty database where there is none yet."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.touch(0o600, exist_ok=False)
        path.write_bytes(_empty())
    return path


def new_store(path: Path) -> Store:
    """A store on a database that begins empty. Its commits do not wait for the disk: nothing here loses its power."""
    return open_store(str(lay(path)), synchronous="normal")


async def new_async_store(path: Path) -> AsyncStore:
    """The same, as an event loop uses it."""
    return await open_async_store(str(lay(path)), synchronous="normal")
