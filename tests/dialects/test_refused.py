"""What a provider of another dialect cannot be told is refused by its name, and stored nowhere."""

from pathlib import Path
from typing import Any

import pytest

from tests.dialects.golden import ROUTES, gateway
from tests.kit.rawserver import Call, raw_server

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
MESSAGES: dict[str, Any] = CHAT | {"max_tokens": 10}
RESPONSES: dict[str, Any] = {"input": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "high"}}
TOOL = {"type": "function", "function": {"name": "f"}}


def said(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts), **more}]}


@pytest.mark.parametrize(
    ("ingress", "provider", "request_body", "param"),
    [
        ("chat", "messages", CHAT | {"seed": 1}, "seed"),
        ("chat", "messages", CHAT | {"frequency_penalty": 0.5}, "frequency_penalty"),
        ("chat", "messages", CHAT | {"response_format": {"type": "json_object"}}, "response_format"),
        ("chat", "messages", CHAT | {"temperature": 1.5}, "temperature"),
        ("chat", "messages", CHAT | {"metadata": {"a": "b"}}, "metadata"),
        ("chat", "messages", CHAT | {"store": True}, "store"),
        ("chat", "messages", CHAT | {"unknown_to_us": 1}, "unknown_to_us"),
        ("chat", "messages", CHAT | {"reasoning_effort": "extreme"}, "reasoning_effort"),
        ("chat", "messages", said({"type": "input_audio", "input_audio": {}}), "messages[0].content[0]"),
        ("chat", "messages", said({"type": "text", "text": "x"}, name="bob"), "messages[0].name"),
        ("chat", "messages", said(IMAGE), "messages[0].content.image_url.detail"),
        ("chat", "messages", {"messages": [*CHAT["messages"], {"role": "system", "content": "x"}]}, "messages[1].role"),
        ("chat", "messages", {"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ("chat", "messages", {"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ("chat", "messages", CHAT | {"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0]"),
        ("chat", "messages", CHAT | {"tools": [TOOL | {"extra": 1}]}, "tools[0].extra"),
        ("chat", "responses", CHAT | {"stop": ["x"]}, "stop"),
        ("chat", "responses", CHAT | {"logit_bias": {"1": 2}}, "logit_bias"),
        ("messages", "chat", MESSAGES | {"top_k": 5}, "top_k"),
        ("messages", "chat", MESSAGES | {"tools": [{"type": "web_search_20250305", "name": "w"}]}, "tools[0]"),
        ("messages", "chat", MESSAGES | {"mcp_servers": [{"name": "x"}]}, "mcp_servers"),
        ("messages", "chat", MESSAGES | {"service_tier": "standard_only"}, "service_tier"),
        ("messages", "responses", MESSAGES | {"stop_sequences": ["x"]}, "stop_sequences"),
        ("responses", "chat", RESPONSES | {"previous_response_id": "resp_1"}, "previous_response_id"),
        ("responses", "chat", RESPONSES | {"tools": [{"type": "web_search"}]}, "tools[0]"),
        ("responses", "chat", RESPONSES | {"include": ["file_search_call.results"]}, "include"),
        ("responses", "chat", RESPONSES | {"truncation": "auto"}, "truncation"),
        ("responses", "chat", {"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ("responses", "messages", RESPONSES | {"max_tool_calls": 3}, "max_tool_calls"),
        ("responses", "responses", RESPONSES | {"background": True}, "background"),
        ("responses", "responses", {"input": []}, "input"),
        ("messages", "messages", {"messages": []}, "messages"),
    ],
)
async def test_by_name(tmp_path: Path, ingress: str, provider: str, request_body: dict[str, Any], param: str) -> None:
    asked: list[Any] = []

    async def answer(call: Call) -> None:
        asked.append(call.body)

    async with raw_server(answer) as url, gateway(tmp_path, {"one": (provider, url)}) as client:
        told = await client.post(ROUTES[ingress], json=request_body, headers={"X-Lanes-Session": "a"})
        assert told.status_code == 400
        error = told.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert param in error["message"]
        if ingress != "messages":
            assert error["param"] == param
        assert (await client.get("/api/lanes/a/messages")).status_code == 404, "nothing is stored"
    assert asked == []


@pytest.mark.parametrize("provider", ["chat", "responses"])
async def test_F737_a_kept_conversation_is_refused_so_that_the_client_goes_on_without(
    tmp_path: Path, provider: str
) -> None:
    """Anthropic's tool runners ask for one by themselves."""
    async with gateway(tmp_path, {"one": (provider, "http://127.0.0.1:9")}) as client:
        told = await client.post(ROUTES["messages"], json=MESSAGES | {"thread": {"type": "create"}})
    error = told.json()["error"]
    assert (told.status_code, error["details"]) == (400, {"error_code": "thread_unsupported_request"})


async def test_what_one_provider_of_a_chain_cannot_be_told_the_other_is_told(tmp_path: Path) -> None:
    """The chain goes on, and says of the first what it could not be told."""
    asked: list[Any] = []

    async def answer(call: Call) -> None:
        asked.append(call.body["seed"])
        await call.say(b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")

    async with raw_server(answer) as url:
        chain = {"far": ("messages", url), "near": ("chat", url)}
        async with gateway(tmp_path, chain) as client:
            told = await client.post(ROUTES["chat"], json=CHAT | {"seed": 7})
    assert asked == [7]
    assert (told.status_code, told.json()["error"]["param"]) == (400, "seed")
