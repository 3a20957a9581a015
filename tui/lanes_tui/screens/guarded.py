"""Screens that follow a source and act on it, but not while it is only looked at or cannot be read."""

from abc import abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from textual import on
from textual.binding import ActiveBinding
from textual.content import Content

from lanes.records import GlobPause, Lane
from lanes_storage.clock import Now
from lanes_tui.actions.acting import ActionResult, ActionRun, ActionTarget
from lanes_tui.actions.closing import ClosingScreen
from lanes_tui.actions.subjects import ActionSubject
from lanes_tui.actions.system_subjects import EveryLaneSubject, pauses_of_all
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.help import Help, lane_signs
from lanes_tui.dialogs.results import Results, sentence
from lanes_tui.display import text
from lanes_tui.display.columns import ViewedAt
from lanes_tui.sources.polling import Looking, Rhythm
from lanes_tui.sources.source import Source
from lanes_tui.tables.cursor import CursorList
from lanes_tui.widgets.standing import Freshness

#: How the actions begin that change something at the source.
ACTING = ("do(", "act_on(", "pause", "message", "retry", "drop", "drain", "reset", "prune")
#: And those that choose what is acted on.
CHOOSING = ("mark", "mark_range")
#: The workers that read what is to be marked.
MARKING = "marks"


@runtime_checkable
class RunsActions(Protocol):
    """The app, as screens see it: actions go on in it, whatever becomes of the screen where they began."""

    last_run: ActionRun | None

    def begin(self, run: ActionRun, how: Mapping[str, Any], ended: Callable[[], None]) -> None: ...

    @property
    def is_behind(self) -> bool: ...

    def hold_keys(self) -> None: ...

    def release_keys(self) -> None: ...


