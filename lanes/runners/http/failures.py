"""Why one provider attempt failed, from what the provider said.

Error codes are an open set, worded differently by every vendor and every proxy. An error is classified by its code if
that is known, otherwise by the HTTP status, then by its type; the rest are server errors.
"""

import os
import re
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from lanes.base.errors import RunError
from lanes.base.sentences import Tried
from lanes.runners.http.merging import whole
from lanes.runners.http.redaction import redacted
from lanes_storage.law import AttemptCause, Cause
from lanes_storage.reads.shapes import parsed

#: In characters: how long a provider's sentence and its word for an error are kept at most, and how much is read.
LONGEST_SENTENCE = 500
LONGEST_WORD = 200
MOST_READ = 4_096
#: A longer Retry-After is cut to a day, and one below a second is ignored: it would cause a retry loop.
LONGEST_WAIT_MS = 86_400_000
SHORTEST_WAIT_MS = 1_000

_BY_CODE = {
    "insufficient_quota": AttemptCause.QUOTA,
    "billing_hard_limit_reached": AttemptCause.QUOTA,
    "billing_not_active": AttemptCause.QUOTA,
    "billing_error": AttemptCause.QUOTA,
    "rate_limit_exceeded": AttemptCause.RATE_LIMITED,
    "rate_limit_error": AttemptCause.RATE_LIMITED,
    "rate_limited": AttemptCause.RATE_LIMITED,
    "overloaded_error": AttemptCause.OVERLOADED,
    "overloaded": AttemptCause.OVERLOADED,
    "server_overloaded": AttemptCause.OVERLOADED,
    "server_is_overloaded": AttemptCause.OVERLOADED,
    "slow_down": AttemptCause.OVERLOADED,
    "context_length_exceeded": AttemptCause.CONTEXT_OVERFLOW,
    "string_above_max_length": AttemptCause.CONTEXT_OVERFLOW,
    "request_too_large": AttemptCause.CONTEXT_OVERFLOW,
    "invalid_api_key": AttemptCause.AUTH,
    "authentication_error": AttemptCause.AUTH,
    "permission_error": AttemptCause.AUTH,
}
#: Words that say little by themselves: a status that says more takes precedence.
_BY_TYPE = {
    "invalid_request_error": AttemptCause.BAD_REQUEST,
    "bad_request": AttemptCause.BAD_REQUEST,
    "model_not_found": AttemptCause.BAD_REQUEST,
    "not_found_error": AttemptCause.BAD_REQUEST,
    "invalid_prompt": AttemptCause.BAD_REQUEST,
}
_BY_STATUS = {
    401: AttemptCause.AUTH,
    402: AttemptCause.QUOTA,
    403: AttemptCause.AUTH,
    407: AttemptCause.UNREACHABLE,  # said by a proxy on the way
    408: AttemptCause.SERVER_ERROR,
    409: AttemptCause.SERVER_ERROR,
    413: AttemptCause.CONTEXT_OVERFLOW,
    425: AttemptCause.SERVER_ERROR,
    429: AttemptCause.RATE_LIMITED,
    529: AttemptCause.OVERLOADED,
}
#: Anthropic's code, with status 404, for a conversation that it does not keep: the client then sends all of it.
THREAD_GONE = "thread_not_found"
#: Refusals that may say when to retry.
_WITH_RETRY_AFTER = frozenset({AttemptCause.RATE_LIMITED, AttemptCause.OVERLOADED, AttemptCause.QUOTA})
#: How servers without a code for it say that a conversation is too long. A limit on the tokens of the answer is another
#: matter: a shorter conversation would not help.
_TOO_LONG = re.compile(
    r"context (window|length|size)|(prompt|input) is too long|maximum (prompt|model) length|too many tokens"
    r"|(?<!maximum )\btokens?\b.{0,40}\bexceed|exceed.{0,40}\b(token|context) limit|prompt exceeds max length"
    r"|tokens` must be <=|inputs` must have less than|range of input length",
    re.IGNORECASE,
)
#: What Groq (413) and OpenAI (429) say of a single request with more tokens than an account has per minute.
_MORE_THAN_A_MINUTE = re.compile(r"request too large for .{1,200}? on tokens per min", re.IGNORECASE)
#: Where an error of pydantic (as of vLLM) begins to repeat the request, which may contain any words.
_ECHO = re.compile(r"""['"]input['"]: |\binput_value=""")
#: The causes that an invalid request shows only in its sentence. The second is Anthropic's, with status 400.
_BY_SENTENCE = {
    _TOO_LONG: AttemptCause.CONTEXT_OVERFLOW,
    re.compile(r"credit balance is too low", re.IGNORECASE): AttemptCause.QUOTA,
}


