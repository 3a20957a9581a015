"""The desk: what an operator or an embedding program can do with lanes, on asyncio.

    async with lanes.connect("sqlite:///lanes.db") as desk:
        message = await desk.send("agent:main:telegram:42", "hello")
        outcome = await desk.abort("agent:main:telegram:42", actor="alice", reason="stuck")

Most methods run a verb of ``lanes.verbs``; ``tests/verbs/test_faces.py`` compares the two."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lanes.base import arguments
from lanes.config import Config
from lanes.desk.base import EMBEDDER as EMBEDDER
from lanes.desk.operating import DeskOperating
from lanes.desk.sending import DeskSending
from lanes.drivers.on_loop import running_loop
from lanes_storage import open_async_store
from lanes_storage.clock import Clock, system_clock


@asynccontextmanager
async def connect(
    url: str | Path,
    *,
    create: bool = True,
    synchronous: str = "full",
    config: Config | None = None,
    clock: Clock = system_clock,
) -> AsyncIterator["Desk"]:
    """Open a database (a path, or ``sqlite:///path``) and close it at the end of the block.

    ``config`` sets policies and the limits of holds; without it no file is looked for. Creates the database, and
    upgrades an older one, unless ``create`` is False: programs of the older version refuse the file from then on.
    ``synchronous``: ``full``, or ``normal``, which may lose the last messages when the machine loses power.
    Raises Unfit; ``StorageError``: missing, older, newer, damaged, locked, not writable.
    """
    running_loop()
    arguments.instance(config, Config, "config", "lanes.config.load(path)")
    name = str(url) if isinstance(url, Path) else arguments.text(url, "the name of a database")
    desk = Desk(await open_async_store(name, create=create, synchronous=synchronous), clock, config)
    try:
        yield desk
    finally:
        await desk.close()


class Desk(DeskSending, DeskOperating):
    """A database and its operations. Belongs to the event loop in which it was created."""
