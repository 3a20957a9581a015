"""What a run asks, and what it is handed."""

from typing import NamedTuple


class NewQuestion(NamedTuple):
    """What a run asks its sender. ``options``: the words that are answers; without any, every text is one.

    ``permission``: only an operator may answer, unless the policy of the lane lets the sender do so too.
    """

    id: str
    text: str
    limit_ms: int
    options: tuple[str, ...] = ()
    permission: bool = False


class HandedText(NamedTuple):
    """A text that a run has taken: the answer to its question, or a steer. ``message_id`` is that of its message."""

    message_id: int
    text: str
    actor: str
    sender: str | None = None
