"""Translates requests of the responses dialect to the inner model and back."""

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
from lanes.dialects.writing import WriteOption, named, present, taken_system, write_options

#: Settings by the name in responses, with the inner name.
_NAMES = {
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "parallel_tool_calls": "parallel",
    "user": "user",
    "service_tier": "service_tier",
    "store": "store",
    "metadata": "metadata",
}
#: Settings that are left out if they have their default value.
_DEFAULTS = {"truncation": "disabled", "top_logprobs": 0, "service_tier": "auto", "background": False}
#: The value of ``include`` that is accepted, and left out, though no other dialect has it: encrypted reasoning.
_ENCRYPTED = "reasoning.encrypted_content"
#: Prefixes of ``encrypted_content`` for a signature, and for encrypted reasoning, of a provider of another dialect.
SIGNED, SEALED = "lanes:signature:", "lanes:data:"


def read(body: dict[str, Any]) -> Prompt:
    """The request of a client. Raises Untranslatable."""
    node = Node(body)
    prompt = Prompt([])
    if instructions := node.take("instructions", str):
        prompt.messages.append(PromptMessage("system", [TextPart(instructions)], "instructions"))
    items = node.content("input")
    if isinstance(items, str):
        prompt.messages.append(PromptMessage("user", [TextPart(items)], "input"))
    else:
        prompt.messages += map(_item, items)
    prompt.tools = [_tool(tool) for tool in node.nodes("tools")]
    prompt.options |= tool_choice(node, lambda chosen: chosen)
    prompt.options |= _form(node.node("text")) | _effort(node.node("reasoning"))
    if set(node.take("include", list) or ()) - {_ENCRYPTED}:
        raise untranslatable("include")
    node.leave("client_metadata", *HINTS)
    for name, option in node.rest():
        if name not in _DEFAULTS or option.value != _DEFAULTS[name]:
            prompt.options[_NAMES.get(name, name)] = option
    return prompt


def write(prompt: Prompt) -> dict[str, Any]:
    """The request to a provider. Raises Untranslatable."""
    messages = list(prompt.messages)
    instructions = taken_system(messages)
    body: dict[str, Any] = {"input": [item for one in messages for item in _items(one)], "store": False}
    if instructions is not None:
        body["instructions"] = instructions
    if prompt.tools:
        body["tools"] = [_written_tool(tool) for tool in prompt.tools]
    write_options(body, prompt, _WRITTEN)
    return body


# --------------------------------------------------------------------------------------------------------- reading


def _item(node: Node) -> PromptMessage:
    kind = node.take("type", str) or "message"
    node.leave("id", "status", "phase")
    match kind:
        case "message":
            message = _message(node)
        case "function_call":
            call = CallPart(node.need("call_id", str), node.need("name", str), node.need("arguments", str))
            message = PromptMessage("assistant", [call], node.param)
        case "function_call_output":
            message = PromptMessage(
                "user", [ResultPart(node.need("call_id", str), node.parts("output", _part))], node.param
            )
        case "reasoning":
            message = PromptMessage("assistant", list(_thought(node)), node.param)
        case _:
            raise untranslatable(node.param)
    node.done()
    return message


def _message(node: Node) -> PromptMessage:
    role: str = node.need("role", str)
    roles: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
    if role not in roles:
        raise unknown_role(node, role)
    return PromptMessage(roles[role], node.parts("content", _part), node.param)


def _part(node: Node) -> Part:
    kind = node.need("type", str)
    if node.take("file_id", str) is not None:
        raise untranslatable(node.place("file_id"))
    node.leave("annotations", "logprobs", "prompt_cache_breakpoint")
    part: Part
    match kind:
        case "input_text" | "output_text" | "text":
            part = TextPart(node.need("text", str))
        case "refusal":
            part = RefusalPart(node.need("refusal", str))
        case "input_image":
            part = ImagePart(node.need("image_url", str), node.take("detail", str))
        case "input_file":
            url = node.take("file_url", str)
            part = FilePart(url or node.need("file_data", str), node.take("filename", str))
        case _:
            raise untranslatable(node.param)
    node.done()
    return part


def _thought(node: Node) -> Iterable[Part]:
    """The reasoning of an earlier answer, if lanes marked its proof as that of a provider of another dialect."""
    proof = node.take("encrypted_content", str) or ""
    text = "\n\n".join(part.take("text", str) or "" for part in node.nodes("summary"))
    node.leave("content")
    if proof.startswith(SIGNED):
        yield ReasoningPart(text, proof.removeprefix(SIGNED))
    elif proof.startswith(SEALED):
        yield ReasoningPart("", None, proof.removeprefix(SEALED))


