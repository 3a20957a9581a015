"""What the chunks of a chat stream add up to."""

from typing import Any

import pytest

from lanes.dialects.chat.draft import ChatDraft
from lanes.runners.base import Delta
from lanes.runners.http.failures import AttemptFailed
from lanes_storage.law import AttemptCause


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def taken(draft: ChatDraft, chunk: dict[str, Any]) -> tuple[bool, Delta | None]:
    """Whether a chunk was content, and the piece that it brought."""
    before, pieces = draft.contents, list[Delta]()
    draft.take(chunk, pieces)
    return draft.contents > before, (pieces[0] if pieces else None)


def test_text_model_usage_and_reason() -> None:
    draft = ChatDraft()
    assert taken(draft, chunk(role="assistant", content="") | {"model": "m-1"}) == (False, None)
    assert taken(draft, chunk(content="Hel")) == (True, Delta("Hel", beside={"model": "m-1"}))
    assert taken(draft, chunk(content="lo")) == (True, Delta("lo"))
    assert taken(draft, chunk("stop")) == (True, None)
    assert taken(draft, {"choices": [], "usage": {"total_tokens": 3}}) == (True, None)
    reply = draft.reply()
    assert (reply.text, reply.finish_reason, reply.model) == ("Hello", "stop", "m-1")
    assert reply.usage == {"total_tokens": 3}
    assert reply.message is None


def test_what_is_no_content() -> None:
    draft = ChatDraft()
    nothing: list[dict[str, Any]] = [
        {}, {"choices": None}, {"choices": []}, chunk(), chunk(content=None, tool_calls=[]), {"usage": None},
    ]  # fmt: skip
    for empty in nothing:
        assert taken(draft, empty) == (False, None)


def test_tool_calls_merge_by_index_and_are_passed_on() -> None:
    draft = ChatDraft()
    first = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "look", "arguments": ""}}
    assert taken(draft, chunk(tool_calls=[first]))[1] == Delta("", {"tool_calls": [first]})
    taken(draft, chunk(tool_calls=[{"index": 1, "id": "call_b", "function": {"name": "wait", "arguments": "{}"}}]))
    taken(draft, chunk(tool_calls=[{"index": 0, "id": "call_a", "function": {"name": "look", "arguments": '{"at":'}}]))
    taken(draft, chunk(tool_calls=[{"index": 0, "function": {"arguments": ' "x"}'}}]))
    taken(draft, chunk("tool_calls"))
    reply = draft.reply()
    assert reply.text == ""
    assert reply.finish_reason == "tool_calls"
    assert reply.message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}},
            {"id": "call_b", "function": {"name": "wait", "arguments": "{}"}},
        ],
    }


def test_tool_calls_without_an_index() -> None:
    draft = ChatDraft()
    taken(draft, chunk(tool_calls=[{"id": "a", "function": {"name": "one", "arguments": "{"}}]))
    taken(draft, chunk(tool_calls=[{"function": {"arguments": "}"}}]))
    taken(draft, chunk(tool_calls=[{"id": "b", "function": {"name": "two", "arguments": "{}"}}]))
    message = draft.reply().message
    assert message is not None
    assert message["tool_calls"] == [
        {"id": "a", "function": {"name": "one", "arguments": "{}"}},
        {"id": "b", "function": {"name": "two", "arguments": "{}"}},
    ]


def test_a_refusal_and_reasoning_are_kept_beside_the_text() -> None:
    draft = ChatDraft()
    assert taken(draft, chunk(reasoning_content="hm "))[0]
    taken(draft, chunk(reasoning_content="well"))
    taken(draft, chunk(content="I "))
    assert taken(draft, chunk(refusal="won't"))[1] == Delta("", {"refusal": "won't"})
    assert draft.reply().message == {
        "role": "assistant", "content": "I ", "reasoning_content": "hm well", "refusal": "won't",
    }  # fmt: skip


def test_content_in_parts() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert taken(ChatDraft(), chunk(content=parts))[1] == Delta("ab")


def test_a_character_split_over_two_chunks_is_joined() -> None:
    draft = ChatDraft()
    assert taken(draft, chunk(content="x\ud83d"))[1] == Delta("x")
    assert taken(draft, chunk(content="\ude00y"))[1] == Delta("😀y")
    taken(draft, chunk(content="\ude00 lone \ud83d"))
    assert draft.reply().text == "x😀y� lone �"


def test_other_choices_are_left_alone() -> None:
    draft = ChatDraft()
    taken(draft, {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]})
    assert draft.finish_reason is None
    assert draft.reply().text == ""


@pytest.mark.parametrize("choices", [{"a": 1}, "text", [1]])
def test_what_is_no_chunk(choices: Any) -> None:
    with pytest.raises(AttemptFailed) as failed:
        taken(ChatDraft(), {"choices": choices})
    assert failed.value.cause is AttemptCause.GARBAGE


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x" * 60},
        {"refusal": "x" * 60},
        {"tool_calls": [{"function": {"arguments": "x" * 60}}]},
        {"annotations": ["x" * 60]},
    ],
)
def test_a_giant_reply_is_refused(delta: dict[str, Any]) -> None:
    draft = ChatDraft(max_reply=300)
    with pytest.raises(AttemptFailed, match="larger than lanes keeps") as failed:
        all(taken(draft, chunk(**delta)) for _ in range(10))
    assert failed.value.cause is AttemptCause.GARBAGE
