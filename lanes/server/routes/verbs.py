"""The routes of the table of verbs: parameters from the request, the call, and the response."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from starlette.types import ASGIApp

from lanes.base.errors import InvalidKey, NotFound, Unfit
from lanes.base.procedure import QueryBlock
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

#: A page of a list ends once its rows have this many characters together.
MOST_CHARACTERS = 16_000_000


def routes_of(
    verb: Verb[..., Any],
    handler: Handler | None = None,
    query: tuple[RouteParam, ...] = (),
    answers: Mapping[int, str | Schema] | None = None,
    body: Schema | None = None,
    media: str | None = None,
) -> Iterator[Route]:
    """The routes of a verb. One of a lane has two: the second is for clients that cannot keep a percent-encoded slash.

    ``handler`` replaces the general one; ``query``, ``body``, ``answers`` and ``media`` add to what the table declares.
    """
    places = _places(verb)
    in_query = [] if verb.posted else [query_of(param) for param in places.fields.values()]
    route = Route(
        verb.method,
        verb.path,
        handler or handler_of(verb),
        query=(*query, *in_query),
        headers=tuple({header: header_of(param) for header, param in places.headers}.values()),
        body=_body([*places.fields.values()]) | (body or {}) if verb.posted else None,
        answers=answers or {verb.about.status: verb.result.schema},
        media=media,
        problems=tuple(sorted({status_of(error) for error in verb.errors} - {400})),
    )
    yield route
    if "/lanes/{key}" in route.path:
        named = RouteParam("key", KEY, "the session key", required=True)
        yield route.at(route.path.replace("/lanes/{key}", "/lane"), named)


def handler_of(verb: Verb[..., Any]) -> Handler:
    """The general handler: calls a verb with the parameters of a request."""

    async def handle(call: HttpRequest) -> ASGIApp:
        return await answer(verb, call, await params_of(verb, call))

    handle.__doc__ = verb.doc
    return handle


async def answer(verb: Verb[..., Any], call: HttpRequest, params: Mapping[str, Any]) -> ASGIApp:
    """Call a verb, and respond with its record."""
    effect = verb.of(call.context, params)
    work = call.desk.perform(effect)
    if isinstance(effect, Query | QueryBlock):
        work = call.searching(work)
    elif verb.waiting is not None or verb.about.slow:
        work = call.while_connected(work)
    record = await work
    return JsonResponse(record, verb.about.status) if verb.changes else await long_answer(record)


class ParamPlaces(NamedTuple):
    """Where a request gives the parameters of a verb."""

    in_path: tuple[Declared, ...]
    fields: Mapping[str, Declared]  # of the body or the query
    headers: tuple[tuple[str, Declared], ...]  # one header may give two parameters
    required: tuple[Declared, ...]


@cache
def _places(verb: Verb[..., Any]) -> ParamPlaces:
    """Where requests give the parameters of a verb; cached, since every request needs it."""
    in_path, outside = list[Declared](), list[Declared]()
    for param in verb.params:
        if param.restriction is kinds.ONLY_PYTHON:
            continue
        (in_path if f"{{{param.wire}}}" in verb.path else outside).append(param)
    return ParamPlaces(
        tuple(in_path),
        {param.wire: param for param in outside if param.header is None or not param.header.alone},
        tuple((param.header.name.lower(), param) for param in outside if param.header is not None),
        tuple(param for param in outside if param.required),
    )


async def params_of(verb: Verb[..., Any], call: HttpRequest) -> dict[str, Any]:
    """The parameters of a verb in a request, by name. Raises HttpProblem, InvalidKey, NotFound."""
    places = _places(verb)
    body = _known(places.fields, await call.body()) if verb.posted else call.query
    params = {param.name: _in_path(param, call) for param in places.in_path}
    for wire, param in places.fields.items():
        if wire in body:
            value = _of_body(param, body) if verb.posted else of_query(param, call)
            if value is not None:
                params[param.name] = value
    for header, param in places.headers:
        if header in call.headers:
            params[param.name] = of_header(param, call, params.get(param.name))
    for param in places.required:
        if param.name not in params:
            raise HttpProblem(400, "bad_request", f"{param.wire} is missing: {param.meaning}")
    if "limit" in verb.by_name:
        params.setdefault("limit", verb.about.listed)
        if params["limit"] > PAGE and "maximum" not in verb.by_name["limit"].kind.schema:
            raise HttpProblem(400, "bad_parameter", f"limit must be a whole number from 1 to {PAGE}")
    if "within" in verb.by_name:
        params["within"] = MOST_CHARACTERS
    return params


def _known(fields: Mapping[str, Declared], body: dict[str, Any]) -> dict[str, Any]:
    """Refuse unknown fields: a mistyped one must not be ignored."""
    if unknown := body.keys() - fields.keys():
        there_are = ", ".join(sorted(fields)) or "none"
        raise HttpProblem(400, "bad_request", f"there is no field {min(unknown)!r} here; there are: {there_are}")
    return body


def _in_path(param: Declared, call: HttpRequest) -> Any:
    if param.kind in (kinds.KEY, kinds.NEW_KEY):
        return call.key
    try:
        return param.kind.parse(call.path_params[param.wire], param.wire)
    except Unfit:
        noun = "message" if param.kind is kinds.ID else "provider"
        raise NotFound(noun, call.path_params[param.wire]) from None


def _of_body(param: Declared, body: Mapping[str, Any]) -> Any:
    """A field of the body, or None if it is not given. Raises HttpProblem, InvalidKey."""
    if (value := body.get(param.wire)) is None:
        return None
    if not param.many:
        return _read(param.kind.read, value, param.wire, "bad_request")
    if not isinstance(value, list):
        raise HttpProblem(400, "bad_request", f"{param.wire} must be a list")
    return tuple(_read(param.kind.read, each, param.wire, "bad_request") for each in value)


def of_query(param: Declared, call: HttpRequest) -> Any:
    """A parameter of the query, or None if it is not given. Raises HttpProblem, InvalidKey."""
    if param.many:
        texts = call.query.get(param.wire)
        return texts and tuple(_read(param.kind.parse, text, param.wire, "bad_parameter") for text in texts)
    text = call.one(param.wire)
    return None if text is None else _read(param.kind.parse, text, param.wire, "bad_parameter")


def of_header(param: Declared, call: HttpRequest, besides: Any = None) -> Any:
    """A parameter from its header; ``besides``, its value from the body or the query, if there is no such header.
    Raises HttpProblem, also where the two differ and the header does not win."""
    assert param.header is not None
    name = param.header.name
    if (text := call.headers.get(name.lower())) is None:
        return besides
    value = _read(param.kind.parse, text, name, "bad_parameter")
    if besides in (None, value) or param.header.wins:
        return value
    raise HttpProblem(422, "two_names", f"the header {name} and {param.wire} differ")


def _read(read: Callable[[Any, str], Any], value: Any, name: str, code: str) -> Any:
    """Read a value. An Unfit becomes a problem with this code; an invalid key keeps its own."""
    try:
        return read(value, name)
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
    described = {**schema, "description": param.meaning} if param.meaning else schema
    return described if param.required else nullable(described)
