"""Every record knows its JSON both ways, and its JSON is exactly what its schema says."""

import copy
import inspect
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator

from lanes import records
from lanes.base.errors import Unreadable
from lanes.base.procedure import run
from lanes.context import Context
from lanes.drivers.local import LocalDriver
from lanes.engine.reconcile.reconciler import decide, to_finding
from lanes.engine.reconcile.sightings import Sightings
from lanes.host.identity import this_process
from lanes.records import FORMS, Lane, Liveness, Pause, Record, jsonable, kinds, schema, schemas
from lanes.records.codec import schema_of
from lanes.verbs import control, messages, queries, system
from lanes_storage import doors, reads
from lanes_storage.clock import system_clock
from lanes_storage.law import LaneState, MessageState
from tests.golden.told import shown
from tests.kit.cooling import cool
from tests.kit.forms import are_forms, is_form
from tests.kit.stage import Stage

ALL = {f"{form}, {case}": record for form, cases in shown().items() for case, record in cases.items()}

ME = Context("me", database="lanes.db")


def driver(stage: Stage) -> LocalDriver:
    return LocalDriver(stage.store, ME)


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
    (waiting, *_) = run(made.store, messages.messages(ME, "paused"))
    run(made.store, messages.drop(ME, waiting.id))
    made.store.write(lambda tx: cool(tx, "codex", "quota", 60_000, now, by="me"))
    yield made
    made.close()


def test_every_schema_is_one() -> None:
    for each in (*schemas().values(), schema("Lane")):  # a whole document has all of them
        Draft202012Validator.check_schema(each)


def test_lanes(stage: Stage) -> None:
    found = driver(stage).call(queries.list_).lanes
    assert {lane.state for lane in found} == set(LaneState)
    are_forms(jsonable(found), "Lane")
    for lane in found:
        is_form(driver(stage).call(queries.show, key=lane.key).to_json(), "LaneDetail")


def test_messages_and_events(stage: Stage) -> None:
    keys = [lane.key for lane in driver(stage).call(queries.list_).lanes]
    found = [message for key in keys for message in driver(stage).call(messages.messages, key=key)]
    assert {message.state for message in found} == set(MessageState)
    are_forms(jsonable(found), "Message")
    are_forms(jsonable(driver(stage).call(system.events)), "Event")


def test_what_is_done_and_found(stage: Stage) -> None:
    for key in ("ghost", "idle", "paused"):
        is_form(run(stage.store, control.abort(Context("me"), key)).to_json(), "AbortResult")
    now = system_clock()
    owners, runs = stage.store.read(reads.owners()), stage.store.read(reads.open_runs())
    found = decide(owners, runs, Sightings(5_000), now, this_process())
    are_forms([to_finding(each, Liveness(now), done=False).to_json() for each in found], "Finding")


def test_status(stage: Stage) -> None:
    is_form(driver(stage).call(system.status).to_json(), "Status")


def test_a_drift_is_noticed(stage: Stage) -> None:
    (lane, *_) = jsonable(driver(stage).call(queries.list_).lanes)
    for drifted in (lane | {"more": 1}, {k: v for k, v in lane.items() if k != "queued"}, lane | {"state": "odd"}):
        with pytest.raises(AssertionError):
            is_form(json.loads(json.dumps(drifted)), "Lane")


def test_what_was_told_is_read_again_and_told_in_the_same_way() -> None:
    for name, record in ALL.items():
        said = json.dumps(record.to_json())
        assert json.dumps(type(record).from_json(json.loads(said)).to_json()) == said, name


def test_a_record_is_read_again_as_it_was() -> None:
    lane = ALL["Lane, held, run abort asked"]
    assert Lane.from_json(json.loads(json.dumps(lane.to_json()))) == lane
    event = ALL["Event, paused"].replace(detail={"until": 1_000, "held_ms": 1_500, "owner": 7, "limit_ms": None})
    assert records.Event.from_json(json.loads(json.dumps(event.to_json()))) == event


def test_a_record_is_frozen_can_be_copied_and_says_what_it_is() -> None:
    pause = Pause("why", None)
    with pytest.raises(AttributeError):
        pause.reason = "another"  # type: ignore[misc]
    assert pause == Pause(reason="why", until=None) == copy.copy(pause) == pickle.loads(pickle.dumps(pause))
    assert repr(pause) == "Pause(reason='why', until=None, match=None)"
    assert pause.replace(until=5) == Pause("why", 5)
    assert "the number of waiting messages" in str(inspect.getdoc(Lane.queued)), "``help`` shows it"
    with pytest.raises(TypeError):
        Pause("why")  # type: ignore[call-arg]


def test_where_a_lane_lives_is_told_only_where_that_is_elsewhere() -> None:
    lane = ALL["Lane, errored"]
    assert "source" not in lane.to_json()
    watched = lane.replace(source="openclaw")
    assert watched.to_json() == lane.to_json() | {"source": "openclaw"}
    assert Lane.from_json(watched.to_json()) == watched
    is_form(json.loads(json.dumps(watched.to_json())), "Lane")


def test_a_field_that_is_not_known_here_is_left_out() -> None:
    """A gateway of a newer version tells more."""
    form = json.loads(json.dumps(ALL["Lane, errored"].to_json()))
    assert Lane.from_json(form | {"newer": 1}) == Lane.from_json(form)


@pytest.mark.parametrize(
    "form",
    [None, [], "a lane", 7, {}, {"key": "a"}, {"reason": 7, "until": None}, {"reason": "x", "until": "soon"},
     {"reason": "x", "until": True}, {"reason": None, "until": None}],
)  # fmt: skip
def test_what_is_no_record_is_refused_in_one_way(form: Any) -> None:
    with pytest.raises(Unreadable, match="not a valid Pause: "):
        Pause.from_json(form)


def test_every_field_of_the_records_is_of_a_kind() -> None:
    for form in FORMS:
        assert schema_of(form)["properties"], form.__name__
        for name, marked in ((f.name, f.marks) for f in form.fields()):
            left_out = marked & {kinds.HIDDEN, kinds.UNUSUAL}
            assert not left_out or name in form._defaults, f"{form.__name__}.{name} has no default to be read as"


class Odd(Record):
    """A record with a field that JSON does not have."""

    odd: "set[int]"


def test_an_annotation_that_is_of_no_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="no kind of a field"):
        Odd({1}).to_json()


class Measured(Record):
    """A record of a program that builds on these."""

    took_ms: "Annotated[kinds.Seconds, 'how long it took']"
    at: "kinds.Moment | None" = None


def test_a_unit_is_told_in_the_name() -> None:
    assert Measured(1_500).to_json() == {"took_s": 1.5, "at": None}
    assert Measured.from_json({"took_s": 1.5}) == Measured(1_500)
    assert [field.meaning for field in Measured.fields()] == ["how long it took", ""]
