"""Turns as messages of the chat dialect, made acceptable for every provider even where a turn went wrong.

Strict providers refuse an empty message, two messages of one role in a row, and a tool call without a result. A single
such turn would make every later message of the lane fail.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from lanes.runners.base import Turn
from lanes.text.chats import text_of
from lanes_storage.law import together
from lanes_storage.reads.shapes import parsed
from lanes_storage.records import TurnRow

ChatMessage = dict[str, Any]

#: Stands in for the missing result of a tool call.
NO_RESULT = "(no result)"
#: A character limit that no conversation reaches.
ALL_CHARACTERS = 2**62


def chat_messages(
    turns: Iterable[Turn], text: str, system: str | None = None, *, tools: bool = False
) -> list[ChatMessage]:
    """The messages of a conversation that ends with ``text``. A text without an answer is joined with the next text
    into one message. ``tools``: include tool calls and their results."""
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
    """The turn of a stored row."""
    answer = parsed(row.answer, list) if row.answer else None
    messages = [each for each in answer or () if isinstance(each, dict)]
    return Turn(row.text, row.reply or "", messages, row.tokens, row.id)


def exchanges(turns: Iterable[Turn]) -> list[Turn]:
    """The answered turns; texts without an answer are joined with the text of the next answered turn."""
    finished: list[Turn] = []
    waiting: list[str] = []
    for turn in turns:
        waiting.append(turn.text)
        for answer in without_calls(answer_of(turn)):
            finished.append(Turn(together(waiting), answer["content"]))
            waiting = []
    return finished


def answer_of(turn: Turn) -> Sequence[ChatMessage]:
    """The chat messages of a turn's answer."""
    return turn.answer or [{"role": "assistant", "content": turn.reply}]


def kept(message: ChatMessage | None, turn: Sequence[ChatMessage] | None) -> list[ChatMessage] | None:
    """The chat messages to store with an answer, from ``Reply.message`` and ``Reply.turn``; None if the text of the
    reply is enough."""
    messages = [*(turn or ()), *([] if message is None else [message])]
    remembered = [clean for each in messages if (clean := _remembered(each)) is not None]
    plain = turn is None and (message is None or not (message.get("tool_calls") or message.get("refusal")))
    return None if plain or not remembered else remembered


def _remembered(message: ChatMessage) -> ChatMessage | None:
    """The parts of a message that every provider accepts in a history, without thoughts and annotations; None if no
    part is left."""
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
    """The answer with a result for each tool call, and without results that belong to no call."""
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
    """The answer without tool calls, which a provider may refuse in a request that declares no tools."""
    texts = [text_of(each.get("content")) for each in messages if each.get("role") == "assistant"]
    texts = [text for text in texts if text.strip()]
    return [{"role": "assistant", "content": together(texts)}] if texts else []


def _no_result(call: str) -> ChatMessage:
    return {"role": "tool", "tool_call_id": call, "content": NO_RESULT}
