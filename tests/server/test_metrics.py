"""``/metrics`` can be read by Prometheus, and says what the database says."""

import re

from lanes.server.routes.metrics import Gauge, _written
from tests.kit.cooling import cool
from tests.kit.until import until
from tests.server.conftest import Served, running

SAMPLE = re.compile(r'^(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)+)\})? (-?[0-9.]+)$')


def parsed(text: str) -> dict[tuple[str, str], float]:
    """Every sample by name and labels; fails where a line is none, or a metric is told twice."""
    samples, told = {}, []
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# "):
            told += [line.split(" ")[2]] if line.startswith("# TYPE ") else []
            continue
        found = SAMPLE.match(line)
        assert found is not None, line
        assert found[1] in told
        samples[found[1], found[2] or ""] = float(found[3])
    assert len(set(told)) == len(told)
    return samples


async def test_figures(served: Served) -> None:
    await served.post("/api/lanes/a/messages", {"text": "[[sim-hang]]"})
    await running(served, "a")
    await served.post("/api/lanes/a/messages", {"text": "waits"})
    await served.post("/api/lanes/bad/messages?wait=100", {"text": "[[sim-server-error]]"})
    await until(lambda: served.gateway.held == 1, "the gateway to let go of what failed")

    async def told() -> bool:
        return [each.in_flight for each in await served.desk.providers() if each.name == "sim"] == [1]

    await until(told, "a heartbeat that tells which provider is asked")
    now = served.desk.clock()
    await served.desk.store.write(lambda tx: cool(tx, 'a "b\\c\n', "quota", 60_000, now, by="me"))
    answer = await served.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    figures = parsed(answer.text)
    assert figures["lanes_lanes", 'state="running"'] == 1
    assert figures["lanes_lanes", 'state="errored"'] == 1
    assert figures["lanes_queued_messages", ""] == 1
    assert figures["lanes_dead_letters", ""] == 1
    assert figures["lanes_held_runs", ""] == 1
    assert figures["lanes_stray_runs", ""] == 0
    assert figures["lanes_gateway_alive", f'gateway="{served.gateway.owner_id}"'] == 1
    assert figures["lanes_refused_writes", ""] == 0
    assert figures["lanes_provider_attempts", 'provider="sim",outcome="server_error"'] == 1
    assert figures["lanes_provider_failing", 'provider="sim"'] == 1
    assert figures["lanes_provider_in_flight", 'provider="sim"'] == 1
    assert figures["lanes_provider_well", r'provider="a \"b\\c\n"'] == 0
    assert figures["lanes_provider_in_flight_max", r'provider="a \"b\\c\n"'] == 0
    assert [labels for name, labels in figures if name == "lanes_cooldown_seconds"] == [
        r'provider="a \"b\\c\n",cause="quota"'
    ]


def test_large_numbers_are_whole() -> None:
    assert _written(Gauge("x", "X.", [({}, 123_456_789)])).endswith("x 123456789\n")
