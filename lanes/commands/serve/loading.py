"""Imports early what a gateway may need later, since another version may be installed under it while it runs."""

import asyncio
import contextlib
import pkgutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from lanes_storage.threads import call_off, in_thread

#: When this happens after the start. A gateway starts without it, and a short-lived one never needs it.
AFTER_S = 10.0
PACKAGES = ("lanes", "lanes_storage")
#: Packages from which a gateway imports nothing after it has opened its database.
_NOT_LATER = (
    "lanes.bench",
    "lanes.commands",
    "lanes.simulate",
    "lanes.testing",
    "lanes_storage.migrations",
    "lanes_storage.schema",
)
#: Packages that load a large library: only if a runner already uses them, which imports them at the start.
_IF_BEGUN = ("lanes.runners.acp",)


@asynccontextmanager
async def loaded_soon() -> AsyncIterator[None]:
    """During the block, import everything after ``AFTER_S``, in a thread."""
    loading = asyncio.create_task(_load_later(), name="lanes-loading")
    try:
        yield
    finally:
        await call_off(loading)


async def _load_later() -> None:
    await asyncio.sleep(AFTER_S)
    await in_thread(load)


def load() -> None:
    """Import every module that a gateway may need. One that fails is skipped: whoever needs it gets the error."""
    for package in PACKAGES:
        _load(package)


def _load(package: str) -> None:
    with contextlib.suppress(Exception):  # a half-installed version may raise anything
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
