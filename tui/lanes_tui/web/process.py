"""The dashboard of one tab: a process that speaks the toolkit's protocol for drivers in the web.

Each packet is a letter, the length of its payload in four bytes, and the payload: ``D`` is input or output of a
terminal, ``M`` is JSON. Of what the process sends, only output and its end are taken: it can deliver no files.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

#: The line before the first packet.
_PRELUDE = b"__GANGLION__\n"
_LINES_BEFORE = 10
#: How long a process has to leave by itself, in seconds.
END_S = 3.0
_MOST_BYTES = 2**26
#: What the toolkit is told of its terminal: that is the browser, not the terminal that the server runs in.
_ENVIRONMENT = {
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "LC_ALL": "C.UTF-8",
    "TEXTUAL_COLOR_SYSTEM": "truecolor",
    "TERM_PROGRAM": "lanes",
}
_NOT_PASSED_ON = ("LANES_UP", "COLORFGBG", "TEXTUAL", "TEXTUAL_DRIVER")


class TabProcess:
    """A dashboard that runs in a separate process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process, self.pid = process, process.pid
        #: Whether the person left it; else it was killed, or ended by a fault.
        self.left = False

    @staticmethod
    async def start(argv: Sequence[str], width: int, height: int) -> "TabProcess":
        """Start a dashboard. Its stderr is that of the server."""
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
        size = {"COLUMNS": str(width), "ROWS": str(height), "LINES": str(height)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "lanes",
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**environment, **_ENVIRONMENT, **size},
        )
        return TabProcess(process)

    async def screens(self) -> AsyncIterator[bytes]:
        """Yields its output, until it ends."""
        out = self._process.stdout
        assert out is not None
        try:
            for _ in range(_LINES_BEFORE):
                if (line := await out.readline()) == _PRELUDE or not line:
                    break
            while True:
                kind, length = await out.readexactly(1), int.from_bytes(await out.readexactly(4), "big")
                if length > _MOST_BYTES:
                    return
                payload = await out.readexactly(length)
                if kind == b"D":
                    yield payload
                elif kind == b"M" and json.loads(payload).get("type") == "exit":
                    self.left = True
                    return
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            return  # it has ended, perhaps in the middle of a packet

    async def type(self, typed: str) -> None:
        """Send it keys and mouse events."""
        await self._send(b"D", typed.encode("utf-8", "replace"))

    async def send_meta(self, **meta: Any) -> None:
        """Send it a message that is no input; ``type`` names its kind."""
        await self._send(b"M", json.dumps(meta).encode())

    async def _send(self, kind: bytes, payload: bytes) -> None:
        into = self._process.stdin
        assert into is not None
        with contextlib.suppress(ConnectionError, RuntimeError):  # it has ended, which ``screens`` notices
            into.write(kind + len(payload).to_bytes(4, "big") + payload)
            await into.drain()

    async def end(self) -> int:
        """Ask it to leave, and kill it if it does not; returns its exit code once it has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self.send_meta(type="quit")
                await self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        return await self._process.wait()
