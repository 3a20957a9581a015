"""Every form is exactly what its schema says."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lanes import forms, operations
from lanes.context import Context
from lanes.engine.reconciler import decide
from lanes.engine.sightings import Sightings
from lanes.form_schemas import schema, schemas
from lanes.identity import this_process
from lanes.procedure import run
from lanes.verbs import control
from lanes_storage import doors, reads
from lanes_storage.law import LaneState, MessageState
from lanes_storage.moment import system_clock
from lanes_storage.records import LaneFilter
from tests.kit.forms import are_forms, is_form
from tests.kit.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Lanes in every state, and messages in every state."""
    made = Stage(tmp_path / "lanes.db")
    owner, dead = made.owner(), made.dead_owner()
    made.hold("running", owner, "waits")
    made.hold("ghost", dead)
    made.complete(made.hold("idle", owner))
    made.fail(made.hold("errored", owner, "waits"))
    made.send("paused", "one", "two")
    now = system_clock()
    made.store.write(lambda tx: doors.pause(tx, "paused", now, actor="me", reason="why", until=now.wall + 60_000))
    aborted = made.hold("aborted", owner)
    run(made.store, control.abort(Context("me"), "aborted", wait=False))
    made.store.write(doors.abort(aborted.ticket, now, by="me", forced=False))
    run(made.store, control.abort(Context("me"), "running", reason="stuck", wait=False))
    (waiting, *_) = run(made.store, operations.messages("paused"))
    run(made.store, operations.drop(waiting.id, actor="me"))
    made.store.write(lambda tx: doors.cool(tx, "codex", "quota", 60_000, now, by="me"))
    yield made
    made.close()


def test_every_schema_is_one() -> None:
    for name in schemas():
        Draft202012Validator.check_schema(schema(name))


def test_lanes(stage: Stage) -> None:
    found = forms.lane_forms(run(stage.store, operations.lanes(LaneFilter())), system_clock())
    assert {lane["state"] for lane in found} == set(LaneState)
    are_forms(found, "Lane")
    for lane in found:
        is_form(forms.detail_form(run(stage.store, operations.detail(lane["key"])), system_clock()), "LaneDetail")


def test_messages_and_events(stage: Stage) -> None:
    keys = [lane.key for lane in run(stage.store, operations.lanes(LaneFilter()))]
    found = [forms.message_form(m) for key in keys for m in run(stage.store, operations.messages(key))]
    assert {message["state"] for message in found} == set(MessageState)
    are_forms(found, "Message")
    events = [forms.event_form(e) for e in run(stage.store, operations.events())]
    are_forms(events, "Event")


def test_what_is_done_and_found(stage: Stage) -> None:
    for key in ("ghost", "idle", "paused"):
        is_form(forms.abort_form(run(stage.store, control.abort(Context("me"), key))), "AbortResult")
    now = system_clock()
    owners, runs = stage.store.read(reads.owners()), stage.store.read(reads.open_runs())
    found = decide(owners, runs, Sightings(5_000), now, this_process())
    are_forms([forms.finding_form(f, now, done=False) for f in found], "Finding")


def test_status(stage: Stage) -> None:
    is_form(forms.status_form(run(stage.store, operations.status("lanes.db")), system_clock()), "Status")


def test_a_drift_is_noticed(stage: Stage) -> None:
    (lane, *_) = forms.lane_forms(run(stage.store, operations.lanes(LaneFilter())), system_clock())
    for drifted in (lane | {"more": 1}, {k: v for k, v in lane.items() if k != "queued"}, lane | {"state": "odd"}):
        with pytest.raises(AssertionError):
            is_form(json.loads(json.dumps(drifted)), "Lane")
