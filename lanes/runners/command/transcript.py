"""Reads an agent's output by the rules of its format: pieces for listeners, progress, and the reply at the end."""

import asyncio
import codecs
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

from lanes.config.declared.rules import first
from lanes.runners.command.formats import OutputFormat
from lanes.runners.command.usage import UsageSum

#: The longest id of a conversation that is kept.
LONGEST_SESSION = 512

#: Between two texts of an agent, for listeners.
BETWEEN = "\n\n"
#: Longer lines are skipped: no event that matters is that long, and to parse one would block the event loop.
LONGEST_LINE = 4 * 1024 * 1024
#: How many seconds to work on one part of an output before other tasks have their turn.
SLICE_S = 0.005
#: How many futile steps in a row end a program, which would repeat them without a pause, forever.
MOST_FUTILE = 5


def is_session(session: Any) -> TypeGuard[str]:
    """Whether an agent's session id can be stored, and passed to it as an argument that is not read as an option."""
    return (
        isinstance(session, str) and 0 < len(session) <= LONGEST_SESSION and session.isprintable() and session[0] != "-"
    )


class Lines:
    """Cuts an output into lines. Of a line that is too long only the beginning is kept, which is not parsed."""

    def __init__(self) -> None:
        self._line = bytearray()

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The lines that end with this part of the output."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._extend(line)
            yield self.rest()
        self._extend(rest)

    def rest(self) -> bytes:
        """The last line, which may have no end."""
        line = bytes(self._line)
        self._line.clear()
        return line

    def _extend(self, part: bytes) -> None:
        if len(self._line) <= LONGEST_LINE:  # one byte more marks a line that is too long
            self._line += part[: LONGEST_LINE + 1 - len(self._line)]


