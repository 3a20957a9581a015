"""A database of 0.1.0 in the hands of today's commands: what they say of it is what 0.1.0 said."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from lanes_storage.law import LaneState
from lanes_storage.schema import VERSION
from tests.commands.conftest import Call

FIXTURE = Path(__file__).parents[1] / "fixtures" / "of_0_1_0"


@pytest.fixture
def said() -> dict[str, Any]:
    """What 0.1.0 said of the database."""
    found: dict[str, Any] = json.loads(gzip.decompress((FIXTURE / "said.json.gz").read_bytes()))
    return found


@pytest.fixture
def upgraded(database: Path, lanes: Call) -> Path:
    """The database, upgraded by hand."""
    database.write_bytes(gzip.decompress((FIXTURE / "lanes.db.gz").read_bytes()))
    done = lanes("db", "upgrade")
    assert (done.code, done.out) == (0, f"{database}: schema 1 → {VERSION}\n")
    assert "the disk needs up to" in done.err
    return database


def told_before(before: Any, now: Any) -> Any:
    """What is said now, reduced to the fields that 0.1.0 knew, without ages and without what lives at the moment."""
    if isinstance(before, dict):
        kept = {name for name in before if not name.endswith("_s") and name not in ("alive", "why")}
        return {name: told_before(before[name], now[name]) for name in sorted(kept)}
    if isinstance(before, list):
        assert len(before) == len(now)
        return [told_before(old, new) for old, new in zip(before, now, strict=True)]
    return now


@pytest.mark.usefixtures("upgraded")
def test_F134_every_surface_says_what_0_1_0_said(lanes: Call, said: dict[str, Any]) -> None:
    commands: list[tuple[tuple[str, ...], Any]] = [
        (("list",), said["list"]),
        (("dead-letters",), said["dead-letters"]),
        (("events",), said["events"]),
        *(((command, key), form) for command in ("show", "messages") for key, form in said[command].items()),
    ]
    for command, before in commands:
        now = lanes(*command, "--json").json
        assert told_before(before, now) == told_before(before, before), command


@pytest.mark.usefixtures("upgraded")
def test_F134_doctor_finds_nothing_broken(lanes: Call) -> None:
    found = lanes("doctor", "--json")
    assert [check for check in found.json if check["level"] == "broken"] == []
    assert found.code == 0
    assert lanes("db", "check").code == 0


@pytest.mark.usefixtures("upgraded")
def test_F136_what_is_counted_is_what_is_listed(lanes: Call, said: dict[str, Any]) -> None:
    """The fixture has requests without a session that failed: 0.1.0 took them from the idle lanes."""
    status, listed = lanes("status", "--json").json, lanes("list", "--json").json
    by_state = {str(state): sum(lane["state"] == state for lane in listed) for state in LaneState}
    assert status["lanes"] == by_state
    assert said["status"]["lanes"] != by_state, "so much was wrong"
    open_letters = [letter for letter in lanes("dead-letters", "--json").json if letter["retried_as"] is None]
    assert status["messages"]["dead_letters"] == len(open_letters)
    assert status["messages"]["queued"] == sum(lane["queued"] for lane in listed)
