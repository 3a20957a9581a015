"""The dashboard of one tab: a process that speaks the toolkit's protocol for drivers in the web.

Each packet is a letter, the length of its payload in four bytes, and the payload: ``D`` is what a terminal would get
or give, ``M`` is JSON. What asks for anything else, such as a file to be fetched, is not passed on.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

#: The line after which packets come.
_PRELUDE = b"__GANGLION__\n"
_LINES_BEFORE = 10
#: How long a process has to leave by itself.
END_S = 3.0
_MOST_BYTES = 2**26
#: What the toolkit reads of its surroundings: those of the browser, not of the terminal that the server runs in.
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
        #: It left by itself, and was not killed or ended by a fault.
        self.left = False

    @staticmethod
    async def start(argv: Sequence[str], width: int, height: int) -> "TabProcess":
        """Start one. What it says on stderr is for the terminal of the server."""
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
        """What it paints, until it ends."""
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
            return  # it ended, in the middle of a packet perhaps

    async def type(self, typed: str) -> None:
        """Keys and the mouse."""
        await self._send(b"D", typed.encode("utf-8", "replace"))

    async def send_meta(self, **meta: Any) -> None:
        """What is no key: ``type`` says what it is."""
        await self._send(b"M", json.dumps(meta).encode())

    async def _send(self, kind: bytes, payload: bytes) -> None:
        into = self._process.stdin
        assert into is not None
        with contextlib.suppress(ConnectionError, RuntimeError):  # it has ended, which is seen by what it paints
            into.write(kind + len(payload).to_bytes(4, "big") + payload)
            await into.drain()

    async def end(self) -> int:
        """Let it leave, or else kill it; its exit code. Nothing of it is left then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self.send_meta(type="quit")
                await self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        return await self._process.wait()
