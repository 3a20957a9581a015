"""What ``lanes guard --write`` says of the request that it sends: who answered it, or who did not."""

import asyncio
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lanes.guard import trial
from lanes.guard.installing import Installation
from lanes.guard.programs import PROGRAMS
from lanes.guard.trial import GuardTrial, tried
from tests.guard.conftest import TOKEN, Guard
from tests.guard.mirror import mirror
from tests.kit.halted import stopped_listener
from tests.kit.until import PATIENCE_S

UPSTREAM = "https://real.example/v1"
UNKNOWN = b"HTTP/1.1 401 No\r\nContent-Length: 60\r\n\r\n" + b"there is no source of that name".ljust(60)


def plan(base: str) -> Installation:
    return Installation(PROGRAMS["claude"], UPSTREAM, base, TOKEN, Path("token"), [], None)


def at(port: int) -> Installation:
    return plan(f"http://127.0.0.1:{port}/g/claude/{TOKEN}/v1")


async def trial_of(base: str) -> GuardTrial:
    return await asyncio.to_thread(tried, plan(base))


@contextlib.contextmanager
def answering(answer: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """A server that answers as it is told; None: it says nothing more."""
    kept = list[socket.socket]()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                kept.append(connection)
                if (said := answer(connection.recv(65536))) is not None:
                    connection.sendall(said)
                    connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_S)
            for each in kept:
                each.close()


async def test_a_request_that_passes_says_so(guard: Guard) -> None:
    guarded = await guard()
    told = await trial_of(guarded.base)
    assert told == ("protected", f"a request passed: {UPSTREAM} answered 200 (a key was not sent)")


async def test_F503_a_provider_that_hangs_is_not_taken_for_a_gateway_that_does_not_answer(guard: Guard) -> None:
    never = asyncio.Event()
    async with mirror(pieces=[never]) as upstream:
        guarded = await guard(f"{upstream.url}/v1", provider={"first_byte_timeout": "100ms"})
        told = await trial_of(guarded.base)
        never.set()
    assert told.state == "upstream silent"
    assert f"lanes answers, but {UPSTREAM} does not" in told.sentence


def test_F503_also_where_it_hangs_for_longer_than_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ANSWERS_WITHIN_S", 3.0)
    with answering(lambda asked: UNKNOWN if b"/g/-/" in asked else None) as port:
        assert tried(at(port)).state == "upstream silent"


async def test_a_provider_that_cannot_be_reached(guard: Guard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    assert (await trial_of((await guard(url)).base)).state == "upstream not reached"


async def test_F503_a_redirect_of_the_provider_is_its_answer(guard: Guard) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with answering(lambda _: moved) as port:
        told = await trial_of((await guard(f"http://127.0.0.1:{port}/v1")).base)
    assert (told.state, "answered 302" in told.sentence) == ("protected", True)


async def test_a_gateway_that_does_not_know_the_source_is_to_be_restarted(guard: Guard) -> None:
    guarded = await guard()
    assert (await trial_of(f"{guarded.url}/g/claude/{TOKEN}/v1")).state == "restart the gateway"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        b'HTTP/1.1 200 OK\r\n\r\n{"status": "ok"}',
        b"SSH-2.0-x\r\n",
    ],
)
def test_F503_what_is_no_gateway_is_not_taken_for_one(answer: bytes) -> None:
    with answering(lambda _: answer) as port:
        told = tried(at(port))
    assert told.state == "no gateway"
    assert "not a lanes gateway" in told.sentence


def test_F503_what_listens_and_says_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ANSWERS_WITHIN_S", 0.1)
    with answering(lambda _: None) as port:
        told = tried(at(port))
    assert told.state == "gateway silent"
    if sys.platform == "linux":
        assert f"pid {os.getpid()}" in told.sentence


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not seen who listens")
def test_F503_a_gateway_that_is_stopped_is_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ANSWERS_WITHIN_S", 0.1)
    with stopped_listener() as (pid, port):
        told = tried(at(port))
    assert (told.state, f"`kill -CONT {pid}`" in told.sentence) == ("gateway silent", True)
