"""The last messages of a lane as bars on one scale of time: how long each waited and ran, where a provider failed."""

from collections.abc import Sequence

from textual.content import Content

from lanes.records import Attempt, Message
from lanes.text.spans import span
from lanes_storage.law import MessageState
from lanes_tui.display import text, words

WAITS, RUNS, FAILED = "┄", "━", "×"
_ID, _LABEL = 8, 34


def timeline(messages: Sequence[Message], wall: int, width: int, most: int = 5) -> list[Content]:
    """One line for each of the newest messages that started, the oldest at the top; empty if none did."""
    started = sorted((each for each in messages if each.started_at is not None), key=lambda each: each.id)[-most:]
    length = max(10, width - _ID - _LABEL)
    if not started:
        return []
    first = min(each.accepted_at for each in started)
    whole = max(1, max(each.ended_at or wall for each in started) - first)
    return [_line(each, first, whole, length, wall) for each in started]


def _line(message: Message, first: int, whole: int, length: int, wall: int) -> Content:
    began, ended = message.started_at or message.accepted_at, message.ended_at or wall

    def cell(at: int) -> int:
        return max(0, min(length - 1, (at - first) * length // whole))

    look = words.look_of_state(message.state)
    waits = message.state is MessageState.QUEUED  # it ran before, and waits again
    began = ended if waits else began
    failed = {cell(attempt.at) for attempt in _failed(message)}
    parts: list[text.Part] = []
    for place in range(length):
        if place in failed and cell(message.accepted_at) <= place <= cell(ended):
            parts.append((FAILED, "errored"))
        elif not waits and cell(began) <= place <= cell(ended):
            parts.append((RUNS, look.tone))
        else:
            parts.append((WAITS, "muted") if cell(message.accepted_at) <= place < cell(began) + waits else " ")
    waited = f", waited {span(began - message.accepted_at)}" if began - message.accepted_at >= 1_000 else ""
    tools = f", calls {', '.join(message.tools)}" if message.tools else ""
    ran = "" if waits else f" {span(max(0, ended - began))}"
    label = f" {look.symbol}{ran}{waited}{tools}"
    return text.line((f"#{message.id} ".ljust(_ID), "muted"), *parts, (label, look.tone))


def _failed(message: Message) -> Sequence[Attempt]:
    return message.attempts if message.error is None else message.error.attempts
