"""The OpenAPI document of the table of routes."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import lanes
from lanes.dialects.messages import MESSAGES
from lanes.dialects.table import envelope_at
from lanes.records import placed, schemas
from lanes.records.json_schema import ID, KEY, TEXT, Schema, exactly, nullable
from lanes.server.asgi.routing import Route, RouteParam

AT = "#/components/schemas/"
#: Errors of any route: a bad request, no token, a wrong host or origin, a database that refuses.
ALWAYS = (400, 401, 403, 503)
#: Further errors of any POST: a body that is too slow, too large or not JSON.
POSTED = (408, 413, 415)

#: One event of a stream.
SSE: Schema = {"type": "object", "properties": {"id": TEXT, "event": TEXT, "data": TEXT}}
NAME: Schema = {**TEXT, "minLength": 1}
IN_PATH: dict[str, Schema] = {"key": KEY, "id": ID, "model": NAME, "name": NAME}
MEANING = {
    "key": "the session key, percent-encoded",
    "id": "of the message",
    "model": "its name",
    "name": "of the provider",
}
PROBLEM: Schema = {
    "type": "object",
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "code": {**TEXT, "description": "for programs"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}
ANTHROPIC_ERROR = exactly(
    type={"const": "error"}, error=exactly(type=TEXT, message=TEXT, details=exactly(error_code=TEXT))
)
OPENAI_ERROR = exactly(error=exactly(message=TEXT, type=TEXT, param=nullable(TEXT), code=nullable(TEXT)))


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
            "schemas": {
                **schemas(AT),
                "Problem": PROBLEM,
                "OpenAIError": OPENAI_ERROR,
                "AnthropicError": ANTHROPIC_ERROR,
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    name = route.path.translate(str.maketrans("/.-", "___", "{}"))
    operation: dict[str, Any] = {
        "summary": (route.handler.__doc__ or "").strip().partition("\n")[0],
        "operationId": f"{route.method.lower()}{name}",
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body}}}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    parts = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    in_path = [RouteParam(part, IN_PATH[part], MEANING[part], required=True) for part in parts]
    return [
        _parameter(param, where)
        for where, params in (("path", in_path), ("query", route.query), ("header", route.headers))
        for param in params
    ]


def _parameter(param: RouteParam, where: str) -> dict[str, Any]:
    schema = {"type": "array", "items": param.schema} if param.many else param.schema
    more = {"required": True} if param.required else {}
    return {"name": param.name, "in": where, "description": param.meaning, "schema": schema, **more}


def _responses(route: Route) -> dict[str, Any]:
    media = {} if route.media is None else {route.media: {"schema": SSE if "event-stream" in route.media else TEXT}}
    answers = {str(status): _answer(status, schema, media) for status, schema in route.answers.items()}
    if not answers:
        answers["200"] = {"description": "OK", "content": media}
    errors = {*ALWAYS, *route.problems, *(POSTED if route.method == "POST" else ())}
    return answers | {str(status): _problem(status, route) for status in sorted(errors)}


def _answer(status: int, schema: str | Schema, media: dict[str, Any]) -> dict[str, Any]:
    found = placed({"$ref": schema} if isinstance(schema, str) else schema, AT)
    return {"description": HTTPStatus(status).phrase, "content": {"application/json": {"schema": found}, **media}}


def _problem(status: int, route: Route) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": AT + "Problem"}}}
    if route.path.startswith("/v1/"):
        error = "AnthropicError" if envelope_at(route.path) is MESSAGES.envelope else "OpenAIError"
        content = {"application/json": {"schema": {"$ref": AT + error}}}
    elif status in route.problems and not route.path.startswith("/api"):  # the answer to a health probe
        content["application/json"] = {"schema": {"type": "object"}}
    return {"description": HTTPStatus(status).phrase, "content": content}
