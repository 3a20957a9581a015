"""Replies piece by piece: every listener gets all of them, and nothing stays when nobody needs it."""

import asyncio

import pytest

from lanes.base.errors import NotFound
from lanes.engine.runs.streams import Listener, RunStream, Streams
from lanes.runners.base import BEGIN_AGAIN, Delta

ONE, TWO = Delta("one"), Delta("two")


@pytest.fixture
def streams() -> Streams:
    return Streams()


@pytest.fixture
def stream(streams: Streams) -> RunStream:
    return streams.of(7).begin()


async def whole(listener: Listener) -> list[Delta]:
    """Every piece up to the end."""
    return [piece async for piece in listener]


async def test_a_listener_gets_every_piece_from_the_beginning_on(streams: Streams, stream: RunStream) -> None:
    early = stream.listen()
    stream.put(ONE)
    late = stream.listen()
    stream.put(TWO)
    streams.end(7)
    assert await whole(early) == await whole(late) == [ONE, TWO]


async def test_who_waits_is_told(streams: Streams, stream: RunStream) -> None:
    listener = stream.listen()
    waiting = asyncio.create_task(listener.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.put(ONE)
    assert await waiting == ONE
    ending = asyncio.create_task(listener.get())
    await asyncio.sleep(0)
    streams.end(7)
    assert await ending is None


async def test_a_piece_reaches_the_caller_when_it_is_taken(stream: RunStream) -> None:
    listener = stream.listen()
    stream.put(ONE)
    assert not stream.reached_caller, "it may still be forgotten"
    await listener.get()
    assert stream.reached_caller


async def test_what_nobody_saw_can_be_forgotten_and_what_somebody_saw_can_not(stream: RunStream) -> None:
    listener = stream.listen()
    stream.put(ONE)
    stream.discard()
    stream.put(TWO)
    assert await listener.get() == TWO
    stream.discard()
    assert stream.piece(0) == TWO


async def test_an_ended_stream_is_cleared_away_with_its_last_listener(streams: Streams) -> None:
    stream = streams.of(7)
    one, two = stream.listen(), stream.listen()
    streams.end(7)
    one.close()
    assert streams.of(7) is stream
    two.close()
    assert streams.of(7) is not stream


async def test_an_end_that_nobody_listens_to_clears_away_at_once(streams: Streams) -> None:
    stream = streams.of(7)
    streams.end(7)
    assert streams.of(7) is not stream
    streams.end(8)


async def test_a_loop_that_is_left_early_leaves_no_listener_behind(streams: Streams, stream: RunStream) -> None:
    unheard: list[int] = []
    streams.unread = unheard.append
    stream.put(ONE, TWO)
    async for piece in stream.listen():
        assert piece == ONE
        assert streams.of(7).listened
        break
    assert not streams.of(7).listened
    assert unheard == [7]
    assert await stream.listen().get() == ONE, "it stays for later listeners"


async def test_a_message_that_never_ran_here_leaves_nothing_behind(streams: Streams) -> None:
    stream = streams.of(7)
    listener = stream.listen()
    listener.close()
    listener.close()
    assert streams.of(7) is not stream


async def test_a_loop_tells_why_the_end_of_its_message_is_not_known(streams: Streams) -> None:
    listener = streams.of(7).listen()
    streams.end(7, NotFound("message", 7))
    with pytest.raises(NotFound, match="no message 7"):
        await whole(listener)


async def test_the_stream_of_a_message_that_goes_on_stays_only_for_who_listens(streams: Streams) -> None:
    heard, unheard = streams.of(1), streams.of(2)
    for stream in (heard, unheard):
        stream.begin()
    listener = heard.listen()
    for message in (1, 2):
        streams.release(message, streams.of(message).run)
    streams.release(3, None)
    assert streams.of(1) is heard
    assert streams.of(2) is not unheard
    listener.close()


async def test_F140_a_new_run_tells_its_listeners_to_begin_again(streams: Streams) -> None:
    first = streams.of(7).begin()
    heard, deaf = first.listen(), streams.of(7).listen()
    first.put(ONE, TWO)
    assert [await heard.get() for _ in range(2)] == [ONE, TWO]
    voids = [heard.void]
    streams.release(7, first)
    voids.append(heard.void)
    second = streams.of(7).begin()
    first.put(TWO)  # of a run that does not stop
    second.put(ONE)
    assert not second.reached_caller
    late = second.listen()
    streams.end(7)
    assert await whole(heard) == [BEGIN_AGAIN, ONE]
    assert await whole(deaf) == await whole(late) == [ONE], "nothing was heard that could be void"
    assert [*voids, heard.void] == [False, True, False], "until a run comes that may bring it to its end"


async def test_the_late_end_of_a_run_leaves_the_stream_of_the_next_alone(streams: Streams) -> None:
    first = streams.of(7).begin()
    stream = streams.of(7)
    second = stream.begin()
    streams.release(7, first)
    assert streams.of(7) is stream
    assert not second.cut


async def test_the_end_of_a_gateway_ends_every_stream(streams: Streams) -> None:
    listeners = [streams.of(message).listen() for message in (1, 2)]
    streams.of(3)
    streams.end_all()
    assert [await listener.get() for listener in listeners] == [None, None]
