"""lanes demo: every state is there to be seen, and it ends by itself or when it is told to."""

from typing import Any

from lanes.simulate.demo import configuration, script
from tests.commands.conftest import Call
from tests.kit.processes import House, eventually

#: What a newcomer is to see, and how it shows in the list, the counts and the journal.
SIGHTS = ("idle", "running", "errored", "aborted", "paused", "parked", "queue", "dead letter", "wait exceeded")


def look(call: Call) -> set[str]:
    """What can be seen now."""
    lanes: list[dict[str, Any]] = call("list", "--json").json
    status = call("status", "--json").json
    seen = {lane["state"] for lane in lanes}
    shown = {
        "paused": any(lane["paused"] for lane in lanes),
        "parked": any(lane["parked_until"] for lane in lanes),
        "queue": any(lane["queued"] > 1 for lane in lanes),
        "dead letter": status["messages"]["dead_letters"] > 0,
        "wait exceeded": bool(call("events", "--type", "wait_exceeded", "--json").json),
    }
    return seen | {name for name, is_so in shown.items() if is_so}


def test_a_newcomer_sees_every_state(made: House, lanes: Call) -> None:
    demo = made.start("demo", "--db", str(made.database), "--port", "0", "--tempo", "3", name="demo")
    demo.address()
    eventually(made.database.exists, "its database")
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.update(look(lanes))
        return seen >= set(SIGHTS)

    eventually(all_seen, "every sight")
    assert "paused by an operator" in demo.said()
    assert demo.terminate() == 0


def test_it_ends_by_itself(made: House) -> None:
    done = made.command("demo", "--port", "0", "--for", "500ms", "--tempo", "20")
    assert (done.code, done.out) == (0, "")
    assert "gateway on http://127.0.0.1:" in done.err


def test_a_database_of_real_work_is_refused(served: House) -> None:
    served.gateway().kill()
    refused = served.lanes("demo", check=False)
    assert refused.code == 78
    assert "real gateway" in refused.err


def test_a_port_that_is_named_and_taken_is_refused(made: House) -> None:
    taken = made.simulator().url.rpartition(":")[2]
    refused = made.command("demo", "--port", taken, check=False)
    assert refused.code == 78
    assert taken in refused.err


def test_a_round_is_a_minute_and_its_clocks_fit() -> None:
    steps = script()
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert steps[-1].at < 60
    for tempo in (0.1, 1, 20):
        assert configuration("http://127.0.0.1:1/v1", port=0, tempo=tempo).clocks.run_timeout_ms == 40_000 / tempo
