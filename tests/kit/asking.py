"""One attempt against one provider, without a runner around it."""

from collections.abc import Callable
from typing import Any

import pytest

from lanes.config import ProviderConfig
from lanes.runners.base import Delta, Reply
from lanes.runners.http.client import HttpClient, endpoint
from lanes.runners.http.failures import AttemptFailed
from lanes.runners.providers import chat
from lanes.runners.providers.outgoing import headers, payload
from tests.kit.runs import KitRun


async def ask(
    client: HttpClient,
    provider: ProviderConfig,
    text: str = "hi there",
    *,
    emit: Callable[[Delta], None] = lambda _: None,
    extra: dict[str, str] | None = None,
) -> Reply:
    """Send one text and read the reply. Raises AttemptFailed."""
    body: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
    url = endpoint(provider.base_url, chat.ROUTE)
    sent = headers(provider, KitRun(text)) | (extra or {})

    def each(*pieces: Delta) -> None:
        for piece in pieces:
            emit(piece)

    return await chat.attempt(client, provider, url, payload(body, provider), sent, each, lambda *_: None)


async def refused(client: HttpClient, provider: ProviderConfig, text: str = "hi there") -> AttemptFailed:
    """The failure of an attempt that has to fail."""
    with pytest.raises(AttemptFailed) as failed:
        await ask(client, provider, text)
    return failed.value
