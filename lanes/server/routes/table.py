"""Every route, in one table: the router, the check of parameters, the OpenAPI document and the docs read it."""

from typing import Any

from starlette.types import ASGIApp

from lanes.records.json_schema import FLAG, ID, KEY, TEXT, Schema, nullable, words
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import JsonResponse
from lanes.server.asgi.routing import Route, RouteParam, Router
from lanes.server.routes import events, health, messages, metrics, openai
from lanes.server.routes.verbs import routes_of
from lanes.verbs import table
from lanes.verbs.kinds import SECONDS
from lanes_storage.law import MAX_KEY

OBJECT: Schema = {"type": "object"}


def fields(*required: str, **schemas: Schema) -> Schema:
    """A body with these fields and no other. A trailing underscore is not part of the name."""
    named = {
        name.removesuffix("_"): schema if name in required else nullable(schema) for name, schema in schemas.items()
    }
    more = {"required": list(required)} if required else {}
    return {"type": "object", "properties": named, **more, "additionalProperties": False}


async def get_openapi(call: HttpRequest) -> ASGIApp:
    """This document."""
    del call
    from lanes.server.routes.openapi import document

    return JsonResponse(document(ROUTES))


_WAIT = RouteParam("wait", SECONDS.schema, "seconds to wait for the end")
_IDEMPOTENCY = RouteParam(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 256},
    "the sender's own name for the message: the same key and body again is the same message",
)
_RUN = RouteParam("X-Lanes-Run", ID, "the run that waits with this request: a wait that closes a circle is refused")
_SESSION = (
    _IDEMPOTENCY,
    _RUN,
    RouteParam(
        "X-Lanes-Session",
        {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
        "the session key, percent-encoded UTF-8",
    ),
    RouteParam("X-Lanes-Detach", words(["true", "false"]), "the message goes on when the client leaves"),
)
#: What lanes itself reads of a chat request, or refuses; all else goes to the provider as it came.
_CHAT: Schema = {
    "type": "object",
    "properties": {
        "messages": {"type": "array", "items": OBJECT, "minItems": 1},
        "model": {**nullable(TEXT), "description": "a runner; any other name is the runner of the policy"},
        "n": {"enum": [1, None], "description": "a message gets one answer"},
        "stream": nullable(FLAG),
        "stream_options": nullable({"type": "object", "properties": {"include_usage": nullable(FLAG)}}),
        "metadata": nullable({"type": "object", "properties": {"lanes_session": nullable(KEY)}}),
        "conversation": {
            "anyOf": [KEY, {"type": "object", "properties": {"id": KEY}, "required": ["id"]}, {"type": "null"}]
        },
    },
    "required": ["messages"],
}
_SENT = fields(text=TEXT, request=_CHAT, if_idle=FLAG, idempotency_key=_IDEMPOTENCY.schema) | {
    "oneOf": [
        {"required": ["text"], "properties": {"text": TEXT, "request": {"type": "null"}}},
        {"required": ["request"], "properties": {"request": OBJECT, "text": {"type": "null"}}},
    ]
}
_REFUSALS = (422, 423, 429, 503)

#: Verbs that are more over HTTP than in the table: they wait with their client, or stream.
SPECIAL: dict[str, dict[str, Any]] = {
    "send": {
        "handler": messages.post_message,
        "query": (_WAIT,),
        "headers": (_IDEMPOTENCY, _RUN),
        "body": _SENT,
        "answers": {200: "Message", 202: "Message"},
        "media": "text/event-stream",
    },
    "message": {"handler": messages.get_message, "headers": (_RUN,)},
    "events": {
        "handler": events.get_events,
        "headers": (RouteParam("Last-Event-ID", ID, "the last event that was seen: what follows it is told"),),
        "media": "text/event-stream",
    },
}

ROUTES = (
    *(route for verb in table().values() if verb.path for route in routes_of(verb, **SPECIAL.get(verb.name, {}))),
    Route(
        "POST",
        "/v1/chat/completions",
        openai.post_chat,
        headers=_SESSION,
        body=_CHAT,
        answers={200: OBJECT},
        media="text/event-stream",
        problems=(*_REFUSALS, 500, 502, 504),
    ),
    Route("GET", "/v1/models", openai.get_models, answers={200: OBJECT}),
    Route("GET", "/v1/models/{model}", openai.get_model, answers={200: OBJECT}, problems=(404,)),
    Route("GET", "/healthz", health.healthz, answers={200: OBJECT}, problems=(503,)),
    Route("GET", "/readyz", health.readyz, answers={200: OBJECT}, problems=(503,)),
    Route("GET", "/metrics", metrics.get_metrics, media="text/plain"),
    Route("GET", "/openapi.json", get_openapi, answers={200: OBJECT}),
)
ROUTER = Router(ROUTES)
