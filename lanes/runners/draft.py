"""A reply in the making: what the chunks of a chat stream add up to."""

from typing import Any, NamedTuple

from lanes.runners.base import Delta, Reply
from lanes.runners.failures import AttemptFailed
from lanes.runners.merging import Merger, plain, whole
from lanes_storage.law import AttemptCause

#: The largest reply that is kept, in characters.
MAX_REPLY = 16 * 1024 * 1024


class Piece(NamedTuple):
    """What one chunk brought: whether it is content at all, and what of it is for a listener."""

    content: bool
    delta: Delta | None = None


class Draft:
    """Adds up chunks. Raises AttemptFailed (garbage) for what is no chunk, and beyond ``max_reply``."""

    def __init__(self, max_reply: int = MAX_REPLY) -> None:
        self._spend = _Room(max_reply).spend
        self._text: list[str] = []
        self._half = ""  # the first half of a character whose other half comes with the next chunk
        self._more = Merger(self._spend)
        self._usage: dict[str, Any] | None = None
        self._model: str | None = None
        self.finish_reason: str | None = None

    def take(self, chunk: dict[str, Any]) -> Piece:
        """Add one chunk. The role alone, an empty delta or a list without choices are no content."""
        usage, model = chunk.get("usage"), chunk.get("model")
        if isinstance(usage, dict):
            self._usage = usage
        if self._model is None and isinstance(model, str) and model:
            self._model = whole(model)
        choices = chunk.get("choices") or []
        if not isinstance(choices, list):
            raise _garbage("its choices are no list of objects")
        finished = False
        delta: Delta | None = None
        for choice in choices:
            if not isinstance(choice, dict):
                raise _garbage("its choices are no list of objects")
            if choice.get("index", 0) == 0:
                finished = self._finish(choice.get("finish_reason")) or finished
                delta = self._take_delta(choice.get("delta"))
        return Piece(finished or delta is not None or isinstance(usage, dict), delta)

    def reply(self) -> Reply:
        """The reply, once the stream has ended properly."""
        text = "".join(self._text) + whole(self._half)
        message = {"role": "assistant", "content": text or None} | self._more.result() if self._more else None
        return Reply(
            text=text,
            finish_reason=self.finish_reason or "stop",
            message=message,
            usage=plain(self._usage),
            model=self._model,
        )

    def _finish(self, reason: Any) -> bool:
        if not isinstance(reason, str) or not reason:
            return False
        self.finish_reason = whole(reason)
        return True

    def _take_delta(self, delta: Any) -> Delta | None:
        if not isinstance(delta, dict):
            return None
        text = self._take_text(_text_of(delta.get("content")))
        if len(delta) == 1 and text:
            return Delta(text)
        more = {name: value for name, value in delta.items() if value and name not in ("role", "content")}
        if not more:
            return Delta(text) if text else None
        self._more.add(more)
        return Delta(text, delta)

    def _take_text(self, text: str) -> str:
        if not text:
            return ""
        self._spend(len(text))
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        text = whole(text)
        self._text.append(text)
        return text


class _Room:
    """How much more is kept. By itself, since a draft and its merger that name each other stay in memory."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, size: int) -> None:
        """Take some of it. Raises AttemptFailed where there is not so much."""
        self._left -= size
        if self._left < 0:
            raise _garbage("it is larger than lanes keeps")


def _text_of(content: Any) -> str:
    """The text of a delta's content. Some providers send a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(t for p in parts if isinstance(p, dict) and isinstance(t := p.get("text"), str))


def _garbage(why: str) -> AttemptFailed:
    return AttemptFailed(AttemptCause.GARBAGE, f"no usable reply: {why}")
