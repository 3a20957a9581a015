"""Writes requests to providers: what all dialects share."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lanes.dialects.model import Option, Prompt, PromptMessage, TextPart
from lanes.dialects.reading import untranslatable

#: Writes one setting into a request. Raises Untranslatable.
WriteOption = Callable[[dict[str, Any], Option], None]


def named(name: str) -> WriteOption:
    """Writes a setting as it is, under this name."""

    def write(body: dict[str, Any], option: Option) -> None:
        body[name] = option.value

    return write


def present(**fields: Any) -> dict[str, Any]:
    """Those of the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def write_options(body: dict[str, Any], prompt: Prompt, writers: Mapping[str, WriteOption]) -> None:
    """Write the settings of a request. Raises Untranslatable for one that the dialect does not know."""
    for name, option in prompt.options.items():
        if name not in writers:
            raise untranslatable(option.param)
        writers[name](body, option)


def taken_system(messages: list[PromptMessage]) -> str | None:
    """Take the system messages off the beginning, as one text, for dialects that have a separate field for it.

    Returns None if there is none. Raises Untranslatable for one that is more than text.
    """
    texts: list[str] = []
    while messages and messages[0].role == "system":
        texts += _texts(messages.pop(0))
    return "\n\n".join(texts) if texts else None


def _texts(message: PromptMessage) -> Iterable[str]:
    for part in message.parts:
        if not isinstance(part, TextPart):
            raise untranslatable(f"{message.param}.content")
        yield part.text
