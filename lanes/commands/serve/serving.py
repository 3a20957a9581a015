"""Serving a gateway in the foreground: what ``lanes gateway`` and ``lanes up`` share."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from os import getpid
from pathlib import Path

from lanes.commands.serve.leaving import leave_within
from lanes.commands.serve.loading import loaded_soon
from lanes.config import Config
from lanes.config.declared import places
from lanes.config.reading.access import exposed, readable
from lanes.desk import Desk, connect
from lanes.engine.runs.hooks import configured_hooks
from lanes.gateway import Gateway
from lanes.host import descriptors
from lanes.runners.build import build_specs
from lanes.runners.command.memory import AgentMemory
from lanes.server.listening import url_of
from lanes.server.serve import serve
from lanes_storage.law import SIMULATED
from lanes_storage.logs import Log
from lanes_storage.sqlite import path_of
from lanes_storage.sqlite.inspect import NETWORK, file_system_of

log = Log("lanes")


async def run_gateway(
    config: Config,
    database: str,
    listener: socket.socket,
    *,
    on_ready: Callable[[str], None],
    stop: asyncio.Event | None = None,
    simulated: bool = False,
) -> None:
    """Serve until a signal, or ``stop``. Raises StorageError, ConfigError."""
    _warn_of_network(path_of(database))
    _warn_of_access(path_of(database), config.secret_files)
    async with connect(database, synchronous=config.database.synchronous, config=config) as desk:
        specs = build_specs(config, desk.store, desk.clock, AgentMemory(desk.store))
        _raise_limit(sum(spec.max_runs for spec in specs.values()))
        try:
            gateway = Gateway(
                desk,
                specs=specs,
                config=config,
                url=url_of(listener),
                fingerprint=SIMULATED if simulated else None,
                hooks=configured_hooks(config),
            )
            async with _noted(database, url_of(listener)), _watching(desk, gateway, config), loaded_soon():
                await serve(gateway, config, listener, on_ready=on_ready, stop=stop, leave_within=leave_within)
        finally:
            await specs.aclose()


def _raise_limit(runs: int) -> None:
    limit = descriptors.raise_limit(runs)
    if limit < descriptors.needed(runs):
        sentence = "%d files may be open, which allows %d runs at once, not %d: raise the hard limit (ulimit -Hn)"
        log.warning(sentence, limit, descriptors.allowed(limit), runs)


def _warn_of_network(path: Path) -> None:
    kind = file_system_of(path)
    if kind in NETWORK:
        log.warning("%s lies on %s: locks do not hold on a network file system; move it to a local disk", path, kind)


def _warn_of_access(path: Path, secrets: Iterable[Path]) -> None:
    with contextlib.suppress(OSError):  # opening the file will report it
        for found in (exposed(path), *map(readable, secrets)):
            if found is not None:
                log.warning("%s: %s", *found)


@asynccontextmanager
async def _watching(desk: Desk, gateway: Gateway, config: Config) -> AsyncIterator[None]:
    """Watch the configured gateways of other programs, as the owner that the gateway registers."""
    if not config.watches:
        yield
        return
    from lanes.watch.kinds import keys_folder
    from lanes.watch.watcher import Watcher, WatcherHome, watching

    def owner() -> int | None:
        return gateway.owner_id if gateway.ready else None

    home = WatcherHome(desk.store, desk.changes, desk.clock, owner)
    async with watching(Watcher(home, config.watches, keys_folder())):
        yield


@asynccontextmanager
async def _noted(database: str, url: str) -> AsyncIterator[None]:
    """Note this gateway in the state directory, so that commands find its database."""
    note: Path | None = None
    try:
        note = places.note_gateway(getpid(), database, url=url)
    except OSError as error:
        log.warning("commands will not find this gateway by themselves: %s", error)
    try:
        yield
    finally:
        if note is not None:
            with contextlib.suppress(OSError):
                note.unlink(missing_ok=True)
