"""The simulated provider as an application: takes requests, plays faults, keeps the record."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lanes.simulate.chat import Chat, error_body
from lanes.simulate.faults import FAULTS, Fault, chosen, parse
from lanes.simulate.plays import PLAYS, Scene
from lanes.simulate.record import RequestEnd, RequestLog, Seen
from lanes.simulate.wire import Receive, Scope, Send, Wire
from lanes.text.chats import last_user_text


class Simulator:
    """The simulated provider.

    ``tempo`` divides every pause (100: a drip each 50 ms); a request may set its own with ``?tempo=``.
    ``log`` is a JSON-lines file to which each request is appended when it comes and again when it ends.
    ``seed`` makes the luck of ``sim-flaky`` repeatable. ``requests`` is what was seen, oldest first.
    """

    def __init__(self, *, tempo: float = 1.0, log: Path | None = None, seed: int | None = None) -> None:
        self._tempo = tempo
        self._luck = Random(seed)  # not a secret
        self._record = RequestLog(log)
        self._stopping = asyncio.Event()
        routes = [Route("/sim/requests", self._list, methods=["GET"])]
        for base in ("", "/{base:path}"):
            routes.append(Route(f"{base}/chat/completions", _Endpoint(self), methods=["POST"]))
            routes.append(Route(f"{base}/models", _models, methods=["GET"]))
        self.app = Starlette(routes=routes)

    @property
    def requests(self) -> list[Seen]:
        """What was seen, oldest first; the newest 20,000."""
        return self._record.requests

    def stop(self) -> None:
        """End everything that is being played, hanging streams as well."""
        self._stopping.set()

    def close(self) -> None:
        """Close the log file."""
        self._record.close()

    async def _list(self, request: Request) -> JSONResponse:
        after = int(request.query_params.get("after", "0"))
        return JSONResponse([asdict(seen) for seen in self.requests if seen.sequence > after])

    async def complete(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one chat request, as an ASGI application."""
        request = Request(scope, receive)
        try:
            body = _object(await request.body())
        except ClientDisconnect:
            return
        said = last_user_text(body)
        model = str(body.get("model", ""))
        name, text = chosen(model, said)
        key = request.headers.get("x-lanes-key")
        wire = Wire(scope, receive, send, float(request.query_params.get("tempo", self._tempo)))
        seen = self._record.open(
            model=model,
            fault=name,
            stream=body.get("stream") is True,
            text=said,
            key=None if key is None else unquote(key),
            run=request.headers.get("x-lanes-run"),
        )
        chat = Chat(wire, body, model, seen.sequence)
        outcome = RequestEnd.STOPPED
        try:
            outcome = await self._play(wire, Scene(chat, parse(name) or Fault(""), text, self._luck))
        finally:
            seen.tokens = len(chat.sent)
            self._record.end(seen, outcome, wire.finished_ns)
        if outcome is RequestEnd.STOPPED:
            await wire.abandon()

    async def _play(self, wire: Wire, scene: Scene) -> RequestEnd:
        """Play until the end, until the client leaves, or until the provider stops."""
        play = asyncio.ensure_future(PLAYS.get(scene.fault.name, _unknown)(scene))
        left = asyncio.ensure_future(wire.left())
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({play, left, stop}, return_when=asyncio.FIRST_COMPLETED)
            if play.done():
                return play.result()
            if left.done():
                return RequestEnd.FAILED if wire.was_reset else RequestEnd.CLIENT_LEFT
            return RequestEnd.STOPPED
        finally:
            for task in (play, left, stop):
                task.cancel()
            await asyncio.gather(play, left, stop, return_exceptions=True)


class _Endpoint:
    """The chat route as an ASGI application, which sees the client leave."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._simulator.complete(scope, receive, send)


async def _models(_: Request) -> JSONResponse:
    listed = [
        {"id": name if number is None else f"{name}-1", "object": "model", "created": 0, "owned_by": "lanes"}
        for name, (number, _) in FAULTS.items()
    ]
    return JSONResponse({"object": "list", "data": listed})


async def _unknown(scene: Scene) -> RequestEnd:
    error = error_body("There is no such simulated model.", "invalid_request_error", "model_not_found")
    await scene.chat.refuse(404, {"error": error})
    return RequestEnd.FAILED


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
