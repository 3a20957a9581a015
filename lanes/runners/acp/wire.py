"""Reads and writes the messages of an agent, one JSON object per line, in their order and within a size limit."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from lanes.runners.command.child import Child
from lanes.runners.command.transcript import Lines, Slices, event_of

UPDATE = "session/update"


class AgentWire:
    """The ``Transport`` of the library's connection. For the event loop.

    Updates go to ``on_update`` at once and in their order (the library would handle each in a separate task), and
    ``on_output`` is called after each part of the output. Lines that are no messages are skipped, so that only the end
    of the output ends the connection.
    """

    def __init__(
        self,
        child: Child,
        writer: asyncio.StreamWriter,
        most: int,
        on_update: Callable[[dict[str, Any]], object],
        on_output: Callable[[], object],
    ) -> None:
        self._child = child
        self._writer = writer
        self._most = self._left = most
        self._on_update = on_update
        self._on_output = on_output
        self._slices = Slices()
        self._lines = Lines()
        self._output: AsyncIterator[bytes] = child.output()
        self._waiting: deque[dict[str, Any]] = deque()

    def count_again(self) -> None:
        """Start the size limit again: what the agent replayed before its turn does not count."""
        self._left = self._most

    def end_input(self) -> None:
        """Close its input, so that it ends."""
        self._writer.transport.close()

    def send_nowait(self, message: dict[str, Any]) -> None:
        """Write a message, without waiting for an agent that does not read."""
        with contextlib.suppress(ConnectionError):  # it has ended
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def send(self, message: dict[str, Any]) -> None:
        """Write a message."""
        self.send_nowait(message)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next request or answer; None: its output has ended, or it wrote too much and is ended."""
        await self._slices.pause()
        while not self._waiting:
            data = await anext(self._output, b"")
            self._left -= len(data)
            if self._left < 0:
                self._child.end_too_large()
                return None
            for line in self._lines.cut(data) if data else (self._lines.rest(),):
                self._take(line)
                await self._slices.pause()
            self._on_output()
            if not data and not self._waiting:
                return None
        return self._waiting.popleft()

    async def close(self) -> None:
        """The child is closed with its tree."""

    def _take(self, line: bytes) -> None:
        message = event_of(line)
        if message is None:
            return
        method, number = message.get("method"), message.get("id")
        if method == UPDATE:
            self._on_update(message)
        elif method is not None and isinstance(number, int | str):
            self._waiting.append(message)
        elif method is None and type(number) is int:
            error = message.get("error")
            if "error" in message and not isinstance(error, dict):
                message["error"] = {"message": str(error)}
            self._waiting.append(message)
