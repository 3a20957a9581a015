"""Exports and imports conversations as lists of chat messages."""

from collections.abc import Iterable, Sequence

from lanes.base.arguments import json_text
from lanes.base.errors import Unfit
from lanes.conversations.turns import ChatMessage, answer_of, kept, without_calls
from lanes.runners.base import Turn
from lanes_storage.doors import ImportedTurn

#: The most turns that one import may contain.
MOST_TURNS = 10_000
_SPEAKERS = ("user", "assistant", "tool")


def exported(turns: Iterable[Turn]) -> list[ChatMessage]:
    """The chat messages of all turns: each text, followed by its answer."""
    messages: list[ChatMessage] = []
    for turn in turns:
        messages.append({"role": "user", "content": turn.text})
        if turn.reply or turn.answer:
            messages += answer_of(turn)
    return messages


def imported(messages: Sequence[ChatMessage]) -> list[tuple[str, list[ChatMessage]]]:
    """Group chat messages into turns: each user text with the messages that answer it. Raises Unfit for messages that a
    conversation cannot hold."""
    turns: list[tuple[str, list[ChatMessage]]] = []
    for number, message in enumerate(messages):
        place, role = f"messages[{number}]", message.get("role")
        if role not in _SPEAKERS:
            raise Unfit(f"{place}.role is {role!a}: a conversation has {', '.join(_SPEAKERS)}", place)
        converted = message | {"content": _text(message.get("content"), f"{place}.content")}
        if role == "user":
            turns.append((converted["content"], []))
        elif not turns:
            raise Unfit(f"{place}: the first message must be from a user", place)
        else:
            turns[-1][1].append(converted)
    if not 0 < len(turns) <= MOST_TURNS:
        raise Unfit(f"a conversation of {len(turns)} turns cannot be imported: 1 to {MOST_TURNS} at once", "messages")
    return turns


def to_store(text: str, answer: Sequence[ChatMessage]) -> ImportedTurn:
    """The form in which an imported turn is stored. Raises Unfit."""
    messages = kept(None, answer) if answer else None
    if messages is None:
        return ImportedTurn(text, None)
    (reply,) = [message["content"] for message in without_calls(messages)] or [""]
    plain = len(messages) == 1 and len(messages[0]) == 2
    return ImportedTurn(text, reply, None if plain else json_text(messages, "messages"))


def _text(content: object, place: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts = (
        [part.get("text") if isinstance(part, dict) else None for part in content] if isinstance(content, list) else []
    )
    if not texts or not all(isinstance(text, str) for text in texts):
        raise Unfit(f"{place} is not a text: only texts are remembered", place)
    return "".join(map(str, texts))
