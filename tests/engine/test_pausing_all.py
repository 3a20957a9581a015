"""A pause of all lanes, before a real gateway: lanes to come, restarts, its end by time and by hand."""

from pathlib import Path

from lanes.testing import MINUTE, SECOND, Hands
from lanes_storage.law import MessageState
from tests.kit.gateways import Gates, gateway_on
from tests.kit.until import until


async def test_all_lanes_are_held_over_a_restart_and_lanes_to_come_until_resumed(tmp_path: Path, time: Hands) -> None:
    runner = Gates()
    async with gateway_on(tmp_path, runner, time) as site:
        await site.desk.send("before", "runs")
        await site.running(runner, "before")
        acted = await site.desk.pause_all(actor="alice", reason="provider in repair")
        assert (acted.match, acted.done) == ("*", True)
        sent = await site.desk.send("to come", "waits")
        assert "All lanes are paused" in (sent.held_up or "")
        runner.open()
        await until(lambda: not runner.running, "what ran to end: it goes on")
    async with gateway_on(tmp_path, runner, time) as site:
        assert [pause.reason for pause in (await site.desk.status()).pauses] == ["provider in repair"]
        later = await site.desk.send("after the restart", "waits")
        await site.passes(MINUTE)
        for number in (sent.id, later.id):
            assert (await site.desk.message(number)).state is MessageState.QUEUED
        assert (await site.desk.resume_all(actor="alice")).done
        for number in (sent.id, later.id):
            assert (await site.desk.wait(number)).state is MessageState.DONE


async def test_a_pause_of_all_ends_at_its_time_and_a_pause_of_a_lane_does_not_end_with_it(
    tmp_path: Path, time: Hands
) -> None:
    runner = Gates()
    runner.open()
    async with gateway_on(tmp_path, runner, time) as site:
        await site.desk.pause_all(until=time().wall + MINUTE)
        free, held = await site.desk.send("free", "text"), await site.desk.send("held", "text")
        await site.desk.pause("held", reason="a look")
        await site.passes(MINUTE + SECOND)
        assert (await site.desk.wait(free.id)).state is MessageState.DONE
        assert (await site.desk.status()).pauses == ()
        assert (await site.desk.message(held.id)).state is MessageState.QUEUED
        assert (await site.desk.resume("held")).paused is None
        assert (await site.desk.wait(held.id)).state is MessageState.DONE


async def test_a_glob_is_paused_and_what_does_not_fit_goes_on(tmp_path: Path, time: Hands) -> None:
    runner = Gates()
    runner.open()
    async with gateway_on(tmp_path, runner, time) as site:
        await site.desk.pause_all("agent:[!m]*", reason="a look")
        fits, other = await site.desk.send("agent:x", "text"), await site.desk.send("agent:m", "text")
        assert (await site.desk.wait(other.id)).state is MessageState.DONE
        assert (await site.desk.message(fits.id)).state is MessageState.QUEUED
        assert not (await site.desk.resume_all()).done, "not the pause of all"
        assert (await site.desk.resume_all("agent:[!m]*")).done
        assert (await site.desk.wait(fits.id)).state is MessageState.DONE
