"""``kill -9`` in the middle: nothing acknowledged is lost, nothing is answered twice, order is kept."""

import contextlib
import socket
import sqlite3
from collections import defaultdict
from collections.abc import Iterator

from tests.kit.processes import House, eventually
from tests.scenarios.conftest import configure

LANES = 10
QUEUED = 5  # waiting messages of each lane


@contextlib.contextmanager
def silent_provider() -> Iterator[str]:
    """A provider that takes every request and answers none; its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=4 * LANES) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def fill(made: House) -> None:
    """One running and five waiting messages on each of ten lanes."""
    made.send_many(
        [(f"lane:{lane}", f"[[sim-slow-1]] message {n} of {lane}") for n in range(1 + QUEUED) for lane in range(LANES)]
    )
    eventually(lambda: len(made.held()) == LANES, "ten lanes to run")
    assert made.lanes("status", "--json").json["lanes"]["running"] == LANES


def all_end(made: House) -> None:
    """Wait until every message has ended."""
    unfinished = "SELECT count(*) FROM messages WHERE ended_at IS NULL"
    eventually(lambda: made.count(unfinished) == 0 and not made.held(), "every message to end")
    assert made.lanes("status", "--json").json["messages"]["queued"] == 0


def test_F38_F64_kill_9_with_ten_running_and_fifty_queued(made: House) -> None:
    # Nobody waits for stale_after, which is longer than the patience of this test.
    with silent_provider() as url:
        configure(made, url, stale_after="1h")
        first = made.gateway()
        fill(made)
        first.kill()
    configure(made, made.provider(4), stale_after="1h")
    made.gateway("second")
    all_end(made)
    history = made.history()
    assert not history.problems
    assert (history.messages, history.unfinished) == (LANES * (1 + QUEUED), 0)
    answers = replies(made)
    for lane in range(LANES):
        said = answers[f"lane:{lane}"]
        assert [n for n, state, _ in said] == list(range(1 + QUEUED)), "in order"
        assert all(state == "done" and reply for _, state, reply in said), "each answered"
    taken_back = [e for e in made.lanes("events", "--json").json if e["type"] == "reclaim"]
    assert len(taken_back) == LANES
    assert {e["cause"] for e in taken_back} == {"owner_gone"}


def replies(made: House) -> dict[str, list[tuple[int, str, str | None]]]:
    """By lane, in the order in which they started: number, state, reply."""
    found: defaultdict[str, list[tuple[int, str, str | None]]] = defaultdict(list)
    connection = sqlite3.connect(f"file:{made.database}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT l.key, m.text, m.state, m.reply FROM messages m JOIN lanes l ON l.id = m.lane_id"
            " ORDER BY (SELECT max(r.id) FROM runs r WHERE r.message_id = m.id)"
        ).fetchall()
    finally:
        connection.close()
    for key, text, state, reply in rows:
        found[key].append((int(text.split("message ")[1].split()[0]), state, reply))
    return found


def test_F461_what_a_provider_may_have_done_is_not_done_again_after_a_kill(made: House) -> None:
    """The provider itself carries out tools of that request; the other request can be repeated."""
    asked = {"messages": [{"role": "user", "content": "[[sim-hang]] buy it"}]}
    with silent_provider() as url:
        configure(made, url, stale_after="1h")
        first = made.gateway()
        shop = made.send_request("shop", asked | {"tools": [{"type": "mcp", "server_url": "https://shop.example"}]})
        plain = made.send_request("plain", asked | {"messages": [{"role": "user", "content": "again"}]})
        eventually(lambda: len(made.held()) == 2, "both to run")
        first.kill()
    configure(made, made.simulator().url, stale_after="1h")
    made.gateway("second")
    all_end(made)
    states = {(row[0], row[1]) for row in made.rows("SELECT id, state FROM messages")}
    assert states == {(shop, "failed"), (plain, "done")}
    failed = made.lanes("show", "shop", "--json").json["messages"][0]["error"]
    assert failed["cause"] == "owner_gone"
    made.lanes("retry", str(shop))  # a person may


def test_F46_a_drain_charges_nothing(made: House) -> None:
    configure(made, made.provider(4))
    gateway = made.gateway()
    made.lanes("send", "a", "[[sim-hang]]")
    made.lanes("send", "a", "hello")
    eventually(made.held, "the lane to run")
    assert gateway.terminate() == 0
    lane = made.lanes("show", "a", "--json").json
    assert lane["state"] == "errored"
    assert lane["last_error"]["cause"] == "drained"
    assert [m["interruptions"] for m in lane["messages"]] == [0, 0]
    assert {m["state"] for m in lane["messages"]} == {"queued"}
    assert made.lanes("status", "--json", check=False).code == 69
    assert not made.history().problems


def test_killed_again_and_again_under_traffic(made: House) -> None:
    """The history is right each time, and in the end nothing is missing."""
    configure(made, made.provider(20))
    sent = claims = 0
    for round_ in range(5):
        gateway = made.gateway(f"gateway-{round_}")
        made.send_many([(f"lane:{n % 4}", f"[[sim-slow-1]] message {sent + n} x") for n in range(12)])
        sent += 12
        eventually(lambda: made.count("SELECT count(*) FROM runs") > claims, "something to run")  # noqa: B023
        gateway.kill()
        claims = made.count("SELECT count(*) FROM runs")
        history = made.history()
        assert not history.problems
        assert history.messages == sent
    made.gateway("last")
    all_end(made)
    history = made.history()
    assert not history.problems
    assert (history.messages, history.unfinished) == (sent, 0)
    ended = {m["state"] for n in range(4) for m in made.lanes("messages", f"lane:{n}", "--json").json}
    assert ended <= {"done", "failed"}, "what was cut three times is poison, everything else is answered"
