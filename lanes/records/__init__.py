"""The public records: one class for each form, the same for ``--json``, HTTP, the dashboard and Python.

A row of the database (``lanes_storage.records``) becomes a record by the ``of`` of its class. Ages, and whether owners
live, come from a ``Liveness``.
"""

from typing import Any

from lanes.records.actions import (
    FREED,
    AbortResult,
    Counted,
    Cut,
    Finding,
    GlobActed,
    LetterPage,
    LetterTally,
    Outcome,
    Pruned,
    Tally,
    WatchedStep,
)
from lanes.records.journal import Event
from lanes.records.lanes import (
    HERE,
    Acted,
    AskedQuestion,
    Found,
    Hit,
    Lane,
    LaneDetail,
    LaneGroup,
    LanePage,
    LastError,
    Mark,
    NextLimit,
    Owner,
    Pause,
    RequestedAbort,
    Run,
    RunProcess,
    SearchPage,
    Silence,
    Silences,
    WatchedLane,
    Why,
)
from lanes.records.liveness import Liveness
from lanes.records.messages import (
    Attempt,
    Conversation,
    ConversationExport,
    ConversationSpan,
    ConversationTurn,
    Failure,
    Message,
    Used,
)
from lanes.records.record import Record, ids_from_json
from lanes.records.system import (
    Check,
    Cooldown,
    Counts,
    Drain,
    GlobPause,
    Health,
    Level,
    MessageCounts,
    OwnerDetail,
    OwnerHealth,
    Provider,
    ProviderResetDone,
    SettingValue,
    SourceDetail,
    Status,
)

#: Every form, in the order of the documents.
FORMS: tuple[type[Record], ...] = (
    Lane, Acted, LaneDetail, Run, RunProcess, Owner, Pause, LastError, NextLimit, Used, AskedQuestion, RequestedAbort,
    Why, LanePage, SearchPage, WatchedLane, Found, Hit, Mark, Silences, Silence, LaneGroup, Message, Failure, Attempt,
    Event, Conversation, ConversationTurn, ConversationSpan, ConversationExport,
    AbortResult, WatchedStep, Tally, LetterPage, LetterTally, Counted, GlobActed, Pruned, Cut, Finding,
    Status, Counts, MessageCounts, OwnerDetail, OwnerHealth, Drain, Cooldown, GlobPause, SourceDetail, Check,
    SettingValue,     Provider, ProviderResetDone,
)  # fmt: skip


def jsonable(value: Any) -> Any:
    """A value with the JSON of each record in it."""
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, dict):
        return {name: jsonable(each) for name, each in value.items()}
    return [jsonable(each) for each in value] if isinstance(value, list | tuple) else value


def schemas(at: str = "#/$defs/") -> dict[str, dict[str, Any]]:
    """The JSON Schema (draft 2020-12) of every form by its name; the references between them begin with ``at``."""
    from lanes.records.codec import schema_of

    return {form.__name__: placed(schema_of(form), at) for form in FORMS}


def schema(name: str) -> dict[str, Any]:
    """One schema as a complete document, for validation."""
    from lanes.records.json_schema import DRAFT

    return {"$schema": DRAFT, "$ref": f"#/$defs/{name}", "$defs": schemas()}


def placed(schema: Any, at: str) -> Any:
    """A schema whose references, which are bare names of forms, begin with ``at``."""
    if isinstance(schema, dict):
        return {name: at + said if name == "$ref" else placed(said, at) for name, said in schema.items()}
    return [placed(each, at) for each in schema] if isinstance(schema, list) else schema
