"""Pausing all lanes over HTTP: the answer, the status, the figures, and lanes to come."""

from tests.server.conftest import Served
from tests.server.test_metrics import parsed


async def test_all_lanes_are_paused_and_resumed(served: Served) -> None:
    answer = await served.post("/api/pause", {"reason": "in repair", "for": "1h"})
    told = answer.json()
    assert (answer.status_code, told["match"], told["done"], told["lanes"]) == (200, "*", True, 0)
    assert (told["paused"]["reason"], told["paused"]["match"]) == ("in repair", "*")
    sent = (await served.post("/api/lanes/new/messages", {"text": "hello"})).json()
    assert "All lanes are paused for another" in sent["held_up"]
    (pause,) = (await served.client.get("/api/status")).json()["pauses"]
    assert (pause["match"], pause["reason"], pause["until"]) == ("*", "in repair", told["paused"]["until"])
    assert parsed((await served.client.get("/metrics")).text)["lanes_glob_pauses", ""] == 1
    assert (await served.client.get("/api/lanes/new")).json()["paused"]["match"] == "*"
    assert (await served.client.get("/readyz")).status_code == 200, "messages are accepted, and kept"
    assert (await served.post("/api/resume")).json() == {"match": "*", "paused": None, "done": True, "lanes": 0}
    assert (await served.post("/api/resume")).json()["done"] is False
    done = await served.client.get(f"/api/messages/{sent['id']}?wait=30")
    assert done.json()["state"] == "done"


async def test_a_pause_that_would_be_over_at_once_is_refused(served: Served) -> None:
    await served.post("/api/lanes/k/messages", {"text": "hello"})
    for where in ("/api/pause", "/api/lanes/k/pause"):
        answer = await served.post(where, {"for": "999ms"})
        assert (answer.status_code, answer.json()["param"]) == (400, "for")
        assert "a pause lasts at least 1s" in answer.json()["detail"]


async def test_a_glob_that_is_none_is_refused(served: Served) -> None:
    for body in ({"match": ""}, {"match": 3}, {"match": "x" * 1025}, {"glob": "*"}, {"for": "soon"}):
        answer = await served.post("/api/pause", body)
        assert answer.status_code == 400, body
    assert (await served.client.get("/api/status")).json()["pauses"] == []
