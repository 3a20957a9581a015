"""Three gateways on one file: one run per lane, whoever holds it; order kept; one of them killed on the way."""

import pytest

from tests.kit.processes import House, eventually
from tests.scenarios.conftest import configure

LANES = 20


@pytest.mark.parametrize("messages", [500, pytest.param(1_000, marks=pytest.mark.soak)])
def test_three_gateways_many_messages_one_killed(made: House, messages: int) -> None:
    configure(made, made.provider(20))
    gateways = [made.gateway(f"gateway-{n}") for n in range(3)]
    made.send_many([(f"lane:{n % LANES}", f"message {n}") for n in range(messages)], cap=messages)
    owners = "SELECT count(DISTINCT owner_id) FROM runs"
    eventually(lambda: made.count(owners) == 3, "all of them to take part")
    eventually(lambda: made.count("SELECT count(*) FROM messages WHERE state = 'done'") > messages // 4, "a quarter")
    gateways[1].kill()
    eventually(lambda: made.count("SELECT count(*) FROM messages WHERE ended_at IS NULL") == 0, "all to end", 180)
    history = made.history()
    assert not history.problems
    assert history.messages == messages
    assert made.count("SELECT count(*) FROM messages WHERE state <> 'done'") == 0, "nothing lost"
    overlaps = made.count(
        "SELECT count(*) FROM runs a JOIN runs b ON b.lane_id = a.lane_id AND b.id > a.id"
        " WHERE b.claimed_at < a.ended_at"
    )
    assert overlaps == 0, "by the clock as well as by the journal"
