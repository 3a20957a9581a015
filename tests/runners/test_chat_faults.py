"""Every fault of the simulated provider, over a real socket, through one attempt."""

import asyncio

import pytest

from lanes.runners.base import Delta
from lanes.runners.http.client import HttpClient
from lanes.simulate.app import Simulator
from lanes.simulate.plays import ANSWER
from lanes.simulate.record import RequestEnd, Seen
from lanes.simulate.server import serve
from lanes_storage.law import AttemptCause
from tests.kit.asking import ask, refused
from tests.kit.providers import SOON_MS, provider
from tests.kit.until import until
from tests.runners.simulated import Simulated


async def ended(sim: Simulated) -> Seen:
    """The last request, once the provider has seen its end."""
    seen = await until(lambda: sim.simulator.requests[-1:], "the request")
    await until(lambda: seen[0].outcome is not RequestEnd.OPEN, "its end")
    return seen[0]


async def test_ok(sim: Simulated, client: HttpClient) -> None:
    pieces: list[Delta] = []
    reply = await ask(client, provider(sim.url), emit=pieces.append)
    assert reply.text == ANSWER == "".join(piece.text for piece in pieces)
    assert (reply.finish_reason, reply.model, reply.message) == ("stop", "sim-ok", None)
    assert reply.usage is not None
    assert reply.usage["completion_tokens"] == len(pieces) > 3
    assert (await ended(sim)).outcome is RequestEnd.FINISHED


async def test_echo(sim: Simulated, client: HttpClient) -> None:
    said = "two  spaces,\nan é, 漢字 and 😀"
    assert (await ask(client, provider(sim.url, "sim-echo"), said)).text == said


async def test_slow(sim: Simulated, client: HttpClient) -> None:
    pieces: list[Delta] = []
    await ask(client, provider(sim.url, "sim-slow-2"), emit=pieces.append)
    assert len(pieces) == 8


async def test_an_override_in_the_text_goes_before_the_model(sim: Simulated, client: HttpClient) -> None:
    assert (await refused(client, provider(sim.url), "please [[sim-500]] now")).cause is AttemptCause.SERVER_ERROR
    assert (await ask(client, provider(sim.url, "sim-500"), "so be it [[ sim-echo ]]")).text == "so be it"


async def test_hang(sim: Simulated, client: HttpClient) -> None:
    failure = await refused(client, provider(sim.url, "sim-hang", first_ms=SOON_MS))
    assert failure.cause is AttemptCause.FIRST_BYTE_TIMEOUT
    assert failure.message.startswith(f"no content within {SOON_MS}ms; waited ")
    seen = await ended(sim)
    assert (seen.outcome, seen.tokens) == (RequestEnd.CLIENT_LEFT, 0)


async def test_stall(sim: Simulated, client: HttpClient) -> None:
    failure = await refused(client, provider(sim.url, "sim-stall", idle_ms=SOON_MS))
    assert failure.cause is AttemptCause.IDLE_TIMEOUT
    assert failure.message.startswith(f"no further content within {SOON_MS}ms; waited ")
    seen = await ended(sim)
    assert (seen.outcome, seen.tokens) == (RequestEnd.CLIENT_LEFT, 3)


async def test_a_drip_is_no_silence_and_is_ended_by_whoever_cancels(sim: Simulated, client: HttpClient) -> None:
    pieces: list[Delta] = []
    url = f"{sim.url}?tempo=500"  # a token each 10 ms
    attempt = asyncio.create_task(ask(client, provider(url, "sim-drip"), emit=pieces.append))
    await until(lambda: len(pieces) >= 10, "ten drops")
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    seen = await ended(sim)
    assert seen.outcome is RequestEnd.CLIENT_LEFT
    assert seen.tokens >= 10


async def test_a_drip_slower_than_the_idle_limit(sim: Simulated, client: HttpClient) -> None:
    failure = await refused(client, provider(sim.url, "sim-drip", idle_ms=60))
    assert failure.cause is AttemptCause.IDLE_TIMEOUT


@pytest.mark.parametrize(
    ("model", "cause", "said"),
    [
        ("sim-cut", AttemptCause.CUT, "the stream ended without a finish reason"),
        ("sim-reset", AttemptCause.RESET, "the connection broke: Connection reset by peer"),
        ("sim-500", AttemptCause.SERVER_ERROR, "HTTP 500: The simulated provider had an internal error."),
        ("sim-429-30", AttemptCause.RATE_LIMITED, "HTTP 429: Rate limit reached, try again in 30s."),
        ("sim-quota", AttemptCause.QUOTA, "HTTP 429: You exceeded your current quota"),
        ("sim-server-error", AttemptCause.SERVER_ERROR, "error in the reply: The server had an error"),
        ("sim-garbage", AttemptCause.GARBAGE, "an event that is not a JSON object"),
        ("sim-flaky-1", AttemptCause.SERVER_ERROR, "HTTP 500"),
        ("sim-unheard-of", AttemptCause.BAD_REQUEST, "HTTP 404: There is no such simulated model."),
    ],
)
async def test_failures(sim: Simulated, client: HttpClient, model: str, cause: AttemptCause, said: str) -> None:
    failure = await refused(client, provider(sim.url, model))
    assert failure.cause is cause
    assert failure.message.startswith(said)
    assert (await ended(sim)).outcome is RequestEnd.FAILED


async def test_429_says_when_to_come_again(sim: Simulated, client: HttpClient) -> None:
    assert (await refused(client, provider(sim.url, "sim-429-30"))).retry_after_ms == 30_000
    assert (await refused(client, provider(sim.url, "sim-429-0"))).retry_after_ms is None
    assert (await refused(client, provider(sim.url, "sim-quota"))).retry_after_ms is None


async def test_flaky_never(sim: Simulated, client: HttpClient) -> None:
    assert (await ask(client, provider(sim.url, "sim-flaky-0"))).text == ANSWER


@pytest.mark.parametrize("model", ["sim-hang", "sim-stall", "sim-drip", "sim-slow-600"])
async def test_a_cancelled_attempt_leaves_the_provider_at_once(sim: Simulated, client: HttpClient, model: str) -> None:
    attempt = asyncio.create_task(ask(client, provider(sim.url, model)))
    await until(lambda: sim.simulator.requests, "the request")
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert (await ended(sim)).outcome is RequestEnd.CLIENT_LEFT


async def test_the_provider_stops_with_streams_open(client: HttpClient) -> None:
    simulator = Simulator()
    async with serve(simulator=simulator) as url:
        attempts = [asyncio.create_task(refused(client, provider(url, m))) for m in ("sim-hang", "sim-stall")]
        await until(lambda: len(simulator.requests) == 2, "two requests")
    causes = {failure.cause for failure in await asyncio.gather(*attempts)}
    assert causes <= {AttemptCause.CUT, AttemptCause.RESET}
    assert {seen.outcome for seen in simulator.requests} == {RequestEnd.STOPPED}
