"""The table of all routes, for the router, the check of parameters, the OpenAPI document and the docs."""

from typing import Any

from starlette.types import ASGIApp

from lanes.records.json_schema import TEXT, Schema, words
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse
from lanes.server.asgi.routing import Handler, Route, RouteParam, Router
from lanes.server.routes import anthropic, events, health, messages, metrics, openai
from lanes.server.routes.answering import NAME
from lanes.server.routes.intake import RUN
from lanes.server.routes.verbs import header_of, query_of, routes_of
from lanes.verbs import table
from lanes.verbs.kinds import CHAT_SCHEMA
from lanes_storage.law import MAX_KEY

OBJECT: Schema = {"type": "object"}


async def get_openapi(call: HttpRequest) -> ASGIApp:
    """This document."""
    del call
    from lanes.server.routes.openapi import document

    return JsonResponse(document(ROUTES))


_SESSION = (
    header_of(NAME),
    header_of(RUN),
    RouteParam(
        "X-Lanes-Session",
        {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
        "the session key, percent-encoded UTF-8",
    ),
    RouteParam("X-Lanes-Detach", words(["true", "false"]), "the message continues when the client leaves"),
)
#: The body of ``send`` has exactly one of the two.
_SENT: Schema = {
    "oneOf": [
        {"required": ["text"], "properties": {"text": TEXT, "request": {"type": "null"}}},
        {"required": ["request"], "properties": {"request": OBJECT, "text": {"type": "null"}}},
    ]
}
#: The fields that lanes itself reads of a request in another dialect than chat.
_OURS: dict[str, Schema] = {name: CHAT_SCHEMA["properties"][name] for name in ("model", "stream", "metadata")}
_RESPONSES: Schema = {
    "type": "object",
    "properties": {
        **_OURS,
        "input": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": OBJECT, "minItems": 1}]},
        "conversation": CHAT_SCHEMA["properties"]["conversation"],
        "background": {"enum": [False, None], "description": "an answer belongs to its connection"},
    },
    "required": ["input"],
}
_MESSAGES: Schema = {
    "type": "object",
    "properties": {**_OURS, "messages": CHAT_SCHEMA["properties"]["messages"]},
    "required": ["messages"],
}
_REFUSALS = (422, 423, 429, 503)

#: Verbs with a handler for HTTP: they wait with their client, or stream.
SPECIAL: dict[str, dict[str, Any]] = {
    "send": {
        "handler": messages.post_message,
        "query": (query_of(messages.WAIT),),
        "body": _SENT,
        "answers": {200: "Message", 202: "Message"},
        "media": "text/event-stream",
    },
    "message": {"handler": messages.get_message},
    "events": {"handler": events.get_events, "media": "text/event-stream"},
}


def _ingress(path: str, handler: Handler, body: dict[str, Any]) -> Route:
    """The route of a dialect that clients of models speak."""
    return Route(
        "POST",
        path,
        handler,
        headers=_SESSION,
        body=body,
        answers={200: OBJECT},
        media="text/event-stream",
        problems=(*_REFUSALS, 500, 502, 504),
    )


ROUTES = (
    *(route for verb in table().values() for route in routes_of(verb, **SPECIAL.get(verb.name, {}))),
    _ingress("/v1/chat/completions", openai.post_chat, CHAT_SCHEMA),
    _ingress("/v1/responses", openai.post_responses, _RESPONSES),
    _ingress("/v1/messages", anthropic.post_messages, _MESSAGES),
    Route("POST", "/v1/messages/count_tokens", anthropic.post_count_tokens, body=_MESSAGES, answers={200: OBJECT}),
    Route("GET", "/v1/models", openai.get_models, answers={200: OBJECT}),
    Route("GET", "/v1/models/{model}", openai.get_model, answers={200: OBJECT}, problems=(404,)),
    Route("GET", "/healthz", health.healthz, answers={200: OBJECT}, problems=(503,)),
    Route("GET", "/readyz", health.readyz, answers={200: OBJECT}, problems=(503,)),
    Route("GET", "/metrics", metrics.get_metrics, media="text/plain"),
    Route("GET", "/openapi.json", get_openapi, answers={200: OBJECT}),
)
ROUTER = Router(ROUTES)
