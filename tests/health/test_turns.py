"""Limits of requests in flight, probes and the trickle: who may ask a provider, and who waits for its turn."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lanes.config import from_data
from lanes.context import Context
from lanes.runners.providers.places import ProviderLine, needs_places
from lanes.testing import Hands
from lanes_storage import reads
from lanes_storage.law import MessageState
from lanes_storage.records import Health
from lanes_storage.records.providers import TRICKLE_MS
from tests.health.conftest import Sim, night
from tests.kit.cooling import cool
from tests.kit.rawserver import DONE, STREAM, Call, chunk, raw_server
from tests.kit.until import until

OK = (STREAM, chunk("yes"), chunk(finish="stop"), DONE)
BUSY = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
REFUSED = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass
class Model:
    """A provider that answers so many requests at a time, and refuses the others; or holds all until it is opened."""

    most: int = 10_000
    url: str = ""
    now: int = 0
    peak: int = 0
    answered: int = 0
    refused: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, call: Call) -> None:
        if self.now >= self.most:
            self.refused += 1
            await call.say(BUSY)
            return
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            await self.open.wait()
            await asyncio.sleep(0.002)
            await call.say(*OK)
            self.answered += 1
        finally:
            self.now -= 1

    def config(self, *providers: dict[str, Any], **clocks: str) -> dict[str, Any]:
        return Sim(None, self.url).config(*providers, **clocks)  # type: ignore[arg-type]


@asynccontextmanager
async def model(most: int = 10_000, *, opened: bool = True) -> AsyncIterator[Model]:
    made = Model(most)
    if opened:
        made.open.set()
    async with raw_server(made) as url:
        made.url = url
        yield made


async def test_F216_the_lanes_of_a_one_slot_model_wait_for_their_turn_without_stalling(tmp_path: Path) -> None:
    async with (
        model(opened=False) as slow,
        night(slow.config({"max_requests": 1}, run_timeout="off"), tmp_path) as site,
    ):
        sent = [message for number in range(30) for message in await site.send(f"lane:{number}", "hello")]
        await until(lambda: slow.now == 1, "the first request")
        await site.gateway.advance("119s")  # as long as the first one may be silent
        assert (await site.states(sent)).count("queued") == 29, "they were not claimed, so no clock runs"
        assert "waits for its turn at provider first: 1 of 1 requests are in flight" in await site.desk.why("lane:7")
        slow.open.set()
        ended = await site.until_ended(sent)
        assert {message.state for message in ended} == {MessageState.DONE}
        assert (slow.peak, slow.answered, slow.refused) == (1, 30, 0)


async def test_F216_a_run_that_stands_in_line_at_the_next_provider_is_not_stalled(sim: Sim, tmp_path: Path) -> None:
    """The first provider failed otherwise, so the lane is kept; the only place at the second one is taken."""
    async with model(opened=False) as slow:
        providers = ({"model": "sim-500"}, {"base_url": slow.url, "max_requests": 1})
        config = sim.config(*providers, run_timeout="off") | {"policy": [{"match": "one", "stall_timeout": "off"}]}
        async with night(config, tmp_path) as site:
            (one,) = await site.send("one", "hello")
            await until(lambda: slow.now == 1, "the place to be taken")
            others = [message for key in ("two", "three") for message in await site.send(key, "hello")]
            await until(lambda: len(site.in_line("second")) == 2, "the others to stand in line")
            await site.gateway.advance("150s")  # longer than a run may be silent
            assert (slow.now, slow.peak) == (1, 1)
            shown = await site.desk.lane("two")
            assert shown.state == "running"
            assert "waiting for its turn at provider second" in str(shown.progress)
            slow.open.set()
            ended = await site.until_ended([one, *others])
            assert {message.state for message in ended} == {MessageState.DONE}
            assert slow.peak == 1


async def test_F216_two_gateways_share_the_limit(tmp_path: Path) -> None:
    async with model(opened=False) as slow, night(slow.config({"max_requests": 2}), tmp_path) as site:
        async with night(slow.config({"max_requests": 2}), desk=site.desk) as other:
            sent = [message for number in range(12) for message in await site.send(f"lane:{number}", "hello")]
            await until(lambda: slow.now == 2, "the first requests")
            await site.gateway.advance(2)
            await other.gateway.advance(2)
            assert slow.now == 2
            slow.open.set()
            ended = [await site.desk.wait(message.id) for message in sent]
        assert {message.state for message in ended} == {MessageState.DONE}
        assert (slow.peak, slow.answered) == (2, 12)


async def test_a_provider_without_a_free_place_is_passed_over_while_another_has_one(sim: Sim, tmp_path: Path) -> None:
    async with model(opened=False) as slow:
        providers = ({"base_url": slow.url, "max_requests": 1}, {"base_url": sim.url})
        async with night(sim.config(*providers), tmp_path) as site:
            await site.send("one", "hello")
            await until(lambda: slow.now == 1, "the place to be taken")
            (two,) = await site.send("two", "hello")
            await until(lambda: sim.texts == ["hello"], "the second provider")
            assert (await site.desk.wait(two.id)).provider == "second"
            slow.open.set()


async def test_F729_why_tells_only_of_the_providers_that_the_lane_may_ask(sim: Sim, tmp_path: Path) -> None:
    """The only slot of its runner is taken; another runner's provider is full, then it cools."""
    async with model(opened=False) as slow:
        config = sim.config({}, {"base_url": slow.url, "max_requests": 1}, {})
        config["runner"] = [
            {"name": "chat", "kind": "provider", "providers": ["first"], "max_runs": 1},
            {"name": "other", "kind": "provider", "providers": ["second"]},
            {"name": "both", "kind": "provider", "providers": ["second", "third"], "max_runs": 1},
        ]
        config["policy"] = [{"match": f"{name}:*", "runner": name} for name in ("other", "both")]
        async with night(config, tmp_path) as site:
            await site.send("other:1", "hello")
            await until(lambda: slow.now == 1, "the place to be taken")
            for key in ("chat:1", "both:1"):
                await site.send(key, "[[sim-hang]]")
            await until(lambda: len(sim.texts) == 2, "the slots to be taken")
            for key in ("chat:2", "both:2", "other:2"):
                await site.send(key, "hello")
            assert "at provider second: 1 of 1" in await site.desk.why("other:2")
            for key in ("chat:2", "both:2"):
                assert "second" not in await site.desk.why(key), "it waits for a slot of its runner"
            slow.open.set()
            await site.desk.wait((await site.desk.messages("other:2"))[0].id)
            slow.most = 0
            await site.send("other:3", "hello")

            async def refused() -> bool:
                return "provider second cools" in await site.desk.why("other:3")

            await until(refused, "the refusal")
            assert "second" not in await site.desk.why("chat:2")


