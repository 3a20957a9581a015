"""What lanes says in the log of the program that it works in, and that nothing comes of it but words."""

import contextlib
import logging
from typing import Any


class Log(logging.LoggerAdapter[logging.Logger]):
    """The logger of that name. Handlers and filters belong to the host, and may raise: a standard error that is closed
    makes even the default one do so. That must end no thread, no run and no duty, and there is nobody to be told."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name), {})

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the line that speaks is our caller's
        with contextlib.suppress(Exception):
            super().log(level, msg, *args, **kwargs)
