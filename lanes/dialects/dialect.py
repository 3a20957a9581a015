"""The interface of a dialect, in both roles: towards providers that lanes asks, and towards clients of lanes."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from lanes.dialects.model import Prompt
from lanes.records.problems import Problem
from lanes.runners.base import Delta, Reply


class Draft(Protocol):
    """Builds a reply from the events of a provider's stream."""

    contents: int
    finished: bool

    def take(self, event: dict[str, Any], pieces: list[Delta], name: str = ...) -> None:
        """Add one event of that name, and its pieces for listeners to ``pieces``. Raises AttemptFailed."""
        ...

    def end(self) -> None:
        """Called at ``[DONE]``. Raises AttemptFailed (CUT) if the reply was not finished."""
        ...

    @property
    def missing(self) -> str:
        """What is missing if the stream ends now."""
        ...

    def reply(self) -> Reply:
        """The reply, once it is finished."""
        ...


class StoredReply(NamedTuple):
    """A finished reply as it is stored. ``detail``: its fields besides the text, as ``Reply`` has them."""

    text: str
    detail: Mapping[str, Any]

    @property
    def finish(self) -> str:
        """The finish reason, as chat names it."""
        return self.detail.get("finish_reason") or "stop"


class AnswerWriter(Protocol):
    """Writes one answer to a client. Every text is ASCII, so that nothing between here and a terminal misreads it."""

    def piece(self, delta: Delta) -> str:
        """One piece of a stream; empty if the dialect has nothing to send for it."""
        ...

    def ending(self, reply: StoredReply, *, begun: bool) -> str:
        """The end of a stream. ``begun``: pieces of it were written."""
        ...

    def error(self, problem: Problem) -> str:
        """The end of a stream that failed."""
        ...

    def silence(self) -> str:
        """What is sent to keep a silent stream alive."""
        ...

    def whole(self, reply: StoredReply) -> dict[str, Any]:
        """The answer to a request without a stream."""
        ...


class ClientRequest(NamedTuple):
    """The request that an answer is written for: the id of its message, when it came (Unix time in s), and its body."""

    message_id: int
    at: int
    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        """The model that was asked for."""
        model = self.body.get("model")
        return model if isinstance(model, str) and model else "lanes"


class Dialect(NamedTuple):
    """One dialect in both roles.

    ``route`` is where requests go, below a base URL. ``check`` refuses a body that is no request, before it is stored;
    ``read`` and ``write`` translate from and to the inner model, and raise Untranslatable. ``asks`` gives the fields of
    every request to a provider: its model, and that the answer is a stream. ``draft`` takes the model, and whether the
    client speaks the same dialect, so that the provider's events pass unchanged. ``key`` is the header for the
    provider's key, if the configuration names no other; ``headers`` are further ones.
    """

    name: str
    route: str
    check: Callable[[Mapping[str, Any]], None]
    read: Callable[[dict[str, Any]], Prompt]
    write: Callable[[Prompt, int], dict[str, Any]]
    asks: Callable[[str], dict[str, Any]]
    draft: Callable[[str, bool], Draft]
    writer: Callable[[ClientRequest], AnswerWriter]
    envelope: Callable[[Problem], dict[str, Any]]
    key: str
    headers: Mapping[str, str]


#: JSON in ASCII.
encoded = json.JSONEncoder().encode


def event(data: Any, name: str | None = None) -> str:
    """One server-sent event."""
    return f"event: {name}\ndata: {encoded(data)}\n\n" if name else f"data: {encoded(data)}\n\n"
