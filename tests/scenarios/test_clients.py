"""What clients, slots and several surfaces meet: real processes, a real file, real sockets."""

import json
import urllib.request
from pathlib import Path

import pytest

from lanes.base.errors import ConfigError
from lanes.config import from_data
from lanes.testing import read_history
from lanes_storage import open_store
from tests.kit.processes import PATIENCE_S, House, eventually
from tests.scenarios.conftest import configure

TWO_RUNNERS = """
[[runner]]
name = "narrow"
kind = "provider"
providers = ["first"]

[[policy]]
match = "narrow:*"
runner = "narrow"
"""
SIDE_EFFECTS = '''

async def order(run):
    """Something with a side effect, and then silence."""
    import asyncio, pathlib

    with pathlib.Path("orders.txt").open("a") as orders:
        orders.write(run.text + "\\n")
    await asyncio.Event().wait()
'''


def post(url: str, body: dict[str, object]) -> dict[str, object]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        found = json.load(answer)
    assert isinstance(found, dict)
    return found


def test_F36_only_runs_that_need_the_cooling_provider_wait(made: House) -> None:
    configure(made, made.provider())
    made.config.write_text(made.config.read_text() + TWO_RUNNERS)
    made.gateway()
    made.lanes("send", "narrow:1", "[[sim-429-300]]")
    eventually(lambda: made.parked("narrow:1"), "the message to be parked")
    assert made.lanes("show", "narrow:1", "--json").json["parked_until"]
    waiting = made.lanes("send", "narrow:2", "hello").out.strip()
    eventually(lambda: made.parked("narrow:2"), "the other to wait")
    assert made.lanes("show", "narrow:2", "--json").json["parked_until"], "visibly"
    answered = made.lanes("send", "wide:1", "hello", "--wait")
    assert "hello" in answered.out, "the runner with a fallback goes on"
    (message,) = made.lanes("messages", "narrow:2", "--json").json
    assert (message["id"], message["state"]) == (waiting, "queued")
    assert message["parked_until"] is not None
    (cooling,) = made.lanes("status", "--json").json["cooldowns"]
    assert cooling["provider"] == "first"


def test_F53_two_surfaces_one_path(made: House) -> None:
    configure(made, made.provider())
    url = made.gateway().url
    stories = []
    for key, surface in (("by-command", "command"), ("by-http", "http")):
        made.lanes("send", key, "[[sim-hang]]")
        eventually(lambda key=key: key in made.held(), "the lane to run")  # type: ignore[misc]
        made.lanes("send", key, "hello")
        if surface == "command":
            (result,) = made.lanes("abort", key, "--reason", "stuck", "--json").json
        else:
            result = post(f"{url}/api/lanes/{key}/abort", {"reason": "stuck"})
        assert result["outcome"] == "released"
        eventually(lambda key=key: made.state(key) == "idle", "what waited to run")  # type: ignore[misc]
        events = made.lanes("events", key, "--json").json
        stories.append([(e["type"], e["from"], e["to"], e["cause"]) for e in events])
        assert {e["detail"]["reason"] for e in events if e["type"] == "abort_requested"} == {"stuck"}
    assert stories[0] == stories[1], "the same rows, the same journal"


def test_F55_a_client_that_dies_leaves_a_run_that_is_bounded_and_visible(made: House) -> None:
    configure(
        made,
        made.provider(),
        run_timeout="5s",
        stall_timeout="4900ms",
        first_byte_timeout="4800ms",
        idle_timeout="4800ms",
    )
    made.gateway()
    asking = made.start("--db", str(made.database), "send", "a", "[[sim-hang]]", "--wait", name="client")
    eventually(
        lambda: made.database.exists() and made.count("SELECT count(*) FROM lanes WHERE state = 'running'"), "the run"
    )
    asking.kill()
    (lane,) = made.lanes("list", "--held", "--json").json
    assert lane["key"] == "a"
    assert lane["deadline_s"] <= 5
    assert lane["owner"]["alive"]
    eventually(lambda: made.state("a") == "errored", "its deadline to free the lane")


