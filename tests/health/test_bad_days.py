"""What becomes of waiting messages on a provider's bad day: they park, it is probed, and they are answered in order."""

from pathlib import Path

import pytest

from lanes_storage.law import Scope
from tests.health.conftest import Night, Sim, night, there

LANES, EACH = 100, 3


async def queued(site: Night) -> list[tuple[str, list[str]]]:
    """Three hundred messages in a hundred lanes."""
    plan = [(f"lane:{number}", [f"{number}-{place}" for place in range(EACH)]) for number in range(LANES)]
    for key, texts in plan:
        await site.send(key, *texts)
    return plan


async def test_F211_a_network_that_is_away_for_two_seconds_loses_none_of_300_messages(
    away: Sim, tmp_path: Path
) -> None:
    async with night(away.config(), tmp_path) as site:
        plan = await queued(site)
        await site.passes(2)
        port = int(away.url.split(":")[2].split("/")[0])
        async with there(port) as sim:
            messages = [m for key, _ in plan for m in await site.desk.messages(key)]
            ended = await site.until_ended(messages)
            assert {str(message.state) for message in ended} == {"done"}
            assert len(ended) == LANES * EACH == len(sim.texts)
            for key, texts in plan:
                asked = [seen.text for seen in sim.simulator.requests if seen.text in texts]
                assert asked == texts, f"lane {key} in its order"


async def test_F730_a_message_that_waited_as_long_as_it_may_tells_what_its_provider_said(
    away: Sim, tmp_path: Path
) -> None:
    """One was asked for, the other one only waited."""
    async with night(away.config(max_park="5s"), tmp_path) as site:
        (asked,) = await site.send("asked", "hello")
        await site.calm()
        (waited,) = await site.send("waited", "hello")
        for message in await site.until_ended([asked, waited]):
            assert message.error is not None
            assert str(message.error.cause) == "provider_cooling"
            assert (
                "first: unreachable (not reachable: Connection refused (its address is the `base_url` of"
                in message.error.message
            )
            assert "it may wait no longer (max_park)" in message.error.message


async def test_F561_a_provider_that_fails_again_and_again_is_told_as_failing(sim: Sim, tmp_path: Path) -> None:
    async def told() -> list[str]:
        return [event.type for event in await site.desk.events() if event.type.startswith("provider_")]

    async with night(sim.config(), tmp_path) as site:
        for text in ("[[sim-500]]", "hello") * 5:
            await site.send("one", text)
            await site.calm()
        failing, answers = "provider_failing", "provider_answers"
        assert await told() == [failing, answers, failing], "once, until it has not failed for a while"
        await site.passes("61s")
        await site.send("one", "hello")
        await site.calm()
        assert await told() == [failing, answers, failing, answers]
        await site.send("one", "[[sim-500]]")
        await site.calm()
        assert (await told())[-1] == failing, "the last word is true"


async def test_F212_one_text_that_is_refused_with_403_is_that_messages_own(sim: Sim, tmp_path: Path) -> None:
    async with night(sim.config(), tmp_path) as site:
        (flagged,) = await site.send("one", "[[sim-403-input]] bad")
        await site.calm()
        others = [message for number in range(5) for message in await site.send(f"other:{number}", "hello")]
        await site.calm()
        assert await site.states([flagged]) == ["failed"]
        assert await site.cause_of(flagged) == ["auth"]
        assert set(await site.states(others)) == {"done"}
        assert (await site.desk.status()).cooldowns == ()


@pytest.mark.parametrize("bad", [2, 3, 4])
async def test_F443_texts_that_are_refused_in_a_row_do_not_stop_the_other_lanes(
    sim: Sim, tmp_path: Path, bad: int
) -> None:
    async with night(sim.config(), tmp_path) as site:
        flagged = []
        for number in range(bad):
            flagged += await site.send(f"bad:{number}", "[[sim-403-input]] bad")
            await site.calm()
        others = [message for number in range(5) for message in await site.send(f"other:{number}", "hello")]
        began = site.desk.clock().wall
        ended = await site.until_ended(others)
        assert {str(message.state) for message in ended} == {"done"}
        assert site.desk.clock().wall - began <= 12_000, "a probe for each of the refused, and one for them"
        await site.passes(5)
        states = await site.states(flagged)
        assert states.count("failed") >= 2, "once another lane was served, a refusal is its message's own"
        assert "done" not in states


