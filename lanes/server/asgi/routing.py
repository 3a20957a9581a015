"""Finds the route for a method and a raw path."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp

from lanes.records.json_schema import Schema
from lanes.server.asgi.errors import HttpProblem
from lanes.server.asgi.request import HttpRequest

Handler = Callable[[HttpRequest], Awaitable[ASGIApp]]


@dataclass(frozen=True, slots=True)
class RouteParam:
    """A query parameter or header. ``many``: it may be repeated."""

    name: str
    schema: Schema
    meaning: str
    many: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path; ``{key}`` and ``{id}`` are one percent-encoded segment each.

    The rest is for the OpenAPI document: ``answers`` maps a status to the name of a form or to a schema, ``media`` is a
    media type besides JSON, ``problems`` are the statuses of likely errors.
    """

    method: str
    path: str
    handler: Handler
    query: tuple[RouteParam, ...] = ()
    headers: tuple[RouteParam, ...] = ()
    body: Schema | None = None
    answers: Mapping[int, str | Schema] = field(default_factory=dict)
    media: str | None = None
    problems: tuple[int, ...] = ()

    def at(self, path: str, *more: RouteParam) -> "Route":
        """The same route at another path, with more query parameters."""
        return replace(self, path=path, query=(*more, *self.query))

    @property
    def names(self) -> frozenset[str]:
        """The names of its query parameters."""
        return frozenset(param.name for param in self.query)


class _Node:
    """One segment of a path: the segments that may follow it, and the routes that end with it."""

    __slots__ = ("by_name", "named", "names", "routes")

    def __init__(self) -> None:
        self.by_name: dict[str, _Node] = {}
        self.named: _Node | None = None  # a segment that is a parameter
        self.routes: dict[str, Route] = {}
        self.names: list[str] = []  # of the parameters in the path of the routes

    def make(self, part: str) -> "_Node":
        """The node of a segment of a route's path."""
        if not part.startswith("{"):
            return self.by_name.setdefault(part, _Node())
        self.named = self.named or _Node()
        return self.named


_NOWHERE = _Node()


class Router:
    """Finds routes by walking over the segments of the path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for part in route.path.split("/"):
                node = node.make(part)
            node.routes[route.method] = route
            node.names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """The route of a request, and its path parameters. Raises HttpProblem: 404, 405, or 400 if it is not UTF-8."""
        node, values = self._root, []
        for part in raw_path.split("/"):
            following = node.by_name.get(part)
            if following is None and part and node.named is not None:
                following = node.named
                values.append(part)
            node = following or _NOWHERE
        if not node.routes:
            raise HttpProblem(404, "no_route", "no such route; /openapi.json lists them")
        route = node.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = {"Allow": ", ".join(sorted({*node.routes, *(("HEAD",) if "GET" in node.routes else ())}))}
            raise HttpProblem(405, "method", "this route does not take this method", allowed)
        return route, dict(zip(node.names, map(_decoded, values), strict=True)) if values else {}


def _decoded(part: str) -> str:
    if "%" not in part and part.isascii():
        return part
    try:
        return unquote_to_bytes(part).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HttpProblem(400, "invalid_key", "the path is not percent-encoded UTF-8") from error
