"""Keys and texts of every kind in every command: they name what they name, and command no terminal."""

import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from lanes.commands.serve import drain
from tests.commands.conftest import Call
from tests.kit.processes import PATIENCE_S, environment
from tests.kit.stage import Stage

KEYS = [
    "agent:main:feishu:group:oc_d497", "a/b//c", "/", "..", "100%", "%2F", "a b ", " ", "it's", 'say "hi"', "`id`",
    "$(id)", "-", "-x", "--all", "--", "\\", "漢字かな", "👩\u200d🚀🇩🇪", "e\u0301", "\u202eabc\u202c", "\u200b", "*",
    "[a-z]", "?", "a;b|c&d", "x" * 512, "漢" * 512, "👾" * 512,
]  # fmt: skip
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\x1b]52;c;aGk=\x07\u202e\u2066[/][@click=app.quit]x[/]\r\n\ttext"
#: What takes one key, and what takes several.
OF_ONE = (["show"], ["why"], ["messages"], ["events"])
OF_MANY = (["pause"], ["resume"], ["ack"], ["abort", "--yes"], ["abort", "--dry-run"])


def test_every_key_works_in_every_command(stage: Stage, lanes: Call) -> None:
    gone = stage.dead_owner()
    for key in KEYS:
        stage.fail(stage.hold(key, gone))
        sent = lanes("send", "--json", "--", key, "--text")
        assert (sent.code, sent.json["key"], sent.json["text"]) == (0, key, "--text"), sent
        literal = re.sub(r"([*?[])", r"[\1]", key)
        assert [lane["key"] for lane in lanes("list", "--match", literal, "--json").json] == [key]
        assert lanes("pause", "--match", literal, "--json").json[0]["lanes"] == 1
    assert {letter["key"] for letter in lanes("dead-letters", "--limit", "100", "--json").json} == set(KEYS)
    for taker, keys in [(one, [key]) for one in OF_ONE for key in KEYS] + [(many, KEYS) for many in OF_MANY]:
        for form in ([], ["--json"]):
            done = lanes(*taker, *form, "--", *keys)
            assert done.code in ((0, 4) if taker[0] == "abort" else (0,)), done
            assert "no lane" not in done.err


@pytest.mark.parametrize("taker", [["show"], ["send"], ["abort"], ["pause"], ["events"]], ids=" ".join)
def test_what_is_no_key_is_refused_as_usage(stage: Stage, lanes: Call, taker: list[str]) -> None:
    for key in ("", "a\x00b", "a\nb", "\x1b[2J", "\x9b", "\x7f", "x" * 513, "\ud800"):
        refused = lanes(*taker, key, *(["text"] if taker == ["send"] else []))
        assert (refused.code, refused.out) == (2, ""), repr(key)
        assert "invalid session key" in refused.err, repr(key)
        assert harmless(refused.err), repr(key)


def harmless(text: str) -> bool:
    """Whether nothing in it could move a cursor, set a colour, turn the reading direction, or hide."""
    return not [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Co")]


@pytest.fixture
def spoilt(stage: Stage, lanes: Call) -> Stage:
    """A database into which somebody wrote what terminals obey, wherever anything can be written."""
    owner = stage.owner()
    key = "agent:\u202e\u2066key"
    stage.fail(stage.hold(key, owner), HOSTILE)
    stage.complete(stage.hold(key, owner), HOSTILE)
    stage.send(key, HOSTILE)
    lanes("pause", key, "--reason", HOSTILE)
    stage.hold("held:\u202e", owner, HOSTILE)
    lanes("abort", "held:\u202e", "--no-wait", "--reason", HOSTILE)
    spoil = "UPDATE runs SET progress = :text WHERE ended_at IS NULL"
    stage.store.write(lambda tx: tx.run(spoil, {"text": HOSTILE}))
    names = "UPDATE owners SET host = :text, url = :text, kind = 'gateway'"
    stage.store.write(lambda tx: tx.run(names, {"text": HOSTILE}))
    cooling = (
        "INSERT INTO providers (provider, cause, since, until, tries, hold_ms, begun)"
        " VALUES (:text, :text, 0, 9999999999999, 1, 0, 0)"
    )
    stage.store.write(lambda tx: tx.run(cooling, {"text": HOSTILE}))
    return stage


#: Those that change something come last.
SAYING = (
    ["list"], ["show", "agent:\u202e\u2066key"], ["show", "held:\u202e"], ["why", "agent:\u202e\u2066key"],
    ["why", "held:\u202e"], ["messages", "agent:\u202e\u2066key"], ["events"], ["dead-letters"], ["status"],
    ["doctor"], ["drain", "--dry-run"], ["reconcile", "--dry-run"], ["abort", "--all", "--dry-run"], ["config"],
    ["db", "check"], ["show", "no:\u202esuch"], ["list", "--match", "no\u202e*"], ["drop", "1"], ["retry", "1"],
    ["drain", "--wait", "0s"], ["abort", "held:\u202e", "--force"],
)  # fmt: skip


def test_nothing_from_data_reaches_the_output_unescaped(
    spoilt: Stage, lanes: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "CUT_MS", 0)  # nobody is there to obey
    for command in SAYING:
        text = lanes(*command)
        assert harmless(text.out), (command, text.out)
        assert harmless(text.err), (command, text.err)
        form = lanes(*command, "--json")
        assert form.out.isascii(), command
        assert harmless(form.out), command


def test_what_was_said_is_seen_escaped(spoilt: Stage, lanes: Call) -> None:
    shown = lanes("show", "agent:\u202e\u2066key").out
    assert "\\u202e" in shown
    assert "\\x1b[2J" in lanes("messages", "agent:\u202e\u2066key").out
    assert json.loads(lanes("list", "--json").out)[0]["key"] in {"agent:\u202e\u2066key", "held:\u202e"}


def test_a_reply_keeps_its_lines_and_nothing_else(stage: Stage, lanes: Call) -> None:
    from tests.commands.test_send import answer

    stage.owner()
    thread = answer(stage, "k", lambda other: other.complete(other.claim("k", other.owner()), f"one\n{HOSTILE}\nthree"))
    replied = lanes("send", "k", "text", "--wait")
    thread.join()
    assert replied.code == 0
    assert harmless(replied.out)
    lines = replied.out.splitlines()
    assert (lines[0], lines[-1]) == ("one", "three")


def test_the_words_of_a_real_command_line(database: Path) -> None:
    """The way through the operating system: bytes, not strings."""

    def call(*words: bytes) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [sys.executable, "-m", "lanes", "--db", str(database), *words],
            capture_output=True,
            env=environment(database.parent) | {"PYTHONUTF8": "1"},
            check=False,
            timeout=PATIENCE_S,
        )

    key = "漢字 👾 %2F".encode()
    assert call(b"send", key, "päivää".encode()).returncode == 0
    shown = call(b"show", key)
    assert shown.returncode == 0
    assert key in shown.stdout
    assert "päivää".encode() in shown.stdout
    invalid = call(b"show", b"\xff\xfe")
    assert invalid.returncode == 2
    assert re.search(rb"half a character", invalid.stderr)
    assert call(b"send", key, b"\xff").returncode == 2


def test_a_terminal_that_cannot_show_a_character_gets_its_escape(stage: Stage, database: Path) -> None:
    stage.send("漢字", "päivää")
    done = subprocess.run(
        [sys.executable, "-m", "lanes", "--db", str(database), "list"],
        capture_output=True,
        env=environment(database.parent) | {"PYTHONIOENCODING": "ascii"},
        check=True,
        timeout=PATIENCE_S,
    )
    assert b"\\u6f22\\u5b57" in done.stdout
