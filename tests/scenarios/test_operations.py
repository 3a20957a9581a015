"""What operators and the clocks do to a living gateway: drains, warnings, notices, hooks."""

import time
from collections.abc import Iterator
from typing import Any, TypeVar

import httpx
import pytest

from lanes.base.procedure import Effect, run
from lanes.context import Context
from lanes.verbs import system
from lanes_storage import open_store
from tests.kit.processes import PATIENCE_S, House, eventually
from tests.scenarios.conftest import configure

T = TypeVar("T")


def perform(made: House, effect: Effect[T]) -> T:
    """One operation on the file, beside the gateway, as another process does it."""
    store = open_store(str(made.database))
    try:
        return run(store, effect)
    finally:
        store.close()


def events(made: House, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made.lanes("events", *arguments, "--json").json
    return found


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=PATIENCE_S, verify=False) as made:
        yield made


def test_F48_F49_a_drain_by_a_command_is_shown_and_refuses_with_a_time_to_come_back(
    made: House, client: httpx.Client
) -> None:
    configure(made, made.provider())
    gateway = made.gateway()
    eventually(lambda: client.get(f"{gateway.url}/readyz").status_code == 200, "readiness")
    perform(made, system.drain(Context("alice@host"), for_=60_000))
    eventually(lambda: client.get(f"{gateway.url}/readyz").status_code == 503, "readiness to be false")
    assert "alice@host" in client.get(f"{gateway.url}/readyz").text
    assert client.get(f"{gateway.url}/healthz").status_code == 200

    (shown,) = made.lanes("status", "--json").json["gateways"]
    assert shown["draining"]["by"] == "alice@host"
    assert shown["draining"]["until"]

    refused = client.post(f"{gateway.url}/api/lanes/a/messages", json={"text": "hello"})
    asked = {"model": "lanes", "messages": [{"role": "user", "content": "hello"}]}
    refused_v1 = client.post(f"{gateway.url}/v1/chat/completions", json=asked)
    for answer in (refused, refused_v1):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
    assert made.count("SELECT count(*) FROM messages") == 0

    # what is accepted elsewhere meanwhile waits, and nobody burns the processor or the journal over it
    made.lanes("send", "a", "hello")
    before = made.count("SELECT count(*) FROM events")
    time.sleep(0.5)
    assert made.count("SELECT count(*) FROM events") == before
    assert made.lanes("show", "a", "--json").json["state"] == "idle"

    assert gateway.terminate() == 0
    made.gateway("second")  # a row of its own, which does not drain
    eventually(lambda: made.count("SELECT count(*) FROM messages WHERE state = 'done'") == 1, "the message to run")
    assert not made.history().problems


def test_F50_a_drain_with_a_run_that_blocks_its_gateway_ends(made: House) -> None:
    configure(made, made.provider())
    gateway = made.gateway()
    made.lanes("send", "blocking:1", "never")
    eventually(made.held, "the lane to run")
    (owner,) = perform(made, system.drain(Context("alice"), for_=0))
    (drained,) = perform(made, system.gateways(Context("alice"), id=(owner.id,), wait=round(1000 * PATIENCE_S)))
    assert drained.held == 0, "the event loop of its gateway is blocked, and still the lane is free"
    lane = made.lanes("show", "blocking:1", "--json").json
    assert (lane["state"], lane["last_error"]["cause"]) == ("errored", "drained")
    assert [m["interruptions"] for m in lane["messages"]] == [0]
    (notice,) = events(made, "--type", "notice")
    assert (notice["cause"], notice["detail"]["state"]) == ("drained", "failed")
    gateway.kill()


