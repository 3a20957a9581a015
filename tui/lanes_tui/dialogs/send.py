"""The dialog that sends a message to a lane, or answers its question. It stays open until the message is accepted, so
that nothing typed is lost.
"""

import re
from typing import ClassVar
from unicodedata import category

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import TextArea

from lanes.base.errors import LanesError
from lanes.records import AskedQuestion, Message
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import PasteRefused
from lanes_tui.dialogs.dialog import Dialog, KeyButton
from lanes_tui.display import text
from lanes_tui.sources.source import Lost, Source
from lanes_tui.widgets.filter_bar import Typed
from lanes_tui.widgets.sheet import Sheet

#: How many characters a message may have here: in a longer one, each key would take long.
MOST_WRITTEN = 100_000
_LINE_ENDS = re.compile("\r\n|[\r\u2028\u2029]")


def showable(pasted: str) -> str:
    """A text without characters that move the cursor of the terminal or change the reading direction."""
    lines = _LINE_ENDS.sub("\n", pasted).replace("\t", "    ")
    return "".join(c for c in lines if c == "\n" or c.isprintable() or category(c) == "Zs")


class Writing(TextArea):
    """The field for the text. Of a paste it keeps only what can be shown as it is."""

    async def _on_paste(self, event: events.Paste) -> None:
        """Clean the paste, or refuse it, before the toolkit's own handler takes it."""
        event.stop()
        event.text = showable(event.text)
        if len(self.text) + len(event.text) > MOST_WRITTEN:
            event.prevent_default()
            self.post_message(PasteRefused())


#: The lane that is proposed for the first message.
FIRST_KEY = "demo:1"


class KeyInput(Typed):
    """The field for the key of the lane, if the screen gives none."""

    def action_leave(self) -> None:
        self.screen.focus_next()

    def action_clear(self) -> None:
        self.value = ""


def _question_lines(question: AskedQuestion | None) -> list[Content]:
    """The question, and the answers to choose from."""
    if question is None:
        return []
    options = [text.line(("one of: ", "muted"), ", ".join(question.options))] if question.options else []
    return [text.line(question.text), *options]


class SendDialog(Dialog[Message | None]):
    """Sends what is typed; its result is the accepted message, or None. ``key`` None: it asks for the lane too.

    ``question``: of the run, which the text answers. ``runs``: a run holds the lane, so that the text may steer it.
    ``first``: there is no lane yet, so one is proposed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("send", "send", show=True, priority=True),
        bind("steer", "steer", priority=True),
        bind("back", "dismiss", show=True, priority=True),
        bind("interrupt", "dismiss", priority=True),
    ]

    def __init__(
        self,
        source: Source,
        key: str | None,
        question: AskedQuestion | None = None,
        *,
        runs: bool = False,
        first: bool = False,
    ) -> None:
        super().__init__()
        self._proposed = FIRST_KEY if first else ""
        self._steers = runs and question is None and key is not None
        self._source = source
        self._key = key
        self._question = question
        self._under_way = False
        self._refused = ""

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            title = "Send a message" if self._question is None else "Answer the question"
            yield Sheet([text.line((title, "accent"))], id="dialog-title")
            to = text.line(("to ", "muted"), (text.key_of(self._key or ""), "strong"))
            yield Sheet([to, *_question_lines(self._question)], wrap=True, id="dialog-lines")
            if self._key is None:
                yield KeyInput(self._proposed, compact=True, id="to", placeholder="the lane")
            placeholder = "the message" if self._question is None else "the answer"
            yield Writing(id="writing", compact=True, soft_wrap=True, tab_behavior="focus", placeholder=placeholder)
            yield Sheet(wrap=True, id="refused")
            with Horizontal(id="choices"):
                yield KeyButton("Send", "send", "send")
                if self._steers:
                    yield KeyButton("Steer", "steer", "steer")
                yield KeyButton("Cancel", "back", "dismiss")

    def on_mount(self) -> None:
        writing = self.query_one(Writing)
        writing.cursor_blink = False  # a blinking cursor is traffic
        (writing if self._key is not None or self._proposed else self.query_one(KeyInput)).focus()

    @on(PasteRefused)
    def _too_long(self) -> None:
        self._refuse(
            f"not pasted: a message here has at most {MOST_WRITTEN} characters; for a longer one use `lanes send`"
        )

    def action_send(self) -> None:
        self._send_once(steers=False)

    def action_steer(self) -> None:
        if self._steers:
            self._send_once(steers=True)
        else:
            self._refuse("there is no run to steer: ctrl+s sends the text")

    def _send_once(self, *, steers: bool) -> None:
        typed = self.query_one(Writing).text
        if self._under_way:  # a second press means the same message
            return
        if typed.strip():
            self._under_way = True
            self._send(typed, steers=steers)
        else:
            self._refuse("nothing to send: the text is empty")

    @work
    async def _send(self, typed: str, *, steers: bool) -> None:
        try:
            key = self.query_one(KeyInput).value if self._key is None else self._key
            if self._question is not None:
                self.dismiss(await self._source.answer(key, typed.strip(), self._question.id))
            else:
                self.dismiss(await (self._source.steer if steers else self._source.send)(key, typed))
        except (Lost, LanesError) as error:
            self._under_way = False
            self._refuse(f"not accepted: {error}")

    def _refuse(self, sentence: str) -> None:
        self._refused = sentence
        self.update()

    def renew(self) -> None:
        self.query_one("#refused", Sheet).show([text.line((self._refused, "warn"))])
