"""The ASGI application: access checks, routing, and errors in the form of their API."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from lanes.base.errors import LanesError
from lanes.dialects.table import envelope_at
from lanes.records.problems import Problem, problem_of
from lanes.server.asgi.errors import HttpProblem, render
from lanes.server.asgi.guard import RequestGuard, check_content
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.routing import Route
from lanes.server.passing.places import IN_PATH, SourcePlace, below, place_of, shown_path
from lanes.server.routes.table import ROUTER
from lanes.server.state.app_state import AppState
from lanes.server.state.cancellation import ClientDisconnected, ServerClosing
from lanes_storage.errors import NotStorable, StorageError
from lanes_storage.logs import Log

log = Log("lanes.server")

#: Headers that may be given only once.
SINGLE = frozenset(
    {
        b"authorization", b"content-type", b"host", b"idempotency-key", b"last-event-id", b"origin", b"x-lanes-detach",
        b"x-lanes-run", b"x-lanes-session", b"x-lanes-token",
    }
)  # fmt: skip
STOPPED = Problem(503, "stopped", "the gateway has stopped")
FAULT = Problem(500, "internal", "this is a bug in lanes; its log has details")


class App:
    """Serves one gateway."""

    def __init__(self, app_state: AppState) -> None:
        self._app_state = app_state
        self._guard = RequestGuard(app_state.config.gateway)
        if app_state.config.sources:
            _passing_handler()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        scope = scope if not raw_path.startswith(IN_PATH) else {**scope, "path": shown_path(scope["path"])}
        call = HttpRequest(self._app_state, scope, receive, headers)
        try:
            response = await self._response(call, scope, raw_path)
        except ClientDisconnected:
            return  # no client is left to answer
        except Exception as error:
            response = render(_problem(error, scope), envelope_at(below(scope["path"])), accepted=call.accepted)
        finally:
            call.give_room()
        try:
            await response(scope, receive, send)
        except ClientDisconnected:
            pass
        except StorageError as error:
            log.warning("%s %s was cut off: %s", scope["method"], ascii(scope["path"]), error)

    async def _response(self, call: HttpRequest, scope: Scope, raw_path: str) -> ASGIApp:
        if len(call.headers) < len(scope["headers"]):
            _check_repeated(scope)
        self._guard.check_origin(call.headers)
        place = place_of(call.app_state.config.sources, raw_path, call.headers)
        if place is not None:
            return await _passing_handler()(call, place)
        self._guard.check_token(scope["path"], call.headers)
        route, call.path_params = ROUTER.find(scope["method"], raw_path)
        if scope["query_string"] and not route.path.startswith("/v1/"):  # model clients send parameters of their own
            _check_query(route, call)
        if route.method == "POST":
            check_content(call.headers)
        return await route.handler(call)


def _passing_handler() -> Callable[[HttpRequest, SourcePlace], Awaitable[ASGIApp]]:
    """The handler of requests to a source. Imported only if there are sources, and then before the first request."""
    from lanes.server.passing.answering import passed

    return passed


def _check_repeated(scope: Scope) -> None:
    """Refuse a repeated header of ``SINGLE``: it is ambiguous."""
    names = [name for name, _ in scope["headers"]]
    for name in names:
        if name in SINGLE and names.count(name) > 1:
            raise HttpProblem(400, "bad_header", f"{name.decode('latin-1')} is given more than once")


def _check_query(route: Route, call: HttpRequest) -> None:
    """Refuse an unknown parameter: if a mistyped filter were ignored, it would choose every lane."""
    unknown = sorted(call.query.keys() - route.names)
    if unknown:
        known = ", ".join(sorted(route.names)) or "none"
        raise HttpProblem(400, "bad_parameter", f"there is no parameter {unknown[0]!r} here; there are: {known}")


def _problem(error: Exception, scope: Scope) -> Problem:
    match error:
        case HttpProblem():
            return error.problem
        case ServerClosing():
            return STOPPED
        case LanesError() | StorageError() | NotStorable():
            return problem_of(error)
    log.error("%s %s failed", scope["method"], ascii(scope["path"]), exc_info=error)
    return FAULT
