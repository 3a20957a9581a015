"""lanes itself, today's or 0.1.0: how fast 32 callers are, and how late their event loop is meanwhile.

Called with a folder, a number of cycles and a number of lanes; prints cycles a second and the 99th percentile of the
lateness of a timer, in milliseconds. What it uses, both versions have.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from lanes_storage import interface, open_async_store


def either(today: str, then: str) -> Any:
    """A module by its name of today or, in 0.1.0, by its name of then."""
    try:
        return import_module(today)
    except ModuleNotFoundError:
        return import_module(then)


cycle, filling, work = (
    either(f"lanes.bench.kit.{name}", f"lanes.bench.{name}") for name in ("cycle", "filling", "work")
)
system_clock = either("lanes_storage.clock", "lanes_storage.moment").system_clock
CALLERS = 32
TICK_S = 0.001


def step(door: Callable[..., Any], *given: Any) -> Any:
    """One step of a cycle: a call today; in 0.1.0 its door was given the transaction."""
    return door(*given) if hasattr(interface, "CommandStep") else lambda tx: door(tx, *given)


async def main(path: Path, cycles: int, lanes: int) -> None:
    """Print both."""
    numbers, late = iter(range(cycles)), list[float]()

    async def ticking() -> None:
        while True:
            due = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            late.append(1000 * (time.perf_counter() - due))

    async def caller(owner: int) -> None:
        for number in numbers:
            now = system_clock()
            message = await store.write(step(cycle.enqueue, f"lane:{number * 7919 % lanes}", now))
            claimed = await store.write(step(cycle.claim, owner, message, now))
            await store.write(step(cycle.heartbeat, owner, claimed.ticket, now))
            await store.write(step(cycle.complete, claimed.ticket, now))

    store = await open_async_store(str(path))
    owners = await store.write(lambda tx: [cycle.register(tx, system_clock()) for _ in range(CALLERS)])
    probe, started = asyncio.create_task(ticking()), time.perf_counter()
    await asyncio.gather(*(caller(owner) for owner in owners))
    took = time.perf_counter() - started
    probe.cancel()
    await store.close()
    print(cycles / took, work.percentile(late, 0.99), flush=True)  # noqa: T201 - the figures are the output


def made(folder: Path, lanes: int) -> Path:
    """A database with so many lanes."""
    size = replace(work.TINY, lanes=lanes)
    database: Path = filling.copied(work.Work(size, folder, progress=lambda _: None), lanes)
    return database


asyncio.run(main(made(Path(sys.argv[1]), int(sys.argv[3])), int(sys.argv[2]), int(sys.argv[3])))
