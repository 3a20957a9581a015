"""lanes bundle: what is in it, and what must not be."""

import json
import sqlite3
import stat
import zipfile
from pathlib import Path

import pytest

from lanes import doctor
from lanes.doctor.checks import ok
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.interface import Transaction
from lanes_storage.law import Cause, PauseKind
from lanes_storage.records import Beat, RunFailure
from tests.commands.conftest import Call
from tests.kit.filesystems import needed_disk
from tests.kit.stage import Stage

PARTS = {
    "README.txt", "about.json", "schema.sql", "settings.json", "status.json", "owners.json", "lanes.json",
    "letters.json", "events.jsonl", "doctor.json",
}  # fmt: skip
CONFIG = """
[gateway]
token_env = "MY_TOKEN"

[[runner]]
name = "chat"
kind = "provider"
providers = ["main"]
system = "a xyzzy prompt"

[[provider]]
name = "main"
base_url = "https://api.example.com/v1"
model = "m"
api_key_env = "MAIN_API_KEY"

[[policy]]
match = "agent:xyzzy-person"
cap = 3
"""


@pytest.fixture
def spoken(stage: Stage, lanes: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A database in which things were said, and a configuration with secrets."""
    monkeypatch.setenv("MY_TOKEN", "token-xyzzy")
    monkeypatch.setenv("MAIN_API_KEY", "api-key-xyzzy")
    (tmp_path / "lanes.toml").write_text(CONFIG)
    owner = stage.owner()
    key = "agent:xyzzy-person"
    stage.send(key, "a xyzzy text", "a xyzzy text that is dropped")
    stage.complete(stage.claim(key, owner), "a xyzzy reply")
    lanes("drop", "2")
    broken_off = stage.hold("agent:other-xyzzy", owner)
    stage.say(broken_off, owner, "the beginning of a xyzzy reply")
    stage.fail(broken_off, "the provider quoted: a xyzzy text")
    _with_reasons(stage, lanes)
    return stage


def _with_reasons(stage: Stage, lanes: Call) -> None:
    """Every place where a reason that somebody typed comes to lie."""
    aborted = stage.hold("aborted", stage.owner(), "waits too")
    assert lanes("abort", "aborted", "--scope", "both", "--force", "--reason", "a xyzzy reason").code == 0
    assert stage.message(aborted.message.id).state == "aborted"
    stage.hold("asked", stage.owner())
    assert lanes("abort", "asked", "--no-wait", "--reason", "a xyzzy reason").code == 0
    (waiting,) = stage.send("paused", "waits")
    assert lanes("pause", "paused", "--reason", "a xyzzy reason").code == 0
    detail = {"waited_ms": 1, "holder": "paused by 'me' ('a xyzzy reason') for 1m"}

    def step(tx: Transaction) -> None:
        now = system_clock()
        doors.pause_matching(tx, "*xyzzy*", PauseKind.HAND, now, actor="me", reason="a xyzzy reason")
        assert doors.warn_wait(tx, waiting.id, now, by="owner:1", detail=detail)

    stage.store.write(step)


def opened(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_what_was_said_is_left_out(spoken: Stage, lanes: Call, tmp_path: Path) -> None:
    file = tmp_path / "bug.zip"
    made = lanes("bundle", str(file))
    assert (made.code, made.out) == (0, f"{file}\n"), made
    assert "left out" in made.err
    assert "look through it" in made.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    parts = opened(file)
    assert parts.keys() == PARTS
    assert not [name for name, content in parts.items() if "xyzzy" in content], (
        "nothing that was said, no secret, no key"
    )
    events = [json.loads(line) for line in parts["events.jsonl"].splitlines()]
    keys = {lane["key"] for lane in json.loads(parts["lanes.json"])}
    assert len(keys) == 5
    assert {event["key"] for event in events if event["key"]} == keys, "one key has one name"
    assert json.loads(parts["letters.json"])[0]["error"]["attempts"][0]["cause"] == "server_error"
    assert "CREATE TABLE lanes" in parts["schema.sql"]
    assert json.loads(parts["about.json"])["lanes"]
    assert json.loads(parts["status.json"])["messages"]["dead_letters"] == 1
    assert any(check["check"] == "invariants" for check in json.loads(parts["doctor.json"]))
    settings = {s["name"]: s["value"] for s in json.loads(parts["settings.json"])}
    assert settings["provider.main.api_key_env"] == "MAIN_API_KEY"


def test_with_texts_when_asked_but_never_a_secret(spoken: Stage, lanes: Call, tmp_path: Path) -> None:
    file = tmp_path / "bug.zip"
    made = lanes("bundle", str(file), "--texts", "--json")
    assert made.code == 0
    assert set(made.json["parts"]) == PARTS
    assert made.json["texts"] is True
    assert "ARE in it" in made.err
    whole = "".join(opened(file).values())
    assert "agent:xyzzy-person" in whole
    assert "a xyzzy reason" in whole
    assert "a xyzzy text that is dropped" in whole
    assert "token-xyzzy" not in whole
    assert "api-key-xyzzy" not in whole


def test_what_cannot_be_written(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    file = tmp_path / "bug.zip"
    file.write_text("mine")
    refused = lanes("bundle", str(file))
    assert (refused.code, refused.out) == (1, "")
    assert "already exists" in refused.err
    assert file.read_text() == "mine"
    assert lanes("bundle", str(tmp_path / "no" / "bug.zip")).code == 1
    assert lanes("bundle", str(tmp_path)).code == 2
    assert lanes("bundle").code == 2


def test_without_a_database_it_is_69(lanes: Call, tmp_path: Path) -> None:
    assert lanes("bundle", str(tmp_path / "bug.zip")).code == 69
    assert not (tmp_path / "bug.zip").exists()


def test_on_a_full_disk_it_leaves_nothing(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    with needed_disk(tmp_path / "small", 1) as disk:
        disk.fill()
        for _ in range(2):
            full = lanes("bundle", str(disk.folder / "bug.zip"))
            assert (full.code, "No space left" in full.err) == (1, True), full
        disk.free()
        assert lanes("bundle", str(disk.folder / "bug.zip")).code == 0


def test_a_configuration_that_is_refused_is_no_obstacle(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    (tmp_path / "lanes.toml").write_text("[clocks]\nrun_timout = '5m'\n")
    assert lanes("bundle", str(tmp_path / "bug.zip")).code == 0
    assert json.loads(opened(tmp_path / "bug.zip")["settings.json"]) == []


def test_F90_what_a_check_of_the_doctor_quotes_is_left_out(
    stage: Stage, lanes: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a provider, the key of a broken invariant, a refused value, and a check that nobody declared."""
    stage.send("k (row 1) xyzzy", "text")
    stage.owner()
    error = {"message": "a xyzzy text"}
    stage.store.write(
        lambda tx: doors.note_provider(tx, "main", "server_error", system_clock(), by="owner:1", detail=error)
    )
    with sqlite3.connect(stage.path) as connection:
        connection.execute("UPDATE lanes SET epoch = epoch + 7")
    connection.close()
    (tmp_path / "lanes.toml").write_text('[clocks]\nrun_timeout = "xyzzy"\n')
    monkeypatch.setattr(doctor, "_LOOKS", doctor._LOOKS | {"new": lambda *_: [ok("new", "a xyzzy text")]})
    shown = lanes("doctor").out
    assert "main has failed for" in shown
    assert "(server_error: a xyzzy text)" in shown
    assert "lane k (row 1) xyzzy (row 1)" in shown
    assert lanes("bundle", str(tmp_path / "bug.zip")).code == 0
    parts = opened(tmp_path / "bug.zip")
    assert [name for name, content in parts.items() if "xyzzy" in content] == []
    told = {check["check"]: check for check in json.loads(parts["doctor.json"])}
    assert (told["new"]["message"], told["new"]["fix"]) == ("(left out)", None)
    assert told["providers"]["message"].startswith("provider main has failed for ")
    assert any(": row 1: " in check["message"] for check in told.values())


def test_F615_what_an_agent_did_last_is_left_out(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    owner, did = stage.owner(), "tool:started bash -lc 'echo a xyzzy text'"
    claimed, now = stage.hold("held", owner), system_clock()
    stage.store.write(doors.heartbeat(owner, [Beat(claimed.ticket, did, now.boot, now.wall)], now))
    stage.store.write(lambda tx: doors.warn_held(tx, claimed.ticket, now, by="owner:1", detail={"progress": did}))
    stalled = RunFailure(Cause.STALL_TIMEOUT, f"no progress for 2m, its stall_timeout is 2m; the last sign was {did!r}")
    stage.store.write(doors.fail(stage.hold("stalled", owner).ticket, stalled, now, by="tester"))
    assert lanes("bundle", str(tmp_path / "bundle.zip")).code == 0
    parts = opened(tmp_path / "bundle.zip")
    assert [name for name, content in parts.items() if "xyzzy" in content] == []
    assert '"progress": "tool:started"' in parts["lanes.json"]
    assert "its stall_timeout is 2m" in parts["lanes.json"]


def test_F90_the_words_of_a_runners_own_cause_are_left_out(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    claimed = stage.hold("a", stage.owner())
    failure = RunFailure(Cause.read("tool_missing"), "the tool said: a xyzzy text")
    stage.store.write(doors.fail(claimed.ticket, failure, system_clock(), by="tester"))
    assert lanes("bundle", str(tmp_path / "bundle.zip")).code == 0
    parts = opened(tmp_path / "bundle.zip")
    assert "tool_missing" in parts["letters.json"]
    assert [name for name, content in parts.items() if "xyzzy" in content] == []
