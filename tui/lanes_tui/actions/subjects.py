"""The subject of an action, as its dialog describes it: which targets, in which states; what ends, what is kept."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from textual.content import Content

from lanes import filters
from lanes.base.errors import NotFound
from lanes.records import Lane, LetterTally, Message, Tally
from lanes_storage.law import LaneState, Scope
from lanes_storage.records import LaneFilter
from lanes_tui.actions.acting import ActionTarget, OfferedAction
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.describing import described, message_text
from lanes_tui.sources.source import MarkedLane, Source

#: How many targets are named.
NAMED = 6
#: Up to how many lanes a command lists their keys.
LISTED = 20
#: How many cells of a key are shown, and of the message beside it.
_KEY, _TEXT = 48, 24
COUNTING = text.line(("counting …", "muted"))
#: The states in the order in which lanes are named.
_FIRST = (LaneState.RUNNING, LaneState.ERRORED, LaneState.ABORTED, LaneState.IDLE)


class ActionSubject(ABC):
    """What an action applies to. ``count``: how many ``noun``s; above some number the person has to type it.

    ``renewed``: it is read again while the dialog is open. ``scope``: what of a lane an abort ends.
    """

    count: int
    noun = "lane"
    renewed = False
    scope = Scope.RUN

    def __init__(self, action: OfferedAction) -> None:
        self.action = action

    @property
    def targets(self) -> list[ActionTarget]:
        """The targets of an ``ActionRun``; none if the screen makes the calls itself."""
        return []

    async def load(self, source: Source) -> None:  # noqa: B027 - some need to read nothing
        """Read what the dialog shows and is not known yet. Raises Lost."""

    def question(self, target: str) -> str:
        """The question whether to act on ``target``."""
        return f"{self.action.title.format(target)}?"

    def title(self) -> str:
        """The question, or that there is nothing to do."""
        return self.question(f"this {self.noun}" if self.count == 1 else words.counted(self.count, self.noun))

    def named(self, lines: Iterable[Content]) -> list[Content]:
        """The first ``NAMED`` of these lines, and how many more there are."""
        first = list(islice(lines, NAMED))
        more = self.count - len(first)
        return [*first, *([text.line((f"and {words.number(more)} more", "muted"))] if more > 0 else [])]

    @abstractmethod
    def lines(self) -> list[Content]:
        """The description of targets and effects in the dialog."""

    @abstractmethod
    def words(self) -> list[str] | None:
        """The shell command and the words that select the same targets; None if there is no such command."""

    def possible(self) -> bool:
        """Whether there is anything to do, as far as it is known."""
        return True


class LaneSubject(ActionSubject):
    """Lanes, each as it was marked. ``lane``: the lane, if there is only one; ``chosen``: a filter that chooses exactly
    these lanes; ``hidden``: how many of them the filter on the screen does not choose."""

    def __init__(
        self,
        action: OfferedAction,
        marks: Sequence[MarkedLane],
        *,
        lane: Lane | None = None,
        sight: Callable[[], ViewedAt],
        chosen: str | None = None,
        hidden: int = 0,
    ) -> None:
        super().__init__(action)
        self.marks, self.count = marks, len(marks)
        self.renewed = True
        self.lane = lane
        self._sight, self._chosen, self._hidden = sight, chosen, hidden
        self._tally: Tally | None = None
        self._now: dict[str, MarkedLane] | None = None
        self._first = sorted(marks, key=lambda mark: _FIRST.index(mark.state))[:NAMED]
        self._retries = action.verb.name == "retry-last"
        self._to_retry: dict[str, Message | None] = {}  # the message that a retry of each named lane takes

    @property
    def targets(self) -> list[ActionTarget]:
        """The targets of the action."""
        return [ActionTarget(mark.key, {"key": mark.key, "epoch": mark.epoch}) for mark in self.marks]

    async def load(self, source: Source) -> None:
        keys = tuple(mark.key for mark in self.marks)
        self._tally = await source.tally(LaneFilter(keys=keys))
        if self._retries:
            self._to_retry = {mark.key: await _message_to_retry(source, mark.key) for mark in self._first}
        if len(keys) > 1:
            self._now = {mark.key: mark for mark in await source.marks(LaneFilter(keys=keys), len(keys))}
            return
        try:
            detail = await source.detail(keys[0])
        except NotFound:  # it is gone: the action will say so
            return
        self.lane, now = detail.record.lane, source.now()
        self._sight = lambda: ViewedAt.of(detail.at, now)

    def title(self) -> str:
        if not self.possible():
            return f"Nothing to {'retry' if self._retries else 'abort'}"
        if self.lane is None or self.count > 1:
            return self.question(words.counted(self.count, "lane"))
        if self.action.verb.name == "abort":
            return self.question("this run" if self.lane.run_id is not None else "the message that ran before")
        return super().title()

    def possible(self) -> bool:
        if self._retries:
            return self.count > len(self._to_retry) or any(self._to_retry.values())
        if self.action.verb.name != "abort" or self._tally is None:
            return True
        tally = self._tally
        return bool(tally.runs or tally.reruns or (tally.waiting and self.scope is not Scope.RUN))

    def lines(self) -> list[Content]:
        return self._one() if self.count == 1 else self._many()

    def _effects(self) -> list[Content]:
        """What the action ends, what it keeps, and warnings."""
        effects: list[Content] = []
        if self.action.verb.name == "abort" and self._tally is not None:
            effects.append(_abort_effects(self._tally, self.scope))
        if self.action.params.get("force") and (self._tally is None or self._tally.runs):
            sentence = (
                "The lane is taken from its owner" if self.count == 1 else "The lanes are taken from their owners"
            )
            effects.append(text.line((f"{sentence} immediately: the run gets no grace period.", "warn")))
        if self._retries and self.possible():
            effects.append(text.line((_CONSEQUENCES["retry message"], "warn")))
        return effects

    def _one(self) -> list[Content]:
        (mark,) = self.marks
        if self.lane is None:
            return [text.line((text.key_of(mark.key), "strong")), *self._effects()]
        if mark.epoch not in (None, self.lane.epoch):
            moved = f"The lane is now at epoch {self.lane.epoch}, not {mark.epoch}: it will be left alone."
            return [text.line((text.key_of(mark.key), "strong")), text.line((moved, "warn")), *self._effects()]
        paused = self.lane.paused if self.action.verb.name == "resume" else None
        until = "" if paused is None or paused.until is None else f", until {self._sight().moment(paused.until)}"
        why = [] if paused is None else [text.line(("paused ", "muted"), (f"{paused.reason}{until}", "warn"))]
        left = [self._retry_line(mark)] if self._retries else []
        return [*described(self.lane, self._sight()), *why, *left, *self._effects()]

    def _many(self) -> list[Content]:
        """Counts and effects, and then the names, which may not all be in view."""
        states = COUNTING if self._tally is None else _by_state(self._tally, self.count)
        warnings = [text.line((sentence, "warn")) for sentence in self._warnings()]
        named = [
            text.line(_marked(mark, epoch=not self._retries), "  ", self._retry_line(mark, _TEXT))
            for mark in self._first
        ]
        return [states, *warnings, *self._effects(), text.EMPTY, *self.named(named)]

    def _retry_line(self, mark: MarkedLane, most: int | None = None) -> Content:
        """The message that a retry of a lane takes, its text cut to ``most`` cells."""
        if mark.key not in self._to_retry:
            return text.EMPTY
        message = self._to_retry[mark.key]
        if message is None:
            return text.line(("no failed or aborted message that was not retried", "warn"))
        request = message_text(message) if most is None else text.in_the_middle(message_text(message), most)
        return text.line((f"message #{message.id}  ", "muted"), request)

    def _warnings(self) -> list[str]:
        warnings = []
        if self._hidden:
            warnings.append(_hidden_by_filter(self._hidden, "lane", self.count))
        if self._now is None:
            return warnings
        moved = sum(
            mark.key not in self._now or mark.epoch not in (None, self._now[mark.key].epoch) for mark in self.marks
        )
        unfit = sum(mark.state not in self.action.fits for mark in self._now.values())
        if moved:
            warnings.append(f"{words.counted(moved, 'lane')} moved on since being marked, and will be left alone.")
        if unfit:
            warnings.append(f"Nothing to do for {words.counted(unfit, 'lane')} in another state.")
        return warnings

    def words(self) -> list[str] | None:
        keys, name = [mark.key for mark in self.marks], self.action.verb.name
        if self._retries:
            message = self._to_retry.get(keys[0])
            return ["retry", str(message.id)] if self.count == 1 and message is not None else None
        if name == "new-conversation":
            return ["conversation", "new", "--yes", *_keys(keys)] if self.count == 1 else None
        sure = ["--yes"] if self.count > 1 and name == "abort" else []
        if self.count > LISTED:
            return [name, "--filter", self._chosen, *sure] if self._chosen else None
        bound = self.count == 1 and self.marks[0].epoch is not None
        epoch = ["--epoch", str(self.marks[0].epoch)] if bound else []
        return [name, *epoch, *sure, *_keys(keys)]


class MessageSubject(ActionSubject):
    """Messages that are on the screen, or the ids of many. ``hidden``: how many of them the list does not show."""

    noun = "message"

    def __init__(
        self,
        action: OfferedAction,
        messages: Sequence[Message],
        ids: Sequence[int] = (),
        chosen: str | None = None,
        hidden: int = 0,
    ) -> None:
        super().__init__(action)
        self._messages, self._chosen, self._hidden = messages, chosen, hidden
        self._ids = sorted({*ids} or {message.id for message in messages})
        self.count = len(self._ids)

    @property
    def targets(self) -> list[ActionTarget]:
        """The targets of the action, the oldest first."""
        keys = {message.id: f" {text.key_of(message.key)}" for message in self._messages}
        return [ActionTarget(f"#{each}{keys.get(each, '')}", {"id": each}) for each in self._ids]

    async def load(self, source: Source) -> None:
        if not self._messages:
            self._messages = await source.messages_of(self._ids[:NAMED])

    def lines(self) -> list[Content]:
        named = [
            text.line(
                (text.key_of(message.key), "strong"), (f"  message #{message.id}  ", "muted"), message_text(message)
            )
            for message in self._messages[:NAMED]
        ]
        if self.count > len(named):
            named.append(text.line((f"{words.number(self.count - len(named))} more, the oldest first", "muted")))
        if self._hidden:
            named.append(text.line((_hidden_by_filter(self._hidden, "message", self.count), "warn")))
        return [*named, text.line((_CONSEQUENCES[self.action.name], "warn"))]

    def words(self) -> list[str] | None:
        if self.count == 1:
            return [self.action.verb.name, str(self._ids[0])]
        return None if self._chosen is None else [self.action.verb.name, "--filter", self._chosen, "--yes"]


class LetterSubject(ActionSubject):
    """A dead letter and those listed below it, of the ones that a filter chooses; counted by the database.

    ``until``: a wall time; messages that fail later are left out.
    """

    def __init__(self, action: OfferedAction, letter: Message, chosen: LaneFilter, until: int) -> None:
        super().__init__(action)
        self.letter, self.chosen, self.until = letter, chosen, until
        self.count = 0
        self._tally: LetterTally | None = None

    async def load(self, source: Source) -> None:
        self._tally = await source.letter_tally(self.chosen, self.letter.id, self.until)
        self.count = self._tally.letters - self._tally.kept

    def possible(self) -> bool:
        return self._tally is not None  # what is not counted yet is not deleted

    def title(self) -> str:
        return "Prune dead letters?"

    def lines(self) -> list[Content]:
        tally = self._tally
        if tally is None:
            return [COUNTING]
        retried = f", {words.number(tally.retried)} of them retried since" if tally.retried else ""
        which = " that fit the filter" if self.chosen.conditions else ""
        clause = f"{which} {'is' if self.count == 1 else 'are'} deleted for good{retried}."
        lines = [text.line((words.counted(self.count, "dead letter"), "strong"), clause)]
        for word, end in (("oldest", tally.oldest), ("newest", tally.newest)):
            if end is not None:
                lines.append(
                    text.line(
                        (f"{word}  #{end.id} ", "muted"), (text.key_of(end.key), "strong"), f"  {message_text(end)}"
                    )
                )
        if tally.kept:
            stay = f"{words.number(tally.kept)} of these stay: their sender may still ask for them (24 h)."
            lines.append(text.line((stay, "warn")))
        return lines

    def words(self) -> list[str] | None:
        return None  # a command can not name the moment up to which they are deleted


async def _message_to_retry(source: Source, key: str) -> Message | None:
    """The message that a retry of a lane takes; None: there is none, or the lane is gone."""
    try:
        return await source.last_left(key)
    except NotFound:
        return None


def _keys(keys: Sequence[str]) -> list[str]:
    """Lane keys as command arguments, after ``--`` if one would be read as an option because of a leading dash."""
    return ["--", *keys] if any(key.startswith("-") for key in keys) else [*keys]


def _marked(mark: MarkedLane, *, epoch: bool) -> Content:
    look = words.LANES[mark.state]
    known = f"  epoch {mark.epoch}" if epoch and mark.epoch is not None else ""
    return text.line((f"{look.symbol} ", look.tone), text.in_the_middle(mark.key, _KEY), (known, "muted"))


_CONSEQUENCES = {
    "retry message": "A retry is a new message at the tail of its lane. What the first try did is not undone.",
    "drop message": "A dropped message gets no answer. Its text stays in the journal.",
}


def _hidden_by_filter(hidden: int, noun: str, count: int) -> str:
    if hidden == count:
        return f"{'It is' if count == 1 else 'All of these are'} hidden by the filter."
    return f"{words.counted(hidden, noun)} of these {'is' if hidden == 1 else 'are'} hidden by the filter."


def _by_state(tally: Tally, count: int) -> Content:
    pieces = []
    for state, number in sorted(((s, n) for s, n in tally.lanes.items() if n), key=lambda pair: -pair[1]):
        look = words.look_of_state(LaneState.read(state))
        pieces.append(text.line(look.label, f" {words.number(number)}"))
    missing = count - sum(tally.lanes.values())
    if missing:
        pieces.append(text.line((f"{words.number(missing)} gone", "bad")))
    if tally.paused:
        pieces.append(text.line(words.PAUSED.label, f" {words.number(tally.paused)}"))
    return text.joined(pieces, "   ")


def _abort_effects(tally: Tally, scope: Scope) -> Content:
    """What an abort with this scope ends, and what it keeps."""
    runs = 0 if scope is Scope.QUEUE else tally.runs
    ended = tally.reruns if scope is Scope.RUN else tally.waiting
    kept = tally.waiting - ended
    ends = [words.counted(runs, "run")] if runs else []
    if ended:
        before = " that ran before" if scope is Scope.RUN else ""
        ends.append(f"{words.counted(ended, 'waiting message')}{before}")
    if not ends:
        return text.line(("No run, and no waiting message that ran before: nothing to abort.", "warn"))
    keeps = f"; {words.counted(kept, 'waiting message')} {'is' if kept == 1 else 'are'} kept" if kept else ""
    return text.line(("Ends ", "muted"), (" and ".join(ends), "warn"), (f"{keeps}.", "muted"))


def chosen_by(typed: str, marks: Sequence[MarkedLane], matching: int | None) -> str | None:
    """The typed filter, if it chooses exactly the marked lanes. ``matching``: how many it chooses; None: not known."""
    parsed = filters.parse(typed, 1)
    return typed.strip() if parsed.problem is None and matching == len(marks) else None
