"""What is pasted is text, whatever it holds, and never a key; and however much comes at once, a key is answered."""

import random
from collections.abc import Iterable

import pytest
from textual.events import Key, Paste
from textual.message import Message

from lanes_storage import reads
from lanes_tui.dialogs.send import MOST_WRITTEN, SendDialog, Writing
from lanes_tui.typed import BEGIN, END, MOST_PASTED, MOST_TYPED, TypedStream
from lanes_tui.widgets.sheet import Sheet
from tests.kit.browser import tab
from tests.kit.stage import Stage
from tests.tui.driving import dashboard
from tests.tui.terminal import terminal
from tests.tui.test_in_browser import TOKEN, Serve, serve

__all__ = ["serve"]

#: Colours, an end of a line, keys that act, send and leave, a click, and an end of a paste that is part of it.
HOSTILE = "stuck, see \x1b[31mlog\x1b[0m\x1bay\r\ny\x13\x03q \x1b[<0;1;1M\x07\x1b\x1b[ \x1b]0;title\x07 rest"
PLAIN = "stuck, see logay\r\nyq [  rest"


def events_of(stream: TypedStream, pieces: Iterable[bytes]) -> list[Message]:
    return [event for piece in pieces for event in stream.feed(piece)]


def told(events: Iterable[Message]) -> list[str]:
    """Keys by their names; a paste in brackets."""
    return [
        f"[{event.text}]" if isinstance(event, Paste) else event.key
        for event in events
        if isinstance(event, Key | Paste)
    ]


