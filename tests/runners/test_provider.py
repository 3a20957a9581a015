"""The chain of providers: failing over, cooling, parking, and when none of them."""

import asyncio
from typing import Any

import pytest

from lanes.records import Attempt
from lanes.runners.base import Runner
from lanes.runners.providers.health import LAST_MS
from lanes.runners.providers.judge import QUOTA_MS
from lanes.runners.providers.places import OTHERS_FIRST_MS
from lanes.simulate.plays import ANSWER
from lanes.simulate.record import RequestEnd
from lanes_storage.law import Cause
from lanes_storage.records import AttemptPhase
from tests.kit.providers import SOON_MS, provider
from tests.kit.rawserver import DONE, STREAM, Call, chunk, raw_server
from tests.kit.runs import KitRun
from tests.kit.until import until
from tests.runners.chains import House, answered, failing, parking

# --------------------------------------------------------------------------------------- failing over


async def test_the_first_answers(house: House) -> None:
    run = KitRun("hello", key="agent:main/群")
    reply = await answered(house.chain("sim-ok", "sim-echo"), run)
    assert (reply.text, reply.attempts) == (ANSWER, ())
    assert run.notes == ["model_call:started provider=first"]
    (seen,) = house.sim.simulator.requests
    assert (seen.key, seen.run, seen.text) == ("agent:main/群", "41", "hello")


async def test_a_run_tells_whom_it_asks_and_which_limit_acts_next(house: House) -> None:
    """At each phase: its limit, who is asked after that, and how long all of them take at most."""
    first, second = house.provider("sim-stall", "first", idle_ms=300), house.provider("sim-ok", "second")
    run = KitRun("hello")
    await answered(house.chain(first, second), run)
    connecting, silent = second.connect_timeout_ms, second.first_byte_timeout_ms
    rest = connecting + silent
    assert run.phases == [
        AttemptPhase("first", "connect_timeout", connecting, 1, 2, "second", rest + silent),
        AttemptPhase("first", "first_byte_timeout", silent, 1, 2, "second", rest),
        AttemptPhase("first", "idle_timeout", 300, 1, 2, "second", rest),
        None,
        AttemptPhase("second", "connect_timeout", connecting, 2, 2, None, silent),
        AttemptPhase("second", "first_byte_timeout", silent, 2, 2),
        AttemptPhase("second", "idle_timeout", second.idle_timeout_ms, 2, 2),
        None,
    ]


async def test_a_provider_that_cools_is_nobodys_next(house: House) -> None:
    await house.cool("second", "quota", None)
    run = KitRun("hello")
    await answered(house.chain("sim-ok", "sim-ok", "sim-ok"), run)
    assert [phase.next for phase in run.phases if phase] == ["third"] * 3


@pytest.mark.parametrize(
    ("model", "cause"),
    [
        ("sim-500", "server_error"),
        ("sim-server-error", "server_error"),
        ("sim-cut", "cut"),
        ("sim-reset", "reset"),
        ("sim-garbage", "garbage"),
        ("sim-429-60", "rate_limited"),
        ("sim-quota", "quota"),
        ("sim-unheard-of", "bad_request"),
        ("sim-hang", "first_byte_timeout"),
        ("sim-stall", "idle_timeout"),
    ],
)
async def test_the_second_answers_when_the_first_fails(house: House, model: str, cause: str) -> None:
    limits: dict[str, Any] = {"sim-hang": {"first_ms": SOON_MS}, "sim-stall": {"idle_ms": SOON_MS}}.get(model, {})
    run = KitRun("hello")
    reply = await answered(house.chain(house.provider(model, **limits), "sim-echo"), run)
    assert reply.text == "hello"
    assert [(a.provider, a.cause) for a in reply.attempts] == [("first", cause)]
    assert run.notes == [
        "model_call:started provider=first",
        f"model_call:failed provider=first cause={cause}",
        "model_call:started provider=second",
    ]
    assert house.asked == [model, "sim-echo"]


async def test_a_listener_sees_nothing_of_the_attempt_that_failed(house: House) -> None:
    """Pieces that nobody took are forgotten; the reply of the second provider begins anew."""
    run = KitRun("hello")
    reply = await answered(house.chain("sim-cut", "sim-echo"), run)
    listener = run.listen()
    run.end()
    pieces = []
    while (piece := await listener.get()) is not None:
        pieces.append(piece.text)
    assert "".join(pieces) == reply.text == "hello"
    assert run.discarded == 1


