"""The forms, field by field, as the pages show them."""

from typing import Any

from lanes.form_schemas import KEY, MOMENT, SECONDS, schemas

#: What a field means, where its name does not say it. ``Form.field`` goes before ``field``.
MEANINGS = {
    "Lane.key": "the session key, kept exactly",
    "Lane.state": "only `running` holds the lane",
    "Lane.epoch": "the fencing token that the lane stands at",
    "Lane.paused": "why and until when it claims nothing; null: it is not paused",
    "Lane.queued": "messages that wait",
    "Lane.head_wait_s": "how long the first of them has waited",
    "Lane.parked_until": "its head waits for a provider until then",
    "Lane.held_s": "how long the run has held it",
    "Lane.deadline_s": "what is left of run_timeout, negative when overdue; null: no limit, or not held",
    "Lane.stall_limit_s": "stall_timeout of the run; null: no limit, or not held",
    "Lane.heartbeat_age_s": "how long ago its owner gave a sign of life",
    "Lane.progress_age_s": "how long ago its run did",
    "Lane.progress": "what that sign was",
    "Lane.owner": "who holds it, and whether that lives as far as can be told",
    "Lane.abort_requested": "the run will end as aborted, whoever ends it",
    "Lane.last_error": "how its last run ended, if not well",
    "LaneDetail.why": "one paragraph, as `lanes why` prints it",
    "Acted.done": "whether the action changed the lane: false where it was so already",
    "Run.epoch": "the fencing token of its claim",
    "Run.run_timeout_s": "the limits that it was claimed under; null: off",
    "Run.busy_s": "for how long it has said that it is busy, and so not stalled",
    "Run.abort": "who asked for its end, when, why, and how long its owner has",
    "Run.missed_heartbeats": "heartbeats of its owner that left it out; from two on it is a ghost",
    "Run.refused_writes": "what it tried to write after it had lost its lane",
    "Run.process_group": "of a command run",
    "Message.position": "1 for the head; null unless queued",
    "Message.text": "null where it was a chat request",
    "Message.reply_so_far": "the end of what its run had said at its last heartbeat, unless that run completed",
    "Message.interruptions": "runs of it that were cut by the death or silence of their owner",
    "Message.answered_by": "the message whose reply answers this one too",
    "Failure.attempts": "one for each provider that was tried",
    "Attempt.cause": "a cause of an attempt, or a word of the provider's own",
    "Event.from": "the state before",
    "Event.to": "the state after",
    "AbortResult.outcome": "proven by reading the row again; see [operations](operations.md#free-one-lane)",
    "AbortResult.dropped": "waiting messages that were ended with it",
    "AbortResult.survivors": "processes of the run: [] proven none, null unknown",
    "Cut.message_state": "what would become of its message",
    "Cut.pauses": "the lane would be paused for a person",
    "Finding.key": "null: it is about the owner alone",
    "Finding.done": "whether it was carried out",
    "Check.level": "`broken` is a broken invariant, a damaged file, or one on a network file system",
    "Check.fix": "what to do; null: nothing",
    "Setting.value": "as it would stand in the file",
    "Setting.origin": "`flag`, `environment`, `file`, `default` or `derived`",
    "Status.oldest_head_s": "how long the head that has waited longest has done so",
    "Status.ghosts": "runs that hold a lane and that their owner disowns",
    "Status.unlimited": "held lanes whose run_timeout or stall_timeout is off",
    "Status.silent": "owners that have given no sign of life for long",
    "Status.desks": "the processes that hold lanes for blocks of their own code (`desk.hold`)",
    "Gateway.held": "lanes that it holds",
    "Gateway.draining": "by whom, and until when what runs may go on",
    "Gateway.evidence": "what was seen of its process",
}


def anchor(name: str) -> str:
    """Where the form of that name stands on the page of commands."""
    return name.lower()


def form_sections() -> list[str]:
    """One section for each form."""
    return [_section(name, schema) for name, schema in sorted(schemas().items())]


def kind_of(schema: dict[str, Any]) -> str:
    """The type of a value, for a person."""
    if not schema:
        return "any"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](commands.md#{anchor(name)})"
    if "anyOf" in schema:
        return f"{kind_of(schema['anyOf'][0])} or null"
    kind = schema.get("type")
    if isinstance(kind, list):
        return f"{kind_of({**schema, 'type': kind[0]})} or null"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "examples" in schema:
        return ", ".join(f"`{word}`" for word in schema["examples"]) + ", or a word of a runner's own"
    if kind == "array":
        return f"array of {kind_of(schema['items'])}"
    if kind == "object" and "properties" in schema:
        return "object: " + ", ".join(f"`{name}`" for name in schema["properties"])
    return _plain(schema)


def _plain(schema: dict[str, Any]) -> str:
    if schema.get("pattern") == MOMENT["pattern"]:
        return "time"
    if schema.get("description") == SECONDS["description"] and schema["type"] == "number":
        return "seconds"
    if schema.get("description") == "opaque":
        return "id"
    if schema.get("maxLength") == KEY["maxLength"]:
        return "session key"
    kind: str = schema["type"]
    return {"string": "text", "boolean": "true or false", "integer": "whole number"}.get(kind, kind)


def _section(name: str, schema: dict[str, Any]) -> str:
    rows = [_row(name, field, inner) for field, inner in schema["properties"].items()]
    return "\n".join([f"### {name}", "", "| field | is | |", "|---|---|---|", *rows])


def _row(name: str, field: str, schema: dict[str, Any]) -> str:
    of_lane = f"Lane.{field}" if name in ("LaneDetail", "Acted") else ""
    meaning = MEANINGS.get(f"{name}.{field}") or MEANINGS.get(of_lane, "")
    return f"| `{field}` | {kind_of(schema)} | {meaning} |"
