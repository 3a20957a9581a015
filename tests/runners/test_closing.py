"""A connection that was kept for the next request, and that the provider closes as that goes out."""

import asyncio
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from lanes.runners.base import Runner
from lanes.runners.http.client import Through
from lanes.runners.http.connections import Connections
from tests.kit.providers import provider
from tests.kit.rawserver import DONE, Call, chunk, raw_server
from tests.kit.runs import KitRun
from tests.kit.until import until
from tests.runners.chains import House, answered, failing


def _kept(text: str = "x") -> bytes:
    """An answer after which the connection stays open."""
    body = chunk(text, "stop") + DONE
    return f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


class Closing:
    """A server that closes a connection as soon as a second request comes on it, as one does whose limit for idle
    connections has just passed, or that is restarted. ``thinks`` is called before."""

    def __init__(self, *, resets: bool, always: bool = False, thinks: Callable[[], None] = lambda: None) -> None:
        self.asked: list[Call] = []
        self._resets, self._always, self._thinks = resets, always, thinks
        self._known: set[object] = set()

    async def __call__(self, call: Call) -> None:
        self.asked.append(call)
        again = call.writer in self._known
        self._known.add(call.writer)
        if again or (self._always and len(self.asked) > 1):
            self._thinks()
            call.reset() if self._resets else call.writer.close()
            return
        await call.say(_kept())


def kept_chain(house: House, url: str, *, proxied: bool) -> Runner:
    """A chain whose provider keeps its connections, reached directly or through a proxy."""
    asked = provider(url, headers={"x-test": "keep"})
    if proxied:
        asked = replace(asked, base_url="http://models.example.internal/v1", proxy=url.removesuffix("/v1"))
    house.client.prepare("first", Through.of(asked))
    return house.chain(asked)


@pytest.mark.parametrize("proxied", [True, False])
@pytest.mark.parametrize("resets", [True, False])
async def test_F221_a_connection_that_its_server_closes_is_no_failure(
    house: House, resets: bool, proxied: bool
) -> None:
    server = Closing(resets=resets)
    async with raw_server(server) as url:
        chain = kept_chain(house, url, proxied=proxied)
        for _ in range(2):
            assert (await answered(chain, KitRun("hello"))).text == "x"
    assert len(server.asked) == 3


async def test_F931_a_server_that_closes_all_kept_connections_is_asked_on_a_new_one(house: House) -> None:
    closing, together = Closing(resets=True), asyncio.Barrier(2)

    async def server(call: Call) -> None:
        if len(closing.asked) < 2:
            await together.wait()  # two requests at a time, so that two connections are kept
        await closing(call)

    async with raw_server(server) as url:
        chain = kept_chain(house, url, proxied=False)
        await asyncio.gather(*(answered(chain, KitRun("hello")) for _ in range(2)))
        assert (await answered(chain, KitRun("hello"))).text == "x"
    assert len(closing.asked) == 5


@pytest.mark.parametrize("proxied", [True, False])
@pytest.mark.parametrize("resets", [True, False])
async def test_F441_a_request_that_a_provider_may_have_worked_on_is_not_sent_twice(
    house: House, resets: bool, proxied: bool
) -> None:
    """A kept connection on which the provider thinks for two minutes, and that breaks then."""

    def thinks() -> None:
        house.clock.ahead_ms += 120_000

    server = Closing(resets=resets, thinks=thinks)
    async with raw_server(server) as url:
        chain = kept_chain(house, url, proxied=proxied)
        await answered(chain, KitRun("hello"))
        failure = (await failing(chain, KitRun("hello"))).failure
    assert [attempt.provider for attempt in failure.attempts] == ["first"]
    assert len(server.asked) == 2


async def test_F221_a_server_that_closes_every_connection_is_asked_once_more_and_not_again(house: House) -> None:
    server = Closing(resets=True, always=True)
    async with raw_server(server) as url:
        chain = house.chain(provider(url, headers={"x-test": "keep"}))
        await answered(chain, KitRun("hello"))
        failure = (await failing(chain, KitRun("hello"))).failure
    assert [(a.provider, a.cause) for a in failure.attempts] == [("first", "reset")]
    assert len(server.asked) == 3


@pytest.mark.parametrize("asked", [{"tools": [{"type": "web_search"}]}, {"mcp_servers": [{"name": "shop"}]}])
async def test_F221_what_the_provider_itself_may_have_done_is_not_asked_twice(
    house: House, asked: dict[str, object]
) -> None:
    server = Closing(resets=True)
    async with raw_server(server) as url:
        chain = house.chain(provider(url, headers={"x-test": "keep"}))
        await answered(chain, KitRun("hello"))
        request = {"messages": [{"role": "user", "content": "buy it"}], **asked}
        await failing(chain, KitRun(request=request))
    assert len(server.asked) == 2


async def test_F221_no_first_connection_is_tried_twice(house: House) -> None:
    """Whatever is asked on it has reached the provider."""

    async def reset(call: Call) -> None:
        asked.append(call)
        call.reset()

    asked: list[Call] = []
    async with raw_server(reset) as url:
        await failing(house.chain(provider(url)), KitRun("hello"))
    assert len(asked) == 1


@pytest.mark.parametrize("proxied", [True, False])
async def test_F847_what_a_provider_says_unasked_is_the_answer_to_nothing(house: House, proxied: bool) -> None:
    """It answers one request twice, as a proxy does that repeats it: the second answer is of another message."""
    asked: list[Call] = []

    async def answer(call: Call) -> None:
        asked.append(call)
        await call.say(_kept())
        if len(asked) == 1:
            await call.say(b"", _kept("another"))

    def has_more() -> bool:
        connections = house.client._connections
        assert connections is not None
        kept = connections._session.connector._conns.values()  # type: ignore[union-attr]
        return any(connection.should_close for each in kept for connection, _ in each)

    async with raw_server(answer) as url:
        chain = kept_chain(house, url, proxied=proxied)
        assert (await answered(chain, KitRun("hello"))).text == "x"
        await until(has_more, "the second answer")
        for _ in range(2):
            assert (await answered(chain, KitRun("hello"))).text == "x"
    assert len(asked) == 3


async def test_F885_nor_is_what_has_arrived_while_the_event_loop_was_busy() -> None:
    """It was not read yet when the next request went out, and so was taken for the answer to that."""
    asked, kept, again = list[bytes](), list[socket.socket](), threading.Event()

    def serve(listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            kept.append(connection)
            asked.append(connection.recv(65_536))
            if not asked[-1]:
                return
            connection.sendall(_kept(f"answer {len(asked)}"))
            if len(asked) == 1:
                again.wait()
                connection.sendall(_kept("another"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        server = threading.Thread(target=serve, args=(listener,), daemon=True)
        server.start()
        connections, trusted = Connections(time.monotonic), ssl.create_default_context()
        for number in (1, 2):
            response = await connections.send("POST", url, b"{}", {}, lambda: None, trusted=trusted, proxy=None)
            assert f"answer {number}".encode() in await response.start_of_body(1_000)
            await response.aclose()
            ((protocol, _),) = next(iter(connections._session.connector._conns.values()))  # type: ignore[union-attr]
            again.set()
            if number == 1:
                arrived = select.poll()
                assert protocol.transport is not None
                arrived.register(protocol.transport.get_extra_info("socket"), select.POLLIN)
                assert arrived.poll(60_000)  # the event loop reads nothing meanwhile
        await connections.aclose()
        socket.create_connection(listener.getsockname()).close()  # the end of the server
        server.join()
    for connection in kept:
        connection.close()
