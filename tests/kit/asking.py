"""One attempt against one provider, without a runner around it."""

from collections.abc import Callable
from typing import Any

import pytest

from lanes.config import ProviderConfig
from lanes.dialects.chat import CHAT
from lanes.dialects.table import DIALECTS
from lanes.runners.base import Delta, Reply
from lanes.runners.http.client import HttpClient, endpoint_of
from lanes.runners.http.failures import AttemptFailed
from lanes.runners.providers import attempt
from lanes.runners.providers.outgoing import Outgoing
from lanes.runners.providers.timeouts import Begins
from tests.kit.runs import KitRun


async def ask(
    client: HttpClient,
    provider: ProviderConfig,
    text: str = "hi there",
    *,
    emit: Callable[[Delta], None] = lambda _: None,
    begins: Begins = lambda *_: None,
    extra: dict[str, str] | None = None,
) -> Reply:
    """Send one text and read the reply. Raises AttemptFailed."""
    body: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
    dialect, asked = DIALECTS[provider.dialect], Outgoing(CHAT, body)
    url = endpoint_of(provider, dialect.route)
    sent = asked.headers(provider, KitRun(text)) | (extra or {})
    draft = dialect.draft(provider.model, False)

    def each(*pieces: Delta) -> None:
        for piece in pieces:
            emit(piece)

    return await attempt.attempt(client, provider, url, asked.body(provider), sent, draft, each, begins)


async def refused(client: HttpClient, provider: ProviderConfig, text: str = "hi there") -> AttemptFailed:
    """The failure of an attempt that has to fail."""
    with pytest.raises(AttemptFailed) as failed:
        await ask(client, provider, text)
    return failed.value
