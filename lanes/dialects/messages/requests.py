"""Translates requests of the messages dialect to the inner model and back."""

import base64
import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import groupby
from typing import Any

from lanes.dialects.messages.draft import input_of
from lanes.dialects.model import (
    CallPart,
    FilePart,
    Format,
    ImagePart,
    Option,
    Part,
    Prompt,
    PromptMessage,
    ReasoningPart,
    RefusalPart,
    ResultPart,
    TextPart,
    Tool,
    ToolChoice,
)
from lanes.dialects.reading import Node, data_of, refused, unknown_role, unknown_tool, untranslatable
from lanes.dialects.writing import WriteOption, named, present, taken_system, write_options

#: Settings by the name in messages, with the inner name.
_NAMES = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "stop_sequences": "stop",
}
#: The longest ``user`` that OpenAI takes, in characters: as long as a SHA-256 digest.
LONGEST_USER = 64
#: The effort of reasoning for a budget of at most so many tokens; it is high above these.
_BUDGETS = ((2048, "low"), (8192, "medium"))
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none", "tool": "named"}


def read(body: dict[str, Any]) -> Prompt:
    """The request of a client. Raises Untranslatable."""
    node = Node(body)
    prompt = Prompt([*_system(node), *(_message(message) for message in node.nodes("messages"))])
    prompt.tools = [_tool(tool) for tool in node.nodes("tools")]
    options = prompt.options
    if (choice := node.node("tool_choice")) is not None:
        options.update(_choice(choice))
    options.update(_effort(node))
    if (metadata := node.node("metadata")) is not None:
        if (user := metadata.take("user_id", str)) is not None:
            options["user"] = Option(_name(user), metadata.place("user_id"))
        metadata.done()
    if (tier := node.take("service_tier", str)) not in (None, "auto"):
        options["messages_tier"] = Option(tier, "service_tier")
    if (managed := node.node("context_management")) is not None:
        _check_keeps_all(managed)
    node.leave("cache_control")
    for name, option in node.rest():
        options[_NAMES.get(name, name)] = option
    return prompt


def write(prompt: Prompt, max_tokens: int) -> dict[str, Any]:
    """The request to a provider; ``max_tokens`` applies if it sets none. Raises Untranslatable."""
    messages = list(prompt.messages)
    system = taken_system(messages)
    body: dict[str, Any] = {"messages": list(_messages(messages)), "max_tokens": max_tokens}
    if system is not None:
        body["system"] = system
    if prompt.tools:
        body["tools"] = [_written_tool(tool) for tool in prompt.tools]
    write_options(body, prompt, _WRITTEN)
    return body


# --------------------------------------------------------------------------------------------------------- reading


def _system(node: Node) -> Iterable[PromptMessage]:
    content = node.content("system")
    if content:
        yield PromptMessage(
            "system", [TextPart(content)] if isinstance(content, str) else list(map(_part, content)), "system"
        )


def _message(node: Node) -> PromptMessage:
    role, parts = node.need("role", str), node.parts("content", _part)
    node.done()
    if role not in ("user", "assistant", "system"):
        raise unknown_role(node, role)
    return PromptMessage(role, parts, node.param)  # type: ignore[arg-type]


def _part(node: Node) -> Part:
    kind = node.need("type", str)
    node.leave("cache_control")
    if kind == "thinking":  # an empty signature is none
        part: Part = ReasoningPart(node.need("thinking", str), node.take("signature", str) or None)
    elif kind not in _PARTS:
        raise untranslatable(node.param)
    else:
        part = _PARTS[kind](node)
    node.done()
    return part


def _text(node: Node) -> Part:
    if node.take("citations", list):
        raise untranslatable(node.place("citations"))
    return TextPart(node.need("text", str))


def _image(node: Node) -> Part:
    return ImagePart(_source(node))


def _document(node: Node) -> Part:
    if (node.node("citations") or Node({})).take("enabled", bool):
        raise untranslatable(node.place("citations"))
    return FilePart(_source(node), node.take("title", str))


