"""Whether a request lets its provider act: by tools that the provider itself runs, such as web search, code execution
or MCP."""

from collections.abc import Mapping
from typing import Any

#: The kinds of tools that the client runs. Every other kind, also an unknown one, counts as the provider's.
_OF_CLIENTS = frozenset({"function", "custom"})
#: Further request fields that let a provider act.
_FIELDS = ("mcp_servers", "web_search_options", "search_parameters", "plugins")


def lets_act(body: Mapping[str, Any]) -> bool:
    """Whether a request in any dialect has tools that its provider runs."""
    tools = body.get("tools") or []
    if not isinstance(tools, list) or any(_kind(tool) not in _OF_CLIENTS for tool in tools):
        return True
    return any(body.get(name) for name in _FIELDS)


def _kind(tool: object) -> str | None:
    """The kind of a tool; None if it states none. One dialect leaves it out for a client's tool, which has a name."""
    kind = tool.get("type", "custom" if "name" in tool else None) if isinstance(tool, dict) else None
    return kind if isinstance(kind, str) else None
