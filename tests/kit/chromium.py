"""A real browser without a window: Chromium, driven over its DevTools protocol."""

import asyncio
import base64
import contextlib
import shutil
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pyte

from tests.kit.until import until

#: Where Chromium is installed, or None.
PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--window-size=1100,720",
    "about:blank",
)


class BrowserPage:
    """The one page of a browser, and the terminal that its WebSocket paints."""

    def __init__(self, tools: aiohttp.ClientWebSocketResponse) -> None:
        self._tools = tools
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._terminal = pyte.Screen(80, 24)
        self._painted = pyte.ByteStream(self._terminal)
        #: What the page complained of: refused by its policy, or an error of a script.
        self.complaints: list[str] = []
        #: Every address that it asked for.
        self.asked: list[str] = []

    async def listen(self) -> None:
        """Take what the browser tells until it ends."""
        async for message in self._tools:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told.get("result", told))
            else:
                self._heard(told["method"], told["params"])

    def _heard(self, method: str, given: dict[str, Any]) -> None:
        match method:
            case "Log.entryAdded" if given["entry"]["level"] == "error":
                self.complaints.append(given["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(given["exceptionDetails"]))
            case "Network.requestWillBeSent":
                self.asked.append(given["request"]["url"])
            case "Network.webSocketCreated":
                self.asked.append(given["url"])
                size = parse_qs(urlsplit(given["url"]).query)
                self._terminal.resize(int(size["height"][0]), int(size["width"][0]))
            case "Network.webSocketFrameReceived" if given["response"]["opcode"] == 2:
                self._painted.feed(base64.b64decode(given["response"]["payloadData"]))

    async def tell(self, method: str, **given: Any) -> Any:
        """Ask the browser for something."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._tools.send_json({"id": number, "method": method, "params": given})
        return await answer

    async def value(self, script: str) -> Any:
        """What an expression is on the page."""
        return (await self.tell("Runtime.evaluate", expression=script, returnByValue=True))["result"].get("value")

    async def type(self, text: str) -> None:
        """Press the keys of a text."""
        for character in text:
            key = {"\r": "Enter"}.get(character, character)
            code = 13 if character == "\r" else ord(character.upper())
            await self.tell(
                "Input.dispatchKeyEvent", type="keyDown", key=key, text=character, windowsVirtualKeyCode=code
            )
            await self.tell("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def click(self, text: str) -> None:
        """Click on that text of the terminal."""
        y, line = next((y, line) for y, line in enumerate(self._terminal.display) if text in line)
        box = await self.value("document.querySelector('.xterm-screen').getBoundingClientRect().toJSON()")
        at = {
            "x": box["x"] + (line.index(text) + 0.5) * box["width"] / self._terminal.columns,
            "y": box["y"] + (y + 0.5) * box["height"] / self._terminal.lines,
        }
        for kind in ("mousePressed", "mouseReleased"):
            await self.tell("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    @property
    def screen(self) -> str:
        """What the terminal shows."""
        return "\n".join(self._terminal.display)

    async def shows(self, *words: str) -> None:
        """Wait until the terminal shows all of this."""
        try:
            await until(lambda: all(word in self.screen for word in words), f"{words} in the browser")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.complaints}\n{self.screen}") from None

    async def open(self, url: str, token: str) -> None:
        """Open the dashboard, and give its page the token."""
        await self.tell("Page.navigate", url=url)
        ready = "document.readyState === 'complete' && document.querySelector('#token') !== null"

        async def is_ready() -> bool:
            return bool(await self.value(ready))

        await until(is_ready, "the page")
        await self.value("document.querySelector('#token').focus()")
        await self.type(f"{token}\r")

    async def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode((await self.tell("Page.captureScreenshot"))["data"])


@contextlib.asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[BrowserPage]:
    """A browser with an empty profile."""
    assert PROGRAM is not None
    process = await asyncio.create_subprocess_exec(
        PROGRAM, f"--user-data-dir={profile}", *_OPTIONS, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async for line in process.stderr:
            if b"DevTools listening on" in line:
                break
        where = line.decode().split("ws://")[1].split("/")[0]
        async with aiohttp.ClientSession() as client:
            async with client.get(f"http://{where}/json") as answer:
                pages = await answer.json()
            page = next(each for each in pages if each["type"] == "page")
            async with client.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as tools:
                one = BrowserPage(tools)
                listening = asyncio.create_task(one.listen())
                for domain in ("Log", "Runtime", "Page", "Network"):
                    await one.tell(f"{domain}.enable")
                yield one
                await tools.close()
                await listening
    finally:
        process.terminate()
        await process.communicate()
