"""What a person reads of a request, in whatever dialect it is."""

import json
from typing import Any

import pytest

from lanes.text.chats import request_summary

SAID: dict[str, Any] = {"role": "user", "content": "hi"}
CHAT_CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "w"}}]}
MESSAGES_CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "w", "input": {}}]}
MESSAGES_RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}]}
RESPONSES_CALL = {"type": "function_call", "name": "w", "call_id": "1", "arguments": "{}"}
RESPONSES_RESULT = {"type": "function_call_output", "call_id": "1", "output": "x"}


@pytest.mark.parametrize(
    ("request_body", "told"),
    [
        ({"messages": [SAID]}, "hi"),
        ({"input": "hi"}, "hi"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}, "hi"),
        ({"messages": [SAID, CHAT_CALL, {"role": "tool", "content": "x"}]}, "hi (results of w)"),
        ({"messages": [SAID, MESSAGES_CALL, MESSAGES_RESULT]}, "hi (results of w)"),
        ({"input": [SAID, RESPONSES_CALL, RESPONSES_RESULT]}, "hi (results of w)"),
        ({"messages": [MESSAGES_RESULT, MESSAGES_RESULT]}, "(results of a tool)"),
        ({"input": 3}, None),
    ],
)
def test_it_is_read(request_body: dict[str, Any], told: str | None) -> None:
    assert request_summary(json.dumps(request_body)) == told
