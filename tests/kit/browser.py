"""What a browser says to ``lanes dashboard --serve``, and the terminal that runs in it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pyte

from tests.kit.until import until


class BrowserTab:
    """One tab: the screen that its terminal shows, and how it was closed."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, width: int, height: int) -> None:
        self.socket = socket
        self.closed: tuple[int | None, str] | None = None
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self._screen)

    async def read(self) -> None:
        """Take what comes until the server closes."""
        while True:
            message = await self.socket.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                self._stream.feed(message.data)
            elif message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                self.closed = (self.socket.close_code, str(message.extra or ""))
                return

    @property
    def screen(self) -> str:
        """What it shows."""
        return "\n".join(self._screen.display)

    async def say(self, *said: Any) -> None:
        """Send a message."""
        await self.socket.send_str(json.dumps(said))

    async def type(self, typed: str) -> None:
        """Press keys."""
        await self.say("stdin", typed)

    async def click(self, text: str) -> None:
        """Click on that text."""
        y = next(y for y, line in enumerate(self._screen.display) if text in line)
        x = self._screen.display[y].index(text)
        await self.type(f"\x1b[<0;{x + 1};{y + 1}M\x1b[<0;{x + 1};{y + 1}m")

    async def shows(self, *words: str) -> None:
        """Wait until it shows all of this."""
        try:
            await until(lambda: all(word in self.screen for word in words), f"{words} in the tab")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.closed}\n{self.screen}") from None

    async def ended(self) -> tuple[int | None, str]:
        """Wait until the server has closed it; the code and the sentence."""
        await until(lambda: self.closed is not None, "the server to close the tab")
        assert self.closed is not None
        return self.closed


@contextlib.asynccontextmanager
async def tab(
    url: str, token: str | None, *, origin: str | None = None, size: tuple[int, int] = (110, 30)
) -> AsyncIterator[BrowserTab]:
    """A tab of a browser on a page of that server; ``token`` None: it says nothing."""
    width, height = size
    where = f"{url}socket?width={width}&height={height}"
    headers = {"Origin": url.rstrip("/") if origin is None else origin}
    async with aiohttp.ClientSession() as client, client.ws_connect(where, headers=headers, max_msg_size=0) as socket:
        one = BrowserTab(socket, width, height)
        reading = asyncio.create_task(one.read())
        try:
            if token is not None:
                await one.say("token", token)
            yield one
        finally:
            await socket.close()
            await reading
