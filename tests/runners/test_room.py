"""What a provider sends and is sent takes no more room than it must, and no longer."""

import asyncio
import contextlib
import gc
import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from lanes.dialects.chat.draft import ChatDraft
from lanes.runners.http import unpacking
from lanes.runners.http.client import HttpClient
from lanes.runners.http.failures import AttemptFailed
from lanes.runners.passing.follower import Follower
from lanes.runners.providers import attempt
from lanes_storage.law import AttemptCause
from tests.kit.asking import ask, refused
from tests.kit.providers import provider
from tests.kit.rawserver import DONE, STREAM, Call, chunk, raw_server

REFUSAL = b"HTTP/1.1 500 No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


# -------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    "said",
    [
        STREAM + chunk("hello", "stop") + DONE,
        STREAM + chunk("hello"),
        REFUSAL,
        b"",
    ],
    ids=["answered", "cut", "refused", "closed"],
)
async def test_F128_what_was_sent_is_gone_with_its_attempt(client: HttpClient, said: bytes) -> None:
    """Responses that name their own stream, and errors that name their own frames, keep it until somebody collects."""

    async def answer(call: Call) -> None:
        await call.say(said)

    def kept() -> int:
        return sum(isinstance(each, httpx.Request | ChatDraft) for each in gc.get_objects())

    async with raw_server(answer) as url:
        with contextlib.suppress(AttemptFailed):
            await ask(client, provider(url))
        gc.collect()
        gc.disable()
        try:
            before = kept()
            for _ in range(3):
                with contextlib.suppress(AttemptFailed):
                    await ask(client, provider(url))
            assert kept() == before
        finally:
            gc.enable()


# -------------------------------------------------------------------------------------- compression


@pytest.mark.parametrize("packs", [True, False])
async def test_F130_F848_an_answer_without_an_end_is_refused(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, packs: bool
) -> None:
    monkeypatch.setattr(attempt, "MOST", 8_000_000)
    words = chunk("again and again") * 200_000
    packed = gzip.compress(words)
    assert len(packed) < 100_000

    async def answer(call: Call) -> None:
        head = STREAM.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n") if packs else STREAM
        await call.say(head, packed if packs else words)

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url))
    assert failure.cause is AttemptCause.GARBAGE
    assert failure.message == "the answer has more than 8000000 bytes"


async def test_F130_one_step_of_unpacking_makes_little() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield gzip.compress(bytes(50_000_000))

    async with contextlib.aclosing(unpacking.unpacked(body(), "gzip")) as pieces:
        assert max([len(piece) async for piece in pieces]) <= unpacking.STEP


async def test_F850_who_follows_what_passes_unpacks_it_in_small_steps() -> None:
    """Others have their turn between two of them; what holds more than anybody says at once is not followed."""
    turns = 0

    async def counting() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(counting())
    try:
        follower = Follower("chat", "gzip")
        await asyncio.sleep(0)
        assert not await follower.take(gzip.compress(b": comment\n\n" * 200_000))
        assert turns >= 2_200_000 // unpacking.STEP
        follower = Follower("chat", "gzip")
        assert await follower.take(gzip.compress(b": comment\n\n" * 1_000_000))
        assert await follower.take(b"anything"), "it counts by its bytes from then on"
    finally:
        counter.cancel()


@pytest.mark.parametrize("packed_as", ["br", "zstd", "gzip, gzip", "anything"])
async def test_F130_a_packing_that_nobody_asked_for_is_refused(client: HttpClient, packed_as: str) -> None:
    async def answer(call: Call) -> None:
        head = STREAM.replace(b"\r\n\r\n", f"\r\ncontent-encoding: {packed_as}\r\n\r\n".encode())
        await call.say(head, chunk("x", "stop"), DONE)

    async with raw_server(answer) as url:
        failure = await refused(client, provider(url))
    assert failure.cause is AttemptCause.GARBAGE
    assert f"compressed as {packed_as!r}, which was not requested" in failure.message
