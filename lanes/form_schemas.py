"""The JSON Schemas (draft 2020-12) of the forms: what every ``--json`` prints and every route answers.

They are exact: a field that ``lanes.forms`` adds or drops and that is not written here is found by a test. Words
of the law (states, causes, outcomes) come from where it is written. Nothing here is needed to run a lane: the
OpenAPI document and the tests read it.
"""

from collections.abc import Iterable
from typing import Any

from lanes.abort import Outcome
from lanes_storage.law import (
    MAX_KEY,
    Cause,
    EventType,
    LaneState,
    MessageState,
    RunnerKind,
)

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

# ---------------------------------------------------------------------------------------------- values

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ID: Schema = {"type": "string", "pattern": "^[0-9]+$", "description": "opaque"}
KEY: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "description": "a session key"}
SECONDS: Schema = {"type": "number", "description": "seconds"}
MOMENT: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
}


def words(of: Iterable[str]) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": [str(word) for word in of]}


def open_words(of: Iterable[str]) -> Schema:
    """One of these words, or another: runners have their own, and so may a newer version."""
    return {"type": "string", "examples": [str(word) for word in of], "description": "another word is possible"}


def array(of: Schema) -> Schema:
    """Any number of these."""
    return {"type": "array", "items": of}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "$ref" in schema or "enum" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def exactly(**fields: Schema) -> Schema:
    """An object with these fields, all of them, and no other. A trailing underscore is not part of the name."""
    named = {name.removesuffix("_"): schema for name, schema in fields.items()}
    return {"type": "object", "properties": named, "required": list(named), "additionalProperties": False}


# --------------------------------------------------------------------------------------------- schemas


def schemas(at: str = "#/$defs/") -> dict[str, Schema]:
    """Every schema by its name; references between them begin with ``at``."""

    def ref(name: str) -> Schema:
        return {"$ref": at + name}

    return {
        **_lanes(ref("Owner"), ref("Message"), ref("Event"), ref("Run")),
        **_messages(ref("Failure"), ref("Attempt")),
        **_actions(ref("Owner")),
        **_status(ref("Gateway"), ref("Counts"), ref("Cooldown")),
    }


def schema(name: str) -> Schema:
    """One schema as a document of its own, to validate with."""
    return {"$schema": DRAFT, "$ref": f"#/$defs/{name}", "$defs": schemas()}


def _lanes(owner: Schema, message: Schema, event: Schema, run: Schema) -> dict[str, Schema]:
    lane = exactly(
        key=KEY,
        state=words(LaneState),
        epoch=COUNT,
        paused=nullable(exactly(reason=TEXT, until=nullable(MOMENT))),
        queued=COUNT,
        head_wait_s=nullable(SECONDS),
        interruptions=COUNT,
        parked_until=nullable(MOMENT),
        held_s=nullable(SECONDS),
        deadline_s=nullable(SECONDS),
        stall_limit_s=nullable(SECONDS),
        heartbeat_age_s=nullable(SECONDS),
        progress_age_s=nullable(SECONDS),
        progress=nullable(TEXT),
        owner=nullable(owner),
        run_id=nullable(ID),
        message_id=nullable(ID),
        abort_requested=FLAG,
        last_error=nullable(exactly(cause=open_words(Cause), message=TEXT, at=MOMENT)),
        updated_at=MOMENT,
    )
    details = {"why": TEXT, "run": nullable(run), "messages": array(message), "events": array(event)}
    return {
        "Lane": lane,
        "Acted": exactly(**lane["properties"], done=FLAG),
        "LaneDetail": exactly(**lane["properties"], **details),
        "Run": exactly(
            id=ID,
            epoch=COUNT,
            message_id=ID,
            owner=ID,
            runner=TEXT,
            kind=words(RunnerKind),
            claimed_at=MOMENT,
            run_timeout_s=nullable(SECONDS),
            stall_timeout_s=nullable(SECONDS),
            abort_grace_s=SECONDS,
            stale_after_s=nullable(SECONDS),
            progress=TEXT,
            progress_at=MOMENT,
            busy_s=nullable(SECONDS),
            abort=nullable(
                exactly(
                    at=MOMENT, actor=nullable(TEXT), reason=nullable(TEXT), cause=open_words(Cause), grace_s=SECONDS
                )
            ),
            missed_heartbeats=COUNT,
            refused_writes=COUNT,
            process_group=nullable({"type": "integer"}),
        ),
        "Why": exactly(key=KEY, why=TEXT),
    }


