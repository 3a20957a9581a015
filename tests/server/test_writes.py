"""How often a connection is written to."""

import asyncio

from lanes.server.asgi.writes import MOST_BYTES, TurnTransport


class Wire:
    """What a transport was told to do."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def made() -> tuple[Wire, TurnTransport]:
    wire = Wire()
    return wire, TurnTransport(wire)  # type: ignore[arg-type]


async def test_a_head_leaves_with_its_body() -> None:
    wire, transport = made()
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    transport.write(b"body")
    assert wire.written == []
    await asyncio.sleep(0)
    assert wire.written == [b"HTTP/1.1 200 OK\r\n\r\nbody"]


async def test_a_piece_of_a_stream_leaves_at_once_and_what_follows_in_the_same_turn_together() -> None:
    wire, transport = made()
    for piece in (b"1", b"2", b"3"):
        transport.write(piece)
    assert wire.written == [b"1"]
    await asyncio.sleep(0)
    transport.write(b"4")
    assert wire.written == [b"1", b"23", b"4"]


async def test_much_does_not_wait_and_a_close_loses_nothing() -> None:
    wire, transport = made()
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    transport.write(b"x" * MOST_BYTES)
    assert len(wire.written) == 1
    transport.write(b"last")
    transport.close()
    assert (wire.written[-1], wire.closed) == (b"last", True)
    transport.write(b"too late")
    await asyncio.sleep(0)
    assert wire.written[-1] == b"last"
