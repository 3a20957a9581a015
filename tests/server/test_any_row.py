"""Rows with words that no program knows, beneath a living gateway: every route answers, and other lanes go on."""

import random
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.kit.poison import poisoned, restored, text_columns, together
from tests.kit.until import PATIENCE_S
from tests.server.conftest import Served

SEED = 20261128
ROUTES = (
    "/api/lanes", "/api/lanes?sort=error", "/api/lanes?abortable=both", "/api/status", "/api/dead-letters", "/metrics",
    "/healthz", "/api/lane?key={key}", "/api/lane/messages?key={key}", "/api/messages/{id}", "/v1/models",
)  # fmt: skip


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.soak)])
async def test_F95_every_route_answers_and_other_lanes_go_on_whatever_stands_in_a_column(
    served: Served, tmp_path: Path, alone: bool
) -> None:
    """One column of each table at once; in the long form each ``alone``."""
    path, chance = tmp_path / "lanes.db", random.Random(SEED)
    for key, text in (("done", "hello"), ("failed", "[[sim-500]]"), ("failed", "[[sim-500]]")):
        message = await served.desk.send(key, text)
        await served.desk.wait(message.id, timeout=PATIENCE_S)
    await served.desk.send("paused", "one")
    await served.desk.pause("paused", actor="alice", reason="to look")
    await served.desk.send("paused", "two")
    ids = [message.id for message in await served.desk.messages("failed")]
    living = f"id = {served.gateway.owner_id}"
    # Without its counter no database gives out an epoch.
    columns = [column for column in text_columns(path) if column.table != "counters"]
    for number, group in enumerate(together(columns, alone=alone)):
        before = [
            poisoned(path, column, chance, but=living if column.table == "owners" else "false") for column in group
        ]
        keys = [lane.key for lane in await served.desk.lanes()]
        for route in ROUTES:
            said = route.format(key=quote(chance.choice(keys), safe=""), id=chance.choice(ids))
            answer = await served.client.get(said)
            assert answer.status_code in (200, 400, 404), f"{group}: GET {said}: {answer.status_code} {answer.text}"
            if "{key}" not in route:
                assert answer.status_code == 200, f"{group}: GET {said}: {answer.text}"
        events = await served.client.get("/api/events?limit=1000", headers={"Accept": "application/json"})
        assert events.status_code == 200, f"{group}: {events.text}"
        fresh = await served.post(f"/api/lanes/fresh-{number}/messages?wait=60", {"text": "hello"})
        assert (fresh.status_code, fresh.json()["state"]) == (200, "done"), f"{group}: {fresh.text}"
        for column, stood in zip(group, before, strict=True):
            restored(path, column, stood)