def _source(node: Node) -> str:
    """The URL of the content in ``source``: its own, or a ``data:`` URL."""
    source = node.node("source")
    if source is None:
        raise refused(node.place("source"), "it is missing")
    match source.need("type", str):
        case "url":
            url = source.need("url", str)
        case "base64":
            url = f"data:{source.need('media_type', str)};base64,{source.need('data', str)}"
        case "text":
            text = base64.b64encode(source.need("data", str).encode()).decode()
            url = f"data:{source.take('media_type', str) or 'text/plain'};base64,{text}"
        case _:
            raise untranslatable(source.param)
    source.done()
    return url


def _call(node: Node) -> Part:
    node.leave("caller")
    return CallPart(node.need("id", str), node.need("name", str), json.dumps(node.take("input", dict) or {}))


def _result(node: Node) -> Part:
    parts = node.parts("content", _part)
    return ResultPart(node.need("tool_use_id", str), parts, node.take("is_error", bool) or False)


_PARTS: dict[str, Callable[[Node], Part]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "redacted_thinking": lambda node: ReasoningPart("", None, node.need("data", str)),
    "tool_use": _call,
    "tool_result": _result,
}


def _tool(node: Node) -> Tool:
    if (kind := node.take("type", str) or "custom") != "custom":
        raise unknown_tool(node, kind)
    node.leave("cache_control", "eager_input_streaming")
    name, description = node.need("name", str), node.take("description", str)
    tool = Tool(name, description, node.take("input_schema", dict), node.take("strict", bool), node.param)
    node.done()
    return tool


def _choice(node: Node) -> dict[str, Option]:
    kind = node.need("type", str)
    if kind not in _CHOICES:
        raise untranslatable(node.place("type"))
    found = {"tool_choice": Option(ToolChoice(_CHOICES[kind], node.take("name", str)), "tool_choice")}  # type: ignore[arg-type]
    if node.take("disable_parallel_tool_use", bool):
        found["parallel"] = Option(False, node.place("disable_parallel_tool_use"))
    node.done()
    return found


def _effort(node: Node) -> dict[str, Option]:
    """The effort of reasoning, and the format of the answer."""
    found: dict[str, Option] = {}
    if (thinking := node.node("thinking")) is not None:
        kind, budget = thinking.need("type", str), thinking.take("budget_tokens", int) or 0
        thinking.leave("display")
        thinking.done()
        effort = {"disabled": "none", "adaptive": "high"}.get(kind)
        effort = effort or next((word for most, word in _BUDGETS if budget <= most), "high")
        found["effort"] = Option(effort, "thinking")
    if (config := node.node("output_config")) is not None:
        if (effort := config.take("effort", str)) is not None:
            found["effort"] = Option({"max": "xhigh"}.get(effort, effort), config.place("effort"))
        found |= _format(config.node("format"))
        config.done()
    return found | _format(node.node("output_format"))  # as it was called in the beta, and as litellm calls it


def _name(user: str) -> str:
    """The user id for OpenAI: a digest if it is too long, such as Claude Code's, which is JSON with the session."""
    return user if len(user) <= LONGEST_USER else sha256(user.encode(errors="replace")).hexdigest()


def _check_keeps_all(managed: Node) -> None:
    """Refuse edits that would leave out parts of the conversation. Claude Code always sends one that keeps all
    reasoning. Raises Untranslatable."""
    for edit in managed.nodes("edits"):
        if not edit.need("type", str).startswith("clear_thinking_") or edit.any("keep") != "all":
            raise untranslatable(edit.param)
        edit.done()
    managed.done()


def _format(form: Node | None) -> dict[str, Option]:
    if form is None:
        return {}
    if form.need("type", str) != "json_schema":
        raise untranslatable(form.place("type"))
    made = Option(Format(None, form.need("schema", dict), True), form.param)
    form.done()
    return {"format": made}


# --------------------------------------------------------------------------------------------------------- writing


def _messages(messages: list[PromptMessage]) -> Iterable[dict[str, Any]]:
    """The turns of both sides: successive messages of one side, such as the results of several calls, are one turn."""
    for role, turn in groupby(messages, lambda one: one.role):
        blocks: list[dict[str, Any]] = []
        for one in turn:
            if role == "system":
                raise untranslatable(f"{one.param}.role")
            blocks += [_written(part, one.param) for part in one.parts if part != TextPart("") or role == "user"]
        yield {"role": role, "content": _plain(blocks)}


