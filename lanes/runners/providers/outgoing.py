"""What is sent to a provider: the client's own request, or the lane's conversation."""

import json
from functools import cached_property
from typing import Any
from urllib.parse import quote

from lanes.base.errors import RunFailed
from lanes.config.declared.model import ProviderConfig, RunnerConfig
from lanes.conversations.window import ConversationWindow
from lanes.dialects.chat import CHAT
from lanes.dialects.dialect import Dialect
from lanes.dialects.model import Prompt, Untranslatable
from lanes.dialects.table import DIALECTS, HEADERS, OURS, dialect_of
from lanes.runners.base import RunContext
from lanes.runners.http.failures import AttemptFailed, Words
from lanes.text.hosted import lets_act
from lanes_storage.law import AttemptCause, Cause

#: Parts of a client's request that are for lanes, or that lanes decides itself.
_OURS = frozenset({"model", "stream", "stream_options", "conversation"})


class Outgoing:
    """A request on its way, the same for every provider of the chain.

    A provider of the same dialect gets it as the client made it, tools, temperature and unknown fields included; for
    another one it is translated. What names the lane is taken out (a provider would refuse fields that it does not
    know, and need not learn the key).
    """

    def __init__(self, dialect: Dialect, request: dict[str, Any], window: ConversationWindow | None = None) -> None:
        self.window = window  # the conversation in it, which can be shortened; None for a client's request
        self._dialect = dialect
        self._request = _stripped(request)
        headers = request.get(HEADERS)
        self._headers: dict[str, str] = headers if isinstance(headers, dict) else {}

    @property
    def left_out(self) -> int:
        """How many turns of the conversation it leaves out."""
        return 0 if self.window is None else self.window.left_out

    def passes(self, provider: ProviderConfig) -> bool:
        """Whether the provider speaks the client's own dialect."""
        return provider.dialect == self._dialect.name

    def body(self, provider: ProviderConfig) -> bytes:
        """The body for one provider: its model, and always a stream. Raises AttemptFailed for what its dialect cannot
        say."""
        return json.dumps(self.written(provider)).encode()

    def written(self, provider: ProviderConfig) -> dict[str, Any]:
        """The same as an object."""
        dialect = DIALECTS[provider.dialect]
        try:
            body = self._request if self.passes(provider) else dialect.write(self._prompt, provider.max_tokens)
        except Untranslatable as error:
            words = Words(400, "invalid_request_error", error.param, "unsupported_parameter")
            raise AttemptFailed(AttemptCause.BAD_REQUEST, str(error), words=words) from error
        return body | dict(provider.extra_body) | dialect.asks(provider.model)

    def repeatable(self, provider: ProviderConfig) -> bool:
        """Whether it does no harm if the provider gets it twice: not with tools that the provider itself carries
        out."""
        return not lets_act(self.written(provider))

    def headers(self, provider: ProviderConfig, run: RunContext | None = None) -> dict[str, str]:
        """The headers for one provider. Which lane and run it is for is told only where the provider has ``trace``."""
        dialect = DIALECTS[provider.dialect]
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream",
            "accept-encoding": "identity",  # a compressing proxy would hold tokens back
            "user-agent": "lanes",
            **dialect.headers,
            **(self._headers if self.passes(provider) else {}),
            **{name.lower(): value for name, value in provider.headers.items()},
        }
        if (key := provider.key_header(dialect.key)) is not None:
            headers[key[0].lower()] = key[1]
        if provider.trace and run is not None:
            headers["x-lanes-key"] = quote(run.key, safe="")
            headers["x-lanes-run"] = str(run.id)
        return headers

    @cached_property
    def _prompt(self) -> Prompt:
        return self._dialect.read(self._request)


async def compose(run: RunContext, config: RunnerConfig, *, tools: bool = False) -> Outgoing:
    """The request for a message.

    For a text, the conversation consists of the runner's system message, the last turns of the lane, and the text.
    ``tools``: include tool calls, which a provider refuses in a request without tools.
    Raises RunFailed for a request that asks for several answers at once.
    """
    request = run.request
    if request is not None:
        if request.get("n") not in (None, 1):
            raise RunFailed(Cause.RUNNER_FAILED, "a message gets one answer: n must be 1")
        return Outgoing(dialect_of(request), request)
    turns = await run.recall(config.history, config.history_characters)
    window = ConversationWindow(turns, run.text, config.system, tools=tools).within(config.history_tokens)
    return from_window(window)


def from_window(window: ConversationWindow) -> Outgoing:
    """The request that sends a conversation."""
    return Outgoing(CHAT, {"messages": window.messages()}, window)


def _stripped(request: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in request.items() if name not in _OURS and not name.startswith(OURS)}
    metadata = kept.get("metadata")
    if isinstance(metadata, dict):
        theirs = {name: value for name, value in metadata.items() if not name.startswith(OURS)}
        kept["metadata"] = theirs
        if not theirs:
            del kept["metadata"]
    return kept
