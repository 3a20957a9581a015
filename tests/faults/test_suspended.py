"""Processes that stand still: what they held is taken back, what they write is refused, and they live on."""

import time
from pathlib import Path

from lanes.testing import HOUR, SECOND, Hands
from tests.kit.gateways import Gates, gateway_on
from tests.kit.processes import PATIENCE_S, House, Process, eventually
from tests.scenarios.conftest import configure

#: A runner whose runs last until a file is there, and a policy by which a run that was cut begins again.
PATIENT = '''

async def wait(run):
    """Reply once the file that the text names is there."""
    import asyncio

    while not Path(run.text).exists():
        await asyncio.sleep(0.02)
    return f"found {run.text}"
'''
PATIENTLY = """
[[runner]]
name = "patient"
kind = "python"
target = "scenario_runners:wait"

[[policy]]
match = "a"
runner = "patient"
on_interrupt = "requeue"
"""


def two_gateways(made: House, stale_after: str) -> tuple[Process, Process]:
    """One that runs a message of lane ``a``, which lasts until the file ``one`` is there, and another one."""
    configure(made, made.provider(), stale_after=stale_after)
    made.config.write_text(made.config.read_text() + PATIENTLY)
    runners = made.folder / "scenario_runners.py"
    runners.write_text(runners.read_text() + PATIENT)
    both = made.gateway("one"), made.gateway("other")
    made.lanes("send", "a", "one")
    eventually(lambda: made.count("SELECT count(*) FROM runs"), "the run")
    (pid,) = made.row("SELECT o.pid FROM owners o JOIN runs r ON r.owner_id = o.id")
    return both if both[0].pid == pid else both[::-1]


def events(made: House, kind: str) -> int:
    return made.count(f"SELECT count(*) FROM events WHERE type = '{kind}'")


def all_ended(made: House) -> bool:
    return made.count("SELECT count(*) FROM messages WHERE ended_at IS NULL") == 0


def test_F25_stopped_for_longer_than_stale_after_then_continued(made: House) -> None:
    first, second = two_gateways(made, stale_after="8s")
    first.freeze(made.database)
    (owner,) = made.row("SELECT owner_id FROM runs")
    eventually(lambda: events(made, "reclaim"), "its lane to be taken back")
    assert made.row("SELECT cause FROM events WHERE type = 'reclaim'") == ("owner_silent",)
    (made.folder / "one").touch()
    eventually(lambda: events(made, "complete"), "the message to be answered by the other")
    first.thaw()
    eventually(lambda: "given up by others" in first.said(), "it to find out")
    eventually(lambda: "lost its lane" in first.said(), "its run to be stopped")
    assert made.row("SELECT state, interruptions FROM messages") == ("done", 1)
    assert second.terminate() == 0
    assert made.lanes("send", "a", "one", "--wait").out.strip() == "found one", "it lives on, and works"
    assert made.count("SELECT owner_id FROM runs ORDER BY id DESC LIMIT 1") != owner, "under another name"
    assert not made.history(settled=True).problems
    assert made.lanes("doctor").code == 0


def test_F19_an_observer_that_was_suspended_itself_condemns_nobody(made: House) -> None:
    """The whole machine slept: the observer wakes first, and the owner a little later."""
    first, second = two_gateways(made, stale_after="8s")
    first.freeze(made.database)
    second.freeze(made.database)
    slept = time.monotonic()
    eventually(lambda: time.monotonic() - slept > 9, "more than stale_after")
    second.thaw()
    eventually(lambda: "was suspended" in second.said(), "the observer to notice")
    first.thaw()
    (made.folder / "one").touch()
    eventually(lambda: all_ended(made), "the message to end")
    assert events(made, "reclaim") == 0
    assert made.row("SELECT state, interruptions FROM messages") == ("done", 0)


def test_a_blocked_event_loop_keeps_its_lane(made: House) -> None:
    """Heartbeats come from a thread: a runner that blocks for longer than stale_after is slow, not dead."""
    configure(made, made.provider(), stale_after="8s")
    made.gateway("first")
    made.gateway("second")
    go = made.folder / "go"
    made.lanes("send", "blocking:1", str(go))
    eventually(made.held, "the run to block its loop")
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > 9, "more than its stale_after to pass")
    go.touch()
    eventually(lambda: all_ended(made), "the run to end")
    assert events(made, "reclaim") == 0
    assert made.row("SELECT state, reply FROM messages") == ("done", "the late reply")


async def test_a_wall_clock_that_jumps_frees_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    hands, runner = Hands(), Gates()
    async with gateway_on(tmp_path, runner, hands, run_timeout="30s", stall_timeout="off") as site:
        message = await site.desk.send("a", "hello")
        await site.running(runner, "a")
        for jump in (HOUR, -2 * HOUR):
            hands.jump_wall(jump)
            later = hands().mono + 8 * SECOND
            await site.by_and_by(lambda later=later: hands().mono > later, "some seconds")  # type: ignore[misc]
            assert (await site.desk.message(message.id)).state == "running"
        hands.jump_wall(-HOUR)
        await site.by_and_by(lambda: not runner.running, "its run_timeout, whatever the clock says")
        assert (await site.desk.wait(message.id, timeout=PATIENCE_S)).state == "failed"
