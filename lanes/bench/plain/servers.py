"""The plain servers that the HTTP rows need: a provider, a relay, an application that only answers.

Run as ``python -m lanes.bench.plain.servers NAME [ARGUMENT]``, on the HTTP server that a gateway uses, set alike.
"""

import asyncio
import json
import socket
import sys
import time
from typing import Any

import httpx
import uvicorn
from starlette.types import Receive, Scope, Send

EVENTS = 100
STREAM = [(b"content-type", b"text/event-stream")]
#: The answer of the bare application: that of a gateway for a waiting message.
MESSAGE = {
    "id": "100001", "key": "lane:1", "state": "queued", "position": 4, "text": "", "reply": None, "error": None,
    "interruptions": 0, "parked_until": None, "retry_of": None, "retried_as": None, "answered_by": None,
    "accepted_at": "2026-01-31T08:00:00.250Z", "started_at": None, "ended_at": None,
}  # fmt: skip


async def body_of(receive: Receive) -> bytes:
    """The whole body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads a JSON body and answers 202 with a JSON object of as many fields as a message has.

    It checks and stores nothing, so that its cost is that of the HTTP server and of JSON in both directions.
    """
    if scope["type"] != "http":
        return
    answer = json.dumps(MESSAGE | {"text": json.loads(await body_of(receive)).get("text")}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def provider(scope: Scope, receive: Receive, send: Send) -> None:
    """Speaks the dialect ``chat``; the text of the last message decides how it answers.

    ``hang`` gets nothing, ``open`` one event and no end, ``paced`` events that are 2 ms apart, ``stream`` events as
    fast as possible; any other text one event. Every event carries the time at which it was sent.
    """
    if scope["type"] != "http":
        return
    command = json.loads(await body_of(receive))["messages"][-1]["content"]
    if command == "hang":
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": STREAM})
    for _ in range(EVENTS if command in ("stream", "paced") else 1):
        if command == "paced":
            await asyncio.sleep(0.002)
        await send(
            {"type": "http.response.body", "body": event({"content": f"<{time.monotonic_ns()}>"}), "more_body": True}
        )
    if command == "open":
        await asyncio.Event().wait()
    end = event({}, "stop") + b"data: [DONE]\n\n"
    await send({"type": "http.response.body", "body": end})


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    """One event of a chat stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "bench", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


class Relay:
    """Passes a request on to a provider and its stream back, with httpx and nothing else."""

    def __init__(self, upstream: str) -> None:
        self._url = f"{upstream}/v1/chat/completions"
        self._client = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=1000))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await body_of(receive)
        headers = {"content-type": "application/json"}
        async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
            await send({"type": "http.response.start", "status": response.status_code, "headers": STREAM})
            async for chunk in response.aiter_bytes():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def main(name: str, *arguments: str) -> None:
    """Serve on a free port of loopback, and print the address."""
    app: Any = {"bare": bare, "provider": provider}.get(name) or Relay(*arguments)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 - the parent process reads it
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main(*sys.argv[1:])
