"""Every route, in one table: the router and the OpenAPI document read it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from starlette.responses import JSONResponse, Response

import lanes
from lanes.server import api, health, openai
from lanes.server.call import Call
from lanes.server.problems import HttpProblem

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path; ``{key}`` and ``{id}`` are one percent-encoded segment each."""

    method: str
    path: str
    handler: Handler

    @property
    def segments(self) -> list[str]:
        return self.path.split("/")


async def get_openapi(call: Call) -> Response:
    """This document."""
    del call
    return JSONResponse(openapi())


_LANE = [
    ("GET", "", api.get_lane),
    ("POST", "/messages", api.post_message),
    ("POST", "/abort", api.abort_lane),
    ("POST", "/pause", api.pause_lane),
    ("POST", "/resume", api.resume_lane),
    ("POST", "/ack", api.ack_lane),
]
ROUTES = (
    Route("GET", "/api/lanes", api.get_lanes),
    *(Route(method, f"/api/lanes/{{key}}{tail}", handler) for method, tail, handler in _LANE),
    # The same with ?key=, for clients and proxies that cannot keep an encoded slash.
    *(Route(method, f"/api/lane{tail}", handler) for method, tail, handler in _LANE),
    Route("GET", "/api/messages/{id}", api.get_message),
    Route("POST", "/api/messages/{id}/retry", api.retry_message),
    Route("POST", "/api/messages/{id}/drop", api.drop_message),
    Route("GET", "/api/status", api.get_status),
    Route("POST", "/v1/chat/completions", openai.post_chat),
    Route("GET", "/v1/models", openai.get_models),
    Route("GET", "/healthz", health.healthz),
    Route("GET", "/readyz", health.readyz),
    Route("GET", "/openapi.json", get_openapi),
)


def find(method: str, raw_path: bytes) -> tuple[Handler, dict[str, str]]:
    """The handler of a request, by its raw path. Raises HttpProblem: 404, 405, or a key that is no UTF-8."""
    given = raw_path.partition(b"?")[0].decode("latin-1").split("/")
    allowed = set()
    for route in ROUTES:
        params = _match(route.segments, given)
        if params is None:
            continue
        if route.method == method or (method == "HEAD" and route.method == "GET"):
            return route.handler, params
        allowed.add(route.method)
    if allowed:
        raise HttpProblem(405, "method", "this route has another method", {"Allow": ", ".join(sorted(allowed))})
    raise HttpProblem(404, "not_found", "no such route; /openapi.json lists them")


def _match(wanted: list[str], given: list[str]) -> dict[str, str] | None:
    if len(wanted) != len(given):
        return None
    params = {}
    for want, got in zip(wanted, given, strict=True):
        if want.startswith("{"):
            if not got:
                return None
            try:
                params[want[1:-1]] = unquote_to_bytes(got).decode("utf-8")
            except UnicodeDecodeError as error:
                raise HttpProblem(400, "invalid_key", "the path is not percent-encoded UTF-8") from error
        elif want != got:
            return None
    return params


def openapi() -> dict[str, object]:
    """The OpenAPI document of the table."""
    paths: dict[str, dict[str, object]] = {}
    for route in ROUTES:
        names = [part[1:-1] for part in route.segments if part.startswith("{")]
        parameters = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]
        if route.path.startswith("/api/lane") and not route.path.startswith("/api/lanes"):
            parameters.append({"name": "key", "in": "query", "required": True, "schema": {"type": "string"}})
        summary = (route.handler.__doc__ or "").strip().splitlines()[0]
        operation: dict[str, object] = {
            "summary": summary,
            "operationId": f"{route.method.lower()}{route.path.replace('/', '_').replace('{', '').replace('}', '')}",
            "parameters": parameters,
            "responses": {
                "200": {"description": "done"},
                "default": {"description": "an error: a problem document, or under /v1 the OpenAI envelope"},
            },
        }
        if route.method == "POST":
            operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": "lanes", "version": lanes.__version__}, "paths": paths}
