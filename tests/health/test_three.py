"""A chain of three providers, each of which does something else every half a minute, while the clocks jump."""

import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from lanes.testing import HOUR, Hands
from lanes_storage.law import MessageState
from tests.health.conftest import Sim, night
from tests.kit.rawserver import DONE, STREAM, Call, chunk, event, raw_server


def refused(status: int, header: str = "") -> tuple[bytes, ...]:
    """An answer of another status."""
    return (f"HTTP/1.1 {status} No\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n".encode(),)


def failed(type_: str, *before: bytes) -> tuple[bytes, ...]:
    """An error event in a stream."""
    return (STREAM, *before, event({"error": {"type": type_, "message": "no"}}))


#: What a provider does; nothing: it resets the connection.
DOES: dict[str, tuple[bytes, ...]] = {
    **{str(status): refused(status) for status in (401, 402, 403, 404, 408, 409, 413, 425, 429, 500, 529)},
    **{
        f"429 {after}": refused(429, f"retry-after: {after}\r\n")
        for after in ("20", "-3", "Wed, 21 Oct 2099 07:28 GMT")
    },
    "503": refused(503, "retry-after: 3\r\n"),
    "cut": (STREAM, chunk("y")),
    "garbage": (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>",),
    "overloaded": failed("overloaded_error", chunk()),
    "server error": failed("server_error", chunk("y")),
    "reset": (),
}
OK = (STREAM, chunk("yes"), chunk(finish="stop"), DONE)
#: Each cause that an attempt may have: every failure is tried again.
CAUSES = ["provider_failed", "provider_cooling"]


class Fickle:
    """A provider that does something else from time to time."""

    def __init__(self) -> None:
        self.says: tuple[bytes, ...] = OK
        self.answered: list[str] = []

    async def __call__(self, call: Call) -> None:
        if not self.says:
            call.reset()
            return
        says = self.says
        await call.say(*says)
        if says is OK:
            self.answered.append(call.body["messages"][-1]["content"])


def jump(clock: Hands, rnd: random.Random) -> None:
    """Set the wall clock by hours, or let the machine sleep."""
    if rnd.random() < 0.3:
        clock.sleep(rnd.choice([HOUR // 60, HOUR]))
    else:
        clock.jump_wall(rnd.choice([-6, -1, 1, 6]) * HOUR)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))])
async def test_no_message_is_lost_or_answered_twice_by_a_fickle_chain_while_the_clocks_jump(
    seed: int, tmp_path: Path
) -> None:
    rnd, chain = random.Random(seed), [Fickle(), Fickle(), Fickle()]
    async with AsyncExitStack() as ending:
        urls = [await ending.enter_async_context(raw_server(each)) for each in chain]
        providers = [{"base_url": url} for url in urls]
        providers[1]["max_requests"] = 2  # type: ignore[assignment]
        config = Sim(None, urls[0]).config(*providers, max_park="3h")  # type: ignore[arg-type]
        config["queue"] = {"cap": 1000, "retry": {"attempts": 20, "max_age": "30d", "causes": CAUSES}}
        site, sent = await ending.enter_async_context(night(config, tmp_path)), []
        clock = site.desk.clock
        assert isinstance(clock, Hands)
        for second in range(180):
            if second % 30 == 0:
                for each in chain:
                    each.says = rnd.choice([OK, *DOES.values()])
            if second % 37 == 36:
                jump(clock, rnd)
            sent += await site.send(f"lane:{rnd.randrange(20)}", f"text {second}")
            await site.gateway.advance(1)
        for each in chain:
            each.says = OK
        ended = await site.until_ended(sent, 5)
        assert {message.state for message in ended} == {MessageState.DONE}
        assert sorted(text for each in chain for text in each.answered) == sorted(f"text {n}" for n in range(180))
