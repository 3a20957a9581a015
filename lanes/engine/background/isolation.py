"""Isolates failures: if one of many items raises, that is logged and the others continue.

Also exceptions of runners and hooks that would end the event loop, and with it every other run: asyncio lets SystemExit
and KeyboardInterrupt propagate out of a task and out of the loop. Raised by user code, they are treated as ordinary
errors; raised by the handler of SIGINT, they are Ctrl-C and keep their effect.
"""

import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from lanes.base.sentences import sentence
from lanes.base.terminal import clean
from lanes_storage.errors import StorageError
from lanes_storage.logs import Log

T = TypeVar("T")

#: How many characters of a traceback are logged.
LONGEST_TRACE = 32_768

#: The exceptions to catch where code of a runner or a hook is awaited.
LEAVES = (SystemExit, KeyboardInterrupt)


@contextmanager
def isolated(log: Log, about: str) -> Iterator[None]:
    """A block for one of many items: its exceptions are logged. Only errors of the database are raised, because they
    concern all items: StorageError, TimeoutError."""
    try:
        yield
    except (StorageError, TimeoutError):
        raise
    except Exception:
        log.exception("%s: this failed; the others continue", about)


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


def why_left(left: BaseException) -> str:
    """The sentence for an exception of user code, such as one of ``LEAVES``. Raises it again if it is Ctrl-C."""
    if issubclass(type(left), SystemExit):  # runs no code of the error, which could raise such an exception again
        return f"it called sys.exit({sentence(SystemExit.__dict__['code'].__get__(left))})"
    if not issubclass(type(left), KeyboardInterrupt):
        return sentence(left)
    if _of_signal(left):
        raise left
    return "it raised KeyboardInterrupt"


def trace_of(error: BaseException) -> str:
    """The traceback of an error of user code, for the log: foreign text, escaped and shortened. Raises nothing."""
    try:
        return clean(_shortened("".join(traceback.format_exception(error))), keep_newlines=True)
    except BaseException as wrong:  # its notes or its cause may be properties that raise anything
        return clean(f"{sentence(error)} (its traceback can not be shown: {sentence(wrong)})", keep_newlines=True)


def _shortened(trace: str) -> str:
    """Keep only the start and the end of a long text: cleaning megabytes of text would block the event loop."""
    half = LONGEST_TRACE // 2
    return trace if len(trace) <= LONGEST_TRACE else f"{trace[:half]}\n…\n{trace[-half:]}"


def _of_signal(error: BaseException) -> bool:
    """Whether the present handler of SIGINT raised the exception. Python's default handler leaves no trace, so with
    that handler every KeyboardInterrupt counts as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():  # signal handlers run only in the main thread
        return False
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True
    while isinstance(handler, partial):
        handler = handler.func
    code = getattr(handler, "__code__", None)
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(error.__traceback__))
