"""What a request asks of the simulated provider, in whatever dialect it came."""

from typing import Any, NamedTuple

from lanes.text.chats import dicts, last_user_text


class RequestedTool(NamedTuple):
    """A tool that may be called, and the schema of its arguments."""

    name: str
    schema: dict[str, Any]


class SimulatedRequest(NamedTuple):
    """A request. ``text``: that of the last user message. ``texts``: those of all user messages. ``resulted``: it ends
    with results of tools. ``schema``: the JSON Schema for the answer. ``words``: how many words its messages have."""

    body: dict[str, Any]
    model: str
    stream: bool
    text: str
    tools: tuple[RequestedTool, ...]
    resulted: bool
    schema: dict[str, Any] | None
    words: int
    texts: tuple[str, ...]


def read(body: dict[str, Any]) -> SimulatedRequest:
    """Read a body. Invalid fields count as missing."""
    messages = body.get("messages", body.get("input"))
    return SimulatedRequest(
        body,
        str(body.get("model", "")),
        body.get("stream") is True,
        last_user_text(body),
        tuple(_tools(body)),
        _resulted(messages),
        _schema(body),
        sum(len(str(each).split()) for each in messages)
        if isinstance(messages, list)
        else len(str(messages or "").split()),
        tuple(text for each in dicts(messages) if (text := last_user_text({"messages": [each]}))),
    )


def fitting(schema: dict[str, Any]) -> Any:
    """A small value that fits a schema."""
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object" | None:
            properties = schema.get("properties")
            return {name: fitting(each) for name, each in properties.items()} if isinstance(properties, dict) else {}
        case "array":
            return [fitting(schema.get("items") or {"type": "string"})]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
    return "simulated"


def _tools(body: dict[str, Any]) -> list[RequestedTool]:
    found = []
    for tool in dicts(body.get("tools")):
        called = tool.get("function", tool)
        if isinstance(called, dict) and isinstance(called.get("name"), str):
            schema = called.get("parameters") or called.get("input_schema")
            found.append(RequestedTool(called["name"], schema if isinstance(schema, dict) else {}))
    return found


def _resulted(messages: Any) -> bool:
    last = [each for each in dicts(messages) if not _injected(each)][-1:]
    return any(one.get("role") == "tool" or one.get("type") == "function_call_output" or _results(one) for one in last)


def _injected(message: dict[str, Any]) -> bool:
    """Whether the program added this user message by itself, behind the one that is answered."""
    return message.get("role") == "user" and not _results(message) and not last_user_text({"messages": [message]})


def _results(message: dict[str, Any]) -> bool:
    return any(part.get("type") == "tool_result" for part in dicts(message.get("content")))


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of ``response_format``, ``text.format`` or ``output_config.format``."""
    for place in (("response_format", "json_schema"), ("text", "format"), ("output_config", "format")):
        node: Any = body
        for name in (*place, "schema"):
            node = node.get(name) if isinstance(node, dict) else None
        if isinstance(node, dict):
            return node
    return None
