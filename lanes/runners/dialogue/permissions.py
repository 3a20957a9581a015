"""The question whether an agent may use a tool."""

import json
from typing import Any

#: So many characters of what a tool would do are shown to the one who is asked.
SHOWN = 3_000


def may_it_use(tool: str, tool_input: Any) -> str:
    """The question, with what the tool would be given; None: that is not known."""
    if tool_input is None:
        return f"May it use {tool[:200]}?"
    shown = json.dumps(tool_input, ensure_ascii=False)
    more = f"… and {len(shown) - SHOWN} more characters" if len(shown) > SHOWN else ""
    return f"May it use {tool[:200]}: {shown[:SHOWN]}{more}?"
