"""One of many costs only itself: what raises is said, and the others go on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from lanes_storage.errors import StorageError
from lanes_storage.saying import Log

T = TypeVar("T")


@contextmanager
def alone(log: Log, about: str) -> Iterator[None]:
    """A block about one of many. Raises what is about the database, and so about all: StorageError, TimeoutError."""
    try:
        yield
    except (StorageError, TimeoutError):
        raise
    except Exception:
        log.exception("%s: this went wrong; the others go on", about)


def by_page(
    log: Log, many: Sequence[T], page: int, do: Callable[[Sequence[T]], object], named: Callable[[T], str]
) -> None:
    """Do something for many, so many at a time; where that raises, for each of them by itself.

    ``do`` has done nothing where it raises. Raises StorageError, TimeoutError.
    """
    for at in range(0, len(many), page):
        some = many[at : at + page]
        try:
            do(some)
        except (StorageError, TimeoutError):
            raise
        except Exception:
            for each in some:
                with alone(log, named(each)):
                    do([each])