class Words(NamedTuple):
    """How a provider names its error: the HTTP status, if it had one, and the fields that OpenAI's clients read."""

    status: int | None = None
    type: str | None = None
    param: str | None = None
    code: str | None = None


class AttemptFailed(Exception):
    """One attempt against one provider failed. ``retry_after_ms``: how long the provider says to wait."""

    def __init__(
        self, cause: AttemptCause, message: str, retry_after_ms: int | None = None, words: Words | None = None
    ) -> None:
        self.cause = cause
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.words = words or Words()
        super().__init__(message)

    def redact(self, *keys: str) -> None:
        """Remove the keys of its request from its message, and only then shorten the message."""
        self.message = redacted(self.message, *keys)[:LONGEST_SENTENCE]
        words = (None if word is None else redacted(word, *keys)[:LONGEST_WORD] for word in self.words[1:])
        self.words = Words(self.words.status, *words)


class ConnectionClosed(AttemptFailed):
    """A kept connection ended as the request went out, before any part of an answer: its server had closed it, because
    it was idle or for a restart."""


class NoDescriptor(Exception):
    """This process itself has no file descriptor left: nothing is known about the provider."""


class NoThread(NoDescriptor):
    """This process itself can start no thread, which name resolution needs: a limit of processes is reached."""


class NoRoom(RunError):
    """A run ends because its own process had no file descriptor left for it: as if it had never been claimed."""

    def __init__(self, attempts: Sequence[Tried] = ()) -> None:
        super().__init__("no_descriptor", "no file descriptor was free in its gateway", attempts)


class NoProcess(NoRoom):
    """A run ends because its program could not be started: a limit of processes or of memory is reached."""

    def __init__(self, why: str, attempts: Sequence[Tried] = ()) -> None:
        RunError.__init__(self, "no_process", f"no process could be started: {why}", attempts)


class NoFolder(NoProcess):
    """A run ends because the disk has no room for its folder."""

    def __init__(self, why: str) -> None:
        RunError.__init__(self, "no_folder", why, ())


class NoPlace(NoRoom):
    """A run ends because all places at a provider are taken: its message waits for its turn in the queue."""

    def __init__(self, provider: str, attempts: Sequence[Tried] = ()) -> None:
        RunError.__init__(self, Cause.PROVIDER_COOLING, f"it waits for its turn at provider {provider}", attempts)


def from_response(status: int, body: bytes, retry_after_ms: int | None) -> AttemptFailed:
    """The failure for a response with another status than 200."""
    error = _error_in(body)
    if _code(error) == THREAD_GONE:
        status = 400
    cause = _cause(error, status)
    text = _sentence(error) or _short(body[:MOST_READ].decode(errors="replace"))
    if status == 503 and cause is AttemptCause.SERVER_ERROR and retry_after_ms is not None:
        cause = AttemptCause.OVERLOADED  # it says when to retry: it is only overloaded
    wait = retry_after_ms if cause in _WITH_RETRY_AFTER else None
    return AttemptFailed(cause, f"HTTP {status}: {text}" if text else f"HTTP {status}", wait, _called(error, status))


