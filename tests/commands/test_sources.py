"""Other programs' gateways that are watched, in `lanes status` and `lanes doctor`."""

from pathlib import Path
from typing import Any

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import SourceState
from tests.commands.conftest import Call
from tests.kit.stage import MINUTE, Stage

URL = "ws://127.0.0.1:18789"
CONT = "`kill -CONT 4711` lets it go on; else restart it"


def watch(stage: Stage) -> int:
    """A process that watches a gateway."""
    owner, now = stage.owner(kind="desk"), system_clock()
    stage.store.write(lambda tx: doors.watch(tx, "openclaw", "openclaw", URL, owner, now, is_gone=lambda *_: False))
    return owner


def note(stage: Stage, owner: int, state: SourceState, at: int = 0, **about: str) -> None:
    """What is seen of it, so many milliseconds from now."""
    now = system_clock()
    later = now._replace(wall=now.wall + at)
    stage.store.write(lambda tx: doors.note_source(tx, "openclaw", owner, state, later, **about))


def sources(lanes: Call) -> list[dict[str, Any]]:
    """The sources of `lanes status`."""
    found: list[dict[str, Any]] = lanes("status", "--json").json["sources"]
    return found


def checks(lanes: Call) -> list[dict[str, Any]]:
    """What the doctor says of sources."""
    return [each for each in lanes("doctor", "--json").json if each["check"] == "sources"]


def test_a_source_is_told_with_its_state_since_when_its_error_and_what_to_do(stage: Stage, lanes: Call) -> None:
    owner = watch(stage)
    note(stage, owner, SourceState.CONNECTED, version="2026.9.6")
    assert "openclaw" in lanes("status").out
    assert [(each["level"], each["fix"]) for each in checks(lanes)] == [("ok", None)]
    note(stage, owner, SourceState.HUNG, why="its process 4711 is stopped", fix=CONT)
    said = lanes("status").out
    assert "source openclaw: its process 4711 is stopped" in said
    assert f"source openclaw: → {CONT}" in said
    (source,) = sources(lanes)
    assert (source["state"], source["watched"], source["version"]) == ("hung", True, "2026.9.6")
    (check,) = checks(lanes)
    assert (check["level"], check["fix"]) == ("warning", CONT)
    assert "openclaw (openclaw 2026.9.6) has been hung for" in check["message"]


def test_a_state_lasts_while_it_is_tried_again_and_the_last_error_stays(stage: Stage, lanes: Call) -> None:
    owner = watch(stage)
    note(stage, owner, SourceState.HUNG, why="it answers nothing")
    (first,) = sources(lanes)
    note(stage, owner, SourceState.HUNG, at=MINUTE, why="it answers nothing at all")
    (second,) = sources(lanes)
    assert (second["since"], second["error"]) == (first["since"], "it answers nothing at all")
    note(stage, owner, SourceState.CONNECTED, at=2 * MINUTE)
    (third,) = sources(lanes)
    assert third["since"] > second["since"]
    assert (third["error"], third["error_at"]) == (second["error"], second["error_at"])
    assert ": it answers nothing at all" in lanes("status").out
    assert "→" not in lanes("status").out


def test_a_source_that_nobody_watches_is_told(stage: Stage, lanes: Call) -> None:
    owner = watch(stage)
    note(stage, owner, SourceState.CONNECTED)
    now = system_clock()
    stage.store.write(lambda tx: doors.end_owner(tx, owner, now, cause="stopped", by="test"))
    (source,) = sources(lanes)
    assert (source["watched"], "`lanes watch`" in source["fix"]) == (False, True)
    assert "not watched" in lanes("status").out
    (check,) = checks(lanes)
    assert (check["level"], "nobody watches openclaw" in check["message"]) == ("warning", True)


def test_a_source_that_is_configured_and_was_never_watched_is_told(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    assert checks(lanes)[0]["message"] == "no other program's gateway is watched"
    (tmp_path / "lanes.toml").write_text(f'[[watch]]\nname = "claw"\nurl = "{URL}"\n', encoding="utf-8")
    (check,) = checks(lanes)
    assert (check["level"], "nobody watches claw" in check["message"]) == ("warning", True)


def test_what_another_program_says_is_shown_harmless(stage: Stage, lanes: Call) -> None:
    owner = watch(stage)
    note(stage, owner, SourceState.REFUSED, why="\x1b]0;owned\x07", fix="\x1b[2J")
    assert "\x1b" not in lanes("status").out + lanes("doctor").out
