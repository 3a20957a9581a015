"""The fields of a filter: what each compares, and its meaning for lanes, messages and events."""

from enum import Enum
from typing import NamedTuple

from lanes_storage.records import Subject


class FieldKind(Enum):
    """How a value is written."""

    PART = "a part of the value, in any case; a glob that matches the whole value; or `=` and the exact value"
    WORD = "one or more words or globs, separated by commas"
    AGE = (
        "`>` or `<` and a duration, which alone means at least that; `since` takes no sign, and means within that time"
    )
    NUMBER = "a number, or `>`, `<`, `>=` or `<=` and a number"
    FLAG = "`yes` or `no`"


class Field(NamedTuple):
    """One field: how its value is written, an example, and its meaning for each subject that has it."""

    kind: FieldKind
    example: str
    lane: str
    message: str = ""
    event: str = ""

    def of(self, subject: Subject) -> str:
        """Its meaning for a lane, a message or an event; empty if they do not have it."""
        return {Subject.LANE: self.lane, Subject.MESSAGE: self.message, Subject.EVENT: self.event}[subject]


FIELDS = {
    "state": Field(
        FieldKind.WORD, "state:errored,running", "its state (the first letters are enough)", "its state",
        "the state that it led to",
    ),
    "key": Field(FieldKind.PART, "key:agent:*:feishu:*", "its key", "the key of its lane", "the key of its lane"),
    "owner": Field(FieldKind.PART, "owner:gw-2", "who holds it: `host:pid`, a pid, or the id of an owner"),
    "held": Field(FieldKind.AGE, "held:>5m", "how long it has been held"),
    "wait": Field(FieldKind.AGE, "wait:>1m", "how long its first message has waited", "how long it has waited"),
    "beat": Field(FieldKind.AGE, "beat:>30s", "how old the last heartbeat of its owner is"),
    "silent": Field(FieldKind.AGE, "silent:>1m", "how long its run has shown no progress"),
    "queue": Field(FieldKind.NUMBER, "queue:>3", "how many messages wait in it"),
    "error": Field(FieldKind.PART, "error:timeout", "cause and text of its last error", "cause and text of its error"),
    "cause": Field(
        FieldKind.WORD,
        "cause:stall_timeout,ghost",
        "the cause of its last error",
        "the cause of its error",
        "its cause",
    ),
    "runner": Field(
        FieldKind.WORD, "runner:coder", "the runner of its run, or the one that its first message names",
        "the runner of its run, or the one that it names",
    ),
    "provider": Field(
        FieldKind.WORD, "provider:codex", "the provider that its run asks now", "each provider that was tried for it"
    ),
    "paused": Field(FieldKind.FLAG, "paused:yes", "whether it claims nothing", "whether its lane claims nothing"),
    "changed": Field(
        FieldKind.AGE, "changed:<10m", "how long ago anything about it changed", "how long ago it entered its state",
        "how long ago it happened",
    ),
    "since": Field(
        FieldKind.AGE, "since:1h", "it changed within that time", "it entered its state within that time",
        "it happened within that time",
    ),
    "actor": Field(
        FieldKind.WORD, "actor:alice", "who sent the running message, or the first one that waits", "who sent it",
        "who did it",
    ),
    "text": Field(
        FieldKind.PART, "text:refund", "the text of the running message, or of the first one that waits", "its text",
        "any text in its detail",
    ),
    "source": Field(
        FieldKind.WORD, "source:here", "where it lives: `here`, or a source that lanes watches", "where its lane lives",
        "where its lane lives",
    ),
}  # fmt: skip
#: Other names of fields.
ALIASES = {"since": "changed"}
