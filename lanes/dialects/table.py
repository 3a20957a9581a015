"""Every dialect, by its name, and which one a stored request is in."""

from collections.abc import Callable, Mapping
from typing import Any

from lanes.base.errors import Unfit
from lanes.dialects.chat import CHAT
from lanes.dialects.dialect import Dialect
from lanes.dialects.messages import MESSAGES
from lanes.dialects.responses import RESPONSES
from lanes.records.problems import Problem

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (CHAT, RESPONSES, MESSAGES)}

#: Where clients find the routes of every dialect.
BASE = "/v1/"

#: The prefix of fields of a request that are for lanes alone, and never reach a provider.
OURS = "lanes_"
#: The field for the dialect of a request that is not chat, and that for the client's headers that a provider needs.
NAMED = f"{OURS}dialect"
HEADERS = f"{OURS}headers"


def dialect_of(request: Mapping[str, Any]) -> Dialect:
    """The dialect of a stored request. Raises Unfit if there is none of that name."""
    name = request.get(NAMED, CHAT.name)
    if not isinstance(name, str) or name not in DIALECTS:
        raise Unfit(f"{NAMED} is one of {', '.join(DIALECTS)}")
    return DIALECTS[name]


def envelope_at(path: str) -> Callable[[Problem], dict[str, Any]] | None:
    """The error envelope at a path: that of the route's dialect, elsewhere under ``/v1`` that of chat; None beyond."""
    if not path.startswith(BASE):
        return None
    route = path.removeprefix(BASE)
    spoken = (each for each in DIALECTS.values() if route == each.route or route.startswith(f"{each.route}/"))
    return next(spoken, CHAT).envelope
