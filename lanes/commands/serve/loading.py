"""Loads what a gateway may import later, since another version may be installed under it while it runs."""

import asyncio
import contextlib
import pkgutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from lanes_storage.threads import call_off, in_thread

#: It starts without all this, and most programs that start one for a moment never need it.
AFTER_S = 10.0
PACKAGES = ("lanes", "lanes_storage")
#: What no gateway imports once it has opened its database.
_NOT_LATER = (
    "lanes.bench",
    "lanes.commands",
    "lanes.simulate",
    "lanes.testing",
    "lanes_storage.migrations",
    "lanes_storage.schema",
)
#: What loads a large library, and was begun at the start where a runner needs it.
_IF_BEGUN = ("lanes.runners.acp",)


@asynccontextmanager
async def loaded_soon() -> AsyncIterator[None]:
    """Within the block, everything is loaded after a while, in a thread."""
    loading = asyncio.create_task(_load_later(), name="lanes-loading")
    try:
        yield
    finally:
        await call_off(loading)


async def _load_later() -> None:
    await asyncio.sleep(AFTER_S)
    await in_thread(load)


def load() -> None:
    """Import every module that a gateway may need. What cannot be imported is left to who needs it."""
    for package in PACKAGES:
        _load(package)


def _load(package: str) -> None:
    with contextlib.suppress(Exception):  # of a version that is half installed, anything may be raised
        for found in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
            if (
                found.ispkg
                and found.name not in _NOT_LATER
                and (found.name in sys.modules or found.name not in _IF_BEGUN)
            ):
                _load(found.name)
            elif not found.ispkg and not found.name.endswith(".__main__"):
                with contextlib.suppress(Exception):
                    import_module(found.name)