async def test_no_failing_over_once_a_piece_has_reached_the_caller(house: House) -> None:
    run = KitRun("hello")
    listener = run.listen()
    running = asyncio.create_task(failing(house.chain(house.provider("sim-stall", idle_ms=400), "sim-echo"), run))
    assert await listener.get() is not None
    failure = (await running).failure
    assert failure.cause is Cause.PROVIDER_FAILED
    assert [(a.provider, a.cause) for a in failure.attempts] == [("first", "idle_timeout")]
    assert "had begun to reach the caller" in failure.message
    assert house.asked == ["sim-stall"]
    assert run.discarded == 0


async def test_f01_the_whole_chain_is_the_cause(house: House) -> None:
    failure = (await failing(house.chain("sim-server-error", "sim-500"), KitRun("hello"))).failure
    assert failure.cause is Cause.PROVIDER_FAILED
    assert [(a.provider, a.cause) for a in failure.attempts] == [("first", "server_error"), ("second", "server_error")]
    assert failure.message.startswith("every provider failed: first: server_error (error in the reply: ")
    assert "second: server_error (HTTP 500: " in failure.message
    assert all(abs(a.at - house.clock().wall) < 60_000 for a in failure.attempts)


async def test_each_provider_is_tried_once(house: House) -> None:
    await failing(house.chain("sim-500", "sim-500", "sim-500"), KitRun("hello"))
    assert house.asked == ["sim-500"] * 3


async def test_cancelled_in_the_middle_of_the_chain(house: House) -> None:
    run = KitRun("hello")
    running = asyncio.create_task(_run(house.chain("sim-500", "sim-hang", "sim-ok"), run))
    await until(lambda: house.asked == ["sim-500", "sim-hang"], "the second provider")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: house.sim.simulator.requests[-1].outcome is RequestEnd.CLIENT_LEFT, "the end of the request")
    assert house.asked == ["sim-500", "sim-hang"]


async def _run(runner: Runner, run: KitRun) -> None:
    await runner(run)


# -------------------------------------------------------------------------------------------- slowness


async def test_f66_one_that_timed_out_is_tried_last_for_a_while(house: House) -> None:
    chain = house.chain(house.provider("sim-hang", first_ms=SOON_MS), "sim-echo")
    await answered(chain, KitRun("one"))
    await answered(chain, KitRun("two"))
    assert house.asked == ["sim-hang", "sim-echo", "sim-echo"]
    house.clock.ahead_ms += LAST_MS - 2_000
    await answered(chain, KitRun("three"))
    assert house.asked[3:] == ["sim-echo"]
    house.clock.ahead_ms += 2_000
    await answered(chain, KitRun("four"))
    assert house.asked[4:] == ["sim-hang", "sim-echo"]


async def test_one_that_timed_out_is_still_tried(house: House) -> None:
    chain = house.chain(house.provider("sim-hang", first_ms=SOON_MS), "sim-500")
    await failing(chain, KitRun("one"))
    failure = (await failing(chain, KitRun("two"))).failure
    assert house.asked == ["sim-hang", "sim-500"] * 2, "both are tried last"
    assert [a.provider for a in failure.attempts] == ["first", "second"]


async def test_a_timeout_cools_nothing(house: House) -> None:
    await answered(house.chain(house.provider("sim-hang", first_ms=SOON_MS), "sim-echo"), KitRun("one"))
    assert await house.cooling() == {}


@pytest.mark.parametrize("model", ["sim-500", "sim-server-error", "sim-cut", "sim-garbage", "sim-unheard-of"])
async def test_neither_does_another_failure(house: House, model: str) -> None:
    await failing(house.chain(model), KitRun("one"))
    assert await house.cooling() == {}


# --------------------------------------------------------------------------------------------- cooling


async def test_f73_a_single_provider_that_says_come_again_parks_the_run(house: House) -> None:
    before = house.clock().wall
    parked = await parking(house.chain("sim-429-300"), KitRun("hello"))
    assert before + 300_000 <= parked.until <= house.clock().wall + 300_000
    assert parked.failure.cause is Cause.PROVIDER_COOLING
    assert [(a.provider, a.cause) for a in parked.failure.attempts] == [("first", "rate_limited")]
    again = await parking(house.chain("sim-429-300"), KitRun("again"))
    assert again.until == parked.until
    assert [(a.provider, a.cause) for a in again.failure.attempts] == [("first", "rate_limited")]
    assert again.failure.attempts[0].message.startswith("not asked, cooling until 20")
    assert house.asked == ["sim-429-300"], "it is not asked again while it cools"


async def test_f36_a_cooling_provider_is_passed_over(house: House) -> None:
    chain = house.chain("sim-429-300", "sim-echo")
    await answered(chain, KitRun("one"))
    house.restart()
    reply = await answered(house.chain("sim-429-300", "sim-echo"), KitRun("two"))
    assert [(a.provider, a.cause) for a in reply.attempts] == [("first", "rate_limited")]
    assert house.asked == ["sim-429-300", "sim-echo", "sim-echo"]


