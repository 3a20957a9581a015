"""The storage layer of lanes. Programs use the library ``lanes``, which is built on this package.

``open_store`` and ``open_async_store`` open a database by its URL: a plain path or ``sqlite:///path``.
"""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes_storage.interface import AsyncStore, Query, Reader, Step, Store, Transaction
    from lanes_storage.opening import open_async_store, open_store

__getattr__ = lazily(
    __name__,
    {".interface": "AsyncStore Query Reader Step Store Transaction", ".opening": "open_async_store open_store"},
)
__all__ = ["AsyncStore", "Query", "Reader", "Step", "Store", "Transaction", "open_async_store", "open_store"]
