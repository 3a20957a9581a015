"""Requests, and whether each lets its provider act: by a tool of the provider, or by another field."""

from typing import Any

REQUESTS: list[tuple[dict[str, Any], bool]] = [
    ({}, False),
    ({"tools": None}, False),
    ({"tools": [{"name": "look_up", "input_schema": {}}, {"type": "custom", "name": "x"}]}, False),
    ({"tools": [{"google_search": {}}]}, True),
    ({"tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_url": "https://x"}]}, True),
    ({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, True),
    ({"tools": [{"type": "kind of next year"}]}, True),
    ({"tools": {"type": "function"}}, True),
    ({"tools": ["web_search"]}, True),
    ({"tools": [{"type": []}]}, True),
    ({"tools": [{"type": {"function": 1}, "name": "f"}]}, True),
    ({"mcp_servers": [{"name": "shop"}]}, True),
    ({"web_search_options": {"search_context_size": "low"}}, True),
    ({"plugins": [{"id": "web"}]}, True),
    ({"messages": [{"role": "user", "content": 'the word "tools" alone'}]}, False),
]
