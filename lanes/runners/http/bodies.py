"""Bodies that stop being valid HTTP: aiohttp closes the connection, but raises no error where the body is read."""

from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError


class BrokenBody(aiohttp.ClientError):
    """The rest of a body is not valid HTTP."""


class BodyHandler(ResponseHandler):
    """Raises the error of a broken chunk where the body is read. aiohttp raises it only where a head is awaited, and
    cancels its read timeout."""

    _body: aiohttp.StreamReader | None = None

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take a head with its body."""
        _, self._body = data
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Take the error that ends the connection."""
        super().set_exception(exc, *cause)
        body = self._body
        if body is not None and not body.is_eof() and isinstance(exc, HttpProcessingError):
            body.set_exception(BrokenBody(exc.message.partition("\n")[0]))


class BodyConnector(aiohttp.TCPConnector):
    """A connector whose connections end the reading of a body that is not valid HTTP. Raises RuntimeError outside of an
    event loop."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        handler: Callable[..., ResponseHandler] = BodyHandler
        self._factory = partial(handler, loop=self._loop)