def test_F729_a_lane_waits_for_the_providers_of_its_runner_and_what_is_passed_on_for_none() -> None:
    tables = {
        "provider": [{"name": name, "base_url": "http://127.0.0.1:1/v1", "model": "m"} for name in ("one", "two")],
        "runner": [{"name": f"ask {name}", "kind": "provider", "providers": [name]} for name in ("one", "two")],
        "policy": [{"match": "b:*", "runner": "ask two"}],
        "source": [{"name": "codex", "provider": "one", "token_env": "TOKEN"}],
    }
    config = from_data(tables, env={"TOKEN": "t" * 32})
    context = Context("me", configured=lambda: config)
    chains = [context.chain(*asked) for asked in (("a", None), ("b:1", None), ("b:1", "ask one"), ("a", "codex"))]
    assert chains == [("one",), ("two",), ("one",), ()]
    assert context.chain("a", "gone") is None
    assert Context("me").chain("a", None) is None


async def test_F217_a_probe_whose_gateway_is_killed_frees_its_place(tmp_path: Path) -> None:
    async with model(most=0, opened=False) as busy, night(busy.config(), tmp_path) as site:
        (one,) = await site.send("one", "hello")
        await until(lambda: busy.refused == 1, "the refusal")
        await site.calm()
        busy.most = 10
        (two,) = await site.send("two", "hello")
        await site.gateway.advance(1.5)
        await until(lambda: busy.now == 1, "the probe")
        await site.gateway.advance(1.5)
        assert busy.now == 1, "one probe at a time"
        async with night(busy.config(), desk=site.desk) as other:
            await site.gateway.crash()
            busy.open.set()
            await other.until_ended([one, two])
            assert await other.states([one, two]) == ["done", "done"]