def event_of(line: bytes) -> dict[str, Any] | None:
    """The object in a line; None: there is none, or the line is too long."""
    if len(line) > LONGEST_LINE:
        return None
    try:
        event = json.loads(line.decode(errors="replace"))
        if b"\\u" in line:  # replaces lone surrogates
            event = json.loads(json.dumps(event, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


class Slices:
    """Long work in slices: thousands of lines may come at once."""

    def __init__(self) -> None:
        self._time = asyncio.get_running_loop().time
        self._since = self._time()

    async def pause(self) -> None:
        """Between two steps: let the event loop go on if this slice is over."""
        if self._time() - self._since >= SLICE_S:
            await asyncio.sleep(0)
            self._since = self._time()


class Signs:
    """The signs of life of an agent. Of each part of its output only the last sign is reported, and none after a text,
    which is a sign itself."""

    def __init__(self, emit: Callable[[str], object], progress: Callable[[str], object]) -> None:
        self._emit = emit
        self._progress = progress
        self._last: str | None = None

    def note(self, progress: str) -> None:
        """Note a sign; it is reported after this part of the output."""
        self._last = progress

    def emit(self, text: str) -> None:
        """Send a piece of a text to its listeners."""
        self._last = None
        self._emit(text)

    def report(self) -> None:
        """Report the last sign, after a part of the output."""
        if self._last is not None:
            self._progress(self._last)
            self._last = None


class Texts:
    """The texts of an agent, sent to listeners piece by piece; the last one is its reply."""

    def __init__(self, emit: Callable[[str], object]) -> None:
        self._emit = emit
        self._pieces: list[str] = []  # of the last text
        self._whole = True  # the next piece begins another text

    def add(self, piece: str) -> None:
        """Add a piece of the current text."""
        if self._whole and self._pieces:
            self._emit(BETWEEN)
            self._pieces = []
        self._whole = False
        self._pieces.append(piece)
        self._emit(piece)

    def add_whole(self, text: str) -> None:
        """Add a whole text; if its pieces came before, only end it."""
        if self._whole or self.last != text:
            self._whole = True
            self.add(text)
        self._whole = True

    def end(self) -> None:
        """The current text is whole: the next piece begins another one."""
        self._whole = True

    @property
    def last(self) -> str:
        """The last text so far."""
        return "".join(self._pieces)


class PlainTranscript:
    """The whole output is the reply. It ends with its program, and contains neither errors nor a conversation id."""

    session: str | None = None
    error: str | None = None
    ended = True
    over = background = False  # only the end of its program tells
    hopeless = False
    usage: dict[str, Any] | None = None
    used_so_far: dict[str, float] = {}  # noqa: RUF012 - stays empty

    def __init__(self, emit: Callable[[str], object]) -> None:
        self._emit = emit
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._texts: list[str] = []

    @property
    def acted(self) -> bool:
        return bool(self._texts)

    async def take(self, data: bytes) -> None:
        self._add(self._decode(data))

    def close(self) -> None:
        self._add(self._decode(b"", True))

    def _add(self, text: str) -> None:
        if text:
            self._texts.append(text)
            self._emit(text)

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
        on_event: Callable[[dict[str, Any], bool], object] | None = None,
    ) -> None:
        self.session: str | None = None  # its own id of the conversation
        self.error: str | None = None  # the failure that it reports
        self.ended = False  # it has written the final event of a turn
        self.over = False  # its last event ended a turn, and nothing works in the background
        self.background = False  # its turn is over, but work in the background will begin another turn
        self.acted = False  # it has written a text or called a tool: a repetition could do something twice
        self._works_on = False  # something works in the background, as last reported
        self._futile = 0  # futile steps in a row
        self._reason: str | None = None
        self._tool: str | None = None  # the last one
        self._rules = rules
        self._signs = Signs(emit, progress)
        self._on_event = on_event
        self._lines = Lines()
        self._final_reply: str | None = None  # if the format has a separate event for the reply
        self._written = Texts(self._signs.emit)
        self._usage = UsageSum(used_before)

    async def take(self, data: bytes) -> None:
        """Add more of the output."""
        slices = Slices()
        for line in self._lines.cut(data):
            self._read(line)
            await slices.pause()
        self._signs.report()

    def close(self) -> None:
        """The output has ended."""
        self._read(self._lines.rest())
        self._signs.report()

    @property
    def reply(self) -> str:
        """The answer of the agent."""
        return self._written.last if self._final_reply is None else self._final_reply

    @property
    def usage(self) -> dict[str, Any] | None:
        """What the run has used, in tokens and cost; None if the agent did not report it."""
        return self._usage.total()

    @property
    def used_so_far(self) -> dict[str, float]:
        """What the whole conversation has used, where an agent reports that; else {}."""
        return self._usage.so_far

    @property
    def hopeless(self) -> bool:
        """Whether the program must be ended, because it would repeat futile steps forever."""
        return self._futile >= MOST_FUTILE

    def _read(self, line: bytes) -> None:
        event = event_of(line)
        if event is not None:
            self._note(event)
            if self._on_event is not None:
                self._on_event(event, self.over)

    def _note(self, event: dict[str, Any]) -> None:
        rules = self._rules
        kind = event.get("type")
        if first(rules.waits, event) is None:
            sign = f"event {kind}" if isinstance(kind, str) else "event"
            self._signs.note(sign if self._tool is None else f"{sign}, last tool {self._tool}")
        if is_session(session := first(rules.id, event)):
            self.session = session
        for text in self._texts(rules.delta, event):
            self.acted = True
            self._written.add(text)
        whole = "".join(self._texts(rules.text, event))
        if whole:
            self.acted = True
            self._written.add_whole(whole)
        if (tool := first(rules.tool, event)) is not None:
            self.acted, self._futile, self._tool = True, 0, short(tool)
            self._written.end()
            self._signs.note(f"tool:started {self._tool}")
        if (reply := first(rules.reply, event)) is not None:
            self._final_reply = short(reply, None)
        self._note_end(event)
        self._note_failure(event)
        self._note_usage(event)

    def _note_end(self, event: dict[str, Any]) -> None:
        rules = self._rules
        for rule in rules.background:
            if rule.applies(event):
                self._works_on = bool(rule.find(event))
        ended = first(rules.final, event) is not None
        over = ended or first(rules.error, event) is not None
        self.over = over and not self._works_on
        # work in the background may write events, too: only the id marks the beginning of the next turn
        self.background = self._works_on and (over or (self.background and first(rules.id, event) is None))
        self.ended = self.ended or ended

    def _note_failure(self, event: dict[str, Any]) -> None:
        rules = self._rules
        if (reason := first(rules.reason, event)) is not None:
            self._reason = short(reason)
        if (error := first(rules.error, event)) is not None:
            message = "it says that it failed" if error is True else short(error, None)
            self.error = message if self._reason is None or self._reason in message else f"{message}: {self._reason}"
        if (futile := first(rules.futile, event)) is not None:
            self._futile += 1
        if self.hopeless and self.error is None:
            self.error = f"{self._futile} steps in a row brought nothing ({short(futile)})"

    def _note_usage(self, event: dict[str, Any]) -> None:
        rules = self._rules
        for rule in rules.usage:
            for usage in rule.find(event):
                self._usage.add(usage)
        self._usage.spend(first(rules.cost, event))
        self._usage.note(first(rules.usage_so_far, event), first(rules.cost_so_far, event))

    def _texts(self, rules: Any, event: dict[str, Any]) -> list[str]:
        return [found for rule in rules for found in rule.find(event) if isinstance(found, str)]


#: What an agent's output contains.
Transcript = PlainTranscript | EventTranscript


def short(value: Any, most: int | None = 200) -> str:
    """A value as text for people, at most ``most`` characters."""
    return (value if isinstance(value, str) else json.dumps(value))[:most]
