"""The storage of lanes. Programs use the library ``lanes``; this is the layer below it.

``open_store`` and ``open_async_store`` open a database by its URL: a plain path or ``sqlite:///path``.
"""

from lanes_storage.interface import AsyncStore, Query, Reader, Step, Store, Transaction
from lanes_storage.opening import open_async_store, open_store

__all__ = ["AsyncStore", "Query", "Reader", "Step", "Store", "Transaction", "open_async_store", "open_store"]
