"""One attempt against one provider, whatever dialect it speaks."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from lanes.config.declared.model import ProviderConfig
from lanes.dialects.dialect import Draft
from lanes.runners.base import Delta, Reply
from lanes.runners.http import failures
from lanes.runners.http.client import HttpClient, Through
from lanes.runners.http.failures import AttemptFailed
from lanes.runners.http.objects import DONE, ObjectReader, decode
from lanes.runners.http.redaction import keys_in
from lanes.runners.http.sse import ServerSentEvent, SseError
from lanes.runners.providers.remedies import remedy
from lanes.runners.providers.timeouts import LINGER_S, Begins, Patience
from lanes_storage.law import AttemptCause

if TYPE_CHECKING:
    from lanes.runners.http.connections import ProviderResponse  # loaded with the first request

#: At most this many bytes of an error body are read, for at most this many seconds.
ERROR_BODY = 64 * 1024
ERROR_BODY_S = 2.0

#: The most bytes of an unpacked answer that are read, many times what the longest answers have. Answers are kept whole,
#: so an endless one would use up the memory of all lanes.
MOST = 268_435_456

#: Content types under which an event stream comes; some servers name none, or a wrong one.
_STREAMS = frozenset({"text/event-stream", "text/plain", "application/octet-stream", ""})


class Emit(Protocol):
    """Passes on pieces: ``RunContext.emit``."""

    def __call__(self, *pieces: Delta) -> None: ...


async def attempt(
    client: HttpClient,
    provider: ProviderConfig,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    draft: Draft,
    emit: Emit,
    begins: Begins,
) -> Reply:
    """Send one request and read the reply to its terminal event; pieces go to ``emit`` as they come.

    ``begins`` is called for each phase of waiting; ``draft`` takes each event.

    The reply counts only when the terminal event of its dialect was seen. Raises AttemptFailed for every failure of the
    provider or of the way to it. A cancellation from outside stays CancelledError, and the connection is closed at
    once.
    """
    try:
        async with (
            Patience(provider, begins) as patience,
            client.post(url, body, headers, patience.connected, Through.of(provider)) as answer,
        ):
            if answer.status != 200:
                raise await _refusal(answer)
            await _check_type(answer)
            async with contextlib.aclosing(answer.chunks()) as chunks:
                await _read(chunks, draft, patience, emit)
                patience.over()
                await _rest(chunks)
            return draft.reply()
    except AttemptFailed as failure:
        failure.redact(*keys_in(url, headers.items(), provider.api_key))
        failure.message += remedy(failure, provider)
        raise


async def _read(chunks: AsyncIterator[bytes], draft: Draft, patience: Patience, emit: Emit) -> None:
    """Read events up to the terminal one."""
    reader, size = ObjectReader(), 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MOST:
            raise AttemptFailed(AttemptCause.GARBAGE, f"the answer has more than {MOST} bytes")
        if _read_chunk(reader, chunk, draft, patience, emit):
            return
    with contextlib.suppress(AttemptFailed):  # some leave out the blank line behind the last event; others break off
        if _read_chunk(reader, b"\n\n", draft, patience, emit):
            return
    raise AttemptFailed(AttemptCause.CUT, f"the stream ended without {draft.missing}")


def _read_chunk(reader: ObjectReader, chunk: bytes, draft: Draft, patience: Patience, emit: Emit) -> bool:
    """Read a chunk, and emit its pieces together; returns whether the answer ends in it."""
    pieces: list[Delta] = []
    before = draft.contents
    try:
        for event in reader.feed(chunk):
            if isinstance(event, dict):
                _take(event, draft, pieces)
            elif event.data.strip() != DONE.data:
                _take(_object(event), draft, pieces, event.name)
            else:
                draft.end()
            if draft.finished:
                return True
    except SseError as error:
        raise AttemptFailed(AttemptCause.GARBAGE, f"not an event stream: {error}") from error
    finally:
        if draft.contents != before:
            patience.content()
        if pieces:
            emit(*pieces)
    return False


def _take(data: dict[str, Any], draft: Draft, pieces: list[Delta], name: str = "message") -> None:
    try:
        draft.take(data, pieces, name)
    except RecursionError:
        _garbage(json.dumps(data))


def _object(event: ServerSentEvent) -> dict[str, Any]:
    text = event.data.strip()
    try:
        data, end = decode(text)
    except (ValueError, RecursionError):
        _garbage(text)
    if not isinstance(data, dict) or end != len(text):
        _garbage(text)
    return data


def _garbage(text: str) -> NoReturn:
    start = text[: failures.MOST_READ].encode("ascii", "backslashreplace").decode()
    raise AttemptFailed(AttemptCause.GARBAGE, f"an event that is not a JSON object: {start}")


async def _rest(chunks: AsyncIterator[bytes]) -> None:
    """Read the rest after the terminal event. Errors here do not affect the reply."""
    with contextlib.suppress(TimeoutError, AttemptFailed):
        async with asyncio.timeout(LINGER_S):
            async for _ in chunks:
                pass


async def _refusal(answer: "ProviderResponse") -> AttemptFailed:
    """The failure that a status other than 200 stands for; the status alone will do where the body does not come."""
    body = b""
    with contextlib.suppress(TimeoutError, AttemptFailed):
        async with asyncio.timeout(ERROR_BODY_S):
            body = await answer.start_of_body(ERROR_BODY)
    return answer.refusal(body)


async def _check_type(answer: "ProviderResponse") -> None:
    """Refuse an answer that is no event stream; one JSON object is mostly an error under the wrong status."""
    if answer.content_type in _STREAMS:
        return
    if "json" in answer.content_type:
        error = failures.error_in_body(await answer.start_of_body(ERROR_BODY))
        if error is not None:
            raise failures.from_error(error)
    raise AttemptFailed(AttemptCause.GARBAGE, f"the answer is {answer.content_type}, not an event stream")
