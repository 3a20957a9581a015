"""Translates requests of the chat dialect to the inner model and back."""

from collections.abc import Iterable
from typing import Any

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
    Role,
    TextPart,
    Tool,
    ToolChoice,
)
from lanes.dialects.reading import HINTS, Node, data_of, tool_choice, unknown_role, unknown_tool, untranslatable
from lanes.dialects.writing import WriteOption, named, present, write_options

#: Settings by chat's name, with the inner name. Both names of the token limit are read, the newer one is written.
_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "stop": "stop",
    "parallel_tool_calls": "parallel",
    "reasoning_effort": "effort",
    "user": "user",
    "verbosity": "verbosity",
    "service_tier": "service_tier",
    "store": "store",
    "metadata": "metadata",
}
#: The fields of unsigned reasoning in an earlier answer.
_UNSIGNED = ("reasoning_content", "reasoning")
#: Settings that are left out if they have their default value.
_DEFAULTS: dict[str, Any] = {"logprobs": False, "frequency_penalty": 0, "presence_penalty": 0, "modalities": ["text"]}


def read(body: dict[str, Any]) -> Prompt:
    """The request of a client. Raises Untranslatable if it has something that cannot be translated."""
    node = Node(body)
    messages = [_message(each) for each in node.nodes("messages")]
    prompt = Prompt(messages, [_tool(tool) for tool in node.nodes("tools")])
    prompt.options |= tool_choice(node, lambda chosen: chosen.node("function"))
    if (form := node.node("response_format")) is not None and (made := _format(form)) is not None:
        prompt.options["format"] = Option(made, "response_format")
    node.leave("n", *HINTS)
    for name, option in node.rest():
        if name in _DEFAULTS and option.value == _DEFAULTS[name]:
            continue
        value = [option.value] if name == "stop" and isinstance(option.value, str) else option.value
        prompt.options[_NAMES.get(name, name)] = Option(value, name)
    return prompt


def write(prompt: Prompt) -> dict[str, Any]:
    """The request to a provider. Raises Untranslatable."""
    body: dict[str, Any] = {"messages": [written for message in prompt.messages for written in _messages(message)]}
    if prompt.tools:
        body["tools"] = [_written_tool(tool) for tool in prompt.tools]
    write_options(body, prompt, _WRITTEN)
    return body


# --------------------------------------------------------------------------------------------------------- reading


def _message(node: Node) -> PromptMessage:
    role = node.need("role", str)
    match role:
        case "system" | "developer":
            message = PromptMessage("system", _parts(node), node.param)
        case "user":
            message = PromptMessage("user", _parts(node), node.param)
        case "tool":
            call = node.need("tool_call_id", str)
            message = PromptMessage("user", [ResultPart(call, _parts(node))], node.param)
        case "assistant":
            message = PromptMessage("assistant", [*_thoughts(node), *_parts(node), *_calls(node)], node.param)
        case _:
            raise unknown_role(node, role)
    node.done()
    return message


def _parts(node: Node) -> list[Part]:
    parts = node.parts("content", _part)
    refusal = node.take("refusal", str)
    return [*parts, RefusalPart(refusal)] if refusal else parts


def _part(node: Node) -> Part:
    kind = node.need("type", str)
    part: Part | None = None
    if kind == "text":
        part = TextPart(node.need("text", str))
    elif kind == "refusal":
        part = RefusalPart(node.need("refusal", str))
    elif kind == "image_url" and (image := node.node("image_url")) is not None:
        part = ImagePart(image.need("url", str), image.take("detail", str))
        image.done()
    elif kind == "file" and (file := node.node("file")) is not None:
        part = FilePart(file.need("file_data", str), file.take("filename", str))
        file.done()
    if part is None:
        raise untranslatable(node.param)
    node.done()
    return part


def _thoughts(node: Node) -> Iterable[Part]:
    """The reasoning of an earlier answer. Only signed reasoning is passed to a model again; no model reads the rest.

    litellm puts unknown fields of an answer into ``provider_specific_fields``, and sends them back in there.
    """
    node.leave(*_UNSIGNED, "audio", "annotations")
    within = node.node("provider_specific_fields") or Node({})
    within.leave(*_UNSIGNED)
    thoughts, more = _signed(node), _signed(within)
    within.done()
    return thoughts or more


def _signed(node: Node) -> list[Part]:
    """The signed or encrypted reasoning, in the form of OpenRouter or of litellm."""
    details, blocks = node.nodes("reasoning_details"), node.nodes("thinking_blocks")
    found: list[Part] = []
    for each in details or blocks:
        text, signature, data = (each.take(name, str) for name in ("text", "signature", "data"))
        text = text or each.take("thinking", str)
        if signature or data:
            found.append(ReasoningPart(text or "", signature, data))
    return found