async def test_F214_a_retry_after_of_a_day_is_probed_every_ten_minutes(sim: Sim, tmp_path: Path) -> None:
    async with night(sim.config(), tmp_path) as site:
        await site.send("one", "[[sim-429-86400]]")
        await site.calm()
        (cooldown,) = (await site.desk.status()).cooldowns
        assert cooldown.until - site.desk.clock().wall <= 600_000
        await site.passes("9m")
        late = await site.send("two", "hello")
        await site.calm()
        assert await site.states(late) == ["queued"]
        await site.desk.abort("one", scope=Scope.BOTH)
        await site.passes("2m")
        assert await site.states(late) == ["done"]


async def test_F495_a_message_that_waits_alone_also_waits_no_longer_than_max_cooldown(sim: Sim, tmp_path: Path) -> None:
    async with night(sim.config({"max_cooldown": "5s", "max_requests": 1}), tmp_path) as site:
        one, two = await site.send("one", "[[sim-429-86400]]"), await site.send("two", "hello")
        await site.until_ended(two, 0.5)
        assert len(sim.texts) == 2, "each was asked for once"
        while sim.texts[-1] == "hello":
            await site.passes(0.5)
        assert await site.states(one) == ["queued"], "not over because of the day that the provider named"
        asked = len(sim.texts)
        await site.passes("1m")
        assert len(sim.texts) > asked, "it is asked for again, long before that day is over"


@pytest.mark.parametrize("large", [2, 5])
async def test_F468_several_messages_that_are_too_large_do_not_keep_the_others_waiting(
    sim: Sim, tmp_path: Path, large: int
) -> None:
    """Each decides about the provider once: then those go first that were not refused, and show that it is well."""
    async with night(sim.config(), tmp_path) as site:
        refused = [
            message
            for number in range(large)
            for message in await site.send(f"large:{number}", f"[[sim-429-one-request]] {number} large")
        ]
        await site.calm()
        (first,) = await site.send("first", "hello")
        began = site.desk.clock().wall
        await site.until_ended([first])
        assert site.desk.clock().wall - began <= 1_000 * 2**large, "one cooldown for each of them"
        assert len(sim.texts) <= large + 3, "one of them was asked for once more, or two"
        waits = []
        for number in range(90):
            (other,) = await site.send(f"other:{number}", "hello")
            began = site.desk.clock().wall
            ended = await site.until_ended([other], 0.5)
            assert [str(message.state) for message in ended] == ["done"]
            waits.append(site.desk.clock().wall - began)
            await site.passes(2)
        assert (max(waits) <= 4_000, sum(waits) <= 10_000) == (True, True), "they no longer wait for those"
        assert {str(state) for state in await site.states(refused)} == {"failed"}
        assert sum("large" in text for text in sim.texts) <= 8 * large


async def test_F651_messages_that_were_refused_do_not_probe_again_before_the_many_that_wait(
    sim: Sim, tmp_path: Path
) -> None:
    """More wait than are parked while the provider cools, and the two that were refused wait for longest."""
    async with night(sim.config(), tmp_path) as site:
        await site.send("large:0", "[[sim-429-one-request]] 0 large")
        await site.calm()
        await site.send("large:1", "[[sim-429-one-request]] 1 large")
        sent = [message for number in range(300) for message in await site.send(f"other:{number}", "hello")]
        began = site.desk.clock().wall
        assert {str(message.state) for message in await site.until_ended(sent, 0.5)} == {"done"}
        assert site.desk.clock().wall - began <= 60_000
        assert sum("large" in text for text in sim.texts) <= 2 * 4


async def test_F215_a_429_that_returns_for_one_message_is_that_messages_own(sim: Sim, tmp_path: Path) -> None:
    async with night(sim.config(), tmp_path) as site:
        (large,) = await site.send("one", "[[sim-429-one-request]] large")
        await site.calm()
        waits = []
        for number in range(85):  # a message each second, for others
            (other,) = await site.send(f"other:{number}", "hello")
            began = site.desk.clock().wall
            ended = await site.until_ended([other], 0.5)
            assert [str(message.state) for message in ended] == ["done"]
            waits.append(site.desk.clock().wall - began)
            await site.passes(1)
        assert max(waits) <= 4_000, "others hardly wait"
        assert sum(waits) <= 6_000
        assert (await site.states([large]), await site.cause_of(large)) == (["failed"], ["rate_limited"])
        assert sum("large" in text for text in sim.texts) <= 8
