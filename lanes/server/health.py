"""Liveness and readiness."""

from starlette.responses import JSONResponse, Response

from lanes.server.call import Call


async def healthz(call: Call) -> Response:
    """Whether the loops tick."""
    alive = call.gateway.healthy()
    return JSONResponse({"status": "ok" if alive else "a loop does not tick"}, 200 if alive else 503)


async def readyz(call: Call) -> Response:
    """Whether it takes messages: false before the start pass, while draining, and when nothing can be written."""
    draining = call.gateway.draining
    if draining is not None:
        return _not_ready(f"draining, by {draining.by}")
    if not call.gateway.ready:
        return _not_ready("starting")
    if not await call.gateway.writable():
        return _not_ready("the database does not take a write")
    return JSONResponse({"status": "ready"})


def _not_ready(why: str) -> Response:
    return JSONResponse({"status": why}, 503)
