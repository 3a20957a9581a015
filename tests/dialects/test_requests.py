"""Translations of requests, one part each."""

import json
from typing import Any

import pytest

from lanes.dialects.model import Untranslatable
from lanes.dialects.table import DIALECTS

PDF = "data:application/pdf;base64,JVBERg=="
NOTE = "data:text/plain;base64,aGk="
FORM = {"type": "json_schema", "schema": {"type": "object"}}
USER: dict[str, Any] = {"role": "user", "content": "hi"}


def translated(one: str, other: str, request: dict[str, Any]) -> dict[str, Any]:
    return DIALECTS[other].write(DIALECTS[one].read(request), 8192)


@pytest.mark.parametrize(
    "more",
    [
        {"logprobs": False, "frequency_penalty": 0, "modalities": ["text"], "service_tier": "auto", "store": False},
        {"prompt_cache_key": "k", "safety_identifier": "s", "n": 1, "logit_bias": {}, "metadata": {}, "seed": None},
    ],
)
def test_what_changes_nothing_is_left_out(more: dict[str, Any]) -> None:
    assert translated("chat", "messages", {"messages": [USER], **more}) == {"messages": [USER], "max_tokens": 8192}


@pytest.mark.parametrize("other", ["chat", "responses"])
def test_F739_claude_code_may_ask_a_provider_of_another_dialect(other: str) -> None:
    """It asks to keep all of its thoughts, names who asks in a long text, and has system messages in the middle."""
    keeps: dict[str, Any] = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    asked: dict[str, Any] = {"messages": [USER, {"role": "system", "content": "here"}], "max_tokens": 9}
    more = {"context_management": keeps, "metadata": {"user_id": json.dumps({"device_id": "d" * 64})}}
    told, again = (translated("messages", other, asked | more) for _ in range(2))
    assert len(told["user"]) == 64
    assert told == again
    assert told == translated("messages", other, asked) | {"user": told["user"]}
    keeps["edits"][0]["keep"] = {"type": "thinking_turns", "value": 1}
    with pytest.raises(Untranslatable):
        translated("messages", other, asked | more)


@pytest.mark.parametrize(
    ("one", "other", "asked"),
    [
        ("responses", "chat", {"input": "hi", "tools": [{"type": "namespace", "name": "agents", "tools": []}]}),
        ("messages", "chat", {"messages": [USER], "tools": [{"type": "namespace", "name": "agents"}]}),
        ("chat", "messages", {"messages": [USER], "tools": [{"type": "namespace"}]}),
    ],
)
def test_F740_a_tool_that_others_do_not_have_is_named_by_its_type(one: str, other: str, asked: dict[str, Any]) -> None:
    """Its place alone tells nobody what to turn off in an agent that has two dozen tools."""
    with pytest.raises(Untranslatable, match=r"^tools\[0\]: .* no tools of type 'namespace'$"):
        translated(one, other, asked)


def test_documents_pass_as_data() -> None:
    files = [{"type": "file", "file": {"file_data": data, "filename": "a"}} for data in (PDF, NOTE)]
    asked = {"messages": [{"role": "user", "content": files}]}
    (message,) = translated("chat", "messages", asked)["messages"]
    assert message["content"] == [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
         "title": "a"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "a"},
    ]  # fmt: skip
    assert translated("messages", "chat", {"messages": [message], "max_tokens": 1})["messages"][0]["content"] == files


