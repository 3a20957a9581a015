"""Where both sides speak the same dialect, everything passes: what lanes does not know as well."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.golden import ROUTES, gateway
from tests.kit.rawserver import STREAM, Call, raw_server


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, without what keeps it alive."""
    found = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]
    return [event for event in found if event["type"] != "ping"]


def named(*said: dict[str, Any]) -> str:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in said)


SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "x", "url": "u"}]}
CITATION = {"type": "web_search_result_location", "url": "u", "cited_text": "c"}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "new_field": [1],
}
MESSAGES: list[dict[str, Any]] = [
    {"type": "message_start", "message": MESSAGE | {"usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": SEARCH},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"query":'}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": ' "w"}'}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": FOUND},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": "", "citations": []}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "citations_delta", "citation": CITATION}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "It rains."}},
    {"type": "content_block_stop", "index": 2},
    {"type": "never_heard_of", "what": True},
    {"type": "message_delta", "delta": {"stop_reason": "pause_turn", "x": 1}, "usage": {"output_tokens": 9, "y": 2}},
    {"type": "message_stop"},
]
WHOLE_MESSAGE = MESSAGE | {
    "content": [
        SEARCH | {"input": {"query": "w"}},
        FOUND,
        {"type": "text", "text": "It rains.", "citations": [CITATION]},
    ],
    "stop_reason": "pause_turn",
    "x": 1,
    "usage": {"input_tokens": 3, "output_tokens": 9, "y": 2},
}
CALL = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"query": "w"}}
TEXT: dict[str, Any] = {"id": "m_1", "type": "message", "role": "assistant", "status": "completed", "content": [
    {"type": "output_text", "text": "It rains.", "annotations": [{"type": "url_citation", "url": "u"}]}]}  # fmt: skip
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt",
    "status": "in_progress",
    "output": [],
    "new": [1],
}
ENDED = RESPONSE | {"status": "completed", "output": [CALL, TEXT], "usage": {"input_tokens": 3, "output_tokens": 9}}
RESPONSES: list[dict[str, Any]] = [
    {"type": "response.created", "response": RESPONSE, "sequence_number": 0},
    {"type": "response.output_item.added", "output_index": 0, "item": CALL, "sequence_number": 1},
    {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1", "sequence_number": 2},
    {"type": "response.output_item.done", "output_index": 0, "item": CALL, "sequence_number": 3},
    {"type": "response.output_item.added", "output_index": 1, "item": TEXT | {"content": []}, "sequence_number": 4},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "It rains.", "z": 1, "sequence_number": 5},
    {"type": "response.output_item.done", "output_index": 1, "item": TEXT, "sequence_number": 6},
    {"type": "response.never_heard_of", "what": True, "sequence_number": 7},
    {"type": "response.completed", "response": ENDED, "sequence_number": 8},
]
ASKED: dict[str, dict[str, Any]] = {
    "messages": {"messages": [{"role": "user", "content": "w?", "new": 1}], "max_tokens": 5, "new_option": {"a": 1}},
    "responses": {"input": [{"type": "item_reference", "id": "x"}], "previous_response_id": "r", "new_option": {}},
}


@pytest.mark.parametrize(
    ("dialect", "said", "whole"),
    [("messages", MESSAGES, WHOLE_MESSAGE), ("responses", RESPONSES, ENDED)],
)
async def test_every_field_passes(tmp_path: Path, dialect: str, said: list[dict[str, Any]], whole: Any) -> None:
    asked: list[Any] = []

    async def answer(call: Call) -> None:
        asked.append(call)
        await call.say(STREAM, named(*said).encode())

    async with raw_server(answer) as url, gateway(tmp_path, {"one": (dialect, url)}) as client:
        headers = {"X-Lanes-Session": "a", "Idempotency-Key": "once", "anthropic-beta": "new-2026"}
        streamed = await client.post(f"{ROUTES[dialect]}", json=ASKED[dialect] | {"stream": True}, headers=headers)
        again = await client.post(f"{ROUTES[dialect]}", json=ASKED[dialect] | {"stream": True}, headers=headers)
        made = await client.post(ROUTES[dialect], json=ASKED[dialect])
        (message,) = (await client.get("/api/lanes/a/messages")).json()
    assert events(streamed.text) == said
    assert made.json() == whole
    assert asked[0].body == ASKED[dialect] | {"model": "real-model", "stream": True}
    assert ("anthropic-beta" in asked[0].headers) == (dialect == "messages")
    assert (message["reply"], len(asked)) == ("It rains.", 2)
    assert "It rains." in again.text, "what was answered is told again"
    assert events(again.text)[-1]["type"] == said[-1]["type"]


async def test_a_chat_client_is_not_told_half_of_what_chat_has_no_words_for(tmp_path: Path) -> None:
    async def answer(call: Call) -> None:
        await call.say(STREAM, named(*MESSAGES).encode())

    async with raw_server(answer) as url, gateway(tmp_path, {"one": ("messages", url)}) as client:
        told = await client.post(ROUTES["chat"], json={"messages": [{"role": "user", "content": "hi"}]})
    assert told.status_code == 502
    assert (
        "a block of type server_tool_use, which the client's dialect cannot express" in told.json()["error"]["message"]
    )
