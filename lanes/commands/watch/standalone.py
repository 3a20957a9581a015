"""A process that watches other programs' gateways and runs nothing. It is an owner with heartbeats, like a desk."""

import asyncio
import signal
from collections.abc import Callable

from lanes.config import Config
from lanes.desk import connect
from lanes.server.signals import handled_signals
from lanes.watch.kinds import keys_folder
from lanes.watch.watcher import Watcher, WatcherHome, watching
from lanes_storage.logs import Log

log = Log("lanes.watch")


async def watch_alone(config: Config, database: str, *, on_ready: Callable[[], None]) -> None:
    """Watch until a signal. Raises StorageError."""
    stopping = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        log.info("%s: stopping", number.name)
        stopping.set()

    async with connect(database, synchronous=config.database.synchronous, config=config) as desk:
        home = WatcherHome(desk.store, desk.changes, desk.clock, await desk.register())
        watcher = Watcher(home, config.watches, keys_folder())
        with handled_signals(on_signal, lambda _: None):
            async with watching(watcher):
                on_ready()
                await stopping.wait()
