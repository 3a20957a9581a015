"""The messages between a gateway and the process of a run, one per line.

To the process, on its standard input: a ``Job``, then the ``Answer`` to each call that needs one, as pickles. From it,
on its standard output, JSON objects, since it may belong to a user who has fewer rights than the gateway: calls of the
run's context, ``{"call": name, "args": […]}``, with ``"ask": number`` if it needs the answer; ``{"drop": number}`` if
nobody waits for that any more; and last the end: ``{"reply": {…}}``, ``{"failed": […]}`` or ``{"parked": […]}``.
"""

import base64
import pickle
from typing import Any, NamedTuple

from lanes.records import Message


class Job(NamedTuple):
    """A run, as its process gets it."""

    id: int
    epoch: int
    database: str
    key: str
    text: str
    request: dict[str, Any] | None
    message: Message


class Answer(NamedTuple):
    """The answer to the call of that number, or the error that it raises."""

    ask: int
    value: Any = None
    error: Exception | None = None


def written(message: Job | Answer) -> bytes:
    """A line for the process."""
    return base64.b64encode(pickle.dumps(message)) + b"\n"


def read(line: bytes) -> Any:
    """The message in a line of the gateway. Only for the process: the gateway must not load pickles from it."""
    return pickle.loads(base64.b64decode(line))
