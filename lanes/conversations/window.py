"""How much of a conversation a model is told, and how much less after it said that it cannot read so much."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lanes.conversations.turns import ChatMessage, answer_of, chat_messages
from lanes.runners.base import Turn

#: Bytes of UTF-8 that count as one token, where nothing better is known. Most texts have more to a token, so that this
#: estimates too much rather than too little.
BYTES_OF_A_TOKEN = 3
#: What a message counts besides its text.
TOKENS_OF_A_MESSAGE = 4
#: What a conversation is cut to when it is too long: of the limit, where the provider names it, else of what it has.
OF_THE_LIMIT = 0.7
OF_ITSELF = 0.5

_NUMBER = r"(?<![\w.-])(\d{1,3}(?:,\d{3})+|\d{3,8})(?![\w-])"
_LIMIT = re.compile(rf"(?:maximum|context|limit|allowed|up to|>)[^0-9]{{0,60}}{_NUMBER}", re.IGNORECASE)


class StatedLimit(NamedTuple):
    """What a provider says of its limit, in tokens: how many it takes, and how many it was sent."""

    limit: int
    sent: int | None

    @classmethod
    def of(cls, sentence: str) -> "StatedLimit | None":
        """The limit that a sentence names; None if it names none."""
        match = _LIMIT.search(sentence)
        if match is None:
            return None
        limit = _number(match[1])
        most = max(map(_number, re.findall(_NUMBER, sentence)))
        return cls(limit, most if most > limit else None)


def _number(digits: str) -> int:
    return int(digits.replace(",", ""))


def tokens_of(text: str) -> int:
    """The estimated size of a message with this text."""
    return TOKENS_OF_A_MESSAGE + -(-len(text.encode(errors="replace")) // BYTES_OF_A_TOKEN)


def tokens_of_turn(turn: Turn) -> int:
    """The size of a turn: as its provider counted it, else estimated."""
    if turn.tokens is not None:
        return turn.tokens
    return tokens_of(turn.text) + sum(tokens_of(_text_of(message)) for message in answer_of(turn))


def _text_of(message: ChatMessage) -> str:
    content = message.get("content")
    return content if isinstance(content, str) and len(message) == 2 else json.dumps(message)


def counted(usage: Mapping[str, Any] | None, window: "ConversationWindow", reply: Turn) -> int | None:
    """What the turn with this reply counts, by the usage that the provider told; None if it told none.

    The provider counts the whole request; of that the text has the share that it has of the estimates.
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
    """The turns that a model is told, oldest first, and the text that it is to answer, which is always told.

    ``left_out``: how many turns it is not told since it cannot read so much. ``tools``: calls of tools are told, too.
    """

    turns: Sequence[Turn]
    text: str
    system: str | None = None
    left_out: int = 0
    tools: bool = False

    @property
    def alone(self) -> bool:
        """Whether the text is told without any turn."""
        return not self.turns

    @property
    def tokens(self) -> int:
        """The size of all of it."""
        return self._fixed + sum(map(tokens_of_turn, self.turns))

    @property
    def _fixed(self) -> int:
        return tokens_of(self.text) + (tokens_of(self.system) if self.system else 0)

    def messages(self) -> list[ChatMessage]:
        """It in the words of chat."""
        return chat_messages(self.turns, self.text, self.system, tools=self.tools)

    def without_turns(self) -> "ConversationWindow":
        """The text alone."""
        return replace(self, turns=(), left_out=self.left_out + len(self.turns))

    def within(self, tokens: int | None) -> "ConversationWindow":
        """The newest turns that fit into so many tokens together with the text."""
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
        """What is told after a provider has said in this sentence that all of it is too long: fewer turns, and none
        where the text is most of it."""
        stated, all_of_it = StatedLimit.of(sentence), self.tokens
        if stated is not None and stated.sent is not None:  # then it is known what its tokens are by our estimates
            most = OF_THE_LIMIT * stated.limit * all_of_it / stated.sent
        else:
            most = min(OF_ITSELF * all_of_it, OF_THE_LIMIT * (stated.limit if stated is not None else all_of_it))
        fewer = self.within(min(round(most), all_of_it - 1))
        return replace(fewer, left_out=self.left_out + len(self.turns) - len(fewer.turns))
