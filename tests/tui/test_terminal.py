"""The dashboard in a real terminal: nothing from data commands it, and it is given back however the program ends."""

import asyncio
import base64
import re
import signal
from pathlib import Path

import pytest

import lanes
from lanes.base.errors import RunFailed
from lanes.host.identity import this_process
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import Cause
from lanes_storage.records import Admission, NewMessage, ProviderAttempt
from tests.kit.processes import PATIENCE_S, eventually
from tests.kit.stage import Stage
from tests.tui.terminal import Terminal, terminal, unwelcome

#: Each part would do something to a terminal, or to a toolkit that reads markup, that was given it raw.
HOSTILE = (
    "\x1b]52;c;cm0gLXJm\x07 \x1b]0;title\x07 \x1b[2J\x1b[31mred\x1b[0m \x9b31m \x9d0;c1\x9c \x90q\x9c"
    " \u202eesrever\u202c \u2066iso\u2069 \u200b\u200d\ufeff \r\b\x07\x00 [/] [bold]"
    " [@click=app.bell]bell[/] $x {y} \\["
)
#: What a key may hold of that.
HOSTILE_KEY = "key:[/]:[@click=app.quit]x[/]:\u202eesrever\u202c:\u2066\u2069:\u200b:[red]"
#: A text that is put in the clipboard of the terminal.
OSC_52 = re.compile(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "lanes.db"


@pytest.fixture
def stage(database: Path) -> Stage:
    return Stage(database)


async def fail_hostilely(context: lanes.RunContext) -> str:
    raise RunFailed(Cause.PROVIDER_FAILED, HOSTILE, [ProviderAttempt(HOSTILE, HOSTILE, HOSTILE, system_clock().wall)])


async def send_and_fail(database: Path) -> None:
    """By real sends to a gateway whose provider answers with poison; the first reply is poison as well."""

    async def runner(context: lanes.RunContext) -> str:
        return HOSTILE if context.text == HOSTILE + "?" else await fail_hostilely(context)

    async with lanes.connect(str(database)) as desk, lanes.Gateway(desk, runner):
        for text in (HOSTILE + "?", HOSTILE):
            sent = await desk.send(HOSTILE_KEY, text, actor=HOSTILE)
            await desk.wait(sent.id, timeout=PATIENCE_S)
        await desk.pause(HOSTILE_KEY, actor=HOSTILE, reason=HOSTILE)
        await desk.send(HOSTILE_KEY, HOSTILE, actor=HOSTILE)


def poison(database: Path) -> None:
    """Hostile keys, texts, replies, errors, providers, actors, reasons; and a key that no send lets in."""
    asyncio.run(send_and_fail(database))
    stage = Stage(database)
    new = NewMessage("raw:" + HOSTILE, HOSTILE, actor=HOSTILE)
    stage.store.write(doors.accept(new, Admission(), system_clock()))
    stage.hold("held", stage.owner(this_process()._replace(host=HOSTILE)), HOSTILE)
    stage.close()


def test_the_detector_notices_what_the_toolkit_would_pass_on() -> None:
    for each in (
        "\x1b]52;c;x\x07",
        "\x1b]0;t\x07",
        "\x9b31m",
        "\u202e",
        "\u2066",
        "\u200b",
        "\x00",
        "\x1bc",
        "\x1b[5n",
    ):
        assert unwelcome(b"\x1b[1mfine\x1b[0m" + each.encode()), ascii(each)
    assert not unwelcome("\x1b[?1049h\x1b[1;31mfine 微信 🐈 ▶\x1b[0m\r\n".encode())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_nothing_in_data_reaches_the_terminal_raw(database: Path, size: tuple[int, int]) -> None:
    """And only a copied key is an OSC 52, in which nothing commands."""
    poison(database)
    with terminal(database, size) as seen:
        seen.shows("key:", "raw:", "held", "live")
        walk(seen)
        seen.press("/", "bell")
        seen.shows("match 1")  # the text about this lane names the other one
        seen.press("\r")
        seen.hides("tab Complete")
        seen.press("Y")
        seen.shows("copied:")
        seen.press("q")
        assert seen.ends() == 0
        (copied,) = OSC_52.findall(seen.sent)
        assert base64.b64decode(copied).decode() == "raw:" + HOSTILE
        assert unwelcome(OSC_52.sub(b"", seen.sent)) == []
        assert rb"\x1b]52" in seen.sent, "the text was shown, as text"
        assert rb"\u202e" in seen.sent
        assert b"[@click=app" in seen.sent
        assert seen.is_sane()


def walk(seen: Terminal) -> None:
    """Look at the lanes, everywhere."""
    for step in ("g", "j", "j"):
        seen.press(step)
        seen.press("a")
        seen.shows("Cancel")
        seen.press("\x1b")
        seen.hides("Cancel")
    seen.press("\r")
    seen.shows("JOURNAL", "MESSAGE #")
    seen.press("j", "G", "\x1b")
    seen.shows("STATE")
    for key, shown in (
        ("J", "EVENT #"),
        ("O", "GATEWAY"),
        ("D", "MESSAGE #"),
        ("m", "Send ^s"),
        (":", "which command?"),
    ):
        seen.press(key)
        seen.shows(shown)
        seen.press("\x1b")
        seen.hides(shown)
    seen.press("?")
    seen.shows("Keys")
    seen.press("\x1b")
    seen.hides("Keys")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_sane(stage: Stage, number: signal.Signals) -> None:
    stage.hold("agent:1", stage.owner(), "waiting")
    stage.close()
    with terminal(stage.path, (80, 24)) as seen:
        seen.shows("agent:1", "live")
        seen.process.kill(number)
        assert seen.ends() == 128 + number
        assert seen.is_sane()


def test_it_ends_when_its_terminal_is_gone(stage: Stage) -> None:
    stage.close()
    with terminal(stage.path, (80, 24)) as seen:
        seen.shows("live")
        seen.vanish()  # the window is closed: SIGHUP, and nowhere to write
        eventually(lambda: not seen.process.isalive(), "the end of the dashboard")


def test_it_follows_the_size_of_its_terminal(stage: Stage) -> None:
    stage.hold("agent:1", stage.owner(), "waiting")
    stage.close()
    with terminal(stage.path, (80, 24)) as seen:
        seen.shows("agent:1", "live")
        for size in ((200, 50), (44, 12), (30, 8), (120, 40)):
            seen.resize(*size)
            seen.until(lambda: "▶" in seen.text, f"the lane at {size}")
            assert all(len(line) <= size[0] for line in seen.lines)
        seen.shows("agent:1", "LAST E", "live")
        seen.press("q")
        assert seen.ends() == 0
        assert seen.is_sane()


def test_no_colour_is_used_where_none_is_wanted(stage: Stage) -> None:
    stage.hold("agent:1", stage.owner(), "waiting")
    stage.close()
    with terminal(stage.path, (80, 24), NO_COLOR="1") as seen:
        seen.shows("▶ running", "agent:1", "live")
        seen.press("q")
        assert seen.ends() == 0
        assert b"38;2;" not in seen.sent
        assert b"38;5;" not in seen.sent
