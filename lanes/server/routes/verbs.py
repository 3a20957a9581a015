"""The routes of the table of verbs: parameters from the request, the call, and the response."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp

from lanes.base.errors import InvalidKey, NotFound, Unfit
from lanes.base.procedure import Blocking, QueryBlock
from lanes.records.json_schema import KEY, Schema, array, nullable
from lanes.records.problems import status_of
from lanes.server.asgi.errors import HttpProblem
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse, long_answer
from lanes.server.asgi.routing import Handler, Route, RouteParam
from lanes.verbs import kinds
from lanes.verbs.paging import PAGE
from lanes.verbs.verb import Verb
from lanes.verbs.verb import VerbParam as Declared
from lanes_storage.interface import Query

#: A list ends where its rows have this many characters together.
MOST_CHARACTERS = 16_000_000


def routes_of(
    verb: Verb[..., Any],
    handler: Handler | None = None,
    query: tuple[RouteParam, ...] = (),
    answers: Mapping[int, str | Schema] | None = None,
    body: Schema | None = None,
    media: str | None = None,
) -> Iterator[Route]:
    """The route of a verb. One of a lane has two: the second is for clients that cannot keep a percent-encoded slash.

    ``handler``: instead of the general one. ``query``, ``body``, ``answers``, ``media``: additions to what the table
    says.
    """
    outside = [param for param in own(verb) if f"{{{param.wire}}}" not in verb.path]
    in_query = [] if verb.posted else [query_of(param) for param in outside if not _only_in_header(param)]
    route = Route(
        verb.method,
        verb.path,
        handler or handler_of(verb),
        query=(*query, *in_query),
        headers=tuple({param.header.name: header_of(param) for param in outside if param.header is not None}.values()),
        body=_body([param for param in outside if not _only_in_header(param)]) | (body or {}) if verb.posted else None,
        answers=answers or {verb.about.status: verb.result.schema},
        media=media,
        problems=tuple(sorted({status_of(error) for error in verb.errors} - {400})),
    )
    yield route
    if "/lanes/{key}" in route.path:
        named = RouteParam("key", KEY, "the session key", required=True)
        yield route.at(route.path.replace("/lanes/{key}", "/lane"), named)


def own(verb: Verb[..., Any]) -> list[Declared]:
    """The parameters that a request gives."""
    return [param for param in verb.params if param.given is not kinds.ONLY_PYTHON]


def _only_in_header(param: Declared) -> bool:
    return param.header is not None and param.header.alone


def handler_of(verb: Verb[..., Any]) -> Handler:
    """The general handler: calls a verb with the parameters of a request."""

    async def handle(call: HttpRequest) -> ASGIApp:
        return await answer(verb, call, await given(verb, call))

    handle.__doc__ = verb.doc
    return handle


async def answer(verb: Verb[..., Any], call: HttpRequest, params: Mapping[str, Any]) -> ASGIApp:
    """Call a verb, and respond with its record."""
    effect = verb.of(call.context, params)
    work = call.desk.perform(effect)
    if isinstance(effect, Query | QueryBlock):
        work = call.searching(work)
    elif isinstance(effect, Blocking | Generator):
        work = call.while_connected(work)
    told = verb.result.made(await work, call.desk.clock())
    return JsonResponse(told, verb.about.status) if verb.changes else await long_answer(told)


async def given(verb: Verb[..., Any], call: HttpRequest) -> dict[str, Any]:
    """The parameters of a verb in a request, by name. Raises HttpProblem, InvalidKey, NotFound."""
    body = _known(verb, await call.body()) if verb.posted else {}
    found = {}
    for param in own(verb):
        if f"{{{param.wire}}}" in verb.path:
            value = _in_path(param, call)
        else:
            value = _of_body(param, body) if verb.posted else of_query(param, call)
            value = value if param.header is None else of_header(param, call, value)
        if value is not None:
            found[param.name] = value
        elif param.name == "limit":
            found["limit"] = verb.about.listed
        elif param.required:
            raise HttpProblem(400, "bad_request", f"{param.wire} is missing: {param.meaning}")
    if "within" in verb.by_name:
        found["within"] = MOST_CHARACTERS
    if found.get("limit", 0) > PAGE and "maximum" not in verb.by_name["limit"].kind.schema:
        raise HttpProblem(400, "bad_parameter", f"limit must be a whole number from 1 to {PAGE}")
    return found


def _known(verb: Verb[..., Any], body: dict[str, Any]) -> dict[str, Any]:
    """Refuse unknown fields: a mistyped one must not be ignored."""
    known = {p.wire for p in own(verb) if f"{{{p.wire}}}" not in verb.path and not _only_in_header(p)}
    if unknown := sorted(body.keys() - known):
        there_are = ", ".join(sorted(known)) or "none"
        raise HttpProblem(400, "bad_request", f"there is no field {unknown[0]!r} here; there are: {there_are}")
    return body


def _in_path(param: Declared, call: HttpRequest) -> Any:
    if param.kind in (kinds.KEY, kinds.NEW_KEY):
        return call.key
    try:
        return param.kind.parse(call.path_params[param.wire], param.wire)
    except Unfit:
        raise NotFound("message", call.path_params[param.wire]) from None


def _of_body(param: Declared, body: Mapping[str, Any]) -> Any:
    """A field of the body, or None if it is not given. Raises HttpProblem, InvalidKey."""
    if (value := body.get(param.wire)) is None:
        return None
    with _refused_as("bad_request"):
        if not param.many:
            return param.kind.read(value, param.wire)
        if not isinstance(value, list):
            raise Unfit(f"{param.wire} must be a list")
        return tuple(param.kind.read(each, param.wire) for each in value)


def of_query(param: Declared, call: HttpRequest) -> Any:
    """A parameter of the query, or None if it is not given. Raises HttpProblem, InvalidKey."""
    with _refused_as("bad_parameter"):
        if param.many:
            texts = call.query.get(param.wire)
            return None if texts is None else tuple(param.kind.parse(text, param.wire) for text in texts)
        return None if (text := call.one(param.wire)) is None else param.kind.parse(text, param.wire)


def of_header(param: Declared, call: HttpRequest, besides: Any = None) -> Any:
    """The value of a header, otherwise ``besides``, the value from elsewhere. Raises HttpProblem."""
    assert param.header is not None
    name = param.header.name
    if (text := call.headers.get(name.lower())) is None:
        return besides
    with _refused_as("bad_parameter"):
        value = param.kind.parse(text, name)
    if besides in (None, value) or param.header.wins:
        return value
    raise HttpProblem(422, "two_names", f"the header {name} and {param.wire} differ")


@contextmanager
def _refused_as(code: str) -> Iterator[None]:
    """An Unfit in this block becomes a problem with this code; an invalid key keeps its own."""
    try:
        yield
    except InvalidKey:
        raise
    except Unfit as error:
        raise HttpProblem(400, code, str(error), param=error.param) from error


def header_of(param: Declared) -> RouteParam:
    """The header of a parameter, for the documents."""
    assert param.header is not None
    return RouteParam(param.header.name, param.kind.schema, param.meaning)


def query_of(param: Declared) -> RouteParam:
    """A query parameter, for the documents."""
    bound = {"maximum": PAGE} if param.name == "limit" else {}
    return RouteParam(
        param.wire, {**bound, **param.kind.schema}, param.meaning, many=param.many, required=param.required
    )


def _body(params: list[Declared]) -> Schema:
    """The schema of a body: exactly these fields."""
    fields = {param.wire: _field(param) for param in params}
    required = [param.wire for param in params if param.required]
    more = {"required": required} if required else {}
    return {"type": "object", "properties": fields, **more, "additionalProperties": False}


def _field(param: Declared) -> Schema:
    schema = array(param.kind.schema) if param.many else param.kind.schema
    said = {**schema, "description": param.meaning} if param.meaning else schema
    return said if param.required else nullable(said)
