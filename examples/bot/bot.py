"""A bot on FastAPI: one run at a time per chat, replies as they come, and nothing lost when it is stopped or dies.

    python bot.py
    curl -N http://127.0.0.1:8000/chats/42/messages -H 'Content-Type: application/json' -d '{"text": "hello"}'

Its model is ``think``; the rest is what a bot needs around that.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from types import FrameType
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

import lanes
from lanes.config import from_data

#: A run that is cut by a death or a drain is run again: ``think`` does nothing but answer.
CONFIG = from_data({"queue": {"on_interrupt": "requeue", "cap": 5}, "clocks": {"drain_timeout": "20s"}})


async def think(text: str, history: Sequence[lanes.Turn]) -> AsyncIterator[str]:
    """The model of this bot, which repeats what it hears. Yours is asked here."""
    for number, word in enumerate([f"{len(history) + 1}:", *text.split()]):
        await asyncio.sleep(0.05)
        yield word if number == 0 else f" {word}"


async def answer(run: lanes.RunContext) -> str:
    """One run: each piece goes to the listeners, and counts as progress."""
    said = ""
    async for piece in think(run.text, await run.history(10)):
        run.emit(piece)
        said += piece
    return said


class Said(BaseModel):
    """What somebody says."""

    text: str


def make_app(gateway: lanes.Gateway) -> FastAPI:
    """The web side of the bot, on a gateway that runs."""
    app, desk = FastAPI(), gateway.desk

    @app.post("/chats/{chat}/messages")
    async def say(chat: str, said: Said, idempotency_key: Annotated[str | None, Header()] = None) -> StreamingResponse:
        if not gateway.ready:
            raise HTTPException(503, "the bot is stopping: ask again")
        key = f"bot:web:{chat}"
        message = await desk.send(key, said.text, actor="web", idempotency_key=idempotency_key)
        return StreamingResponse(reply(gateway, message.id), media_type="text/event-stream")

    @app.get("/messages/{message_id}")
    async def look(message_id: int) -> dict[str, Any]:
        return await shown(desk, message_id)

    @app.post("/chats/{chat}/stop")
    async def stop(chat: str) -> dict[str, str]:
        result = await desk.abort(f"bot:web:{chat}", actor="web", reason="asked to stop")
        return {"outcome": result.outcome}

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """Whether its loops tick: restart it when they do not."""
        return JSONResponse({"healthy": gateway.healthy()}, 200 if gateway.healthy() else 503)

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether to send it messages: not while it stops, nor while the database takes no write."""
        ready = gateway.ready and await gateway.writable()
        return JSONResponse({"ready": ready, "runs": gateway.held}, 200 if ready else 503)

    @app.exception_handler(lanes.LanesError)
    async def refused(_: Request, error: lanes.LanesError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_of(error))

    return app


async def reply(gateway: lanes.Gateway, message_id: int) -> AsyncIterator[str]:
    """The reply as server-sent events. A client that leaves costs nothing: the message goes on."""
    yield event("accepted", {"id": message_id})
    async for piece in gateway.listen(message_id):
        yield event("restart", {}) if piece.begin_again else event("delta", {"text": piece.text})
    # The row says how it ended. Still queued: the bot stops, and the next one answers; look at /messages/ID then.
    yield event("message", await shown(gateway.desk, message_id))


async def shown(desk: lanes.Desk, message_id: int) -> dict[str, Any]:
    """A message as this bot shows it."""
    message = await desk.message(message_id)
    cause = None if message.error is None else message.error.cause
    return {"id": message.id, "state": message.state, "reply": message.reply, "cause": cause}


def event(name: str, data: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def status_of(error: lanes.LanesError) -> int:
    """The HTTP status of a refusal."""
    statuses = {lanes.QueueFull: 429, lanes.IdempotencyConflict: 422, lanes.NotFound: 404, lanes.Unfit: 422}
    return next((status for kind, status in statuses.items() if isinstance(error, kind)), 500)


class Server(uvicorn.Server):
    """Stops in the right order: first the runs come to their end, then the streams, then the server.

    While they do, new messages are refused (503) and health is told. A second signal ends it at once.
    """

    def __init__(self, config: uvicorn.Config, gateway: lanes.Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by uvicorn for SIGTERM and SIGINT."""
        if self._draining is not None:
            super().handle_exit(sig, frame)
        else:
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        async def drain() -> None:
            try:
                await self._gateway.drain(by="signal")
                await self._gateway.stop()  # ends every stream
            finally:
                self.should_exit = True

        if self._draining is None:
            self._draining = asyncio.create_task(drain())


async def main() -> None:
    """Run the bot until a signal ends it."""
    path, port = os.environ.get("BOT_DB", "bot.db"), int(os.environ.get("BOT_PORT", "8000"))
    async with lanes.connect(path, config=CONFIG) as desk, lanes.Gateway(desk, answer, max_runs=8) as gateway:
        await Server(uvicorn.Config(make_app(gateway), port=port), gateway).serve()


if __name__ == "__main__":
    asyncio.run(main())
