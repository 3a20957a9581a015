"""A whole bad night in front of two failing providers, in moved time, and the judge of what came of it."""

import asyncio
import tomllib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from lanes.config import from_data
from lanes.desk import connect
from lanes.records import Message
from lanes.simulate.record import RequestEnd, Seen
from lanes.simulate.server import serve
from lanes.testing import TimedGateway, gateway
from lanes.testing.passing import LONGEST_STEP_MS, Passer, restless
from lanes_storage.law import MessageState
from tests.bench.night.morning import Morning, judge
from tests.bench.night.plan import BACKUP, PRIMARY, NightPlan, Sending
from tests.bench.night.weather import NightWeather
from tests.health.moments import NightClock
from tests.kit.databases import lay
from tests.kit.until import until

ROOT = Path(__file__).parents[2]
#: So long after the last message all have an answer, in seconds.
LONGEST_S = 3_600


def advised() -> dict[str, Any]:
    """What the runbook advises for a night."""
    section = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("\n## Before a night")[2]
    return tomllib.loads(section.partition("```toml\n")[2].partition("```")[0])


class Played:
    """A night that goes on: the gateway, the providers, and the messages that were sent so far."""

    def __init__(self, plan: NightPlan, clock: NightClock, weather: NightWeather, running: TimedGateway) -> None:
        self._clock, self._weather, self._gateway = clock, weather, running
        self._left = plan.sendings[::-1]
        self.sent: dict[int, Sending] = {}

    async def through(self) -> list[Message]:
        """Live through it until each message has ended."""
        passer = Passer(self._gateway._engine)
        with restless(passer.upkeep):
            while self._left or not await self._all_ended():
                assert self._clock.seconds() < LONGEST_S, "some messages never end"
                self._clock.move(LONGEST_STEP_MS)
                await self._send_due()
                await passer.meets()
                await until(self._settled, "the runs to ask a provider, to wait for their turn there, or to end")
        return [await self._gateway.desk.message(number) for number in self.sent]

    async def _send_due(self) -> None:
        while self._left and self._left[-1].at_s <= self._clock.seconds():
            sending = self._left.pop()
            self.sent[(await self._gateway.desk.send(sending.key, sending.text)).id] = sending

    async def _all_ended(self) -> bool:
        counts = (await self._gateway.desk.status()).counts
        return not (counts.messages.queued or counts.lanes["running"])

    def _settled(self) -> bool:
        """Whether nothing goes on by itself while the clock stands: each run waits for an answer, or for the place of
        one that does."""
        busy = self._weather.busy
        return self._gateway.held == busy.total() or (self._gateway.held > busy.total() and busy[BACKUP] > 0)


async def played(plan: NightPlan, settings: dict[str, Any], folder: Path) -> tuple[Morning, list[Message]]:
    """Play a whole night; what came of it, and its messages."""
    clock = NightClock()
    weather = NightWeather(plan, clock.seconds, clock.until)
    primary, backup = weather.primary(), weather.backup()
    async with AsyncExitStack() as ending:
        first = await ending.enter_async_context(serve(simulator=primary))
        second = await ending.enter_async_context(serve(simulator=backup))
        config = from_data(configured(first, second) | settings, env={})
        desk = await ending.enter_async_context(connect(str(lay(folder / "lanes.db")), config=config, clock=clock))
        running = await ending.enter_async_context(gateway(config=config, desk=desk))
        passing = asyncio.create_task(weather.passes(primary, backup))
        ending.callback(passing.cancel)
        night = Played(plan, clock, weather, running)
        messages = await night.through()
        done = [night.sent[message.id] for message in messages if message.state == MessageState.DONE]
        received = [(each.key, each.number) for each in done]
        return judge(plan.sendings, received, [*primary.requests, *backup.requests]), messages


def configured(first: str, second: str) -> dict[str, Any]:
    """The tables of a file for the providers of a night."""
    return {
        "provider": [
            {"name": PRIMARY, "base_url": first, "model": "sim-ok"},
            {"name": BACKUP, "base_url": second, "model": "sim-ok", "max_requests": 1},
        ],
        "runner": [{"name": "chat", "kind": "provider", "providers": [PRIMARY, BACKUP]}],
    }


