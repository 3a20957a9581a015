"""The question whether an agent may use a tool."""

import json
from typing import Any

#: So many characters of what a tool would do are shown to the one who is asked.
SHOWN = 3_000


def may_it_use(tool: str, given: Any) -> str:
    """The question, with what the tool would be given; None: that is not known."""
    if given is None:
        return f"May it use {tool[:200]}?"
    said = json.dumps(given, ensure_ascii=False)
    more = f"… and {len(said) - SHOWN} more characters" if len(said) > SHOWN else ""
    return f"May it use {tool[:200]}: {said[:SHOWN]}{more}?"
