"""Every command, with a gateway that lives, that hangs, that is dead, and with none."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lanes.commands.serve import drain
from tests.commands.conftest import CONFIG
from tests.kit.forms import are_forms, is_form
from tests.kit.processes import PATIENCE_S, House, Process, eventually, house

STATES = ("none", "living", "hung", "dead")
#: The form of each command's JSON; a list of them where the name is in brackets.
FORMS = {
    "status": "Status", "list": "[Lane]", "show": "LaneDetail", "why": "Why", "messages": "[Message]",
    "events": "[Event]", "dead-letters": "[Message]", "pause": "[Acted]", "resume": "[Acted]", "ack": "[Acted]",
    "send": "Message", "abort": "[AbortResult]", "retry": "Message", "drop": "Message", "doctor": "[Check]",
    "config": "[SettingValue]",
}  # fmt: skip


class Night:
    """A house in which a lane hangs, one has failed, and one waits; and its gateway, in one of the states."""

    def __init__(self, made: House, state: str) -> None:
        self.made, self.state = made, state
        self.gateway: Process | None = None
        self.letter = self.waiting = ""

    @property
    def soon(self) -> str:
        """How long to wait: for a living gateway as long as it takes, for one that hangs not for long."""
        return f"{PATIENCE_S:g}s" if self.state == "living" else "2s"

    def lanes(self, *arguments: str) -> Any:
        """Run a command; its exit code is checked by whoever asks."""
        return self.made.lanes(*arguments, check=False)

    def form(self, code: int, *arguments: str) -> Any:
        """Run it with --json: it exits so, and prints what its schema says."""
        done = self.lanes(*arguments, "--json")
        assert done.code == code, done
        value = json.loads(done.out)
        name = FORMS[arguments[0]]
        if name.startswith("["):
            are_forms(value, name.strip("[]"))
        else:
            is_form(value, name)
        return value

    def prepare(self) -> None:
        """Let a gateway come so far, then be as the state says."""
        config = CONFIG.format(url=self.made.provider())
        # However slow the machine, one that hangs is not taken for silent in the middle of a test.
        self.made.config.write_text(config.replace("[clocks]", '[clocks]\nstale_after = "1h"'))
        self.gateway = self.made.gateway()
        self.letter = self.lanes("send", "fails", "[[sim-500]]").out.strip()
        self.lanes("send", "hangs", "[[sim-hang]]")
        self.waiting = self.lanes("send", "hangs", "waits").out.strip()
        eventually(lambda: self._is("hangs", "running") and self._is("fails", "errored"), "the lanes to be as they are")
        if self.state == "hung":
            self.gateway.freeze(self.made.database)
        elif self.state == "dead":
            self.gateway.kill()
        elif self.state == "none":
            self.made.lanes("abort", "--all", "--scope", "both", "--yes")
            assert self.gateway.terminate() == 0
            self.waiting = self.lanes("send", "hangs", "waits").out.strip()

    def _is(self, key: str, state: str) -> bool:
        return bool(self.made.row("SELECT count(*) FROM lanes WHERE key = ? AND state = ?", key, state)[0])


@pytest.fixture(params=STATES)
def night(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    monkeypatch.setattr(drain, "CUT_MS", round(1000 * PATIENCE_S))  # a gateway that obeys may take its time
    with house(tmp_path) as made:
        one = Night(made, request.param)
        one.prepare()
        yield one
        if one.gateway is not None and one.gateway.popen.poll() is None:
            one.gateway.thaw()


def test_every_command_works_whatever_the_gateway_does(night: Night) -> None:
    look(night)
    wait_for_a_reply(night)
    act(night)
    copy_and_drain(night)


def look(night: Night) -> None:
    """What shows the lanes and the gateway."""
    alive = night.state in ("living", "hung")
    status = night.form(0 if alive else 69, "status")
    assert [gateway["alive"] for gateway in status["gateways"]] == ([] if night.state == "none" else [alive])
    listed = {lane["key"]: lane for lane in night.form(0, "list")}
    assert listed["fails"]["last_error"]["cause"] == "provider_failed"
    assert (listed["hangs"]["owner"] is not None) == (night.state != "none")
    assert night.form(0, "show", "hangs")["queued"] == 1
    why = night.form(0, "why", "hangs")["why"]
    expected = {"none": "No gateway lives", "living": "is alive", "hung": "is stopped", "dead": "is gone"}[night.state]
    assert expected in why
    assert night.form(0, "messages", "hangs")
    assert night.form(0, "events")
    assert night.form(0, "dead-letters")[0]["id"] == night.letter
    checks = {check["check"]: check["level"] for check in night.form(0, "doctor")}
    assert checks["invariants"] == "ok"
    assert (checks["owners"] == "warning") == (night.state in ("hung", "dead"))
    assert night.form(0, "config")
    for human in (["status"], ["list"], ["show", "hangs"], ["why", "hangs"], ["messages", "hangs"], ["events"]):
        assert night.lanes(*human).out.strip()


def act(night: Night) -> None:
    """What changes a lane or a message."""
    assert night.form(0, "pause", "hangs", "fails", "--reason", "in repair")[0]["paused"]["reason"] == "in repair"
    assert night.form(0, "drop", night.waiting)["state"] == "dropped"
    assert night.form(0, "retry", night.letter)["retry_of"] == night.letter
    assert night.form(0, "send", "hangs", "again")["state"] == "queued"
    result = night.form(4 if night.state == "none" else 0, "abort", "hangs", "--grace", night.soon)[0]
    expected = {"none": "not_held", "living": "released", "hung": "forced", "dead": "repaired"}[night.state]
    assert result["outcome"] == expected
    assert night.form(0, "ack", "hangs", "fails")[0]["state"] == "idle"
    assert night.form(0, "resume", "--match", "*")[0]["paused"] is None
    reconciled = night.lanes("reconcile", "--json")
    assert reconciled.code == 0
    # One that hangs is at most watched: its process is there.
    decisions = {"dead": {"owner_gone"}, "hung": {"watched"}}.get(night.state, set())
    assert {finding["decision"] for finding in reconciled.json} <= decisions, reconciled


def wait_for_a_reply(night: Night) -> None:
    """What a sender is told."""
    waited = night.lanes("send", "fresh", "hello", "--wait", "--timeout", night.soon)
    code = {"none": 69, "living": 0, "hung": 69, "dead": 69}[night.state]
    assert waited.code == code, waited
    assert (waited.out == "hello\n") == (code == 0)
    if code:
        assert waited.out.strip().isdecimal(), "its id is printed"


def copy_and_drain(night: Night) -> None:
    """What is done to the file and to the gateway as a whole."""
    drained = night.lanes("drain", "--wait", "0s", "--json")
    assert drained.code == {"none": 69, "living": 0, "hung": 0, "dead": 69}[night.state], drained
    if drained.out:
        are_forms(drained.json, "OwnerDetail")
    copy = night.made.folder / "copy.db"
    assert night.lanes("db", "backup", str(copy)).code == 0
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM lanes").fetchone()[0] >= 2
    assert night.lanes("db", "check", "--json").code == 0
    assert night.lanes("bundle", str(night.made.folder / "bug.zip")).code == 0
    assert night.lanes("db", "upgrade").code == 0
    restored = night.lanes("db", "restore", str(copy))
    assert restored.code == (1 if night.state in ("living", "hung") else 0), restored
