"""Turns in the words of the chat dialect, so that every provider takes them, even where something went wrong in them.

Strict providers refuse an empty message, two messages of one side in a row, and a call of a tool without its result.
One such turn would make the lane fail for ever.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from lanes.runners.base import Turn
from lanes.text.chats import text_of
from lanes_storage.law import together
from lanes_storage.reads.shapes import parsed
from lanes_storage.records import TurnRow

ChatMessage = dict[str, Any]

#: The result of a call that has none: nobody carried it out.
NO_RESULT = "(no result)"
#: More characters than any number of turns has.
ALL_CHARACTERS = 2**62


def chat_messages(
    turns: Iterable[Turn], text: str, system: str | None = None, *, tools: bool = False
) -> list[ChatMessage]:
    """A conversation that ends with ``text``. What a person said and nobody answered comes before what they said next,
    in one message. ``tools``: calls of tools and their results are told, too."""
    messages: list[ChatMessage] = [{"role": "system", "content": system}] if system else []
    waiting: list[str] = []
    for turn in turns:
        if turn.text.strip():
            waiting.append(turn.text)
        answer = _answered(turn, tools=tools)
        if answer and waiting:
            messages += [{"role": "user", "content": together(waiting)}, *answer]
            waiting = []
    return [*messages, {"role": "user", "content": together([*waiting, text])}]


def _answered(turn: Turn, *, tools: bool) -> Sequence[ChatMessage]:
    if turn.answer:
        return closed(turn.answer) if tools else without_calls(turn.answer)
    return answer_of(turn) if turn.reply.strip() else ()


def turn_from(row: TurnRow) -> Turn:
    """A turn, as it is stored."""
    answer = parsed(row.answer, list) if row.answer else None
    messages = [each for each in answer or () if isinstance(each, dict)]
    return Turn(row.text, row.reply or "", messages, row.tokens, row.id)


def exchanges(turns: Iterable[Turn]) -> list[Turn]:
    """The turns that were answered, each with what was said and not answered before it."""
    finished: list[Turn] = []
    waiting: list[str] = []
    for turn in turns:
        waiting.append(turn.text)
        for answer in without_calls(answer_of(turn)):
            finished.append(Turn(together(waiting), answer["content"]))
            waiting = []
    return finished


def answer_of(turn: Turn) -> Sequence[ChatMessage]:
    """What was answered in a turn."""
    return turn.answer or [{"role": "assistant", "content": turn.reply}]


def kept(message: ChatMessage | None, turn: Sequence[ChatMessage] | None) -> list[ChatMessage] | None:
    """What is to be remembered of an answer besides its text, as ``Reply`` has it; None if the text says it all."""
    messages = [*(turn or ()), *([] if message is None else [message])]
    remembered = [clean for each in messages if (clean := _remembered(each)) is not None]
    plain = turn is None and (message is None or not (message.get("tool_calls") or message.get("refusal")))
    return None if plain or not remembered else remembered


def _remembered(message: ChatMessage) -> ChatMessage | None:
    """A message with what every provider takes back: neither thoughts nor annotations."""
    role, content = message.get("role"), message.get("content") or message.get("refusal")
    if role == "tool":
        return {"role": role, "tool_call_id": message.get("tool_call_id"), "content": content or ""}
    if role != "assistant":
        return None
    calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
    if calls:
        return {"role": role, "content": content, "tool_calls": [_without_index(call) for call in calls]}
    return {"role": role, "content": content} if content else None


def _without_index(call: ChatMessage) -> ChatMessage:
    return {name: value for name, value in call.items() if name != "index"}


def closed(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    """The answer with a result for each call, and without results that nobody asked for."""
    answer: list[ChatMessage] = []
    calls: list[str] = []
    for message in messages:
        if message.get("role") == "tool":
            if (call := message.get("tool_call_id")) in calls:
                calls.remove(call)
                answer.append(message)
            continue
        answer += [_no_result(call) for call in calls]
        calls = [str(call.get("id")) for call in message.get("tool_calls") or ()]
        if calls or text_of(message.get("content")).strip():
            answer.append(message)
    return answer + [_no_result(call) for call in calls]


def without_calls(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    """The answer without calls of tools: a provider that was told of no tools may refuse them."""
    texts = [text_of(each.get("content")) for each in messages if each.get("role") == "assistant"]
    texts = [text for text in texts if text.strip()]
    return [{"role": "assistant", "content": together(texts)}] if texts else []


def _no_result(call: str) -> ChatMessage:
    return {"role": "tool", "tool_call_id": call, "content": NO_RESULT}
