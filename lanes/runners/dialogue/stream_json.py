"""Claude's ``--input-format stream-json``: one JSON object a line, in both directions.

The agent gets the text of the message, and each text that people add while it works (``lanes steer``). Where it was
started with ``--permission-prompt-tool stdio``, it asks before it uses a tool: that is a question of the run, which an
operator answers (``lanes answer``), and no answer is a no. When its last turn is over, its input is closed, and it
ends.
"""

import asyncio
import contextlib
import json
from typing import Any

from lanes.runners.base import RunContext
from lanes.runners.dialogue.permissions import may_it_use
from lanes_storage.threads import call_off, kept


class StreamDialogue:
    """The input for one start of an agent. For the event loop.

    ``steered``: the texts that people have added to the run. Those that an earlier start took count as answered by the
    run, so this start gets them again.
    """

    def __init__(self, run: RunContext, steered: list[str]) -> None:
        self._run = run
        self._steered = steered
        self._writer: asyncio.StreamWriter | None = None
        self._over = asyncio.Event()
        self._permissions: set[asyncio.Task[None]] = set()

    def handle(self, event: dict[str, Any], over: bool) -> None:
        """Take an event of the agent. ``over``: its last turn is over."""
        if over:
            self._over.set()
        elif event.get("type") == "control_request":
            kept(self._permissions, self._answer(event), "lanes-agent-asks")

    async def hold(self, writer: asyncio.StreamWriter) -> None:
        """Send the agent its message and the texts that people add, until its turn is over; then close its input."""
        self._writer = writer
        inbox = self._run.inbox()
        for text in (self._run.text, *self._steered):
            self._write(_user(text))
        steering = asyncio.ensure_future(self._steer())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({steering, over}, return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                steering.result()  # an error: nothing can be taken any more
            steering.cancel()
            await asyncio.wait({steering})
            for handed in await inbox.left():  # taken at the last moment: the agent has another turn for it
                self._add(handed.text)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        finally:
            await call_off(steering, over, *self._permissions)
            writer.transport.close()

    async def _steer(self) -> None:
        async for handed in self._run.inbox():
            self._run.progress("steered")
            self._add(handed.text)

    def _add(self, text: str) -> None:
        self._steered.append(text)
        self._write(_user(text))

    async def _answer(self, event: dict[str, Any]) -> None:
        """Answer a request of the agent: ask whether it may use a tool, and send it the decision."""
        number, request = event.get("request_id"), event.get("request")
        fields = request if isinstance(request, dict) else {}
        if fields.get("subtype") != "can_use_tool":
            response = {"subtype": "error", "request_id": number, "error": f"{fields.get('subtype')} is not known here"}
        elif await self._run.permit(may_it_use(str(fields.get("tool_name")), fields.get("input") or {})):
            allowed = {"behavior": "allow", "updatedInput": fields.get("input") or {}}
            response = {"subtype": "success", "request_id": number, "response": allowed}
        else:
            denied = {"behavior": "deny", "message": "nobody permitted it"}
            response = {"subtype": "success", "request_id": number, "response": denied}
        self._write({"type": "control_response", "response": response})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._writer is not None, "the agent answered before it got its message"
        with contextlib.suppress(ConnectionError):  # it has ended
            self._writer.write(json.dumps(message).encode() + b"\n")


def _user(text: str) -> dict[str, Any]:
    return {"type": "user", "message": {"role": "user", "content": text}}
