"""``lanes abort KEY`` frees a lane: with the gateway alive, dead, frozen, or its event loop blocked."""

import pytest

from tests.kit.processes import House, eventually
from tests.scenarios.conftest import configure


def abort(made: House, key: str, *more: str) -> dict[str, object]:
    (result,) = made.lanes("abort", key, "--json", "--reason", "stuck", *more).json
    assert isinstance(result, dict)
    return result


def state_of(made: House, key: str, message: str) -> dict[str, object]:
    (found,) = [m for m in made.lanes("messages", key, "--json").json if m["id"] == message]
    assert isinstance(found, dict)
    return found


def hang(made: House, key: str = "agent:main:feishu:group:oc_d497") -> tuple[str, str, str]:
    """A lane that hangs at its provider, with one message waiting: key, and the two messages."""
    hung = made.lanes("send", key, "[[sim-hang]]").out.strip()
    waiting = made.lanes("send", key, "hello").out.strip()
    eventually(
        lambda: [r for r in made.provider_saw() if r["model"] == "sim-hang"] or made.asked(), "the provider to be asked"
    )
    return key, hung, waiting


def test_F75_alive_released_and_proven_at_the_provider(made: House) -> None:
    configure(made, made.provider())
    made.gateway()
    key, hung, waiting = hang(made)
    result = abort(made, key)
    assert result["outcome"] == "released"
    assert result["epoch_after"] == result["epoch_before"]
    assert result["survivors"] == []
    left = eventually(
        lambda: [r for r in made.provider_saw() if r.get("outcome") == "client_left"], "the provider to see us leave"
    )
    assert len(left) == 1, "and no other provider was asked instead"
    assert state_of(made, key, hung)["state"] == "aborted"
    eventually(lambda: made.is_now(waiting, "done"), "the waiting message to run")
    assert state_of(made, key, waiting)["state"] == "done"
    event = next(e for e in made.lanes("events", key, "--json").json if e["type"] == "abort_requested")
    assert "@" in event["actor"]
    assert event["detail"]["reason"] == "stuck"


def test_F57_dead_repaired_and_what_waits_runs_with_the_next_gateway(made: House) -> None:
    configure(made, made.provider())
    gateway = made.gateway()
    key, hung, waiting = hang(made)
    gateway.kill()
    result = abort(made, key)
    assert result["outcome"] == "repaired"
    assert result["epoch_after"] != result["epoch_before"]
    assert state_of(made, key, hung)["state"] == "aborted"
    assert state_of(made, key, waiting)["state"] == "queued", "what waits is kept"
    made.gateway("second")
    eventually(lambda: made.is_now(waiting, "done"), "the waiting message to run")
    assert state_of(made, key, waiting)["state"] == "done"
    assert state_of(made, key, hung)["state"] == "aborted", "an abort never becomes a rerun"


def test_F11_frozen_forced_after_the_grace_and_the_ghost_is_refused(made: House) -> None:
    configure(made, made.provider(), abort_grace="500ms", stale_after="60s")
    gateway = made.gateway()
    key = "frozen"
    slow = made.lanes("send", key, "[[sim-slow-60]]").out.strip()
    waiting = made.lanes("send", key, "hello").out.strip()
    eventually(made.held, "the lane to run")
    gateway.freeze(made.database)
    done = made.lanes("abort", key, "--json")
    (result,) = done.json
    assert f"on this host is stopped: `kill -CONT {gateway.pid}` lets it go on" in done.err
    assert result["outcome"] == "forced"
    assert float(str(result["waited_s"])) >= 0.499, "the grace, on another clock in whole milliseconds"
    assert state_of(made, key, slow)["state"] == "aborted"
    other = made.gateway("other")  # what waits runs as soon as a gateway can
    eventually(lambda: made.is_now(waiting, "done"), "the waiting message to run")
    assert state_of(made, key, waiting)["state"] == "done"
    gateway.thaw()
    eventually(lambda: "lost its lane" in gateway.said(), "the frozen gateway to find out")
    assert other.popen.poll() is None
    assert gateway.popen.poll() is None, "and to live on"
    assert state_of(made, key, slow)["reply"] is None
    assert not made.history().problems


def test_F58_blocked_forced_and_the_late_reply_refused_and_counted(made: House) -> None:
    """A runner that never yields blocks the whole event loop of its gateway."""
    configure(made, made.provider(), abort_grace="500ms")
    made.gateway()
    blocked = made.lanes("send", "blocking:1", "leave").out.strip()
    eventually(made.held, "the lane to run")
    result = abort(made, "blocking:1")
    assert result["outcome"] == "forced"
    assert state_of(made, "blocking:1", blocked)["state"] == "aborted"
    (made.folder / "leave").touch()

    refused = "SELECT count(*) FROM events WHERE type = 'refused_write'"
    eventually(lambda: made.count(refused), "the late reply to be refused")
    (write,) = [e for e in made.lanes("events", "blocking:1", "--json").json if e["type"] == "refused_write"]
    assert write["run_id"] == result["run_id"]
    assert state_of(made, "blocking:1", blocked)["reply"] is None, "kept, not delivered"
    run = made.row("SELECT refused_writes, late_reply, forced FROM runs WHERE id = ?", int(str(result["run_id"])))
    assert run == (1, "the late reply", 1)
    after = made.lanes("send", "blocking:1", "leave", "--wait")
    assert after.out.strip() == "the late reply"


@pytest.mark.parametrize("scope", ["queue", "both"])
def test_F54_scope_decides_what_is_cut(made: House, scope: str) -> None:
    configure(made, made.provider())
    made.gateway()
    key, hung, waiting = hang(made)
    result = abort(made, key, "--scope", scope)
    assert result["dropped"] == 1
    assert result["outcome"] == ("released" if scope == "both" else "cleared")
    assert state_of(made, key, waiting)["state"] == "aborted"
    assert state_of(made, key, hung)["state"] == ("aborted" if scope == "both" else "running")


def test_F70_an_abort_hits_exactly_the_key_that_it_names(made: House) -> None:
    configure(made, made.provider())
    made.gateway()
    for key in ("Case", "case"):
        made.lanes("send", key, "[[sim-hang]]")
    eventually(lambda: len(made.held()) == 2, "both lanes to run")
    assert abort(made, "case")["outcome"] == "released"
    (lane,) = made.lanes("list", "--held", "--json").json
    assert lane["key"] == "Case"


def test_a_lane_that_moved_on_is_left_alone(made: House) -> None:
    configure(made, made.provider())
    made.gateway()
    made.lanes("send", "a", "hello", "--wait")
    made.lanes("send", "a", "[[sim-hang]]")
    eventually(made.held, "the lane to run")
    seen = made.lanes("show", "a", "--json").json["epoch"]
    done = made.lanes("abort", "a", "--epoch", str(seen - 1), "--json", check=False)
    assert done.code == 4
    assert done.json[0]["outcome"] == "changed"
    (lane,) = made.lanes("list", "--held", "--json").json
    assert lane["key"] == "a"
