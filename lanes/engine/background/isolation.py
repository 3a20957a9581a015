"""Isolates failures: if one of many items raises, that is logged and the others continue."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from lanes_storage.errors import StorageError
from lanes_storage.logs import Log

T = TypeVar("T")


@contextmanager
def isolated(log: Log, about: str) -> Iterator[None]:
    """A block for one of many items: its exceptions are logged. Only errors of the database are raised, because they
    concern all items: StorageError, TimeoutError."""
    try:
        yield
    except (StorageError, TimeoutError):
        raise
    except Exception:
        log.exception("%s: this went wrong; the others go on", about)


def by_page(
    log: Log, many: Sequence[T], page: int, do: Callable[[Sequence[T]], object], named: Callable[[T], str]
) -> None:
    """Call ``do`` for many items, in pages; if a page raises, call it for each of its items separately.

    ``do`` must have no effect if it raises. Raises StorageError, TimeoutError.
    """
    for at in range(0, len(many), page):
        some = many[at : at + page]
        try:
            do(some)
        except (StorageError, TimeoutError):
            raise
        except Exception:
            for each in some:
                with isolated(log, named(each)):
                    do([each])
