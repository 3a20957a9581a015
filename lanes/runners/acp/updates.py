"""Interprets an agent's reports about its work: texts for listeners, progress, cost."""

from collections.abc import Mapping
from typing import Any

from lanes.runners.base import RunContext
from lanes.runners.command.transcript import Signs, Texts, short
from lanes.runners.command.usage import UsageSum

_CURRENCY = "USD"


class AgentUpdates:
    """The updates of one run.

    What an agent replays of its conversation before its turn is progress, but no text. Updates about its settings, its
    commands and its context are no progress: they may come forever.
    """

    def __init__(self, run: RunContext, used_before: Mapping[str, float]) -> None:
        self.signs = Signs(run.emit, run.progress)
        self.texts = Texts(self.signs.emit)
        self.usage = UsageSum(used_before)
        self.count = 0  # of all notifications
        self.session: str | None = None  # the one whose turn has begun
        self.titles: dict[str, str] = {}  # what it calls its uses of tools, by their ids
        self._message: object = None  # the id of the current text

    def handle(self, message: Mapping[str, Any]) -> None:
        """Take a notification."""
        self.count += 1
        params = message.get("params")
        update = params.get("update") if isinstance(params, dict) else None
        if not isinstance(params, dict) or not isinstance(update, dict):
            return
        if self.session is None:
            self.signs.note("session:loading")
        elif params.get("sessionId") == self.session:
            self._note(update)

    def _note(self, update: dict[str, Any]) -> None:
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                self._add(update)
            case "agent_thought_chunk":
                self.signs.note("thinking")
            case "plan":
                self.signs.note("plan")
            case "tool_call":
                self.texts.end()
                self.signs.note(f"tool:started {self._titled(update)}")
            case "tool_call_update":
                self.signs.note(f"tool:{short(update.get('status') or 'goes on')} {self._titled(update)}")
            case "usage_update":
                self._note_cost(update.get("cost"))

    def _add(self, update: dict[str, Any]) -> None:
        content = update.get("content")
        text = content.get("text") if isinstance(content, dict) else None
        if isinstance(text, str) and text:
            if update.get("messageId") != self._message:
                self._message = update.get("messageId")
                self.texts.end()
            self.texts.add(text)

    def _titled(self, update: dict[str, Any]) -> str:
        number, title = update.get("toolCallId"), update.get("title")
        known = self.titles.get(number) if isinstance(number, str) else None
        shown = short(title) if title else known or short(update.get("kind") or "")
        if isinstance(number, str):
            self.titles[number] = shown
        return shown

    def _note_cost(self, cost: Any) -> None:
        if isinstance(cost, dict) and cost.get("currency") == _CURRENCY:
            self.usage.note(None, cost.get("amount"))