def _tool(node: Node) -> Tool:
    if (kind := node.need("type", str)) != "function":
        raise unknown_tool(node, kind)
    name, description = node.need("name", str), node.take("description", str)
    tool = Tool(name, description, node.take("parameters", dict), node.take("strict", bool), node.param)
    node.done()
    return tool


def _form(node: Node | None) -> dict[str, Option]:
    """The format of the answer, and its verbosity."""
    if node is None:
        return {}
    found: dict[str, Option] = {}
    if (verbosity := node.take("verbosity", str)) is not None:
        found["verbosity"] = Option(verbosity, node.place("verbosity"))
    form = node.node("format")
    kind = "text" if form is None else form.need("type", str)
    if kind == "json_object":
        found["format"] = Option(Format(), "text.format")
    elif kind == "json_schema" and form is not None:
        name, schema, strict = form.take("name", str), form.need("schema", dict), form.take("strict", bool)
        found["format"] = Option(Format(name, schema, strict, form.take("description", str)), "text.format")
    elif kind != "text":
        raise untranslatable("text.format.type")
    if form is not None:
        form.done()
    node.done()
    return found


def _effort(node: Node | None) -> dict[str, Option]:
    if node is None:
        return {}
    effort = node.take("effort", str)
    node.leave("summary", "generate_summary")
    node.done()
    return {} if effort is None else {"effort": Option(effort, "reasoning.effort")}


# --------------------------------------------------------------------------------------------------------- writing


def _items(message: PromptMessage) -> Iterable[dict[str, Any]]:
    """The items of one message: calls of tools and their results are items beside it."""
    spoken: list[Part] = []
    beside: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case CallPart(id, name, arguments):
                beside.append({"type": "function_call", "call_id": id, "name": name, "arguments": arguments})
            case ResultPart():
                beside.append(_result(part, message.param))
            case ReasoningPart():
                pass  # reasoning of another provider, which this one cannot read
            case _:
                spoken.append(part)
    if any(part != TextPart("") for part in spoken):
        item = {"role": message.role, "content": _content(message, spoken)}
        beside.insert(len(beside) if message.role == "user" else 0, item)
    yield from beside


def _content(message: PromptMessage, parts: list[Part]) -> Any:
    texts = [part.text for part in parts if isinstance(part, TextPart | RefusalPart)]
    if len(texts) == len(parts) and (message.role != "user" or len(parts) == 1):
        return "".join(texts)
    if message.role != "user":
        raise untranslatable(f"{message.param}.content")
    return [_written(part, message.param) for part in parts]


def _written(part: Part, param: str) -> dict[str, Any]:
    match part:
        case TextPart(text) | RefusalPart(text):
            return {"type": "input_text", "text": text}
        case ImagePart(url, detail):
            return {"type": "input_image", "image_url": url, "detail": detail or "auto"}
        case FilePart(url, name) if data_of(url):
            return {"type": "input_file", "filename": name or "file", "file_data": url}
        case FilePart(url, _):
            return {"type": "input_file", "file_url": url}
    raise untranslatable(f"{param}.content")


def _result(result: ResultPart, param: str) -> dict[str, Any]:
    texts = [part.text for part in result.parts if isinstance(part, TextPart)]
    output: Any = "".join(texts)
    if len(texts) < len(result.parts):
        output = [_written(part, param) for part in result.parts]
        if result.failed:
            output.insert(0, {"type": "input_text", "text": "Error:"})
    elif result.failed:
        output = f"Error: {output}"
    return {"type": "function_call_output", "call_id": result.call_id, "output": output}


def _written_tool(tool: Tool) -> dict[str, Any]:
    """A tool. In this dialect, unlike in others, a tool is strict by default."""
    made = {"type": "function", "name": tool.name, "parameters": tool.schema, "strict": tool.strict or False}
    return made | present(description=tool.description)


def _written_choice(body: dict[str, Any], option: Option) -> None:
    choice: ToolChoice = option.value
    body["tool_choice"] = {"type": "function", "name": choice.name} if choice.how == "named" else choice.how


def _written_format(body: dict[str, Any], option: Option) -> None:
    form: Format = option.value
    made: dict[str, Any] = {"type": "json_object"}
    if form.schema is not None:
        made = {"type": "json_schema", "name": form.name or "answer", "schema": form.schema}
        made |= present(description=form.description, strict=form.strict)
    body.setdefault("text", {})["format"] = made


def _written_verbosity(body: dict[str, Any], option: Option) -> None:
    body.setdefault("text", {})["verbosity"] = option.value


def _written_effort(body: dict[str, Any], option: Option) -> None:
    body["reasoning"] = {"effort": option.value}


_WRITTEN: dict[str, WriteOption] = {
    **{inner: named(name) for name, inner in _NAMES.items()},
    "tool_choice": _written_choice,
    "format": _written_format,
    "verbosity": _written_verbosity,
    "effort": _written_effort,
}
