"""Counts the tokens of a request: by a provider that offers that, else by an estimate."""

import asyncio
import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from lanes.config.declared.model import ProviderConfig
from lanes.conversations.window import BYTES_OF_A_TOKEN
from lanes.dialects.messages import MESSAGES
from lanes.dialects.table import HEADERS
from lanes.runners.http.client import HttpClient, Through, endpoint_of
from lanes.runners.http.failures import AttemptFailed, NoDescriptor
from lanes.runners.providers.outgoing import Outgoing
from lanes_storage.logs import Log

log = Log("lanes.providers")

#: How long all providers have together, in seconds; how much of an answer is read, in bytes.
PATIENCE_S = 10.0
LONGEST = 64 * 1024
#: How many tokens an image or a document counts, whatever its size.
TOKENS_OF_DATA = 1_600
#: The parts of a request that a model reads.
_READ = ("system", "messages", "tools")


async def counted(
    client: HttpClient, providers: Iterable[ProviderConfig], request: dict[str, Any], headers: Mapping[str, str]
) -> int | None:
    """The count of the first provider of the dialect ``messages`` that returns one; None if none does."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            for provider in providers:
                if provider.dialect != MESSAGES.name:
                    continue
                try:
                    return await _count_at(client, provider, request, headers)
                except (AttemptFailed, NoDescriptor, ValueError) as error:
                    log.info("provider %a cannot count tokens: %s", provider.name, error)
    return None


async def _count_at(
    client: HttpClient, provider: ProviderConfig, request: dict[str, Any], headers: Mapping[str, str]
) -> int:
    """Raises AttemptFailed, NoDescriptor; ValueError for an answer without a count."""
    outgoing = Outgoing(MESSAGES, request | {HEADERS: dict(headers)})
    body = {name: value for name, value in outgoing.written(provider).items() if name != "stream"}
    url = endpoint_of(provider, f"{MESSAGES.route}/count_tokens")
    headers = outgoing.headers(provider) | {"accept": "application/json"}
    async with client.post(url, json.dumps(body).encode(), headers, lambda: None, Through.of(provider)) as answer:
        fields = json.loads(await answer.start_of_body(LONGEST))
        count = fields.get("input_tokens") if isinstance(fields, dict) else None
        if answer.status != 200 or type(count) is not int or count < 0:
            raise ValueError(f"HTTP {answer.status}")
        return count


def estimated(request: Mapping[str, Any]) -> int:
    """About how many tokens a request has, by the length of its texts."""
    return -(-sum(_size(request.get(name)) for name in _READ) // BYTES_OF_A_TOKEN)


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode(errors="replace"))
    if isinstance(value, list):
        return sum(map(_size, value))
    if isinstance(value, dict):
        if value.get("type") == "base64":
            return TOKENS_OF_DATA * BYTES_OF_A_TOKEN
        return sum(len(name) + _size(each) for name, each in value.items())
    return len(str(value))
