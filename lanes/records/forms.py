"""Every form, and its JSON Schema."""

from typing import Any

from lanes.records.actions import AbortResult, Counted, Cut, Finding, GlobActed, Pruned, Tally, WatchedStep
from lanes.records.codec import schema_of
from lanes.records.json_schema import DRAFT
from lanes.records.lanes import (
    Acted,
    AskedQuestion,
    Found,
    Hit,
    Lane,
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
    Used,
    WatchedLane,
    Why,
)
from lanes.records.messages import (
    Attempt,
    Conversation,
    ConversationExport,
    ConversationSpan,
    ConversationTurn,
    Event,
    Failure,
    LaneDetail,
    LetterPage,
    LetterTally,
    Message,
)
from lanes.records.record import Record
from lanes.records.system import (
    Check,
    Cooldown,
    Counts,
    Drain,
    GlobPause,
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


def schemas(at: str = "#/$defs/") -> dict[str, dict[str, Any]]:
    """The JSON Schema (draft 2020-12) of every form by its name; the references between them begin with ``at``."""
    return {form.__name__: placed(schema_of(form), at) for form in FORMS}


def schema(name: str) -> dict[str, Any]:
    """One schema as a complete document, for validation."""
    return {"$schema": DRAFT, "$ref": f"#/$defs/{name}", "$defs": schemas()}


def placed(schema: Any, at: str) -> Any:
    """A schema whose references, which are bare names of forms, begin with ``at``."""
    if isinstance(schema, dict):
        return {name: at + said if name == "$ref" else placed(said, at) for name, said in schema.items()}
    return [placed(each, at) for each in schema] if isinstance(schema, list) else schema
