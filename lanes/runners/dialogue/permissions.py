"""The question whether an agent may use a tool."""

import json
from typing import Any

#: How many characters of a tool's input are shown to the person who decides.
SHOWN = 3_000


def may_it_use(tool: str, tool_input: Any) -> str:
    """The question, which shows the input of the tool (None: it is not known)."""
    if tool_input is None:
        return f"May it use {tool[:200]}?"
    shown = json.dumps(tool_input, ensure_ascii=False)
    more = f"… and {len(shown) - SHOWN} more characters" if len(shown) > SHOWN else ""
    return f"May it use {tool[:200]}: {shown[:SHOWN]}{more}?"