async def test_a_park_ends_when_the_first_of_them_is_free_again(house: House) -> None:
    before = house.clock().wall
    parked = await parking(house.chain("sim-quota", "sim-429-20", "sim-429-90"), KitRun("hello"))
    assert before + 20_000 <= parked.until <= house.clock().wall + 20_000
    assert [a.cause for a in parked.failure.attempts] == ["quota", "rate_limited", "rate_limited"]


async def test_without_a_time_the_wait_doubles_until_it_answers(house: House) -> None:
    waits, chain = [], house.chain("sim-ok")
    for _ in range(4):
        now = house.clock().wall
        parked = await parking(chain, KitRun("[[sim-429-0]]"))
        waits.append(round((parked.until - now) / 1000))
        house.clock.ahead_ms += parked.until - now + 1
    assert waits == [1, 3, 5, 9], "from the second on, others go first for a second"
    await answered(chain, KitRun("hello"))
    now = house.clock().wall
    parked = await parking(chain, KitRun("[[sim-429-0]]"))
    assert round((parked.until - now) / 1000) == 1


async def test_an_exhausted_quota_is_not_asked_again_for_a_minute(house: House) -> None:
    before = house.clock().wall
    parked = await parking(house.chain("sim-quota"), KitRun("hello"))
    assert before + QUOTA_MS <= parked.until <= house.clock().wall + QUOTA_MS + OTHERS_FIRST_MS


async def test_credentials_that_are_refused_to_several_lanes_cool_the_provider(house: House) -> None:
    async def answer(call: Call) -> None:
        await call.say(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")

    async with raw_server(answer) as url:
        chain = house.chain(provider(url))
        failure = (await failing(chain, KitRun("one", key="one"))).failure
        assert [(a.provider, a.cause) for a in failure.attempts] == [("first", "auth")]
        await failing(chain, KitRun("once more", key="one"))
        assert await house.cooling() == {}, "one lane proves nothing"
        await parking(chain, KitRun("two", key="two"))
    assert (await house.cooling())["first"].cause == "auth"


@pytest.mark.parametrize("order", [("sim-429-300", "sim-500"), ("sim-500", "sim-429-300")])
async def test_one_other_failure_and_the_message_fails(house: House, order: tuple[str, str]) -> None:
    failure = (await failing(house.chain(*order), KitRun("hello"))).failure
    assert failure.cause is Cause.PROVIDER_FAILED
    assert {a.cause for a in failure.attempts} == {"rate_limited", "server_error"}


async def test_a_provider_that_cools_while_another_is_tried_is_not_asked(house: House) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def fail_later(call: Call) -> None:
        asked.set()
        await go.wait()
        call.reset()

    async with raw_server(fail_later) as url:
        running = asyncio.create_task(failing(house.chain(provider(url), "sim-ok"), KitRun("hello")))
        await asked.wait()
        await house.cool("second", "rate_limited", 60_000)
        go.set()
        attempts = (await running).failure.attempts
    assert [(a.provider, a.cause) for a in attempts] == [("first", "reset"), ("second", "rate_limited")]
    assert house.asked == []


async def test_a_late_answer_does_not_end_a_cooldown_that_came_meanwhile(house: House) -> None:
    run, go = KitRun("hello"), asyncio.Event()

    async def end_later(call: Call) -> None:
        await call.say(STREAM, chunk("hello"))
        await go.wait()
        await call.say(chunk(finish="stop"), DONE)

    async with raw_server(end_later) as url:
        running = asyncio.create_task(answered(house.chain(provider(url)), run))
        await until(lambda: run.emitted, "its first token")
        await house.cool("first", "rate_limited", 60_000)
        go.set()
        await running
    assert "first" in await house.cooling()


async def test_a_database_that_is_gone_stops_no_provider(house: House) -> None:
    await house.store.close()
    assert (await answered(house.chain("sim-429-30", "sim-echo"), KitRun("hello"))).text == "hello"
    before = house.clock().wall
    parked = await parking(house.chain("sim-429-30"), KitRun("hello"))
    assert before + 30_000 <= parked.until <= house.clock().wall + 30_000


async def test_a_database_that_is_gone_fails_no_message_that_was_refused_before(house: House) -> None:
    run, runner = KitRun("hello"), house.chain("sim-429-30")
    refused = (await parking(runner, run)).failure.attempts
    run.message = run.message.replace(attempts=tuple(Attempt(*each) for each in refused))
    await house.store.close()
    before = house.clock().wall
    assert before + 30_000 <= (await parking(runner, run)).until
