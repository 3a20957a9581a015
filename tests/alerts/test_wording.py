"""What an alert says, and that docs/operations.md tells each field of it."""

import json
import re

from lanes.alerts.seeing import AlertKind, sightings
from lanes.alerts.wording import body
from lanes.testing import MINUTE
from lanes_storage import doors
from lanes_storage.records import DueIncident
from tests.alerts.test_seeing import alert
from tests.house.modules import ROOT
from tests.kit.cooling import cool
from tests.kit.world import World

DOC = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("\n## Alerts")[2].partition("\n## ")[0]


def rows(head: str) -> dict[str, str]:
    """The rows of a table of the document, by their first cell."""
    table = DOC.partition(head)[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `?([a-z_ ]+)`? \| (.*) \|$", table, re.MULTILINE))


def due(kind: str, subject: str, facts: dict[str, object], ended_at: int | None = None) -> DueIncident:
    sent = None if ended_at is None else 1
    return DueIncident(7, "ops", kind, subject, json.dumps(facts), 1_790_000_000_000, ended_at, sent, 0)


def test_each_field_of_an_alert_is_told() -> None:
    said = json.loads(body(due("dead_letter", "a\x1b", {"message_id": "3", "cause": "poison"}), "json"))
    assert list(said) == list(rows("| field | |"))
    assert (said["incident"], said["state"], said["subject"], said["ended_at"]) == ("7", "began", "a\\x1b", None)
    over = json.loads(body(due("held", "", {"count": 5}, ended_at=1_790_000_060_000), "json"))
    assert (over["state"], over["subject"], over["ended_at"]) == ("ended", None, "2026-09-21T14:14:20.000Z")
    assert json.loads(body(due("held", "<a>", {}), "slack")) == {
        "text": "lanes: lane &lt;a&gt; has been held for long", "mrkdwn": False,
    }  # fmt: skip


def test_the_facts_of_each_kind_are_told(world: World) -> None:
    told = {kind: set(re.findall(r"`([a-z_]+)`", facts)) for kind, facts in rows("| kind | `facts` |").items()}
    assert told.pop("several lanes") == {"count"}
    held = world.start("held").ticket
    world.send("held", "waits")
    world.fail(world.start("failed").ticket)
    world.step(lambda tx: cool(tx, "codex", "quota", 30 * MINUTE, world.time()))
    world.end_owner(world.owner(host="there", pid=7))
    world.time.move(5 * MINUTE)
    world.store.write(doors.heartbeat(world.me, [], world.time()))
    assert held
    found = {str(seen.kind): set(seen.facts) for seen in sightings(world.store.read, [alert()], world.time())}
    assert found == told
    assert set(told) == {str(kind) for kind in AlertKind}
