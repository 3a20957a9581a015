"""The simulated provider as an ASGI application: takes requests, plays faults, keeps the record."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lanes.simulate.dialects import ROUTES
from lanes.simulate.dialects.answer import SimulatedAnswer
from lanes.simulate.faults import FAULTS, Fault, chosen, parse
from lanes.simulate.incoming import SimulatedRequest
from lanes.simulate.memory import word_count
from lanes.simulate.plays import PLAYS, Scene, Shared, unknown
from lanes.simulate.record import RequestEnd, RequestLog, Seen
from lanes.simulate.wire import Wire
from lanes_storage.reads.shapes import parsed
from lanes_storage.threads import call_off

#: Called for each request before it is answered; returns the name of the fault to play, in place of the request's own.
Weather = Callable[[SimulatedRequest], Awaitable[str]]


class Simulator:
    """The simulated provider.

    ``tempo`` divides every pause (100: a drip each 50 ms); a request may set its own with ``?tempo=``.
    ``log`` is a JSON-lines file to which each request is appended when it comes and again when it ends.
    ``seed`` makes the luck of ``sim-flaky`` repeatable. ``weather`` chooses the faults in place of the requests.
    """

    def __init__(
        self,
        *,
        tempo: float = 1.0,
        log: Path | None = None,
        seed: int | None = None,
        weather: Weather | None = None,
    ) -> None:
        self._tempo = tempo
        self._weather = weather
        self._shared = Shared(Random(seed), lambda seconds: self.away(seconds / tempo))  # not for secrets
        #: Makes the provider unreachable for so many seconds (None: until ``back``). The server sets both.
        self.away: Callable[[float | None], None] = lambda _: None
        self.back: Callable[[], None] = lambda: None
        self._record = RequestLog(log)
        self._stopping = asyncio.Event()
        routes = [Route("/sim/requests", self._list, methods=["GET"])]
        for base in ("", "/{base:path}"):
            for path, answer in ROUTES.items():
                routes.append(Route(f"{base}{path}", _Endpoint(self, answer), methods=["POST"]))
            routes.append(Route(f"{base}/messages/count_tokens", _count_tokens, methods=["POST"]))
            routes.append(Route(f"{base}/models", _models, methods=["GET"]))
        self.app = Starlette(routes=routes)

    @property
    def requests(self) -> list[Seen]:
        """The requests that were seen, oldest first; the newest 20,000."""
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

    async def complete(self, answers: type[SimulatedAnswer], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request in that dialect, as an ASGI application."""
        request = Request(scope, receive)
        try:
            body = parsed(await request.body(), dict) or {}
        except ClientDisconnect:
            return
        read = answers.read(body, request.path_params)
        name, text = chosen(read.model, read.text)
        key = request.headers.get("x-lanes-key")
        wire = Wire(scope, receive, send, float(request.query_params.get("tempo", self._tempo)))
        seen = self._record.open(
            model=read.model,
            fault=name,
            stream=read.stream,
            text=read.text,
            key=None if key is None else unquote(key),
            run=request.headers.get("x-lanes-run"),
        )
        answer = answers(wire, read, seen.sequence)
        outcome = RequestEnd.STOPPED
        try:
            outcome = await self._watched(wire, seen, Scene(answer, parse(name) or Fault(""), text, self._shared))
        finally:
            seen.tokens = len(answer.sent)
            self._record.end(seen, outcome, wire.finished_ns)
        if outcome is RequestEnd.STOPPED:
            await wire.abandon()

    async def _play(self, seen: Seen, scene: Scene) -> RequestEnd:
        if self._weather is not None:
            seen.fault = await self._weather(scene.answer.request)
            scene = replace(scene, fault=parse(seen.fault) or Fault(""))
        await PLAYS.get(scene.fault.name, unknown)(scene)
        return RequestEnd.FINISHED if scene.answer.ended else RequestEnd.FAILED

    async def _watched(self, wire: Wire, seen: Seen, scene: Scene) -> RequestEnd:
        """Play until the end, until the client leaves, or until the provider stops."""
        play = asyncio.ensure_future(self._play(seen, scene))
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
            await call_off(play, left, stop)


class _Endpoint:
    """A route as an ASGI application, which sees the client leave."""

    def __init__(self, simulator: Simulator, answers: type[SimulatedAnswer]) -> None:
        self._simulator = simulator
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._simulator.complete(self._answers, scope, receive, send)


async def _count_tokens(request: Request) -> JSONResponse:
    body = parsed(await request.body(), dict) or {}
    if "stream" in body or "max_tokens" in body:
        return JSONResponse({"type": "error", "error": {"type": "invalid_request_error", "message": "extra"}}, 400)
    return JSONResponse({"input_tokens": word_count(body)})


async def _models(_: Request) -> JSONResponse:
    listed = [
        {"id": name if number is None else f"{name}-1", "object": "model", "created": 0, "owned_by": "lanes"}
        for name, (number, _) in FAULTS.items()
    ]
    return JSONResponse({"object": "list", "data": listed})