def test_F05_F21_a_lane_that_hangs_is_warned_about_and_then_expires_once(made: House) -> None:
    short = {"first_byte_timeout": "3900ms", "idle_timeout": "3900ms"}
    configure(made, made.provider(), run_timeout="4s", stall_timeout="4s", **short)
    configured = made.config.read_text()
    clocks = '[clocks]\nwarn_held_after = "500ms"\nwarn_wait_after = "700ms"\n'
    quiet = '\n[[policy]]\nmatch = "quiet:*"\nwarn_held_after = "60s"\nwarn_wait_after = "60s"\n'
    made.config.write_text(configured.replace("[clocks]\n", clocks) + quiet)
    gateway = made.gateway()
    made.send_many([(key, "[[sim-hang]]") for key in ("a", "a", "quiet:1", "quiet:1")])
    told = "SELECT count(*) FROM events WHERE type IN ({}) AND lane_id = (SELECT id FROM lanes WHERE key = 'a')"
    eventually(lambda: made.count(told.format("'fail', 'expire'")), "its end")
    eventually(lambda: made.count(told.format("'wait_exceeded'")), "a word about the one that waits")

    (first, *_) = (event["run_id"] for event in events(made, "a", "--type", "claim"))
    warned = [event["detail"] for event in events(made, "a", "--type", "held_long") if event["run_id"] == first]
    assert 1 <= len(warned) <= 4, "at half a second, one, two, and four where it still runs"
    doublings = [int(detail["held_s"] / 0.5).bit_length() for detail in warned]
    assert doublings == sorted(set(doublings)), "the intervals grow"
    assert doublings[0] >= 1, "and not before the first has passed"
    ends = [event for event in events(made, "a") if event["run_id"] == first and event["type"] in ("fail", "expire")]
    assert len(ends) == 1
    (waited,) = events(made, "a", "--type", "wait_exceeded")
    assert waited["detail"]["waited_s"] >= 0.7
    assert f"held by run {first}" in waited["detail"]["holder"]
    assert events(made, "quiet:1", "--type", "held_long") == []
    assert events(made, "quiet:1", "--type", "wait_exceeded") == []
    eventually(lambda: "lane wait exceeded: lane 'a'" in gateway.said(), "the line in the log")
    assert gateway.said().count("lane wait exceeded: lane 'a'") == 1


HOOKS = '''
"""Hooks that a configuration names: two hang, one writes down what it is told."""

import asyncio
from pathlib import Path


async def hang(about):
    await asyncio.Event().wait()


async def write_down(notice):
    with Path("notices.txt").open("a") as file:
        print(notice.key, notice.cause, notice.detail["state"], file=file)
'''


def test_F43_F65_hooks_that_hang_hold_nothing_and_each_notice_is_passed_on(made: House) -> None:
    configure(made, made.provider())
    (made.folder / "scenario_hooks.py").write_text(HOOKS)
    named = '[hooks]\nbefore_run = "scenario_hooks:hang"\nafter_run = "scenario_hooks:hang"\n'
    named += 'notice = "scenario_hooks:write_down"\ntimeout = "500ms"\n'
    made.config.write_text(f"{made.config.read_text()}\n{named}")
    gateway = made.gateway()
    for text in ("hello", "[[sim-500]]", "still here"):
        made.lanes("send", "a", text)
    ended = "SELECT count(*) FROM messages WHERE state IN ('done', 'failed')"
    eventually(lambda: made.count(ended) == 3, "every message to end although the hooks hang")
    failed = made.count("SELECT count(*) FROM messages WHERE state = 'failed'")
    noted = made.folder / "notices.txt"
    eventually(lambda: noted.exists() and len(noted.read_text().splitlines()) == failed, "the notices")
    eventually(lambda: "hook before_run timed out" in gateway.said(), "the hanging hook to be given up")
    assert gateway.terminate() == 0


STUBBORN = '''
"""Runners that do not stop: one swallows its cancellation, one blocks in a thread."""

import asyncio
import time


async def swallow(run):
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass


async def thread(run):
    await asyncio.to_thread(time.sleep, 3600)
'''


@pytest.mark.parametrize("how", ["swallow", "thread"])
def test_a_gateway_ends_although_its_runner_does_not(made: House, how: str) -> None:
    (made.folder / "scenario_stubborn.py").write_text(STUBBORN)
    made.config.write_text(
        '[clocks]\ndrain_timeout = "100ms"\n\n'
        f'[[runner]]\nname = "stubborn"\nkind = "python"\ntarget = "scenario_stubborn:{how}"\n'
    )
    gateway = made.gateway()
    made.lanes("send", "a", "hello")
    eventually(made.held, "the lane to run")
    assert gateway.terminate() == 0
    lane = made.lanes("show", "a", "--json").json
    assert (lane["state"], lane["last_error"]["cause"]) == ("errored", "drained")
    assert "the process ends without it" in gateway.said()
    assert not made.history().problems


def test_what_a_hook_raises_can_not_command_the_terminal_that_shows_the_log(made: House) -> None:
    configure(made, made.provider())
    (made.folder / "scenario_hooks.py").write_text(
        "async def shout(about):\n    raise ValueError('\\x1b]0;owned\\x07\\x9b31m')\n"
    )
    made.config.write_text(f'{made.config.read_text()}\n[hooks]\nbefore_run = "scenario_hooks:shout"\n')
    gateway = made.gateway()
    made.lanes("send", "a", "hello")
    eventually(lambda: "hook before_run failed" in gateway.said() and "ValueError" in gateway.said(), "the log line")
    assert not {"\x1b", "\x07", "\x9b"} & set(gateway.said())
