"""Builds a reply from the chunks of a chat stream."""

from typing import Any

from lanes.dialects.calls import CallPlaces
from lanes.dialects.gathering import MAX_REPLY, Gathering, garbage
from lanes.runners.base import Delta, Reply
from lanes.runners.http.failures import AttemptFailed, from_error
from lanes.runners.http.merging import Merger, plain, whole
from lanes.text.chats import text_of
from lanes_storage.law import AttemptCause

#: The fields of a chunk that concern the whole reply.
HEAD = ("model", "system_fingerprint", "service_tier")


class ChatDraft:
    """Builds a reply. Raises AttemptFailed: an error in the stream, an invalid chunk, over ``max_reply`` characters.

    ``model`` is the one that answers, unless a chunk names another before the first piece.
    """

    def __init__(self, max_reply: int = MAX_REPLY, *, model: str | None = None) -> None:
        self.contents = 0  # chunks with content: not the role alone, an empty delta, or no choices
        self.finished = False
        self._gathered = Gathering(max_reply)
        self._calls = CallPlaces()
        self._usage: dict[str, Any] | None = None
        self._head = {"model": model}
        self._fresh = {"model": model} if model else {}  # fields of the head that no piece has carried yet
        self._last_head: tuple[Any, ...] = ()  # that of the last chunk
        self._logprobs = Merger(self._gathered.spend)
        self.finish_reason: str | None = None

    def take(self, chunk: dict[str, Any], pieces: list[Delta], name: str = "message") -> None:
        """Add one chunk, and its pieces for listeners to ``pieces``."""
        if chunk.get("error") or chunk.get("type") == "error" or name == "error":
            raise from_error(chunk)
        usage, choices = chunk.get("usage"), chunk.get("choices")
        if usage is not None and isinstance(usage, dict):
            self._usage = usage
            self.contents += 1
        head = (chunk.get("model"), chunk.get("system_fingerprint"), chunk.get("service_tier"))
        if head != self._last_head:  # rarely true
            self._take_head(head)
        if not choices:
            return
        if not isinstance(choices, list):
            raise garbage("its choices are not a list of objects")
        for choice in choices:
            if not isinstance(choice, dict):
                raise garbage("its choices are not a list of objects")
            if not choice.get("index"):
                self._take_choice(choice, pieces)
        if self.finish_reason == "error":
            raise AttemptFailed(AttemptCause.SERVER_ERROR, "the provider ended its reply with an error")

    def end(self) -> None:
        """Called at ``[DONE]``. Raises AttemptFailed (CUT) if there was no finish reason."""
        if self.finish_reason is None:
            raise AttemptFailed(AttemptCause.CUT, "the stream ended without a finish reason")
        self.finished = True

    @property
    def missing(self) -> str:
        """What is missing if the stream ends now."""
        return "the terminal event [DONE]" if self.finish_reason else "a finish reason"

    def reply(self) -> Reply:
        """The reply, once the stream has ended properly."""
        text = self._gathered.text()
        return Reply(
            text=text,
            finish_reason=self.finish_reason or "stop",
            message=self._gathered.message(text),
            usage=plain(self._usage),
            model=self._head["model"],
            more=self._besides(),
        )

    def _besides(self) -> dict[str, Any] | None:
        more: dict[str, Any] = {name: value for name, value in self._head.items() if name != "model"}
        return more | ({"logprobs": self._logprobs.result()} if self._logprobs else {}) or None

    def _take_head(self, head: tuple[Any, ...]) -> None:
        """Take note of the head of a chunk. The model does not change after the first piece."""
        self._last_head = head
        for name, value in zip(HEAD, head, strict=True):
            fits = isinstance(value, str) and value and not (name == "model" and self._gathered.begun)
            if fits and whole(value) != self._head.get(name):
                self._head[name] = self._fresh[name] = whole(value)

    def _take_choice(self, choice: dict[str, Any], pieces: list[Delta]) -> None:
        reason, delta, logprobs = choice.get("finish_reason"), choice.get("delta"), choice.get("logprobs")
        if reason and isinstance(reason, str):
            self.finish_reason = whole(reason)
            self.contents += 1
        if not isinstance(delta, dict):
            return
        text = self._gathered.add(text_of(delta.get("content")))
        if text and len(delta) == 1 and not (logprobs or self._fresh):  # as nearly all are
            self.contents += 1
            pieces.append(Delta(text))
            return
        more = _beside_text(delta)
        if isinstance(calls := more.get("tool_calls"), list):
            placed = {"tool_calls": self._calls.placed(calls)}
            delta, more = delta | placed, more | placed
        if more:
            self._gathered.more.add(more)
        if more or text:
            self.contents += 1
        elif not logprobs:
            return
        beside: dict[str, Any] | None = None
        if self._fresh or logprobs:
            beside, self._fresh = {**self._fresh, **self._take_logprobs(logprobs)} or None, {}
        pieces.append(Delta(text, delta if more else None, beside=beside))

    def _take_logprobs(self, logprobs: Any) -> dict[str, Any]:
        if not logprobs or not isinstance(logprobs, dict):
            return {}
        self._logprobs.add(logprobs)
        return {"logprobs": plain(logprobs)}


def _beside_text(delta: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in delta.items() if value and name not in ("role", "content")}
