"""One attempt against one provider in the ``chat`` dialect."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from lanes.config.model import ProviderConfig
from lanes.runners import failures
from lanes.runners.base import Reply
from lanes.runners.draft import Draft
from lanes.runners.failures import AttemptFailed
from lanes.runners.http import Answer, HttpClient
from lanes.runners.outlet import Emit, Outlet
from lanes.runners.patience import Patience
from lanes.runners.sse import Event, SseError, SseParser
from lanes_storage.law import AttemptCause

ROUTE = "chat/completions"
DONE = "[DONE]"
#: How much of an error is read, in bytes, and for how long once the status is known, in seconds.
ERROR_BODY = 64 * 1024
ERROR_BODY_S = 2.0
#: How long the end of the response is waited for after the terminal event, so that its connection can be used
#: again, in seconds.
LINGER_S = 0.05

_decode = json.JSONDecoder().raw_decode
#: Content types under which an event stream comes; some servers name none, or a wrong one.
_STREAMS = frozenset({"text/event-stream", "text/plain", "application/octet-stream", ""})


async def attempt(
    client: HttpClient,
    provider: ProviderConfig,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    emit: Emit,
) -> Reply:
    """Send one request and read the reply to its terminal event; pieces go to ``emit`` as they come.

    The reply counts only when a finish reason and ``[DONE]`` were seen. Raises AttemptFailed for everything
    that the provider or the way to it did wrong. A cancellation from outside stays CancelledError, and the
    connection is closed at once.
    """
    try:
        async with Patience(provider) as patience, client.post(url, body, headers, patience.connected) as answer:
            if answer.status != 200:
                raise await _refusal(answer)
            await _check_type(answer)
            draft = Draft()
            async with contextlib.aclosing(answer.chunks()) as chunks:
                await _read(chunks, draft, patience, emit)
                patience.over()
                await _rest(chunks)
            return draft.reply()
    except AttemptFailed as failure:
        if provider.api_key and provider.api_key in failure.message:  # some servers repeat what they refuse
            shown = failure.message.replace(provider.api_key, "***")
            raise AttemptFailed(failure.cause, shown, failure.retry_after_ms) from failure
        raise


async def _read(chunks: AsyncIterator[bytes], draft: Draft, patience: Patience, emit: Emit) -> None:
    """Read events up to the terminal one."""
    parser, outlet = SseParser(), Outlet(emit)
    try:
        async for chunk in chunks:
            try:
                events = parser.feed(chunk)
            except SseError as error:
                raise AttemptFailed(AttemptCause.GARBAGE, f"no event stream: {error}") from error
            for event in events:
                if event.data.strip() == DONE:
                    if draft.finish_reason is None:
                        raise AttemptFailed(AttemptCause.CUT, "the stream ended without a finish reason")
                    return
                _take(event, draft, patience, outlet)
    finally:
        outlet.flush()
    missing = f"the terminal event {DONE}" if draft.finish_reason else "a finish reason"
    raise AttemptFailed(AttemptCause.CUT, f"the stream ended without {missing}")


def _take(event: Event, draft: Draft, patience: Patience, outlet: Outlet) -> None:
    data = _object(event)
    if data.get("error") or event.name == "error" or data.get("type") == "error":
        raise failures.from_error(data)
    try:
        piece = draft.take(data)
    except RecursionError:
        _garbage(event)
    if piece.content:
        patience.content()
    if draft.finish_reason == "error":
        raise AttemptFailed(AttemptCause.SERVER_ERROR, "the provider ended its reply with an error")
    if piece.delta is not None:
        outlet.put(piece.delta)


def _object(event: Event) -> dict[str, Any]:
    text = event.data.strip()
    try:
        data, end = _decode(text)
    except (ValueError, RecursionError):
        _garbage(event)
    if not isinstance(data, dict) or end != len(text):
        _garbage(event)
    return data


def _garbage(event: Event) -> NoReturn:
    start = event.data[:80].encode("ascii", "backslashreplace").decode()
    raise AttemptFailed(AttemptCause.GARBAGE, f"an event that is no JSON object: {start}")


async def _rest(chunks: AsyncIterator[bytes]) -> None:
    """Read the little that follows the terminal event. Nothing that happens here matters to the reply."""
    with contextlib.suppress(TimeoutError, AttemptFailed):
        async with asyncio.timeout(LINGER_S):
            async for _ in chunks:
                pass


async def _refusal(answer: Answer) -> AttemptFailed:
    """The failure that a status other than 200 stands for; the status alone will do where the body does not come."""
    body = b""
    with contextlib.suppress(TimeoutError, AttemptFailed):
        async with asyncio.timeout(ERROR_BODY_S):
            body = await answer.start_of_body(ERROR_BODY)
    now = time.time_ns() // 1_000_000
    return failures.from_response(answer.status, body, failures.retry_after_ms(answer.header("retry-after"), now))


async def _check_type(answer: Answer) -> None:
    """Refuse an answer that is no event stream; one JSON object is mostly an error under the wrong status."""
    if answer.content_type in _STREAMS:
        return
    if "json" in answer.content_type:
        error = failures.error_in_body(await answer.start_of_body(ERROR_BODY))
        if error is not None:
            raise failures.from_error(error)
    raise AttemptFailed(AttemptCause.GARBAGE, f"the answer is {answer.content_type}, not an event stream")
