"""A disk without room, by SQLite's own limit: what needs no further page can still be written."""

from lanes_storage.interface import AsyncStore, Transaction

#: What SQLite itself allows.
MOST_PAGES = 2**30


async def may_grow(store: AsyncStore, yes: bool) -> None:
    """Let the file grow or not, as far as this store writes it."""

    def step(tx: Transaction) -> None:
        (pages,) = tx.rows("PRAGMA page_count", {})[0]
        tx.rows(f"PRAGMA max_page_count = {MOST_PAGES if yes else pages}", {})

    await store.write(step)
