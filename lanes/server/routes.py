"""Every route, in one table: the router, the check of parameters, the OpenAPI document and the docs read it."""

from starlette.types import ASGIApp

from lanes.records.json_schema import (
    COUNT,
    DURATION,
    FLAG,
    ID,
    KEY,
    TEXT,
    Schema,
    array,
    exactly,
    nullable,
    words,
)  # fmt: skip
from lanes.server import events, health, lanes, messages, metrics, openai, searching, status
from lanes.server.answer import Answer
from lanes.server.call import Call
from lanes.server.routing import Param, Route, Router
from lanes.server.verbs import routes_of
from lanes.verbs import table
from lanes_storage.law import MAX_KEY, LaneState, MessageState, Scope
from lanes_storage.records import LaneSort

OBJECT: Schema = {"type": "object"}


def fields(*required: str, **schemas: Schema) -> Schema:
    """A body with these fields and no other. A trailing underscore is not part of the name."""
    named = {
        name.removesuffix("_"): schema if name in required else nullable(schema) for name, schema in schemas.items()
    }
    more = {"required": list(required)} if required else {}
    return {"type": "object", "properties": named, **more, "additionalProperties": False}


def up_to(most: int, least: int = 0) -> Schema:
    """A whole number within these bounds."""
    return {"type": "integer", "minimum": least, "maximum": most}


async def get_openapi(call: Call) -> ASGIApp:
    """This document."""
    del call
    from lanes.server.openapi import document

    return Answer(document(ROUTES))


