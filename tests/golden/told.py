"""The record of each row, and its JSON as every surface tells it: the form's name, the case, and the object."""

from typing import Any

from lanes import records
from lanes.commands.maintain.archive import Redaction
from lanes.engine.reconcile import reconciler
from lanes.records import Liveness, Record
from lanes_storage.records import EventRow, LaneRow, MessageRow
from tests.golden import rows

Told = dict[str, dict[str, Any]]


def shown() -> dict[str, dict[str, Record]]:
    """Each record with its cases."""
    eye = Liveness(rows.NOW, rows.ME)
    return {
        "Lane": {name: records.Lane.of(lane, eye) for name, lane in rows.LANES.items()},
        "LaneDetail": {name: _detail(eye, *detail) for name, detail in rows.DETAILS.items()},
        "Run": {name: records.Run.of(run, rows.OWNERS["alive"], eye) for name, run in rows.RUNS.items()},
        "Message": {name: records.Message.of(message) for name, message in rows.MESSAGES.items()},
        "Event": {name: records.Event.of(event) for name, event in (rows.EVENTS | rows.LATER_EVENTS).items()},
        "AbortResult": dict(rows.ABORTS),
        "Cut": {
            name: records.Cut.of(run, eye, message_state=state, pauses=pauses)
            for name, (run, state, pauses) in rows.CUTS.items()
        },
        "Finding": {
            name: reconciler.to_finding(finding, eye, done=name == "ghost") for name, finding in rows.FINDINGS.items()
        },
        "Status": {name: records.Status.of(*status, eye) for name, status in rows.STATUSES.items()},
        "OwnerDetail": {name: records.OwnerDetail.of(owner, eye) for name, owner in rows.OWNERS.items()},
        "Check": dict(rows.CHECKS),
        **_around(eye),
    }


def _around(eye: Liveness) -> dict[str, dict[str, Record]]:
    """What holds other records."""
    one = records.Lane.of(rows.LANES["errored"], eye)
    silent = records.Silence(rows.KEYS["wide"], 7, 31_000, 45_000, "first_byte_timeout", "main")
    endless = records.Silence(rows.KEYS["plain"], 8, 61_000, None, None, None)
    by_state = rows.COUNTS["full"].lanes
    return {
        "Acted": {"done": records.Acted(one, True), "as it was": records.Acted(one, False)},
        "LanePage": {
            "some": records.LanePage((one,), by_state, "50"),
            "the last": records.LanePage((), by_state, None),
        },
        "SearchPage": {"some": records.SearchPage((one,), 12, 3), "none": records.SearchPage((), 0, None)},
        "GlobActed": {
            "all": records.GlobActed("*", records.Pause("in repair", rows.NOW.wall, "*"), True, 3),
            "none": records.GlobActed("agent:*", None, False, 0),
        },
        "GlobPause": {
            "all": records.GlobPause("*", "in repair", "alice", rows.NOW.wall, None),
            "a glob": records.GlobPause("agent:[!m]*", "in repair", "alice", rows.NOW.wall, rows.NOW.wall + 1),
        },
        "Hit": {"one": records.Hit(rows.KEYS["wide"], 3, 0, 2)},
        "Silences": {"some": records.Silences((silent, endless), 3), "none": records.Silences((), 0)},
        "Silence": {"at a provider": silent, "without a limit": endless},
        "LaneGroup": {"some": records.LaneGroup("agent:main", 7, 3, 2, 1, 2, 1, 95_000, False)},
        "Pruned": {"some": records.Pruned(3)},
        "Why": {"a sentence": records.Why(rows.KEYS["plain"], "Nothing waits.")},
        "SettingValue": {"a list": records.SettingValue("gateway.session_from", ["user"], "file", "line 3", "fields")},
    }


def _detail(
    eye: Liveness, row: LaneRow, messages: list[MessageRow], events: list[EventRow], why: str
) -> records.LaneDetail:
    return records.LaneDetail(
        records.Lane.of(row, eye),
        why,
        None if row.run is None else records.Run.of(row.run, row.owner, eye),
        tuple(map(records.Message.of, messages)),
        tuple(map(records.Event.of, events)),
    )


def told() -> Told:
    """The JSON of each."""
    found = {form: {name: record.to_json() for name, record in cases.items()} for form, cases in shown().items()}
    return found | {"Redacted": _redacted(found["Lane"] | found["Message"] | found["Event"])}


def _redacted(given: dict[str, Any]) -> dict[str, Any]:
    """Some of what a bundle without texts shows, its names for keys made from a salt that does not change."""
    hide = Redaction()
    hide._salt = b"golden"
    shown = ("idle, key wide", "errored, own cause", "running, something said", "failed", "a change of state", "notice")
    return {name: hide(given[name]) for name in shown}