def test_F59_a_run_with_side_effects_is_not_run_again(made: House) -> None:
    configure(made, made.provider())
    runners = made.folder / "scenario_runners.py"
    runners.write_text(runners.read_text() + SIDE_EFFECTS)
    config = made.config.read_text()
    made.config.write_text(config + '[[runner]]\nname = "orders"\nkind = "python"\ntarget = "scenario_runners:order"\n')
    made.config.write_text(made.config.read_text() + '[[policy]]\nmatch = "orders:*"\nrunner = "orders"\n')
    gateway = made.gateway()
    ordered = made.lanes("send", "orders:1", "one pizza").out.strip()
    orders = Path(made.folder / "orders.txt")
    eventually(orders.exists, "the order to be placed")
    gateway.kill()
    made.gateway("second")
    eventually(lambda: made.state("orders:1") == "errored", "the lane to be taken back")
    (message,) = made.lanes("messages", "orders:1", "--json").json
    assert (message["id"], message["state"], message["error"]["cause"]) == (ordered, "failed", "owner_gone")
    assert orders.read_text() == "one pizza\n", "placed once"


def test_F68_F71_a_fresh_session_is_answered_while_others_hang_at_a_loopback_provider(made: House) -> None:
    configure(made, made.provider())
    made.config.write_text(made.config.read_text().replace('name = "chat"', 'name = "chat"\nmax_runs = 25', 1))
    made.gateway()
    made.send_many([(f"hung:{n}", "[[sim-hang]]") for n in range(24)])
    eventually(lambda: len(made.held()) == 24, "as many as fit below the limit to hang")
    assert "fresh" in made.lanes("send", "fresh", "fresh", "--wait").out
    for lane in made.lanes("list", "--held", "--json").json:
        assert lane["stall_limit_s"] is not None, "the same watchdogs as for any other host"


def test_F72_a_message_sent_at_the_moment_a_run_ends_is_held_listed_and_abortable(made: House) -> None:
    configure(made, made.provider())
    made.gateway()
    for _ in range(5):
        made.lanes("send", "a", "hello", "--wait")
        hung = made.lanes("send", "a", "[[sim-hang]]").out.strip()  # at once behind the end of the run before
        eventually(lambda: made.held() == ["a"], "the lane to be held")
        assert [lane["key"] for lane in made.lanes("list", "--held", "--json").json] == ["a"]
        (result,) = made.lanes("abort", "a", "--json").json
        assert result["outcome"] == "released"
        found = {m["id"]: m["state"] for m in made.lanes("messages", "a", "--json").json}
        assert found[hung] == "aborted"
    store = open_store(str(made.database))
    assert not read_history(store).problems
    store.close()


def test_F74_a_waiter_is_never_told_done_with_an_empty_reply(made: House) -> None:
    configure(made, made.provider())
    made.gateway()
    waited = made.lanes("send", "a", "[[sim-hang]]", "--wait", "--timeout", "300ms", "--json", check=False)
    assert waited.code == 5
    assert waited.json["state"] in ("queued", "running")
    assert waited.json["reply"] is None


def test_F69_the_same_text_twice_is_two_messages_with_two_replies(made: House) -> None:
    configure(made, made.provider())
    made.gateway()
    first, second = (made.lanes("send", "a", "twice", "--wait", "--json").json for _ in range(2))
    assert first["id"] != second["id"]
    assert first["reply"] == second["reply"] != ""
    same = [made.lanes("send", "a", "once", "--idempotency-key", "k", "--json").json["id"] for _ in range(2)]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("clocks", "named"),
    [
        ({"stall_timeout": "6m", "run_timeout": "5m"}, ("stall_timeout", "run_timeout")),
        ({"heartbeat_interval": "20s", "stale_after": "30s"}, ("heartbeat_interval", "stale_after")),
    ],
)
def test_F22_settings_that_contradict_each_other_are_refused_naming_both(
    clocks: dict[str, str], named: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        from_data({"clocks": clocks})
    assert all(name in str(refused.value) for name in named)