def from_error(error: Any) -> AttemptFailed:
    """The failure for an error object under status 200, in the stream or as the whole answer."""
    inner = error.get("error") if isinstance(error, dict) else None
    found = inner or error
    cause = _cause(found, 200)
    message = f"error in the reply: {_sentence(found) or 'no reason given'}"
    return AttemptFailed(cause, message, words=_called(found, None))


def error_in_body(body: bytes) -> Any:
    """The error object in a JSON answer under status 200, or None where there is none."""
    value = parsed(body, object)
    return value.get("error") if isinstance(value, dict) else None


def retry_after_ms(header: str | None, now_wall_ms: int) -> int | None:
    """The wait that a Retry-After header asks for: seconds, or an HTTP date. None where it says nothing usable."""
    if header is None:
        return None
    ms: float
    try:
        ms = float(header) * 1000
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
        except (ValueError, OverflowError):
            return None
        ms = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000 - now_wall_ms
    if not ms >= SHORTEST_WAIT_MS:  # also for NaN
        return None
    return round(min(ms, LONGEST_WAIT_MS))


def _error_in(body: bytes) -> Any:
    """The error object in the body of a refusal: mostly ``{"error": {…}}``, sometimes without that envelope."""
    value = parsed(body, object)
    if isinstance(value, list) and value:
        value = value[0]
    return value.get("error", value) if isinstance(value, dict) else None


def _cause(error: Any, status: int) -> AttemptCause:
    words, sentence = _words(error), _sentence(error)
    if status == 413 or "413" in words or _MORE_THAN_A_MINUTE.search(sentence):
        return AttemptCause.CONTEXT_OVERFLOW  # whatever its code: it exceeds a rate limit by itself
    for word in words:
        if word in _BY_CODE:
            return _BY_CODE[word]
        if word.isdecimal() and status == 200 and word.isascii() and len(word) == 3:
            status = int(word)  # some put a status that comes too late for the head into the code
    by_type = next((_BY_TYPE[word] for word in words if word in _BY_TYPE), None)
    cause = _by_status(status) or by_type or AttemptCause.SERVER_ERROR
    if cause is AttemptCause.BAD_REQUEST:
        said = _ECHO.split(sentence, maxsplit=1)[0]
        found = (by_sentence for words, by_sentence in _BY_SENTENCE.items() if words.search(said))
        return next(found, cause)
    return cause


def _by_status(status: int) -> AttemptCause | None:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return AttemptCause.SERVER_ERROR
    if status >= 300:
        return AttemptCause.BAD_REQUEST
    return None if status == 200 else AttemptCause.GARBAGE


def _words(error: Any) -> list[str]:
    if not isinstance(error, dict):
        return []
    found = [error.get(name) for name in ("code", "type", "status")]
    return [str(word).lower() for word in found if isinstance(word, str | int)]


def _called(error: Any, status: int | None) -> Words:
    fields = error if isinstance(error, dict) else {}
    words = (fields.get("type"), fields.get("param"), _code(error))
    return Words(status, *(_short(str(word)) if isinstance(word, str | int) else None for word in words))


def _code(error: Any) -> Any:
    """The code of an error; Anthropic's is in its details."""
    fields = error if isinstance(error, dict) else {}
    if (code := fields.get("code")) is None and isinstance(details := fields.get("details"), dict):
        code = details.get("error_code")
    return code


def _sentence(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    if not isinstance(message, str):
        return ""
    upstream = _upstream_sentence(error) if isinstance(error, dict) else ""
    return _short(f"{message}: {upstream}" if upstream else message)


def _upstream_sentence(error: dict[str, Any]) -> str:
    """The sentence of the provider behind OpenRouter, whose own sentence only says that there was an error."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return (_sentence(_error_in(raw.encode(errors="replace"))) or raw) if isinstance(raw, str) else ""


def _short(text: str) -> str:
    """The text as one line that can be stored."""
    return " ".join(whole(text[:MOST_READ]).split())


def root_text(error: BaseException) -> str:
    """The text of the innermost error: the outer errors only say that something failed."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(error.errno)  # asyncio's own words hide it: "Connect call failed"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)
