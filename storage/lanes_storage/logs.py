"""Logging in a host program, such that a failing log handler has no effect on lanes."""

import contextlib
import logging
import threading
from typing import Any


class Log(logging.LoggerAdapter[logging.Logger]):
    """The logger called ``name``, for lanes inside a host program. Handlers and filters belong to the host program and
    may raise an exception; even the default handler does if standard error is closed. The exception is dropped: it must
    not end a thread, a run or a task, and it cannot be logged either.
    Only in the main thread may one leave the program (a handler that calls ``sys.exit``, a signal): in any other thread
    it would end just that thread."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name), {})

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # report the caller's file and line
        main = threading.current_thread() is threading.main_thread()
        with contextlib.suppress(Exception if main else BaseException):
            super().log(level, msg, *args, **kwargs)
