"""Bodies that stop being valid HTTP: aiohttp closes the connection, and does not tell whoever reads the body."""

from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError


class BrokenBody(aiohttp.ClientError):
    """The rest of a body is not valid HTTP."""


class BodyHandler(ResponseHandler):
    """Passes the error of a broken chunk on to whoever reads the body: the library raises it only to those who wait for
    a head, and cancels its read timeout."""

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
