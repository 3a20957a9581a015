"""Converts answers between the form of chat, in which their parts besides text travel and are stored, and the inner
model."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lanes.dialects.model import CallPiece, Piece, ReasoningPiece, RefusalPiece, TextPiece, Usage
from lanes.dialects.writing import present
from lanes.runners.base import Delta
from lanes.text.chats import dicts


def pieces(delta: Delta) -> Iterator[Piece]:
    """The inner pieces of a piece of an answer. Parts that only chat can express (audio, annotations) are left out."""
    choice = delta.choice or {}
    thought = choice.get("reasoning_content") or choice.get("reasoning")
    signed = list(_signed(choice.get("reasoning_details")))
    yield from signed
    if isinstance(thought, str) and thought and not signed:
        yield ReasoningPiece(thought)
    if delta.text:
        yield TextPiece(delta.text)
    if refusal := _text(choice, "refusal"):
        yield RefusalPiece(refusal)
    calls = dicts(choice.get("tool_calls"))
    for call in calls:
        called, index = call.get("function"), call.get("index")
        called = called if isinstance(called, dict) else {}
        arguments, name = called.get("arguments") or "", _text(called, "name")
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)  # some providers send them as an object
        yield CallPiece(index if isinstance(index, int) else None, arguments, _text(call, "id"), name)


def _signed(details: object) -> Iterator[Piece]:
    """The blocks of signed or encrypted reasoning. In a whole message, without an index, each entry is a block."""
    for at, detail in enumerate(dicts(details)):
        text, signature, data = (_text(detail, name) for name in ("text", "signature", "data"))
        place = detail.get("index", at)
        if text or signature or data:
            yield ReasoningPiece(text or "", signature, data, place if isinstance(place, int) else at)


def delta_of(piece: Piece) -> Delta:
    """A piece of an answer, in the form of chat."""
    match piece:
        case TextPiece(text):
            return Delta(text)
        case RefusalPiece(text):
            return Delta(choice={"refusal": text})
        case ReasoningPiece(text, _, _, None):
            return Delta(choice={"reasoning_content": text})
        case ReasoningPiece(text, signature, data, place):
            detail = {"index": place, "type": "reasoning.text", "text": text, "signature": signature}
            detail = {"index": place, "type": "reasoning.encrypted", "data": data} if data else detail
            choice: dict[str, Any] = {"reasoning_content": text} if text else {}
            fields = {name: value for name, value in detail.items() if value not in (None, "")}
            return Delta(choice=choice | {"reasoning_details": [fields]})
        case CallPiece(index, arguments, id, name):
            call: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
            if id is not None:
                call = {"index": index, "id": id, "type": "function"}
                call["function"] = {"name": name, "arguments": arguments}
            return Delta(choice={"tool_calls": [call]})


def delta_of_message(text: str, message: Mapping[str, Any] | None) -> Delta:
    """A whole stored message as one piece."""
    more = {name: value for name, value in (message or {}).items() if value and name not in ("role", "content")}
    if calls := dicts(more.get("tool_calls")):
        more["tool_calls"] = [{"index": at} | call for at, call in enumerate(calls)]
    return Delta(text, more or None)


def usage_of(usage: Mapping[str, Any] | None) -> Usage | None:
    """The usage of an answer, from the form of chat."""
    return usage_in(usage, "prompt", "completion") if usage else None


def usage_in(counts: Mapping[str, Any], input_word: str, output_word: str) -> Usage:
    """The usage that a provider of one of OpenAI's dialects counted; ``input_word`` and ``output_word`` are the
    dialect's names of the two sides."""
    input_details = counts.get(f"{input_word}_tokens_details")
    output_details = counts.get(f"{output_word}_tokens_details")
    return Usage(
        tokens(counts, f"{input_word}_tokens") or 0,
        tokens(counts, f"{output_word}_tokens") or 0,
        tokens(input_details, "cached_tokens"),
        tokens(input_details, "cache_write_tokens"),
        tokens(output_details, "reasoning_tokens"),
    )


def tokens(counted: Any, name: str) -> int | None:
    """A number of tokens in what a provider counted; None if it gives none."""
    value = counted.get(name) if isinstance(counted, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def chat_usage(usage: Usage) -> dict[str, Any]:
    """The usage of an answer, in the form of chat."""
    input_details = present(cached_tokens=usage.cached, cache_write_tokens=usage.cache_written)
    made: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    if input_details:
        made["prompt_tokens_details"] = input_details
    if usage.reasoning is not None:
        made["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return made


def _text(of: Mapping[str, Any], name: str) -> str | None:
    value = of.get(name)
    return value if isinstance(value, str) else None