def _calls(node: Node) -> Iterable[CallPart]:
    for call in node.nodes("tool_calls"):
        called = call.node("function")
        if call.take("type", str) not in (None, "function") or called is None:
            raise untranslatable(call.param)
        yield CallPart(call.need("id", str), called.need("name", str), called.take("arguments", str) or "{}")
        call.leave("index")
        called.done()
        call.done()


def _tool(node: Node) -> Tool:
    if (kind := node.need("type", str)) != "function":
        raise unknown_tool(node, kind)
    if (called := node.node("function")) is None:
        raise untranslatable(node.param)
    name, description = called.need("name", str), called.take("description", str)
    tool = Tool(name, description, called.take("parameters", dict), called.take("strict", bool), node.param)
    called.done()
    node.done()
    return tool


def _format(node: Node) -> Format | None:
    kind, schema = node.need("type", str), node.node("json_schema")
    if kind == "text":
        return None
    if kind == "json_object":
        return Format()
    if kind != "json_schema" or schema is None:
        raise untranslatable(node.place("type"))
    name, strict = schema.take("name", str), schema.take("strict", bool)
    made = Format(name, schema.take("schema", dict) or {}, strict, schema.take("description", str))
    schema.done()
    return made


# --------------------------------------------------------------------------------------------------------- writing


def _messages(message: PromptMessage) -> Iterable[dict[str, Any]]:
    """The messages of chat for one inner message: each result of a tool is a separate one."""
    rest: list[Part] = []
    for part in message.parts:
        if isinstance(part, ResultPart):
            yield {"role": "tool", "tool_call_id": part.call_id, "content": _result(part, message.param)}
        else:
            rest.append(part)
    if not rest and len(message.parts) > 0:
        return
    yield _assistant(rest, message.param) if message.role == "assistant" else _other(message.role, rest, message.param)


def _result(result: ResultPart, param: str) -> Any:
    texts = [part.text for part in result.parts if isinstance(part, TextPart)]
    if len(texts) < len(result.parts):
        raise untranslatable(f"{param}.content")
    text = "".join(texts)
    return f"Error: {text}" if result.failed else text


def _other(role: Role, parts: list[Part], param: str) -> dict[str, Any]:
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) == len(parts) and (len(parts) == 1 or role == "system"):
        return {"role": role, "content": "\n\n".join(texts)}
    return {"role": role, "content": [_written(part, param) for part in parts]}


def _assistant(parts: list[Part], param: str) -> dict[str, Any]:
    """An earlier answer. Its reasoning is left out: chat has no field for it, and no model reads it."""
    texts = "".join(part.text for part in parts if isinstance(part, TextPart))
    refusals = "".join(part.text for part in parts if isinstance(part, RefusalPart))
    calls = [_called(part) for part in parts if isinstance(part, CallPart)]
    if any(isinstance(part, ImagePart | FilePart) for part in parts):
        raise untranslatable(f"{param}.content")
    message: dict[str, Any] = {"role": "assistant", "content": texts or None}
    if refusals:
        message["refusal"] = refusals
    if calls:
        message["tool_calls"] = calls
    elif not refusals:
        message["content"] = texts
    return message


def _called(call: CallPart) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _written(part: Part, param: str) -> dict[str, Any]:
    match part:
        case TextPart(text) | RefusalPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url, detail):
            return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}
        case FilePart(url, name) if data_of(url):
            return {"type": "file", "file": {"filename": name or "file", "file_data": url}}
    raise untranslatable(f"{param}.content")


def _written_tool(tool: Tool) -> dict[str, Any]:
    function = present(name=tool.name, description=tool.description, parameters=tool.schema, strict=tool.strict)
    return {"type": "function", "function": function}


def _written_choice(body: dict[str, Any], option: Option) -> None:
    choice: ToolChoice = option.value
    chosen = {"type": "function", "function": {"name": choice.name}}
    body["tool_choice"] = chosen if choice.how == "named" else choice.how


def _written_format(body: dict[str, Any], option: Option) -> None:
    form: Format = option.value
    if form.schema is None:
        body["response_format"] = {"type": "json_object"}
        return
    name = form.name or "answer"
    schema = present(name=name, description=form.description, schema=form.schema, strict=form.strict)
    body["response_format"] = {"type": "json_schema", "json_schema": schema}


_WRITTEN: dict[str, WriteOption] = {
    **{inner: named(name) for name, inner in _NAMES.items()},
    "tool_choice": _written_choice,
    "format": _written_format,
}