async def test_F218_after_a_cooldown_they_trickle_in(tmp_path: Path) -> None:
    """Two hundred lanes wait for a model that answers four requests at a time, and refuses others without a time."""
    async with model(most=0) as busy, night(busy.config(), tmp_path) as site:
        sent = [message for number in range(200) for message in await site.send(f"lane:{number}", "hello")]
        await site.calm()
        first, busy.most = busy.refused, 4
        ended = await site.until_ended(sent)
        assert {message.state for message in ended} == {MessageState.DONE}
        # Asked all at once after each cooldown, it would refuse some 4,900. How many it does refuse grows with the time
        # from a refusal to the stored cooldown, in which others go out: some 20 here, 90 where each process waits long.
        assert busy.refused - first <= 200, "200 answers, and never more refusals than answers"


@pytest.mark.parametrize("says", [(b"HTTP/1.1 502 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",), (STREAM,)])
async def test_F759_a_provider_that_fails_after_an_outage_costs_few_of_those_that_wait(
    says: tuple[bytes, ...], tmp_path: Path
) -> None:
    """As a proxy does whose server begins to start: it takes each probe, and each is a message lost."""
    good = asyncio.Event()

    async def answer(call: Call) -> None:
        await call.say(*(OK if good.is_set() else says))

    async with raw_server(answer) as url, night(Sim(None, url).config(), tmp_path) as site:  # type: ignore[arg-type]
        store, clock = site.desk.store, site.desk.clock
        await store.write(lambda tx: cool(tx, "first", "unreachable", 1_000, clock()))
        sent = [message for number in range(60) for message in await site.send(f"lane:{number}", "hello")]
        for _ in range(60):
            await site.passes(1)
        lost = (await site.states(sent)).count("failed")
        assert 1 <= lost <= 8, "one or two after each cooldown, which doubles"
        good.set()
        ended = await site.until_ended(sent)
        assert Counter(str(message.state) for message in ended) == {"failed": lost, "done": 60 - lost}