def _messages(failure: Schema, attempt: Schema) -> dict[str, Schema]:
    return {
        "Message": exactly(
            id=ID,
            key=KEY,
            state=words(MessageState),
            position=nullable(COUNT),
            text=nullable(TEXT),
            reply=nullable(TEXT),
            error=nullable(failure),
            interruptions=COUNT,
            parked_until=nullable(MOMENT),
            retry_of=nullable(ID),
            retried_as=nullable(ID),
            answered_by=nullable(ID),
            accepted_at=MOMENT,
            started_at=nullable(MOMENT),
            ended_at=nullable(MOMENT),
            reply_so_far=nullable(TEXT),
            provider=nullable(TEXT),
            model=nullable(TEXT),
            usage=nullable({"type": "object"}),
            attempts=array(attempt),
        ),
        "Failure": exactly(cause=open_words(Cause), message=TEXT, attempts=array(attempt)),
        # The cause of an attempt is an open set: a provider may give a word of its own.
        "Attempt": exactly(
            provider=TEXT,
            cause=TEXT,
            message=TEXT,
            at=MOMENT,
            status=nullable(COUNT),
            type=nullable(TEXT),
            param=nullable(TEXT),
            code=nullable(TEXT),
        ),
        "Event": exactly(
            id=ID,
            at=MOMENT,
            type=words(EventType),
            key=nullable(KEY),
            from_=nullable(TEXT),
            to=nullable(TEXT),
            run_id=nullable(ID),
            message_id=nullable(ID),
            epoch=nullable(COUNT),
            actor=nullable(TEXT),
            cause=nullable(TEXT),
            detail=nullable({"type": "object", "description": "as the type of the event has it"}),
        ),
    }


def _actions(owner: Schema) -> dict[str, Schema]:
    return {
        "AbortResult": exactly(
            key=KEY,
            outcome=words(Outcome),
            epoch_before=COUNT,
            epoch_after=COUNT,
            run_id=nullable(ID),
            waited_s=SECONDS,
            dropped=COUNT,
            survivors=nullable(array(TEXT)),
        ),
        "Cut": exactly(
            key=KEY, run_id=ID, message_id=ID, owner=ID, held_s=SECONDS, message_state=words(MessageState), pauses=FLAG
        ),
        "Finding": exactly(
            key=nullable(KEY), run_id=nullable(ID), owner=nullable(owner), decision=TEXT, evidence=TEXT, done=FLAG
        ),
        "Check": exactly(check=TEXT, level=words(("ok", "warning", "broken")), message=TEXT, fix=nullable(TEXT)),
        "Setting": exactly(name=TEXT, value={}, origin=TEXT, where=TEXT, meaning=TEXT),
    }


def _status(gateway: Schema, counts: Schema, cooldown: Schema) -> dict[str, Schema]:
    totals = exactly(
        lanes=counts,
        paused=COUNT,
        messages=exactly(queued=COUNT, dead_letters=COUNT),
        oldest_head_s=nullable(SECONDS),
        ghosts=COUNT,
        unlimited=COUNT,
        silent=COUNT,
    )
    holder = exactly(id=ID, host=TEXT, pid=COUNT, alive=FLAG)
    return {
        "Status": exactly(
            database=TEXT,
            gateways=array(gateway),
            **totals["properties"],
            cooldowns=array(cooldown),
            desks=array(gateway),
        ),
        "Counts": exactly(**dict.fromkeys(LaneState, COUNT)),
        "Gateway": exactly(
            **holder["properties"],
            held=COUNT,
            draining=nullable(exactly(by=TEXT, until=nullable(MOMENT))),
            started_at=MOMENT,
            heartbeat_age_s=SECONDS,
            url=nullable(TEXT),
            evidence=TEXT,
        ),
        "Owner": holder,
        "Cooldown": exactly(provider=TEXT, cause=TEXT, until=MOMENT),
    }
