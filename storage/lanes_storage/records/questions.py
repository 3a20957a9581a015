"""What a run asks, and what it is handed."""

from typing import NamedTuple

from lanes_storage.clock import Now


class NewQuestion(NamedTuple):
    """What a run asks its sender. ``options``: the words that are answers; without any, every text is one.

    ``permission``: only an operator may answer, unless the policy of the lane lets the sender do so too.
    """

    id: str
    text: str
    limit_ms: int
    options: tuple[str, ...] = ()
    permission: bool = False


class RunQuestion(NamedTuple):
    """An open question as its run stores it.

    ``actor`` and ``sender`` are those of the message that started the run: who may answer by a message. ``answer`` is
    the message that answers it, until the run has taken that.
    """

    id: str
    text: str
    limit_ms: int
    options: tuple[str, ...]
    permission: bool
    actor: str
    sender: str | None
    at: int
    boot: int
    slept: int
    answer: int | None = None

    def chosen(self, text: str) -> str | None:
        """The answer that a text gives: one of the options, by its word or its number, or the text itself. None if it
        is none."""
        said = text.strip()
        if not self.options:
            return text if said else None
        for number, option in enumerate(self.options, 1):
            if said.casefold() in (option.casefold(), str(number)):
                return option
        return None

    def waited_ms(self, now: Now) -> int:
        """How long the run has waited for the answer, for a reader in the same boot: at most its limit."""
        return max(0, min(self.limit_ms, now.awake_since(self.boot, self.slept)))


class HandedText(NamedTuple):
    """A text that a run has taken: the answer to its question, or a steer. ``message_id`` is that of its message."""

    message_id: int
    text: str
    actor: str
    sender: str | None = None
