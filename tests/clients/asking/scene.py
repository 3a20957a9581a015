"""What every client asks, and what the simulated provider answers."""

import base64
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

#: Providers are named after their dialects.
PROVIDERS = ("chat", "responses", "messages")
#: What is tried, in the order of the table.
FEATURES = ("text", "image", "tools", "structured", "reasoning", "next turn", "error")

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = base64.b64decode(PNG)
URL = f"data:image/png;base64,{PNG}"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
ANSWER = "All is well here, says the simulated provider."
THOUGHT = "The question is short. So is the answer."
ARGUMENTS = {"city": "simulated"}
RESULT = "rain"
TOO_LONG = "prompt is too long"

#: Asks by a client for one provider, streamed or whole; raises AssertionError where the answer is not right.
Ask = Callable[[Any, str, bool], None]


class Way(NamedTuple):
    """One client by one route: how it is made for the gateway's address, and what it asks, by feature. A text in place
    of what is asked says why this client cannot be asked that."""

    client: str
    route: str
    made: Callable[[str], Any]
    asks: Mapping[str, Ask | str]

    @property
    def version(self) -> str:
        """Which of it is installed."""
        return version(self.client)


def same(one: object, other: object) -> None:
    """Raises AssertionError where they differ."""
    if one != other:
        raise AssertionError(f"{one!r} is not {other!r}")


def fails(asked: Callable[[], object]) -> Exception:
    """The error that it raises. Raises AssertionError if it raises none."""
    try:
        asked()
    except Exception as error:
        return error
    raise AssertionError("no error")
