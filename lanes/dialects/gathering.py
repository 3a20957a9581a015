"""Gathers the text of an answer and its other parts, up to a limit of size, for every dialect."""

from typing import Any

from lanes.runners.http.failures import AttemptFailed
from lanes.runners.http.merging import Merger, whole
from lanes_storage.law import AttemptCause

#: The largest reply that is kept, in characters.
MAX_REPLY = 16 * 1024 * 1024


class Gathering:
    """The parts of one answer that have arrived. ``more``: the fields of the chat message besides its text. Raises
    AttemptFailed (garbage) beyond ``max_reply`` characters."""

    def __init__(self, max_reply: int = MAX_REPLY) -> None:
        self.spend = _Room(max_reply).spend
        self.more = Merger(self.spend)
        self._texts: list[str] = []
        self._half = ""  # the first half of a character whose other half comes with the next piece

    @property
    def begun(self) -> bool:
        """Whether any text has come."""
        return bool(self._texts)

    def add(self, text: str) -> str:
        """Add a text; returns the part that consists of whole characters."""
        if not text:
            return text
        self.spend(len(text))
        if self._half or not text.isascii():
            text, self._half = self._half + text, ""
            if "\ud800" <= text[-1] <= "\udbff":
                text, self._half = text[:-1], text[-1]
            text = whole(text)
        self._texts.append(text)
        return text

    def text(self) -> str:
        """The whole text, once the answer has ended."""
        return "".join(self._texts) + whole(self._half)

    def message(self, text: str) -> dict[str, Any] | None:
        """The chat message, or None if it has nothing besides its text."""
        return {"role": "assistant", "content": text or None} | self.more.result() if self.more else None


class _Room:
    """How many more characters are kept. An object of its own: a draft and a merger that refer to each other would stay
    in memory."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, size: int) -> None:
        """Use some of the room. Raises AttemptFailed if there is not enough."""
        self._left -= size
        if self._left < 0:
            raise garbage("it is larger than lanes keeps")


def garbage(why: str) -> AttemptFailed:
    """The failure for an answer that is invalid."""
    return AttemptFailed(AttemptCause.GARBAGE, f"no usable reply: {why}")