async def test_F759_a_request_from_before_the_outage_is_no_probe(tmp_path: Path) -> None:
    """Many of them may fail one after the other, when their provider answers again."""
    asked, later = asyncio.Event(), asyncio.Event()

    async def answer(call: Call) -> None:
        asked.set()
        await later.wait()
        await call.say(b"HTTP/1.1 502 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    async with raw_server(answer) as url, night(Sim(None, url).config(), tmp_path) as site:  # type: ignore[arg-type]
        store, clock = site.desk.store, site.desk.clock
        (sent,) = await site.send("before", "hello")
        await until(asked.is_set, "the request")
        await store.write(lambda tx: cool(tx, "first", "unreachable", 1_000, clock()))
        await site.gateway.advance(2)
        later.set()
        await site.calm()
        assert await site.cause_of(sent) == ["server_error"]
        (row,) = (await store.read(reads.providers())).values()
        assert (row.health(clock().wall), row.cause) == (Health.PROBING, "unreachable")


async def test_F732_a_provider_that_is_well_again_is_asked_as_if_it_had_never_cooled(tmp_path: Path) -> None:
    async with model(most=0) as busy, night(busy.config(), tmp_path) as site:
        (one,) = await site.send("one", "hello")
        await site.calm()
        busy.most = 100

        async def counted() -> bool:
            rows, now = await site.desk.store.read(reads.providers()), site.desk.clock()
            return needs_places([ProviderLine("first")], rows, now)

        assert await counted()
        await site.until_ended([one])
        assert await counted(), "few at a time may wait for their answer to begin"
        await site.gateway.advance(TRICKLE_MS / 1000)
        assert not await counted(), "no run reads that any more"
        busy.open.clear()
        for number in range(20):
            await site.send(f"lane:{number}", "hello")
        await until(lambda: busy.now == 20, "all of them to be asked at once")
        busy.open.set()


async def test_F283_two_lanes_whose_key_is_refused_are_known_over_gateways_and_restarts(tmp_path: Path) -> None:
    """The first refusal may have been about its text; the second one, at another gateway, was not."""
    good = asyncio.Event()

    async def answer(call: Call) -> None:
        await call.say(*(OK if good.is_set() else (REFUSED,)))

    async with raw_server(answer) as url:
        config = Sim(None, url).config()  # type: ignore[arg-type]
        async with night(config, tmp_path) as site:
            (one,) = await site.send("one", "hello")
            await site.calm()
            await site.gateway.stop()
            async with night(config, desk=site.desk) as second:
                (two,) = await second.send("two", "hello")
                await second.calm()
                assert await second.states([one, two]) == ["failed", "queued"]
                good.set()
                await second.until_ended([two])
                good.clear()
                (three,) = await second.send("three", "hello")
                await second.calm()
                assert await second.states([two, three]) == ["done", "failed"], "one was served in between"


@asynccontextmanager
async def keyed(folder: Path) -> AsyncIterator[Callable[[str], dict[str, Any]]]:
    """A provider that takes the key ``good`` and refuses all others; gives the configuration with a key."""

    async def answer(call: Call) -> None:
        await call.say(*(OK if call.headers.get("authorization") == "Bearer good" else (REFUSED,)))

    async with raw_server(answer) as url:

        def config(key: str) -> dict[str, Any]:
            path = folder / f"{key}.txt"
            path.write_text(key)
            path.chmod(0o600)
            return Sim(None, url).config({"api_key_file": str(path)})  # type: ignore[arg-type]

        yield config


@pytest.mark.parametrize("lanes", [1, 3])
async def test_F938_nothing_is_said_any_more_of_a_key_that_was_corrected(tmp_path: Path, lanes: int) -> None:
    """Neither of one that was only doubted, nor of one whose cooldown was over as it was corrected."""
    async with keyed(tmp_path) as config, night(config("bad"), tmp_path) as site:
        for number in range(lanes):
            await site.send(f"lane:{number}", "hello")
            await site.calm()
        (row,) = (await site.desk.store.read(reads.providers())).values()
        assert row.message is not None
        assert (row.until is None) == (lanes == 1)
        await site.gateway.stop()
        clock = site.desk.clock
        assert isinstance(clock, Hands)
        clock.move(30_000)
        async with night(config("good"), desk=site.desk) as second:
            await second.until_ended(await second.send("another", "hello"))
            (row,) = (await site.desk.store.read(reads.providers())).values()
            assert (row.health(site.desk.clock().wall), row.message, row.doubted) == (Health.WELL, None, None)


async def test_F213_a_corrected_key_starts_fresh(tmp_path: Path) -> None:
    async with keyed(tmp_path) as config, night(config("bad"), tmp_path) as site:
        (own,) = await site.send("one", "hello")
        await site.calm()
        waiting = [message for number in range(3) for message in await site.send(f"lane:{number}", "hello")]
        await site.calm()
        for _ in range(6):  # the cooldown doubles: nobody is served
            await site.passes(20)
        assert await site.states([own, *waiting]) == ["failed", "queued", "queued", "queued"]
        (row,) = (await site.desk.store.read(reads.providers())).values()
        assert row.until is not None
        assert row.until - site.desk.clock().wall > 5_000
        await site.gateway.stop()
        now = site.desk.clock()
        async with night(config("good"), desk=site.desk):
            ended = [await site.desk.wait(message.id) for message in waiting]
        assert {message.state for message in ended} == {MessageState.DONE}
        assert site.desk.clock() == now, "no time has passed"