def in_pieces(data: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted(chance.sample(range(1, len(data)), min(6, len(data) - 1)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(40))
def test_F371_a_paste_is_one_text_in_whatever_pieces_it_comes(seed: int) -> None:
    sent = f"j{BEGIN}{HOSTILE}ü微{END}k\x1b[B".encode()
    for pieces in ([sent], [sent[at : at + 1] for at in range(len(sent))], in_pieces(sent, random.Random(seed))):
        assert told(events_of(TypedStream(), pieces)) == ["j", f"[{PLAIN}ü微]", "k", "down"]


def test_F371_an_end_that_was_pasted_does_not_end_the_paste() -> None:
    sent = f"{BEGIN}a{END}ay{END}j{BEGIN}b{END}".encode()
    assert told(events_of(TypedStream(), [sent])) == ["[aay]", "j", "[b]"]


def test_F371_a_paste_begins_also_where_its_mark_comes_with_pauses() -> None:
    stream = TypedStream()
    came: list[Message] = []
    for piece in ("\x1b", "[200~ay\x1b[2", "01~j", "\x1b[20", "0~ay", END):
        came += [*stream.feed(piece.encode()), *stream.quiet()]
    assert told(came) == ["escape", "[ay]", "j", "[ay]"], "an escape that a pause follows was one"


def test_F371_a_paste_whose_end_never_comes_is_given_up_by_an_interrupt_alone() -> None:
    stream = TypedStream()
    assert told(events_of(stream, [BEGIN.encode(), b"ay\x03q", b"\x03", b"a"])) == []
    assert told(stream.quiet()) == []
    assert told(events_of(stream, [b"\x03", b"j"])) == ["j"]


def test_F373_more_than_anyone_types_at_once_is_a_paste_that_ends_with_a_pause() -> None:
    stream = TypedStream()
    assert told(events_of(stream, [b"x" * MOST_TYPED])) == ["x"] * MOST_TYPED
    assert told(events_of(stream, [b"\x1b[B" * 1_000])) == ["down"] * 1_000, "no text"
    assert told(events_of(stream, [b"ay\x1b[31m" * MOST_TYPED, b"ay"])) == []
    assert told(stream.quiet()) == [f"[{'ay' * (MOST_TYPED + 1)}]"]
    assert told(events_of(stream, [b"a"])) == ["a"]


def test_F373_of_one_paste_no_more_is_kept_than_any_field_takes() -> None:
    stream = TypedStream()
    (paste,) = events_of(stream, [BEGIN.encode(), *[b"x" * 65_536] * 40, END.encode()])
    assert isinstance(paste, Paste)
    assert len(paste.text) == MOST_PASTED


def test_what_is_no_text_ends_nothing() -> None:
    assert told(events_of(TypedStream(), [b"j\xff\xc3", b"k"])) == ["j", *["replacement_character"] * 2, "k"]


# ------------------------------------------------------------------------------- in a terminal, in a browser


def untouched(stage: Stage) -> bool:
    """Whether the run is as it was, and nothing came after it."""
    return stage.message(1).state == "running" and stage.store.read(reads.message(2)) is None


def test_F371_nothing_that_is_pasted_in_a_terminal_is_a_key(stage: Stage) -> None:
    """In the table, in a field of a question, and where a message is written."""
    stage.hold("victim:1", stage.dead_owner())
    with terminal(stage.path, (100, 30)) as seen:
        seen.shows("victim:1", "live")
        seen.press(BEGIN + HOSTILE + END)
        seen.shows("pasted")
        seen.press("a", "\x1b[A", "\x1b[A")  # the reason
        seen.shows("Cancel", "why; kept")
        seen.press(BEGIN + HOSTILE + END)
        seen.shows("stuck, see logay")
        seen.press("\x1b")
        seen.hides("Cancel")
        seen.press("m")
        seen.shows("Send ^s")
        seen.press(BEGIN + HOSTILE + END, "!")
        seen.until(lambda: "yq [  rest!" in seen.text, "all of it, in order")
        assert seen.text.count("stuck") == 1
        seen.press("\x03")
        seen.hides("Send ^s")
        seen.press("\x03")
        assert seen.ends() == 0
        assert untouched(stage)


async def test_F371_nothing_that_is_pasted_in_a_browser_is_a_key(serve: Serve, stage: Stage) -> None:
    stage.hold("victim:1", stage.dead_owner())
    server = await serve(writes=True)
    async with tab(server.url, TOKEN) as one:
        await one.shows("victim:1")
        await one.type(BEGIN + HOSTILE + END)
        await one.shows("pasted")
        await one.type("m")
        await one.shows("Send ^s")
        await one.type(BEGIN + HOSTILE + END + "!")
        await one.shows("stuck, see logay", "yq [  rest!")
        assert untouched(stage)


@pytest.mark.parametrize("sent", [BEGIN + "A \x1b[31m\r\nq\r\ny\x07" * 600 + END, "x" * 40_000], ids=["paste", "typed"])
def test_F373_a_key_is_answered_after_very_much_that_comes_at_once(stage: Stage, sent: str) -> None:
    """It is one event, so that the processor time which it takes does not grow with it."""
    stage.hold("victim:1", stage.dead_owner())
    with terminal(stage.path, (100, 30)) as seen:
        seen.shows("victim:1", "live")
        seen.press(sent)
        seen.shows("pasted")
        seen.press("?")
        seen.shows("esc closes")
        assert untouched(stage)


async def test_F373_a_message_takes_what_is_pasted_once_and_no_more_than_it_can_show(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.press("m")
        writing = (await driver.dialog(SendDialog)).query_one(Writing)
        driver.app.post_message(Paste("two\r\nlines\t\u202e"))
        await driver.press("x")
        assert writing.text == "two\nlines    x"
        driver.app.post_message(Paste("y" * MOST_WRITTEN))
        await driver.settle()
        assert writing.text == "two\nlines    x"
        assert "lanes send" in driver.app.screen.query_one("#refused", Sheet).plain


async def test_F371_a_paste_is_for_the_field_that_opens_and_elsewhere_no_command(stage: Stage) -> None:
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key, "the lane")
        driver.app.post_message(Key("m", "m"))
        driver.app.post_message(Paste("ay"))
        writing = (await driver.dialog(SendDialog)).query_one(Writing)
        await driver.until(lambda: writing.text == "ay", "what was pasted ahead")
        await driver.press("escape")
        driver.app.post_message(Paste("ay"))
        await driver.until(lambda: any("pasted" in said for said in driver.said), "a word on it")
