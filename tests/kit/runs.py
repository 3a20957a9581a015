"""A run for tests of runners: it keeps what its runner does, and streams as the engine does."""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any

from lanes.conversations.turns import ALL_CHARACTERS, chat_messages, exchanges
from lanes.engine.runs.streams import Listener, ReplyStream
from lanes.records import Message
from lanes.runners.base import Delta, Inbox, Turn
from lanes_storage import records as rows
from lanes_storage.law import MessageState
from lanes_storage.records import AttemptPhase, HandedText

#: Each is about another message.
_NUMBERS = count(1)


class KitRun:
    """Implements ``lanes.runners.base.RunContext`` for one text or one chat request."""

    def __init__(
        self,
        text: str | None = None,
        *,
        request: dict[str, Any] | None = None,
        key: str = "agent:main:test",
        turns: tuple[Turn, ...] = (),
    ) -> None:
        self.key = key
        self.id = 41
        self.epoch = 41
        self.request = request
        self.text = text or ""
        self.notes: list[str] = []
        self.phases: list[AttemptPhase | None] = []
        self.emitted: list[Delta] = []
        self.discarded = 0
        self.told_from: list[int | None] = []
        self.answers: asyncio.Queue[str] = asyncio.Queue()
        self.steers: asyncio.Queue[HandedText] = asyncio.Queue()
        self._turns = turns
        self._message = ReplyStream(lambda: None)
        self._stream = self._message.begin()
        self.message = Message.of(_message(key, text, self.id, next(_NUMBERS)))

    async def history(self, turns: int) -> list[Turn]:
        return exchanges(await self.recall(turns, ALL_CHARACTERS))

    async def conversation(self, turns: int = 20) -> list[dict[str, Any]]:
        return chat_messages(await self.recall(turns, ALL_CHARACTERS), self.text, tools=True)

    async def recall(self, turns: int, characters: int) -> list[Turn]:
        return list(self._turns[-turns:]) if turns else []

    async def tell_from(self, turn: int | None) -> None:
        self.told_from.append(turn)

    async def ask(
        self, question: str, *, timeout: float = 600.0, options: Sequence[str] = (), permission: bool = False
    ) -> str:
        self.notes.append(question)
        return await self.answers.get()

    async def permit(self, what: str, *, timeout: float = 600.0) -> bool:
        return await self.ask(what) == "yes"

    def inbox(self) -> Inbox:
        return Inbox(self.steers.get)

    def progress(self, what: str) -> None:
        self.notes.append(what)

    def busy(self, seconds: float, what: str = "busy") -> None:
        self.notes.append(what)

    def attempt(self, phase: AttemptPhase | None) -> None:
        self.phases.append(phase)

    def spent(self, usage: dict[str, Any] | None, cost_usd: float | None = None) -> None:
        self.used = usage, cost_usd

    def emit(self, *pieces: Delta | str) -> None:
        for piece in pieces:
            self.emitted.append(Delta(piece) if isinstance(piece, str) else piece)
            self._stream.put(self.emitted[-1])

    @property
    def reached_caller(self) -> bool:
        return self._stream.reached_caller

    def discard(self) -> None:
        self.discarded += 1
        self._stream.discard()

    def listen(self) -> Listener:
        """Follow the reply as a caller does: to take a piece means that it reached them."""
        return self._stream.listen()

    def end(self) -> None:
        """The message has ended; listeners learn it."""
        self._message.end()


def _message(key: str, text: str | None, run_id: int, number: int) -> rows.MessageRow:
    return rows.MessageRow(
        id=number, lane_id=1, key=key, state=MessageState.RUNNING, text=text, request=None, runner=None, actor="test",
        bound_to=None, bound_owner=None, run_id=run_id, reply=None, reply_detail=None, error=None, interruptions=0,
        parked_until=None, parked_since=None, retry_of=None, retried_as=None, answered_by=None, batch=None,
        accepted_at=0, started_at=None, ended_at=None,
    )  # fmt: skip
