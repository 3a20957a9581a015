"""Sends a client's request to its provider, and passes the answer on as it comes, within limits."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from lanes.config.declared.model import ProviderConfig
from lanes.runners.http import failures
from lanes.runners.http.client import HttpClient, Through
from lanes.runners.http.failures import AttemptFailed, Words
from lanes.runners.http.redaction import keys_in
from lanes.runners.http.unpacking import PLAIN
from lanes.runners.passing.exchange import Exchange
from lanes.runners.passing.facts import kept_model, kept_usage
from lanes.runners.passing.follower import USAGES, Follower, unpacked_start
from lanes.runners.passing.keepalive import Keepalive
from lanes.runners.passing.patience import ClientPatience
from lanes.runners.providers.timeouts import LINGER_S, Begins
from lanes_storage.law import AttemptCause
from lanes_storage.reads.shapes import parsed
from lanes_storage.threads import in_thread

if TYPE_CHECKING:
    from lanes.runners.http.connections import ProviderResponse  # loaded with the first request

#: How many bytes of an answer without a stream are kept until its usage and its error are read.
LOOKED_AT = 1_048_576

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class Passed(NamedTuple):
    """What is known of an answer that was passed on. ``failed``: the provider refused, or reported an error."""

    status: int
    model: str | None = None
    usage: dict[str, Any] | None = None
    failed: AttemptFailed | None = None


async def relay(
    client: HttpClient, provider: ProviderConfig, exchange: Exchange, begins: Begins, alive: Callable[[], None]
) -> Passed:
    """Send the request of an exchange, and pass the answer to its client. Raises AttemptFailed, NoDescriptor.

    ``alive`` is called at each sign of life. ``exchange.started`` tells whether a part of the answer was passed.
    """
    method, url, body, headers, dialect, _ = exchange.take_request()
    keys = keys_in(url, headers, provider.api_key)
    try:
        async with (
            ClientPatience(provider, begins) as patience,
            client.post(url, body, headers, patience.connected, Through.of(provider), method=method) as answer,
        ):
            del body  # it may have megabytes
            alive()
            passed = await _pass(answer, dialect, exchange, patience, alive)
    except AttemptFailed as failure:  # its sentence may quote what came
        failure.redact(*keys)
        raise failure from None
    failed = passed.failed
    if failed is not None:
        failed.redact(*keys)
        failed = _without_text(failed)
    return Passed(passed.status, kept_model(passed.model, keys), kept_usage(passed.usage), failed)


async def _pass(
    answer: "ProviderResponse", dialect: str, exchange: Exchange, patience: ClientPatience, alive: Callable[[], None]
) -> Passed:
    streams = answer.status < 300 and answer.content_type == "text/event-stream"
    follower = Follower(dialect, answer.encoding) if streams else None
    await exchange.head(answer.status, answer.raw_headers, follower)
    looked_at = bytearray()
    async with contextlib.aclosing(answer.packed_chunks()) as chunks:
        with Keepalive(exchange, dialect) as silence:
            async for chunk in chunks:
                silence.over()
                if follower is None or await follower.take(chunk):
                    patience.content()
                    alive()
                if follower is None and len(looked_at) < LOOKED_AT:
                    looked_at += chunk
                with patience.sending():
                    await exchange.piece(chunk)
                if follower is not None and follower.ended:
                    break
        patience.over()
        if follower is not None and follower.ended:
            await _linger(chunks, exchange)
    exchange.whole = True
    if follower is None:
        return await _of_whole(answer, dialect, bytes(looked_at))
    if not follower.close():
        raise AttemptFailed(AttemptCause.CUT, "the stream ended before the answer was complete")
    failed = None if follower.failed is None else failures.from_error({"code": follower.failed})
    usage = USAGES[dialect](follower.usage) if follower.usage else None
    return Passed(answer.status, follower.model, usage, failed)


async def _linger(chunks: AsyncIterator[bytes], exchange: Exchange) -> None:
    """Pass what follows the last event, but wait no longer than a moment for it."""
    with contextlib.suppress(TimeoutError, AttemptFailed):
        async with asyncio.timeout(LINGER_S):
            async for chunk in chunks:
                await exchange.piece(chunk)


async def _of_whole(answer: "ProviderResponse", dialect: str, body: bytes) -> Passed:
    """The usage, the model or the error of an answer without a stream."""
    text = body if answer.encoding == PLAIN else await in_thread(unpacked_start, body, answer.encoding)
    if answer.status >= 300:
        return Passed(answer.status, failed=answer.refusal(text))
    whole: dict[str, Any] = parsed(text, dict) or {}
    usage = whole.get("usage")
    model = whole.get("model")
    return Passed(
        answer.status,
        model if isinstance(model, str) else None,
        USAGES[dialect](usage) if isinstance(usage, dict) else None,
        failures.from_error(whole) if whole.get("error") else None,
    )


def _without_text(failure: AttemptFailed) -> AttemptFailed:
    """The failure without the sentences of the provider, which may repeat the conversation or a key."""
    status, kind, _, code = failure.words
    words = [word for word in (kind, code) if word is not None and _CODE.fullmatch(word)]
    parts = [f"HTTP {status}"] if status is not None else ["error in the stream"]
    named = Words(status, *(word if word in words else None for word in (kind, None, code)))
    return AttemptFailed(failure.cause, " ".join(dict.fromkeys(parts + words)), failure.retry_after_ms, named)
