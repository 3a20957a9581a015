"""lanes drain: rehearsed, obeyed by a living gateway, and honest about one that hangs or is dead."""

import threading

import pytest

from lanes.commands.serve import drain
from lanes.host.identity import this_process
from lanes_storage import reads
from tests.commands.conftest import Call
from tests.kit.forms import are_forms
from tests.kit.processes import House, eventually
from tests.kit.stage import Stage


def running(made: House, lanes: Call, key: str, text: str) -> str:
    """Send a message, and wait until it runs; its id."""
    number = lanes("send", key, text).out.strip()
    eventually(lambda: key in made.held(), f"{key} to run")
    return number


def test_a_rehearsal_names_what_would_be_cut_and_changes_nothing(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("k", stage.owner(), "waits")
    seen = lanes("drain", "--dry-run", "--json")
    assert seen.code == 0
    are_forms(seen.json, "Cut")
    (cut,) = seen.json
    assert (cut["key"], cut["message_id"], cut["message_state"], cut["pauses"]) == (
        "k", str(claimed.message.id), "queued", False,
    )  # fmt: skip
    assert "goes back to its place" in lanes("drain", "--dry-run").out
    assert lanes("status", "--json").json["gateways"][0]["draining"] is None


def test_F46_F48_a_drained_gateway_claims_nothing_more_and_says_so(served: House, lanes: Call) -> None:
    gateway = served.gateway()
    number = running(served, lanes, "slow", "[[sim-slow-3]] hello")
    drained = lanes("drain", "--wait", "2m", "--json")
    assert drained.code == 0
    (form,) = drained.json
    are_forms(drained.json, "OwnerDetail")
    assert (form["pid"], form["held"], form["alive"]) == (gateway.pid, 0, True)
    assert "@" in form["draining"]["by"]
    message = lanes("show", "slow", "--json").json["messages"][0]
    assert (message["id"], message["state"], message["interruptions"]) == (number, "done", 0)
    assert "every living gateway is draining" in lanes("send", "later", "hello").err
    assert "draining" in lanes("why", "later").out
    assert "it claims nothing until it is started again" in lanes("status").out
    assert lanes("list", "--json", "--match", "later").json[0]["state"] == "idle"


def test_F50_what_still_runs_is_cut_and_keeps_its_place_uncounted(
    served: House, lanes: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "CUT_MS", 120_000)  # however slow the machine, the cut is waited for
    gateway = served.gateway()
    number = running(served, lanes, "hangs", "[[sim-hang]]")
    drained = lanes("drain", str(gateway.pid), "--wait", "100ms")
    assert (drained.code, "holds nothing" in drained.out) == (0, True), drained
    message = lanes("messages", "hangs", "--json").json[0]
    assert (message["id"], message["state"], message["interruptions"]) == (number, "queued", 0)


def test_a_gateway_that_hangs_is_not_confirmed(served: House, lanes: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "CUT_MS", 200)  # it obeys nothing, however long it is waited for
    gateway = served.gateway()
    running(served, lanes, "hangs", "[[sim-hang]]")
    gateway.freeze(served.database)
    drained = lanes("drain", "--wait", "0s", "--json")
    gateway.thaw()
    assert drained.code == 5
    assert drained.json[0]["held"] == 1


def test_without_a_living_gateway_it_is_69(stage: Stage, lanes: Call) -> None:
    assert lanes("drain").code == 69
    stage.dead_owner()
    refused = lanes("drain", "--json")
    assert (refused.code, refused.out) == (69, "")
    assert "lanes status" in refused.err
    stage.owner()
    assert lanes("drain", "999999999").code == 69
    assert lanes("drain", "--wait", "soon").code == 2


def test_one_by_its_id_leaves_the_other_alone(stage: Stage, lanes: Call) -> None:
    here, there = stage.owner(), stage.owner(this_process()._replace(host="elsewhere", boot_id="another", pid=1))
    drained = lanes("drain", str(there), "--wait", "0s", "--json")
    assert [form["id"] for form in drained.json] == [str(there)]
    by_id = {form["id"]: form["draining"] for form in lanes("status", "--json").json["gateways"]}
    assert by_id[str(here)] is None
    assert by_id[str(there)] is not None


def test_a_number_that_means_two_is_refused(stage: Stage, lanes: Call) -> None:
    first = stage.owner()
    stage.owner(this_process()._replace(host="elsewhere", boot_id="another", pid=first))
    assert lanes("drain", str(first)).code == 2


def test_it_waits_until_the_last_run_has_ended(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("k", stage.owner())

    def end() -> None:
        other = Stage(stage.path)
        try:
            eventually(lambda: any(o.drain_by for o in other.store.read(reads.owners())), "the drain to be ordered")
            other.complete(claimed)
        finally:
            other.close()

    thread = threading.Thread(target=end)
    thread.start()
    drained = lanes("drain", "--wait", "2m")
    thread.join()
    assert (drained.code, "holds nothing" in drained.out) == (0, True)
