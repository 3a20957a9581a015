"""The base of screens that follow a source and act on it; they refuse to act while it is read-only or lost."""

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

#: The names of actions that change something at the source begin like this.
ACTING = ("do(", "act_on(", "pause", "message", "retry", "drop", "drain", "reset", "prune")
#: The actions that choose the targets of others.
CHOOSING = ("mark", "mark_range")
#: The group of the workers that read what is to be marked.
MARKING = "marks"


@runtime_checkable
class RunsActions(Protocol):
    """The app, as screens see it: actions run in the app, so that they outlive the screen that began them."""

    last_run: ActionRun | None

    def begin(self, run: ActionRun, how: Mapping[str, Any], ended: Callable[[], None]) -> None: ...

    @property
    def is_behind(self) -> bool: ...

    def hold_keys(self) -> None: ...

    def release_keys(self) -> None: ...


class Guarded(ClosingScreen[None]):
    """Greys out the keys of actions while none is allowed. They can still be pressed: then they say why not."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__()
        self.source, self.rhythm = source, rhythm
        self.looking = Looking(source, rhythm, self.look, self.lose, self._is_behind)
        self.freshness = Freshness()
        self.read_at: Now | None = None  # the ages that were read are as of then; None: as of now
        self.pauses: Sequence[GlobPause] = ()  # the pauses of many lanes at once, as of the last look

    def _is_behind(self) -> bool:
        return isinstance(self.app, RunsActions) and self.app.is_behind

    def sight(self) -> ViewedAt:
        """The time now, and the time that has passed since the rows on screen were read."""
        now = self.source.now()
        return ViewedAt.of(self.read_at or now, now)

    @abstractmethod
    async def look(self) -> None:
        """Read the source, and show what was read. Raises Lost."""

    @property
    def lane_key(self) -> str | None:
        """The key of the lane that the screen or its cursor is on; None: there is none."""
        return None

    @property
    def lane(self) -> Lane | None:
        """That lane as it is on the screen; None if the screen does not show its epoch."""
        return None

    @property
    def refusal(self) -> str | None:
        """Why no action is allowed now; None if actions are allowed."""
        if self.source.read_only:
            return "this dashboard is read-only"
        if self.freshness.lost is not None:
            return "the source cannot be read: actions are refused"
        if self.freshness.replaced:
            return "the database file was replaced: restart the dashboard to act on the new one"
        return None

    def is_blind(self, action: str) -> bool:
        """Whether an action would apply to something that is not shown yet."""
        return self.freshness.at is None and (action.startswith(ACTING) or action in CHOOSING)

    def refuses_blindly(self, action: str) -> bool:
        """Whether an action is refused, with a notice: because ``is_blind``, or because another row came under the
        cursor by itself just before its key."""
        if action == "message":  # its dialog opens in any case: what is typed next is for that
            return False
        if self.is_blind(action):
            self.show_notice(self.refusal or "nothing is loaded yet: press the key again", grave=True)
            return True
        rows = self.rows_of(action)
        if rows is None or rows.hold():
            return False
        self.show_notice(f"the cursor is now on another {rows.OF_ROW}: press the key again", grave=True)
        return True

    @abstractmethod
    def rows_of(self, action: str) -> CursorList | None:
        """The list whose row under the cursor an action applies to; None: it applies to something else."""

    def may_act(self) -> bool:
        """Whether an action may begin; says why not."""
        why = self.refusal
        if any(worker.group == MARKING and worker.node is self and not worker.is_finished for worker in self.workers):
            why = "the rows to mark are still being read: press the key again"  # else it would act on the cursor's lane
        if why is not None:
            self.show_notice(why, grave=True)
        return why is None

    # ------------------------------------------------------------------------------------- acting

    def pause_all(self) -> None:
        """Ask, then pause all lanes; or resume them if they are paused."""
        self.act(EveryLaneSubject(next(pauses_of_all(self.pauses, self.source.now().wall), None)))

    def act(self, subject: ActionSubject) -> None:
        """Ask, and do it. The result of a single action is shown; the results of many are listed."""
        if subject.targets and self.may_act():
            self.confirm(subject, lambda how: self._begin(subject, how))

    def read_and_confirm(self, reading: Coroutine[Any, Any, None], group: str = "question") -> None:
        """Read what a question is about, and ask it. Keys that are typed meanwhile are for the question.

        Cancels what is still being read for the same ``group``.
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
        """Ask whether to act, and how; ``on_answer`` is called only if the person says so."""

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
        name = f"{text.key_of(result.name)}: " if result.name else ""  # else the sentence names the target
        self.show_notice(text.line(name, result.sentence), grave=result.grave)

    def receive_result(self, target: ActionTarget, result: ActionResult) -> None:
        """Called with the result of an action on one target, as soon as it is known."""

    def look_again(self) -> None:
        """Read the source again, after an action."""
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
        """The bindings of the toolkit, with actions disabled while none is allowed."""
        found = super().active_bindings
        if self.refusal is not None:
            acting = [key for key, each in found.items() if each.binding.action.startswith(ACTING)]
            found |= {key: found[key]._replace(enabled=False) for key in acting}
        return found

    def lose(self, why: str) -> None:
        """Note that the source cannot be read: what is shown may be outdated, and no action is allowed."""
        self._learn(Freshness(self.freshness.at, why))
        self.update()

    def has_read(self, at: Now) -> None:
        """Note that the source was read at ``at``."""
        self._learn(Freshness(at, replaced=self.source.replaced))

    def _learn(self, freshness: Freshness) -> None:
        """Store how fresh the data is, and update the bindings if that allows or forbids actions."""
        before, self.freshness = self.refusal, freshness
        if self.refusal != before:
            self.refresh_bindings()

    def show_notice(self, sentence: Content | str, *, grave: bool = False) -> None:
        """Show a notification, which disappears by itself."""
        # Cleaned by `line`; markup off, so that brackets in a key stay brackets.
        plain = text.line(sentence).plain
        self.notify(plain, severity="warning" if grave else "information", markup=False, timeout=6)
