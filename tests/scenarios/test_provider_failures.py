"""The seed case: whatever the provider does, the lane is freed, the cause is told, the next message runs.

The gateway is a process; ``lanes send`` and ``lanes show`` see what every other program sees.
"""

import pytest

from tests.kit.processes import House, eventually
from tests.scenarios.conftest import configure

#: The faults that only a limit ends, and the one that ends each: long enough for the answer to the next message.
SHORT = {"sim-hang": {"first_byte_timeout": "2s"}, "sim-stall": {"idle_timeout": "2s"}}
#: Every way in which the simulated provider fails, and the cause that its attempt gets.
FAULTS = {
    "sim-hang": "first_byte_timeout",
    "sim-stall": "idle_timeout",
    "sim-cut": "cut",
    "sim-reset": "reset",
    "sim-500": "server_error",
    "sim-server-error": "server_error",
    "sim-garbage": "garbage",
    "sim-quota": "quota",
    "sim-flaky-1": "server_error",
}


def wait_for_state(made: House, message: str, *states: str) -> dict[str, object]:
    eventually(lambda: made.is_now(message, *states), f"message {message} to be {states}")
    (found,) = [m for m in made.lanes("messages", "seed", "--json").json if m["id"] == message]
    assert found["state"] in states
    assert isinstance(found, dict)
    return found


def test_F01_server_error_twice_frees_the_lane_with_the_whole_chain(made: House) -> None:
    configure(made, made.provider())
    made.send_many([("seed", "[[sim-server-error]]"), ("seed", "hello")])
    failing, waiting = sorted((m["id"] for m in made.lanes("messages", "seed", "--json").json), key=int)
    gateway = made.gateway()
    assert "hello" in str(wait_for_state(made, waiting, "done")["reply"])
    message = wait_for_state(made, failing, "failed")
    error = message["error"]
    assert isinstance(error, dict)
    assert error["cause"] == "provider_failed"
    assert [a["provider"] for a in error["attempts"]] == ["first", "second"]
    assert {a["cause"] for a in error["attempts"]} == {"server_error"}
    events = made.lanes("events", "seed", "--json").json
    failed = next(e for e in events if e["type"] == "fail")
    assert (failed["from"], failed["to"], failed["cause"]) == ("running", "errored", "provider_failed")
    after = next(e for e in events if e["type"] == "claim" and e["id"] > failed["id"])
    between = [e["type"] for e in events if failed["id"] < e["id"] < after["id"]]
    assert between == ["notice"], "the next message runs at once: no timeout and no reconciliation came first"
    assert gateway.popen.poll() is None, "no restart"
    assert made.lanes("show", "seed", "--json").json["state"] == "idle"


def test_why_names_the_limit_of_the_provider_that_acts_first_and_who_is_asked_then(made: House) -> None:
    configure(made, made.provider(), first_byte_timeout="100s")
    made.gateway()
    made.send_many([("seed", "[[sim-hang]]")])
    eventually(lambda: "first_byte_timeout" in made.lanes("why", "seed").out, "what it asks to be shown")
    said = made.lanes("why", "seed").out
    assert "It asks provider first (1 of 2)" in said
    assert "then second is asked" in said
    shown = made.lanes("list", "provider:first", "--json").json[0]["acts_next"]
    assert (shown["limit"], shown["limit_s"], shown["next_provider"]) == ("first_byte_timeout", 100, "second")
    assert 0 < shown["left_s"] <= 100


@pytest.mark.parametrize(("fault", "cause"), FAULTS.items())
def test_no_fault_keeps_a_lane(made: House, fault: str, cause: str) -> None:
    """For each fault: the message ends in exactly one state, told why, and the lane goes on."""
    configure(made, made.provider(), **SHORT.get(fault, {}))
    made.gateway()
    failing = made.lanes("send", "seed", f"[[{fault}]]").out.strip()
    if fault == "sim-quota":  # both providers are used up for everyone: the next one waits, visibly, for them
        eventually(lambda: made.parked("seed"), "the message to be parked")
        lane = made.lanes("show", "seed", "--json").json
        assert (lane["state"], bool(lane["parked_until"])) == ("errored", True)
        assert {c["provider"] for c in made.lanes("status", "--json").json["cooldowns"]} == {"first", "second"}
        return
    made.lanes("send", "seed", "hello [[sim-echo]]", "--wait")
    message = wait_for_state(made, failing, "failed")
    error = message["error"]
    assert isinstance(error, dict)
    assert error["cause"] == "provider_failed"
    assert [a["cause"] for a in error["attempts"]] == [cause, cause]
    history = made.history()
    assert not history.problems
    assert history.unfinished == 0


def test_F73_a_provider_that_says_later_parks_the_message_and_frees_the_lane(made: House) -> None:
    configure(made, made.provider())
    made.gateway()
    made.lanes("send", "seed", "[[sim-429-300]]")
    eventually(lambda: made.parked("seed"), "the message to be parked")
    lane = made.lanes("show", "seed", "--json").json
    assert (lane["state"], bool(lane["parked_until"])) == ("errored", True)
    assert lane["owner"] is None
    assert "parked" in made.lanes("why", "seed").out
    waiting = made.lanes("send", "other", "hello").out.strip()
    eventually(lambda: made.parked("other"), "the other lane to wait as well")
    assert made.lanes("show", "other", "--json").json["parked_until"]
    assert waiting
    asked = {r["sequence"] for r in made.provider_saw()}
    assert len(asked) == 2, "each provider was asked once; nobody asks again before its time"


def test_F67_an_endless_drip_is_ended_by_the_run_timeout(made: House) -> None:
    configure(
        made,
        made.provider(50),
        run_timeout="3s",
        stall_timeout="2900ms",
        first_byte_timeout="2800ms",
        idle_timeout="2800ms",
    )
    made.gateway()
    failing = made.lanes("send", "seed", "[[sim-drip]]").out.strip()
    message = wait_for_state(made, failing, "failed")
    assert message["error"]["cause"] == "run_timeout"  # type: ignore[index]
    eventually(
        lambda: [r for r in made.provider_saw() if r.get("outcome") == "client_left"], "the provider to see us leave"
    )


def test_F66_failing_over_keeps_the_lane(made: House) -> None:
    """The first provider hangs, the second answers; the waiting message never runs in between."""
    configure(made, made.provider())
    text = made.config.read_text().replace('model = "sim-echo"', 'model = "sim-hang"', 1)
    made.config.write_text(text.replace('first_byte_timeout = "13m"', 'first_byte_timeout = "300ms"', 1))
    made.gateway()
    first = made.lanes("send", "seed", "one").out.strip()
    second = made.lanes("send", "seed", "two", "--wait").out
    assert "two" in second
    events = [e for e in made.lanes("events", "seed", "--json").json if e["type"] in ("claim", "complete", "fail")]
    assert [(e["type"], e["message_id"]) for e in events][:2] == [("claim", first), ("complete", first)]
    assert [r["text"] for r in made.provider_saw() if r.get("outcome")][:2] == ["one", "one"]