def test_what_was_signed_comes_back_to_who_signed_it() -> None:
    """A thought with the proof of its maker, through the words of each dialect and back."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    sealed = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "c2ln"},
        {"type": "reasoning.encrypted", "data": "ZGF0YQ=="},
    ]
    said = {"role": "assistant", "content": "42", "reasoning_content": "hm", "reasoning_details": details}
    (_, message, _) = translated("chat", "messages", {"messages": [USER, said, USER]})["messages"]
    assert message["content"] == [thought, sealed, {"type": "text", "text": "42"}]
    items = [
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "lanes:signature:c2ln",
         "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "reasoning", "id": "rs_2", "encrypted_content": "lanes:data:ZGF0YQ==", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "42"}]},
    ]  # fmt: skip
    (_, message, _) = translated("responses", "messages", {"input": [USER, *items, USER]})["messages"]
    assert message["content"] == [thought, sealed, {"type": "text", "text": "42"}]


@pytest.mark.parametrize(
    "more",
    [
        {"provider_specific_fields": {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"},
                                                            {"type": "reasoning.encrypted", "data": "d"}]}},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"},
                             {"type": "redacted_thinking", "data": "d"}]},
    ],
)  # fmt: skip
def test_what_was_signed_comes_back_in_the_words_of_litellm(more: dict[str, Any]) -> None:
    """It gives its user what it does not know of a message under another name, and sends it back so."""
    said = {"role": "assistant", "content": "42", "reasoning_content": "hm", **more}
    (_, message, _) = translated("chat", "messages", {"messages": [USER, said, USER]})["messages"]
    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "42"},
    ]


def test_an_unknown_thing_of_a_vendor_is_refused() -> None:
    said = {"role": "assistant", "content": "42", "provider_specific_fields": {"citations": [1]}}
    with pytest.raises(Untranslatable, match=r"messages\[1\].provider_specific_fields.citations"):
        translated("chat", "messages", {"messages": [USER, said, USER]})


@pytest.mark.parametrize("asked", [{"output_config": {"format": FORM}}, {"output_format": FORM}])
def test_both_names_of_the_form_of_an_answer_are_read(asked: dict[str, Any]) -> None:
    """The older one is what litellm says."""
    made = translated("messages", "chat", {"messages": [USER], "max_tokens": 1, **asked})
    assert made["response_format"]["json_schema"]["schema"] == FORM["schema"]


@pytest.mark.parametrize("other", ["chat", "responses"])
def test_a_thought_of_another_maker_is_left_out(other: str) -> None:
    said = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"},
                                             {"type": "text", "text": "42"}]}  # fmt: skip
    asked = translated("messages", other, {"messages": [USER, said, USER], "max_tokens": 1})
    messages = asked["messages"] if other == "chat" else asked["input"]
    assert messages == [USER, {"role": "assistant", "content": "42"}, USER]


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"type": "disabled"}, "none"), ({"type": "adaptive"}, "high"),
        ({"type": "enabled", "budget_tokens": 1024}, "low"),
        ({"type": "enabled", "budget_tokens": 8192}, "medium"), ({"type": "enabled", "budget_tokens": 9000}, "high"),
    ],
)  # fmt: skip
def test_how_hard_to_think(thinking: dict[str, Any], effort: str) -> None:
    asked = translated("messages", "chat", {"messages": [USER], "max_tokens": 1, "thinking": thinking})
    assert asked["reasoning_effort"] == effort


def test_how_hard_to_think_the_other_way() -> None:
    asked = translated("responses", "messages", {"input": "hi", "reasoning": {"effort": "minimal"}})
    assert (asked["thinking"], asked["output_config"]) == ({"type": "adaptive"}, {"effort": "low"})
    asked = translated("chat", "messages", {"messages": [USER], "reasoning_effort": "none"})
    assert asked["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("chat", "messages", "responses"),
    [
        ("required", {"type": "any"}, "required"),
        ("none", {"type": "none"}, "none"),
        (
            {"type": "function", "function": {"name": "f"}},
            {"type": "tool", "name": "f"},
            {"type": "function", "name": "f"},
        ),
    ],
)
def test_the_choice_of_a_tool(chat: Any, messages: Any, responses: Any) -> None:
    asked = {"messages": [USER], "tool_choice": chat}
    assert translated("chat", "messages", asked)["tool_choice"] == messages
    assert translated("chat", "responses", asked)["tool_choice"] == responses
    assert translated("responses", "chat", {"input": "hi", "tool_choice": responses})["tool_choice"] == chat
    back = translated("messages", "chat", {"messages": [USER], "max_tokens": 1, "tool_choice": messages})
    assert back["tool_choice"] == chat


def test_how_the_arguments_of_a_call_are_streamed_changes_nothing() -> None:
    """The Vercel AI SDK asks for it with every stream."""
    tool = {"name": "f", "input_schema": {"type": "object"}, "eager_input_streaming": True}
    asked = translated("messages", "chat", {"messages": [USER], "max_tokens": 1, "tools": [tool]})
    assert asked["tools"] == [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def test_a_function_is_as_strict_as_it_was() -> None:
    """Responses counts one as strict that does not say so."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    asked = translated("chat", "responses", {"messages": [USER], "tools": [tool]})
    assert asked["tools"] == [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}]


def test_what_a_tool_failed_with_is_told() -> None:
    result = {"type": "tool_result", "tool_use_id": "c", "is_error": True, "content": [{"type": "text", "text": "no"}]}
    asked = {"messages": [{"role": "user", "content": [result]}], "max_tokens": 1}
    assert translated("messages", "responses", asked)["input"] == [
        {"type": "function_call_output", "call_id": "c", "output": "Error: no"}
    ]
