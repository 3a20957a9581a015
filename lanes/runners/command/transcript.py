"""What an agent has written so far, read as its format says: pieces for listeners, and the reply at the end."""

import codecs
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from lanes.config.declared.rules import first
from lanes.runners.command.formats import OutputFormat
from lanes.runners.command.usage import UsageSum

#: The longest id of a conversation that is kept.
LONGEST_SESSION = 512
#: Between two texts of an agent, for listeners.
BETWEEN = "\n\n"
#: A longer line is no event that matters; reading it would take the event loop too long.
LONGEST_LINE = 4 * 1024 * 1024
#: So many steps in a row that bring nothing end a program: it repeats them without a pause, and for ever.
MOST_FUTILE = 5


class Transcript(Protocol):
    """What an agent's output contains."""

    session: str | None  # its own id of the conversation
    error: str | None  # it says that it failed
    ended: bool  # it has written what it writes at the end of a turn

    @property
    def hopeless(self) -> bool:
        """Whether the program must be ended, since it would go on for ever."""
        ...

    @property
    def acted(self) -> bool:
        """Whether the agent has written a text or called a tool: then a repetition could do something twice."""
        ...

    def take(self, data: bytes) -> None:
        """Add more of the output."""
        ...

    def close(self) -> None:
        """The output has ended."""
        ...

    @property
    def reply(self) -> str:
        """The answer of the agent."""
        ...

    @property
    def usage(self) -> dict[str, Any] | None:
        """What the answer cost, in tokens; None if the agent did not report it."""
        ...

    @property
    def used_so_far(self) -> dict[str, float]:
        """What the whole conversation has used, where an agent reports that; else {}."""
        ...


class PlainTranscript:
    """The whole output is the reply. It ends with its program, and contains neither errors nor a conversation id."""

    usage: dict[str, Any] | None = None
    used_so_far: dict[str, float] = {}  # noqa: RUF012 - stays empty
    hopeless = False

    def __init__(self, emit: Callable[[str], object]) -> None:
        self.session: str | None = None
        self.error: str | None = None
        self.ended = True
        self._emit = emit
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._texts: list[str] = []

    @property
    def acted(self) -> bool:
        return bool(self._texts)

    def take(self, data: bytes, *, last: bool = False) -> None:
        text = self._decode(data, last)
        if text:
            self._texts.append(text)
            self._emit(text)

    def close(self) -> None:
        self.take(b"", last=True)

    @property
    def reply(self) -> str:
        return "".join(self._texts).rstrip("\n")


class EventTranscript:
    """The output is one JSON object per line. Other lines are ignored: programs print warnings anywhere."""

    def __init__(
        self,
        rules: OutputFormat,
        emit: Callable[[str], object],
        progress: Callable[[str], object],
        used_before: Mapping[str, float] | None = None,
        hear: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        self.session: str | None = None
        self.error: str | None = None
        self.ended = False
        self._futile = 0  # steps in a row
        self._reason: str | None = None
        self._tool: str | None = None  # the last one
        self._acted = False
        self._rules = rules
        self._emit = emit
        self._progress = progress
        self._hear = hear
        self._line = bytearray()
        self._said: str | None = None  # the reply, where the format tells it apart
        self._text: list[str] = []  # the last text
        self._whole = True  # the next piece begins another text
        self._usage = UsageSum(used_before)

    def take(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._extend(line)
            self._read(bytes(self._line))
            self._line.clear()
        self._extend(rest)

    def _extend(self, part: bytes) -> None:
        if len(self._line) <= LONGEST_LINE:  # one byte more marks a line that is too long, and is not read
            self._line += part[: LONGEST_LINE + 1 - len(self._line)]

    def close(self) -> None:
        self._read(bytes(self._line))
        self._line.clear()

    @property
    def acted(self) -> bool:
        return self._acted

    @property
    def reply(self) -> str:
        return "".join(self._text) if self._said is None else self._said

    @property
    def usage(self) -> dict[str, Any] | None:
        return self._usage.total()

    @property
    def used_so_far(self) -> dict[str, float]:
        return self._usage.so_far

    @property
    def hopeless(self) -> bool:
        return self._futile >= MOST_FUTILE

    def _read(self, line: bytes) -> None:
        if len(line) > LONGEST_LINE:
            return
        try:
            event = json.loads(line.decode(errors="replace"))
            if b"\\u" in line:  # half a character is none
                event = json.loads(json.dumps(event, ensure_ascii=False).encode(errors="replace"))
        except (ValueError, RecursionError):
            return
        if isinstance(event, dict):
            self._note(event)
            if self._hear is not None:
                self._hear(event)

    def _note(self, event: dict[str, Any]) -> None:
        rules = self._rules
        kind = event.get("type")
        if first(rules.waits, event) is None:
            said = f"event {kind}" if isinstance(kind, str) else "event"
            self._progress(said if self._tool is None else f"{said}, last tool {self._tool}")
        if isinstance(session := first(rules.id, event), str) and len(session) <= LONGEST_SESSION:
            self.session = session
        for text in self._texts(rules.delta, event):
            self._add(text)
        whole = "".join(self._texts(rules.text, event))
        if whole:
            self._add_whole(whole)
        if (tool := first(rules.tool, event)) is not None:
            self._acted, self._whole, self._futile, self._tool = True, True, 0, _short(tool)
            self._progress(f"tool:started {self._tool}")
        if (said := first(rules.reply, event)) is not None:
            self._said = _short(said, None)
        self.ended = self.ended or first(rules.final, event) is not None
        self._note_failure(event)
        self._note_usage(event)

    def _note_failure(self, event: dict[str, Any]) -> None:
        rules = self._rules
        if (reason := first(rules.reason, event)) is not None:
            self._reason = _short(reason)
        if (error := first(rules.error, event)) is not None:
            said = "it says that it failed" if error is True else _short(error, None)
            self.error = said if self._reason is None or self._reason in said else f"{said}: {self._reason}"
        if (why := first(rules.futile, event)) is not None:
            self._futile += 1
        if self.hopeless and self.error is None:
            self.error = f"{self._futile} steps in a row brought nothing ({_short(why)})"

    def _note_usage(self, event: dict[str, Any]) -> None:
        rules = self._rules
        for rule in rules.usage:
            for usage in rule.find(event):
                self._usage.add(usage)
        self._usage.spend(first(rules.cost, event))
        self._usage.note(first(rules.usage_so_far, event), first(rules.cost_so_far, event))

    def _texts(self, rules: Any, event: dict[str, Any]) -> list[str]:
        return [found for rule in rules for found in rule.find(event) if isinstance(found, str)]

    def _add(self, text: str) -> None:
        if self._whole and self._text:
            self._emit(BETWEEN)
            self._text = []
        self._whole, self._acted = False, True
        self._text.append(text)
        self._emit(text)

    def _add_whole(self, text: str) -> None:
        """Add a whole text; if its pieces came before, it only ends there."""
        if self._whole or "".join(self._text) != text:
            self._whole = True
            self._add(text)
        self._whole = True


def _short(value: Any, most: int | None = 200) -> str:
    """A value as a person reads it."""
    return (value if isinstance(value, str) else json.dumps(value))[:most]
