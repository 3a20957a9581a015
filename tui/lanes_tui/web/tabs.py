"""The open tabs: each a WebSocket and a process. Their number is limited, and idle ones are closed."""

import asyncio
import contextlib
import json
from collections.abc import Sequence

from aiohttp import WSMsgType, web

from lanes.base.durations import show
from lanes_storage.clock import Clock
from lanes_tui.web.process import TabProcess

#: How many dashboards run at a time.
MOST_TABS = 8
#: How long a tab may stay open without a key or a move of the mouse, in milliseconds.
IDLE_MS = 30 * 60_000
#: How often idle tabs are looked for, in seconds.
LOOK_EVERY_S = 1.0
#: The program's own codes for closing a WebSocket; 4000 and more are free for that.
ENDED, REFUSED, IDLE, TOO_MANY = 4000, 4001, 4002, 4003
_SIDE = range(1, 1001)


class Tab:
    """One browser's tab and its dashboard."""

    def __init__(self, socket: web.WebSocketResponse, process: TabProcess, clock: Clock) -> None:
        self._socket = socket
        self._process, self.pid = process, process.pid
        self._clock = clock
        self.used_at = clock().mono

    async def run(self) -> None:
        """Show the dashboard until either end is gone; then neither is left."""
        showing = asyncio.create_task(self._show())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(message.data)
        finally:
            await self._process.end()
            await showing

    async def close(self, code: int, reason: str) -> None:
        """Close the tab from here, with a sentence for the person who looks at it."""
        await self._socket.close(code=code, message=reason.encode())

    async def _show(self) -> None:
        async for screen in self._process.screens():
            with contextlib.suppress(ConnectionError):  # the tab is gone: read on, so that the process does not block
                await self._socket.send_bytes(screen)
        code = await self._process.end()
        reason = (
            "The dashboard was closed." if self._process.left else f"The dashboard ended by itself (exit code {code})."
        )
        await self.close(ENDED, reason)

    async def _receive(self, text: str) -> None:
        """Handle a message of the terminal in the browser; anything else is ignored."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        match message:
            case ["stdin", str(typed)]:
                self.used_at = self._clock().mono
                await self._process.type(typed)
            case ["resize", {"width": int(width), "height": int(height)}] if width in _SIDE and height in _SIDE:
                await self._process.send_meta(type="resize", width=width, height=height)
            case ["ping", str(mark)]:
                await self._socket.send_json(["pong", mark])
            case ["focus" | "blur" as kind]:
                await self._process.send_meta(type=kind)


class Tabs:
    """All open tabs."""

    def __init__(self, argv: Sequence[str], clock: Clock, idle_ms: int = IDLE_MS) -> None:
        self._argv = argv
        self._clock = clock
        self._idle_ms = idle_ms
        self._places = 0
        self.most = MOST_TABS
        self.open: set[Tab] = set()

    async def run(self, socket: web.WebSocketResponse, width: int, height: int) -> None:
        """Run a dashboard for a WebSocket that has given the token, until one of the two ends."""
        if self._places == self.most:  # counted before the process starts: several tabs may open at a time
            reason = f"{self.most} tabs are open already: close one of them."
            await socket.close(code=TOO_MANY, message=reason.encode())
            return
        self._places += 1
        try:
            size = (side if side in _SIDE else usual for side, usual in ((width, 80), (height, 24)))
            tab = Tab(socket, await TabProcess.start(self._argv, *size), self._clock)
            self.open.add(tab)
            try:
                await tab.run()
            finally:
                self.open.discard(tab)
        finally:
            self._places -= 1

    async def end_idle(self) -> None:
        """Close idle tabs, until cancelled."""
        while True:
            now = self._clock().mono
            for tab in [tab for tab in self.open if now - tab.used_at >= self._idle_ms]:
                await tab.close(IDLE, f"Nobody used it for {show(self._idle_ms)}.")
            await asyncio.sleep(LOOK_EVERY_S)

    async def close(self) -> None:
        """Close every tab."""
        await asyncio.gather(*(tab.close(1001, "The server has ended.") for tab in self.open))
