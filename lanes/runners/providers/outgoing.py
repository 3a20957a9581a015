"""What is sent to a provider: the client's own request, or the lane's conversation."""

import json
from typing import Any
from urllib.parse import quote

from lanes.base.errors import RunFailed
from lanes.config.declared.model import ProviderConfig, RunnerConfig
from lanes.runners.base import RunContext
from lanes_storage.law import Cause

#: Parts of a client's request that are for lanes, or that lanes decides itself.
_OURS = frozenset({"model", "stream", "stream_options", "conversation"})
_OUR_METADATA = "lanes_"


async def outgoing(run: RunContext, config: RunnerConfig) -> dict[str, Any]:
    """The body of a chat request, without the model: it is the same for every provider of the chain.

    A chat request is passed on as the client made it, tools, temperature and unknown fields included. What names
    the lane is taken out (a provider would refuse fields that it does not know, and need not learn the key).
    For a text the runner's system message, the last finished exchanges and the text make the conversation.
    Raises RunFailed for a request that asks for several answers at once.
    """
    request = run.request
    if request is not None:
        if request.get("n") not in (None, 1):
            raise RunFailed(Cause.RUNNER_FAILED, "a message gets one answer: n must be 1")
        return _stripped(request)
    messages: list[dict[str, str]] = []
    if config.system:
        messages.append({"role": "system", "content": config.system})
    for turn in await run.history(config.history) if config.history else []:
        messages.append({"role": "user", "content": turn.text})
        messages.append({"role": "assistant", "content": turn.reply})
    messages.append({"role": "user", "content": run.text})
    return {"messages": messages}


def payload(body: dict[str, Any], provider: ProviderConfig) -> bytes:
    """The bytes for one provider: its model, and always a stream with usage."""
    asked = body | {"model": provider.model, "stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(asked).encode()


def headers(provider: ProviderConfig, run: RunContext) -> dict[str, str]:
    """The headers for one provider. Which lane and run it is for is said only where the provider has ``trace``."""
    made = {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",  # a compressing proxy would hold tokens back
        "user-agent": "lanes",
    }
    if provider.api_key:
        made["authorization"] = f"Bearer {provider.api_key}"
    if provider.trace:
        made["x-lanes-key"] = quote(run.key, safe="")
        made["x-lanes-run"] = str(run.id)
    return made


def _stripped(request: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in request.items() if name not in _OURS}
    metadata = kept.get("metadata")
    if isinstance(metadata, dict):
        theirs = {name: value for name, value in metadata.items() if not name.startswith(_OUR_METADATA)}
        kept["metadata"] = theirs
        if not theirs:
            del kept["metadata"]
    return kept