def _plain(blocks: list[dict[str, Any]]) -> Any:
    """Content: a single text as a string, anything else as blocks."""
    return blocks[0]["text"] if [block["type"] for block in blocks] == ["text"] else blocks


def _written(part: Part, param: str) -> dict[str, Any]:
    match part:
        case TextPart(text) | RefusalPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url, detail):
            if detail not in (None, "auto"):
                raise untranslatable(f"{param}.content.image_url.detail")
            return {"type": "image", "source": _written_source(url)}
        case FilePart(url, name):
            return {"type": "document", "source": _document_source(url, param)} | ({"title": name} if name else {})
        case CallPart(id, name, arguments):
            return {"type": "tool_use", "id": id, "name": name, "input": input_of(arguments)}
        case ResultPart(call_id, parts, failed):
            content = [_written(each, param) for each in parts]
            block = {"type": "tool_result", "tool_use_id": call_id, "content": _plain(content)}
            return block | ({"is_error": True} if failed else {})
        case ReasoningPart(text, signature, data):
            if data is not None:
                return {"type": "redacted_thinking", "data": data}
            return {"type": "thinking", "thinking": text, "signature": signature or ""}


def _written_source(url: str) -> dict[str, Any]:
    if (found := data_of(url)) is None:
        return {"type": "url", "url": url}
    media_type, data = found
    return {"type": "base64", "media_type": media_type, "data": data}


def _document_source(url: str, param: str) -> dict[str, Any]:
    found = data_of(url)
    if found is None or found[0] == "application/pdf":
        return _written_source(url)
    if found[0].startswith("text/"):
        return {"type": "text", "media_type": "text/plain", "data": base64.b64decode(found[1]).decode(errors="replace")}
    raise untranslatable(f"{param}.content.file")


def _written_tool(tool: Tool) -> dict[str, Any]:
    schema = tool.schema or {"type": "object", "properties": {}}
    return present(name=tool.name, input_schema=schema, description=tool.description, strict=tool.strict or None)


def _written_choice(body: dict[str, Any], option: Option) -> None:
    how = next(name for name, inner in _CHOICES.items() if inner == option.value.how)
    made = {"type": how} | ({"name": option.value.name} if how == "tool" else {})
    body["tool_choice"] = made | body.get("tool_choice", {}) | made


def _written_parallel(body: dict[str, Any], option: Option) -> None:
    if option.value is False:
        body["tool_choice"] = body.get("tool_choice", {"type": "auto"}) | {"disable_parallel_tool_use": True}


def _written_temperature(body: dict[str, Any], option: Option) -> None:
    if isinstance(option.value, int | float) and option.value > 1:
        raise refused(option.param, "the provider speaks another dialect, in which it is at most 1")
    body["temperature"] = option.value


def _written_effort(body: dict[str, Any], option: Option) -> None:
    if option.value == "none":
        body["thinking"] = {"type": "disabled"}
        return
    if option.value not in _EFFORTS:
        raise refused(option.param, "the provider speaks another dialect, which has no such effort")
    body["thinking"] = {"type": "adaptive"}
    body.setdefault("output_config", {})["effort"] = _EFFORTS[option.value]


def _written_format(body: dict[str, Any], option: Option) -> None:
    if option.value.schema is None:
        raise untranslatable(option.param)
    body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": option.value.schema}


def _written_user(body: dict[str, Any], option: Option) -> None:
    body["metadata"] = {"user_id": option.value}


def _only(*values: object) -> WriteOption:
    """A setting of which this dialect supports only these values, and has no field for them."""

    def check(_: dict[str, Any], option: Option) -> None:
        if option.value not in values:
            raise untranslatable(option.param)

    return check


_WRITTEN: dict[str, WriteOption] = {
    **{inner: named(name) for name, inner in _NAMES.items()},
    "temperature": _written_temperature,
    "top_k": named("top_k"),
    "tool_choice": _written_choice,
    "parallel": _written_parallel,
    "effort": _written_effort,
    "format": _written_format,
    "user": _written_user,
    "store": _only(False),
    "service_tier": _only("auto", "default"),
    "verbosity": _only("medium"),
}
