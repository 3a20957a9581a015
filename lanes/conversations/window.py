"""How many turns of a conversation are sent to a model, and how many after it refused them as too long."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lanes.conversations.turns import ChatMessage, answer_of, chat_messages
from lanes.runners.base import Turn

#: Bytes of UTF-8 per token, for estimates. Most texts have more bytes per token, so an estimate is rather too high than
#: too low.
BYTES_OF_A_TOKEN = 3
#: Tokens of a message besides its text.
TOKENS_OF_A_MESSAGE = 4
#: The size to which a conversation that is too long is cut: as a share of the limit that the provider states, or of the
#: conversation's own size.
OF_THE_LIMIT = 0.7
OF_ITSELF = 0.5

_NUMBER = r"(?<![\w.-])(\d{1,3}(?:,\d{3})+|\d{3,8})(?![\w-])"
_LIMIT = re.compile(rf"(?:maximum|context|limit|allowed|up to|>)[^0-9]{{0,60}}{_NUMBER}", re.IGNORECASE)


class StatedLimit(NamedTuple):
    """The token limit that a provider states in an error, and how many tokens it was sent (None: not stated)."""

    limit: int
    sent: int | None

    @classmethod
    def of(cls, sentence: str) -> "StatedLimit | None":
        """The limit that the sentence of an error states; None if it states none."""
        match = _LIMIT.search(sentence)
        if match is None:
            return None
        limit = _number(match[1])
        most = max(map(_number, re.findall(_NUMBER, sentence)))
        return cls(limit, most if most > limit else None)


def _number(digits: str) -> int:
    return int(digits.replace(",", ""))


def tokens_of(text: str) -> int:
    """The estimated size of a message with this text, in tokens."""
    return TOKENS_OF_A_MESSAGE + -(-len(text.encode(errors="replace")) // BYTES_OF_A_TOKEN)


def tokens_of_turn(turn: Turn) -> int:
    """The size of a turn in tokens: as its provider counted it, else estimated."""
    if turn.tokens is not None:
        return turn.tokens
    return tokens_of(turn.text) + sum(tokens_of(_text_of(message)) for message in answer_of(turn))


def _text_of(message: ChatMessage) -> str:
    content = message.get("content")
    return content if isinstance(content, str) and len(message) == 2 else json.dumps(message)


def counted(usage: Mapping[str, Any] | None, window: "ConversationWindow", reply: Turn) -> int | None:
    """The size of the turn with this reply in tokens, from the usage that the provider reported; None if it reported
    none.

    The provider counts the whole request: the text gets the same share of that count as it has of the estimate.
    """
    counts = usage or {}
    sent, received = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if type(sent) is not int or type(received) is not int or sent <= 0 or received < 0:
        return None
    details = counts.get("completion_tokens_details")
    thought = details.get("reasoning_tokens") if isinstance(details, dict) else None
    visible = received - (thought if type(thought) is int and 0 <= thought <= received else 0)
    return round(sent * tokens_of(reply.text) / window.tokens) + visible


@dataclass(frozen=True, slots=True)
class ConversationWindow:
    """The turns that are sent to a model, oldest first, and the text to answer, which is always sent.

    ``left_out``: how many turns are not sent because the model refused them as too long. ``tools``: tool calls are sent
    as well.
    """

    turns: Sequence[Turn]
    text: str
    system: str | None = None
    left_out: int = 0
    tools: bool = False

    @property
    def alone(self) -> bool:
        """Whether the text is sent without any turn."""
        return not self.turns

    @property
    def tokens(self) -> int:
        """The size of the turns, the text and the system message together."""
        return self._fixed + sum(map(tokens_of_turn, self.turns))

    @property
    def _fixed(self) -> int:
        return tokens_of(self.text) + (tokens_of(self.system) if self.system else 0)

    def messages(self) -> list[ChatMessage]:
        """The window as messages of the chat dialect."""
        return chat_messages(self.turns, self.text, self.system, tools=self.tools)

    def without_turns(self) -> "ConversationWindow":
        """The window without turns; they count as left out."""
        return replace(self, turns=(), left_out=self.left_out + len(self.turns))

    def within(self, tokens: int | None) -> "ConversationWindow":
        """The window with only the newest turns that fit into ``tokens`` together with the text; None: no limit."""
        if tokens is None:
            return self
        left, number = tokens - self._fixed, 0
        for turn in reversed(self.turns):
            left -= tokens_of_turn(turn)
            if left < 0:
                break
            number += 1
        return replace(self, turns=self.turns[len(self.turns) - number :])

    def shorter(self, sentence: str) -> "ConversationWindow":
        """The window to send after a provider refused this one as too long, with this sentence: with fewer turns, or
        with none if the text is most of it."""
        stated, estimate = StatedLimit.of(sentence), self.tokens
        if stated is not None and stated.sent is not None:  # converts the provider's tokens to estimated ones
            most = OF_THE_LIMIT * stated.limit * estimate / stated.sent
        else:
            most = min(OF_ITSELF * estimate, OF_THE_LIMIT * (stated.limit if stated is not None else estimate))
        fewer = self.within(min(round(most), estimate - 1))
        return replace(fewer, left_out=self.left_out + len(self.turns) - len(fewer.turns))