_EPOCH = fields(epoch={**COUNT, "description": "only if the lane still stands at it"})
_LIMIT = Param("limit", up_to(messages.MOST_MESSAGES, 1), "at most so many")
_FILTER = Param("filter", TEXT, "those that fit this filter")
_BEFORE = Param("before", ID, "those that were accepted before this one")
_WAIT = Param("wait", {"type": "number", "minimum": 0, "maximum": messages.MOST_WAIT_S}, "seconds to wait for the end")
_SEARCHED: dict[str, Schema] = {
    "filter": {**TEXT, "description": "as it is typed in the dashboard: state:errored held:>5m part-of-a-key"},
    "keys": {**array(TEXT), "maxItems": searching.MOST_KEYS, "description": "of these lanes only"},
    "sort": words(LaneSort),
    "reverse": FLAG,
}
_HIT: Schema = exactly(hit=nullable({"$ref": "Hit"}))
_IDEMPOTENCY = Param(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 256},
    "the sender's own name for the message: the same key and body again is the same message",
)
_RUN = Param("X-Lanes-Run", ID, "the run that waits with this request: a wait that closes a circle is refused")
_SESSION = (
    _IDEMPOTENCY,
    _RUN,
    Param(
        "X-Lanes-Session",
        {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
        "the session key, percent-encoded UTF-8",
    ),
    Param("X-Lanes-Detach", words(["true", "false"]), "the message goes on when the client leaves"),
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

#: The routes of one lane, which exist twice: the second form is for clients and proxies that cannot keep a
#: percent-encoded slash.
_OF_A_LANE = (
    Route("GET", "", lanes.get_lane, answers={200: "LaneDetail"}, problems=(404,)),
    Route(
        "GET",
        "/messages",
        messages.get_messages,
        query=(Param("state", words(MessageState), "messages in this state", many=True), _FILTER, _LIMIT, _BEFORE),
        answers={200: array({"$ref": "Message"})},
        problems=(404,),
    ),
    Route(
        "POST",
        "/messages",
        messages.post_message,
        query=(_WAIT,),
        headers=(_IDEMPOTENCY, _RUN),
        body=_SENT,
        answers={200: "Message", 202: "Message"},
        media="text/event-stream",
        problems=_REFUSALS,
    ),
    Route("POST", "/retry", searching.retry_last, body=_EPOCH, answers={202: "Message"}, problems=(404, 412, 422, 429)),
)


ROUTES = (
    Route(
        "GET",
        "/api/lanes",
        lanes.get_lanes,
        query=(
            _FILTER,
            Param("state", words(LaneState), "lanes in this state", many=True),
            Param("held", FLAG, "lanes that are held"),
            Param("match", {**TEXT, "maxLength": lanes.MOST_PATTERN}, "lanes whose key fits this glob"),
            Param("contains", TEXT, "lanes whose key contains this", many=True),
            Param("held_for", DURATION, "lanes held for at least so long"),
            Param("abortable", words(Scope), "lanes of which an abort with this scope would end something"),
            Param("sort", words(LaneSort), "by what; attention: unfinished first, the longest wait at the top"),
            Param("reverse", FLAG, "the other way round"),
            _LIMIT,
            Param("cursor", {"type": "string", "pattern": "^[0-9]{1,9}$"}, "the page that `next` names"),
        ),
        answers={200: "LanePage"},
    ),
    Route(
        "POST",
        "/api/search",
        searching.search_lanes,
        body=fields(**_SEARCHED, limit=up_to(lanes.MOST_LANES), offset=up_to(lanes.MOST_OFFSET), place_of=TEXT),
        answers={200: "SearchPage"},
    ),
    Route(
        "POST",
        "/api/find",
        searching.find_lane,
        body=fields(
            "part", **_SEARCHED, part={**TEXT, "minLength": 1, "maxLength": MAX_KEY}, from_=TEXT, step=up_to(1, -1)
        ),
        answers={200: _HIT},
    ),
    *(route.at("/api/lanes/{key}" + route.path) for route in _OF_A_LANE),
    *(route.at("/api/lane" + route.path, Param("key", KEY, "the session key", required=True)) for route in _OF_A_LANE),
    *(route for verb in table().values() for route in routes_of(verb)),
    Route(
        "GET",
        "/api/message-ids",
        messages.get_message_ids,
        query=(_FILTER, Param("for", words(["retry", "drop"]), "what is to be done with them", required=True)),
        answers={200: array(ID)},
    ),
    Route("GET", "/api/messages/{id}", messages.get_message, query=(_WAIT,), answers={200: "Message"}, problems=(404,)),
    Route(
        "POST",
        "/api/messages/{id}/retry",
        messages.retry_message,
        body=fields(),
        answers={202: "Message"},
        problems=(404, 422, 429),
    ),
    Route(
        "POST",
        "/api/messages/{id}/drop",
        messages.drop_message,
        body=fields(),
        answers={200: "Message"},
        problems=(404, 422),
    ),
    Route(
        "GET",
        "/api/dead-letters",
        messages.get_dead_letters,
        query=(_FILTER, _LIMIT, _BEFORE),
        answers={200: array({"$ref": "Message"})},
    ),
    Route(
        "POST",
        "/api/dead-letters/prune",
        messages.prune_dead_letters,
        body=fields("older_than", older_than=DURATION),
        answers={200: "Pruned"},
    ),
    Route("GET", "/api/status", status.get_status, answers={200: "Status"}),
    Route(
        "GET",
        "/api/gateways",
        status.get_gateways,
        query=(Param("id", ID, "these gateways, ended ones too; without, all that live or died without a word", True),),
        answers={200: array({"$ref": "OwnerDetail"})},
    ),
    Route(
        "GET",
        "/api/drain",
        status.get_drain,
        query=(Param("gateway", ID, "of one gateway; without, of all"),),
        answers={200: array({"$ref": "Cut"})},
        problems=(404,),
    ),
    Route(
        "POST",
        "/api/drain",
        status.post_drain,
        body=fields(gateway=ID, for_=DURATION),
        answers={202: array({"$ref": "OwnerDetail"})},
        problems=(404,),
    ),
    Route(
        "POST",
        "/api/reconcile",
        status.post_reconcile,
        body=fields(dry_run=FLAG),
        answers={200: array({"$ref": "Finding"})},
    ),
    Route("GET", "/api/doctor", status.get_doctor, answers={200: array({"$ref": "Check"})}),
    Route(
        "GET",
        "/api/events",
        events.get_events,
        query=(
            _FILTER,
            Param("key", KEY, "events of this lane"),
            Param("type", {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}, "events of this type"),
            Param("since", DURATION, "events of the last so long"),
            Param("after", ID, "events behind this one"),
            Param("limit", up_to(events.MOST_EVENTS, 1), "of a list: so many"),
        ),
        headers=(Param("Last-Event-ID", ID, "the last event that was seen: what follows it is told"),),
        answers={200: array({"$ref": "Event"})},
        media="text/event-stream",
        problems=(404, 503),
    ),
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
