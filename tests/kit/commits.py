"""Commits that take as long as a test wants."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lanes_storage.interface import AsyncStore, Transaction
from tests.kit.until import until


@asynccontextmanager
async def long_commit(store: AsyncStore) -> AsyncIterator[None]:
    """Keep the writer of a store busy for as long as the block lasts, as a large group commit does."""
    begun, go = threading.Event(), threading.Event()

    def step(_: Transaction) -> None:
        begun.set()
        go.wait()

    writing = asyncio.create_task(store.write(step))
    await until(begun.is_set, "the commit to begin")
    try:
        yield
    finally:
        go.set()
        await writing