SEEDS = (1, 2, 3)
FULL = (200, 2_000)


async def lost_of(plan: NightPlan, settings: dict[str, Any], folder: Path) -> Morning:
    """Play a night, of which nothing may be out of order, answered twice, or asked too often."""
    morning, messages = await played(plan, settings, folder)
    failed = [(m.key, str(m.state), m.error) for m in messages if m.state != MessageState.DONE]
    assert (morning.out_of_order, morning.twice, morning.lost) == (0, 0, len(failed)), f"{morning}, {failed[:3]}"
    assert morning.requests <= 1.2 * morning.answered + 10, str(morning)  # few messages are asked for by chance
    return morning


async def test_F236_a_bad_night_loses_nothing_as_the_runbook_advises(tmp_path: Path) -> None:
    """Requests that the outage meets are run once more, as the policy says."""
    morning = await lost_of(NightPlan(40, 400), advised(), tmp_path)
    assert morning.lost == 0, str(morning)


async def test_F236_what_only_waits_outlasts_the_outage_by_max_park_alone(tmp_path: Path) -> None:
    settings = {"clocks": advised()["clocks"]}
    morning = await lost_of(NightPlan(20, 200, calm=True), settings, tmp_path)
    assert morning.lost == 0, str(morning)


async def test_a_night_is_judged_bad_whose_messages_may_wait_only_for_half_of_its_outage(tmp_path: Path) -> None:
    morning = await lost_of(NightPlan(10, 100), {"clocks": {"max_park": "5m"}}, tmp_path)
    assert morning.lost > 5, str(morning)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
async def test_F236_a_whole_bad_night(seed: int, tmp_path: Path) -> None:
    morning = await lost_of(NightPlan(*FULL, seed=seed), advised(), tmp_path)
    assert morning.lost == 0, str(morning)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
async def test_F236_a_whole_bad_night_by_max_park_alone(seed: int, tmp_path: Path) -> None:
    morning = await lost_of(NightPlan(*FULL, seed=seed, calm=True), {"clocks": advised()["clocks"]}, tmp_path)
    assert morning.lost == 0, str(morning)


# ----------------------------------------------------------------------------------------- the judge


def seen(number: int, began: int, ended: int, outcome: RequestEnd = RequestEnd.FINISHED, lane: int = 0) -> Seen:
    text = f"night:{lane} #{number} word"
    return Seen(1, "s", "sim-ok", "sim-ok", False, text, started_ns=began, ended_ns=ended, outcome=outcome)


SENT = [Sending(0.0, "night:0", number) for number in (1, 2, 3)]
ALL = [(each.key, each.number) for each in SENT]


@pytest.mark.parametrize(
    ("received", "requests", "found"),
    [
        (ALL, [seen(1, 1, 2), seen(2, 3, 4), seen(3, 5, 6)], (3, 0, 0, 3)),
        (ALL, [seen(1, 1, 2, RequestEnd.FAILED), seen(1, 2, 3), seen(2, 3, 4), seen(3, 5, 6)], (3, 0, 0, 4)),
        (ALL[:2], [seen(1, 1, 2), seen(2, 3, 4)], (2, 0, 0, 2)),
        (ALL, [seen(2, 1, 2), seen(1, 3, 4), seen(3, 5, 6)], (3, 1, 0, 3)),
        (ALL, [seen(1, 1, 4), seen(2, 3, 5), seen(3, 6, 7)], (3, 1, 0, 3)),
        (ALL, [seen(1, 1, 2), seen(1, 3, 4), seen(2, 5, 6), seen(3, 7, 8)], (3, 0, 1, 4)),
        ([*ALL, ("night:9", 1)], [seen(1, 1, 2), seen(2, 3, 4), seen(3, 5, 6)], (3, 0, 0, 3)),
    ],
    ids=["good", "asked once more", "one lost", "exchanged", "at once", "answered twice", "one that nobody sent"],
)
def test_the_judge_of_a_night(
    received: list[tuple[str, int]], requests: list[Seen], found: tuple[int, int, int, int]
) -> None:
    assert judge(SENT, received, requests) == Morning(3, *found)
