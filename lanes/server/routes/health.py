"""Liveness and readiness."""

from starlette.types import ASGIApp

from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse
from lanes.text.spans import span


async def healthz(call: HttpRequest) -> ASGIApp:
    """Whether the loops tick."""
    alive = call.gateway.healthy()
    return JsonResponse({"status": "ok" if alive else "a loop does not tick"}, 200 if alive else 503)


async def readyz(call: HttpRequest) -> ASGIApp:
    """Whether it takes messages: false before the start pass, while draining, when its last
    heartbeat is old, and when nothing can be written."""
    draining = call.gateway.draining
    if draining is not None:
        return _not_ready(f"draining, by {draining.by}")
    if not call.gateway.ready:
        return _not_ready("starting")
    silent = call.gateway.silent_ms
    if silent:
        return _not_ready(f"its last heartbeat was committed {span(silent)} ago")
    if not await call.gateway.writable():
        return _not_ready("the database does not take a write")
    return JsonResponse({"status": "ready"})


def _not_ready(status: str) -> ASGIApp:
    return JsonResponse({"status": status}, 503)
