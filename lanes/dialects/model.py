"""The inner model of a request and of an answer, which every dialect translates to and from.

The pieces of an answer travel through lanes as ``Delta``, in which everything but text has the form of the chat
dialect; ``lanes.dialects.chat.pieces`` converts between the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from lanes.base.errors import Unfit

Role = Literal["system", "user", "assistant"]


class Untranslatable(Unfit):
    """A request contains something that a dialect cannot express, or that is invalid in its own dialect.

    ``param`` is its place as the client named it: ``messages[2].content[0]``.
    """

    def __init__(self, param: str, sentence: str) -> None:
        super().__init__(sentence, param)
        self.param: str = param


# ----------------------------------------------------------------------------------------- the parts of a request


class TextPart(NamedTuple):
    """A text."""

    text: str


class RefusalPart(NamedTuple):
    """What the model said when it refused."""

    text: str


class ImagePart(NamedTuple):
    """An image: at an address, which may be a ``data:`` URL."""

    url: str
    detail: str | None = None


class FilePart(NamedTuple):
    """A document: at an address, which may be a ``data:`` URL."""

    url: str
    name: str | None = None


class ReasoningPart(NamedTuple):
    """Reasoning of the model. ``signature`` proves it to the provider that made it; ``data`` is encrypted reasoning,
    which only that provider can read."""

    text: str = ""
    signature: str | None = None
    data: str | None = None


class CallPart(NamedTuple):
    """A tool that the model calls; ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str


class ResultPart(NamedTuple):
    """What a tool returned."""

    call_id: str
    parts: "Sequence[Part]"
    failed: bool = False


Part = TextPart | RefusalPart | ImagePart | FilePart | ReasoningPart | CallPart | ResultPart


class PromptMessage(NamedTuple):
    """One message of a conversation. ``param`` is its place in the request, as the client named it."""

    role: Role
    parts: Sequence[Part]
    param: str


class Tool(NamedTuple):
    """A function that the model may call."""

    name: str
    description: str | None
    schema: Mapping[str, Any] | None
    strict: bool | None
    param: str


class ToolChoice(NamedTuple):
    """Whether tools are called: ``auto``, ``none``, ``required``, or ``named``, and which."""

    how: Literal["auto", "none", "required", "named"]
    name: str | None = None


class Format(NamedTuple):
    """The form of the answer: a JSON object, of a schema where one is given."""

    name: str | None = None
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class Option(NamedTuple):
    """A setting of a request, and what the client called it."""

    value: Any
    param: str


@dataclass(slots=True)
class Prompt:
    """A request. ``options`` are its settings by the inner name; a dialect refuses a setting that it does not know."""

    messages: list[PromptMessage]
    tools: list[Tool] = field(default_factory=list)
    options: dict[str, Option] = field(default_factory=dict)


# ---------------------------------------------------------------------------------------- the pieces of an answer


class TextPiece(NamedTuple):
    text: str


class RefusalPiece(NamedTuple):
    text: str


class ReasoningPiece(NamedTuple):
    """A piece of reasoning. ``signature`` ends a block of it; ``data`` is a whole block that is encrypted. ``place``
    tells blocks apart that are signed separately."""

    text: str = ""
    signature: str | None = None
    data: str | None = None
    place: int | None = None


class CallPiece(NamedTuple):
    """A piece of a call of a tool. ``place`` tells calls apart; ``id`` and ``name`` come with the first piece."""

    place: int | None
    arguments: str = ""
    id: str | None = None
    name: str | None = None


Piece = TextPiece | RefusalPiece | ReasoningPiece | CallPiece


class Usage(NamedTuple):
    """The tokens of an answer. ``input`` counts the whole request, including what came from a cache."""

    input: int = 0
    output: int = 0
    cached: int | None = None
    cache_written: int | None = None
    reasoning: int | None = None
