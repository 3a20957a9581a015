"""The OpenAPI document of the table of routes."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import lanes
from lanes.records import placed, schemas
from lanes.records.json_schema import Schema, exactly, nullable
from lanes.server.routing import Param, Route

AT = "#/components/schemas/"
#: What any route may answer: a bad request, no token, the wrong host or origin, a database that refuses.
ALWAYS = (400, 401, 403, 503)
#: What any POST may answer besides: a body that is too slow, too large or no JSON.
POSTED = (408, 413, 415)

_TEXT: Schema = {"type": "string"}
PROBLEM: Schema = {
    "type": "object",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": {**_TEXT, "description": "for programs"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}
OPENAI_ERROR = exactly(error=exactly(message=_TEXT, type=_TEXT, param=nullable(_TEXT), code=nullable(_TEXT)))


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document: every route with its parameters, body, answers and errors."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lanes",
            "version": lanes.__version__,
            "description": "One agent run at a time per conversation.",
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas(AT), "Problem": PROBLEM, "OpenAIError": OPENAI_ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    name = route.path.translate(str.maketrans("/.-", "___", "{}"))
    operation: dict[str, Any] = {
        "summary": (route.handler.__doc__ or "").strip().splitlines()[0],
        "operationId": f"{route.method.lower()}{name}",
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": route.body}}}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    parts = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    parameters = [{"name": part, "in": "path", "required": True, "schema": _TEXT} for part in parts]
    parameters += [_parameter(param, "query") for param in route.query]
    return parameters + [_parameter(param, "header") for param in route.headers]


def _parameter(param: Param, where: str) -> dict[str, Any]:
    schema = {"type": "array", "items": param.schema} if param.many else param.schema
    required = where == "query" and param.name == "key"
    return {
        "name": param.name,
        "in": where,
        "description": param.meaning,
        "schema": schema,
        **({"required": True} if required else {}),
    }


def _responses(route: Route) -> dict[str, Any]:
    media = {} if route.media is None else {route.media: {"schema": _TEXT}}
    answers = {str(status): _answer(status, schema, media) for status, schema in route.answers.items()}
    if not answers:
        answers["200"] = {"description": "OK", "content": media}
    errors = {*ALWAYS, *route.problems, *(POSTED if route.method == "POST" else ())}
    return answers | {str(status): _problem(status, route) for status in sorted(errors)}


def _answer(status: int, schema: str | Schema, media: dict[str, Any]) -> dict[str, Any]:
    found = placed({"$ref": schema} if isinstance(schema, str) else schema, AT)
    return {"description": HTTPStatus(status).phrase, "content": {"application/json": {"schema": found}, **media}}


def _problem(status: int, route: Route) -> dict[str, Any]:
    openai = route.path.startswith("/v1/")
    kind = "application/json" if openai or not route.path.startswith("/api") else "application/problem+json"
    schema = {"$ref": AT + ("OpenAIError" if openai else "Problem")}
    return {"description": HTTPStatus(status).phrase, "content": {kind: {"schema": schema}}}