class Guarded(ClosingScreen[None]):
    """Greys out what acts while nothing may be acted on. The keys stay: they say why nothing is done."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__()
        self.source, self.rhythm = source, rhythm
        self.looking = Looking(source, rhythm, self.look, self.lose, self._is_behind)
        self.freshness = Freshness()
        self.read_at: Now | None = None  # the ages that were read are as of then; None: as of now
        self.pauses: Sequence[GlobPause] = ()  # what is paused as a whole, as far as it is known

    def _is_behind(self) -> bool:
        return isinstance(self.app, RunsActions) and self.app.is_behind

    def sight(self) -> ViewedAt:
        """The sight of what was read."""
        now = self.source.now()
        return ViewedAt.of(self.read_at or now, now)

    @abstractmethod
    async def look(self) -> None:
        """Read the source, and show what was read. Raises Lost."""

    @property
    def lane_key(self) -> str | None:
        """The lane that is looked at, where it is one."""
        return None

    @property
    def lane(self) -> Lane | None:
        """The same as it is on the screen, where that shows its epoch."""
        return None

    @property
    def refusal(self) -> str | None:
        """Why no action is allowed now; None if actions are allowed."""
        if self.source.read_only:
            return "this dashboard is read-only"
        if self.freshness.lost is not None:
            return "the source cannot be read: nothing is acted on"
        if self.freshness.replaced:
            return "its file is another one than this dashboard began with: nothing is acted on"
        return None

    def is_blind(self, action: str) -> bool:
        """Whether that action would be for something that the person who pressed its key has not seen yet."""
        return self.freshness.at is None and (action.startswith(ACTING) or action in CHOOSING)

    def refuses_blindly(self, action: str) -> bool:
        """Whether it is not begun for that reason, or since another row came under the cursor while its key was on
        its way; says so."""
        if action == "message":  # what is typed after that is for its dialog
            return False
        if self.is_blind(action):
            self.show_notice(self.refusal or "what it would be for is not shown yet: press it again", grave=True)
            return True
        rows = self.rows_of(action)
        if rows is None or rows.hold():
            return False
        self.show_notice(f"another {rows.OF_ROW} came under the cursor just now: press it again", grave=True)
        return True

    @abstractmethod
    def rows_of(self, action: str) -> CursorList | None:
        """The list whose row under the cursor that action is for; None: it is for something else."""

    def may_act(self) -> bool:
        """Whether an action may begin; says why not."""
        why = self.refusal
        if any(worker.group == MARKING and worker.node is self and not worker.is_finished for worker in self.workers):
            why = "what is to be marked is still being read: press it again"  # else it would act on the cursor's lane
        if why is not None:
            self.show_notice(why, grave=True)
        return why is None

    # ------------------------------------------------------------------------------------- acting

    def pause_all(self) -> None:
        """Ask, then let every lane claim nothing; or claim again, where they are paused."""
        self.act(EveryLaneSubject(next(pauses_of_all(self.pauses, self.source.now().wall), None)))

    def act(self, subject: ActionSubject) -> None:
        """Ask, and do it. The result of a single action is shown; the results of many are listed."""
        if subject.targets and self.may_act():
            self.confirm(subject, lambda how: self._begin(subject, how))

    def read_and_confirm(self, reading: Coroutine[Any, Any, None], group: str = "question") -> None:
        """Read what a question is about, and ask it: keys that are typed ahead are for the question.

        It takes the place of what is still read for the same ``group``.
        """
        app = self.app
        assert isinstance(app, RunsActions)
        app.hold_keys()  # from this key on, not only once the worker runs

        async def whole() -> None:
            try:
                await reading
            finally:
                app.release_keys()

        self.run_worker(whole(), name="question", group=group, exclusive=True)

    def confirm(self, subject: ActionSubject, on_answer: Callable[[dict[str, Any]], None]) -> None:
        """Ask whether to do it, and how; without an answer nothing is done."""

        def left(how: dict[str, Any] | None) -> None:
            if how is not None and self.may_act():
                on_answer(how)

        self.app.push_screen(ActionDialog(self.source, subject), left)

    def _begin(self, subject: ActionSubject, how: Mapping[str, Any]) -> None:
        app = self.app
        assert isinstance(app, RunsActions)
        run = ActionRun(subject.action, subject.targets, self.receive_result)
        many = len(run.targets) > 1

        def ended() -> None:
            self.look_again()
            if not many:
                self._show_result(run)
            elif not (isinstance(app.screen, Results) and app.screen.run is run):
                self.show_notice(sentence(run), grave=bool(run.grave or run.problem))

        app.begin(run, how, ended)
        if many:
            app.push_screen(Results(run))

    def _show_result(self, run: ActionRun) -> None:
        if run.problem is not None:
            self.show_notice(f"not done: {run.problem}", grave=True)
            return
        (result,) = (*run.grave, *run.well)
        name = f"{text.key_of(result.name)}: " if result.name else ""  # else the sentence names what it was done to
        self.show_notice(text.line(name, result.sentence), grave=result.grave)

    def receive_result(self, target: ActionTarget, result: ActionResult) -> None:
        """Called with the result of an action on one target, as soon as it is known."""

    def look_again(self) -> None:
        """Look at what came of an action."""
        self.looking.wake()

    @on(CursorList.Wanted)
    def action_refresh_now(self) -> None:
        self.looking.wake()

    def on_resize(self) -> None:
        if self.is_mounted:
            self.call_after_refresh(self.update)

    def action_help(self) -> None:
        self.app.push_screen(Help(self.active_bindings.values(), self.legend()))

    def legend(self) -> Sequence[Content]:
        """What the signs and words on the screen mean, for the help."""
        return lane_signs()

    # ------------------------------------------------------------------------------------ freshness

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """As the toolkit has them, and as its footer shows them: greyed out."""
        found = super().active_bindings
        if self.refusal is not None:
            acting = [key for key, each in found.items() if each.binding.action.startswith(ACTING)]
            found |= {key: found[key]._replace(enabled=False) for key in acting}
        return found

    def lose(self, why: str) -> None:
        """The source cannot be read: what is shown may be untrue, and nothing is acted on."""
        self._learn(Freshness(self.freshness.at, why))
        self.update()

    def has_read(self, at: Now) -> None:
        """What is shown was true then."""
        self._learn(Freshness(at, replaced=self.source.replaced))

    def _learn(self, freshness: Freshness) -> None:
        """Take note of how fresh it is, and let the footer know if that changes what may be done."""
        before, self.freshness = self.refusal, freshness
        if self.refusal != before:
            self.refresh_bindings()

    def show_notice(self, sentence: Content | str, *, grave: bool = False) -> None:
        """A word that goes away by itself."""
        # Cleaned by `line`; markup off, so that brackets in a key stay brackets.
        plain = text.line(sentence).plain
        self.notify(plain, severity="warning" if grave else "information", markup=False, timeout=6)
