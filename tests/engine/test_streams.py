"""Replies piece by piece: every listener gets all of them, and nothing stays when nobody needs it."""

import asyncio

import pytest

from lanes.engine.streams import Listener, ReplyStream, Streams
from lanes.runners.base import Delta

ONE, TWO = Delta("one"), Delta("two")


@pytest.fixture
def streams() -> Streams:
    return Streams()


@pytest.fixture
def stream(streams: Streams) -> ReplyStream:
    return streams.of(7)


async def whole(listener: Listener) -> list[Delta]:
    """Every piece up to the end."""
    pieces = []
    while (piece := await listener.get()) is not None:
        pieces.append(piece)
    return pieces


async def test_a_listener_gets_every_piece_from_the_beginning_on(stream: ReplyStream) -> None:
    early = stream.listen()
    stream.put(ONE)
    late = stream.listen()
    stream.put(TWO)
    stream.end()
    assert await whole(early) == await whole(late) == [ONE, TWO]


async def test_who_waits_is_told(stream: ReplyStream) -> None:
    listener = stream.listen()
    waiting = asyncio.create_task(listener.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.put(ONE)
    assert await waiting == ONE
    ending = asyncio.create_task(listener.get())
    await asyncio.sleep(0)
    stream.end()
    assert await ending is None


async def test_a_piece_reaches_the_caller_when_it_is_taken(stream: ReplyStream) -> None:
    listener = stream.listen()
    stream.put(ONE)
    assert not stream.reached_caller, "it may still be forgotten"
    await listener.get()
    assert stream.reached_caller


async def test_what_nobody_saw_can_be_forgotten_and_what_somebody_saw_can_not(stream: ReplyStream) -> None:
    listener = stream.listen()
    stream.put(ONE)
    stream.discard()
    stream.put(TWO)
    assert await listener.get() == TWO
    stream.discard()
    assert stream.piece(0) == TWO


async def test_an_ended_stream_is_cleared_away_with_its_last_listener(streams: Streams, stream: ReplyStream) -> None:
    one, two = stream.listen(), stream.listen()
    stream.end()
    one.close()
    assert streams.of(7) is stream
    two.close()
    assert streams.of(7) is not stream


async def test_an_end_that_nobody_listens_to_clears_away_at_once(streams: Streams, stream: ReplyStream) -> None:
    streams.end(7)
    assert streams.of(7) is not stream
    streams.end(8)


async def test_the_stream_of_a_message_that_goes_on_stays_only_for_who_listens(streams: Streams) -> None:
    heard, unheard = streams.of(1), streams.of(2)
    heard.listen()
    for message in (1, 2, 3):
        streams.release(message)
    assert streams.of(1) is heard
    assert streams.of(2) is not unheard


async def test_the_end_of_a_gateway_ends_every_stream(streams: Streams) -> None:
    listeners = [streams.of(message).listen() for message in (1, 2)]
    streams.of(3)
    streams.end_all()
    assert [await listener.get() for listener in listeners] == [None, None]
