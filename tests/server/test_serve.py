"""The life of a server: who has its port, and what is left when its end goes wrong."""

import asyncio
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lanes
from lanes.base.errors import ConfigError
from lanes.config import from_data
from lanes.runners.base import RunContext
from lanes.server.asgi import sockets
from lanes.server.asgi.bodies import LARGE_BODY
from lanes.server.serve import bind, serve
from tests.kit.databases import lay
from tests.kit.serving import client_of, serving
from tests.kit.until import PATIENCE_S


async def echo(run: RunContext) -> str:
    return run.text


def test_F121_who_has_the_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}: Address already in use, by pid {os.getpid()} \("):
            bind(from_data({"gateway": {"port": port}}))


class Unwilling(lanes.Gateway):
    """A gateway whose start or stop goes wrong."""

    fails = "stop"

    async def start(self) -> None:
        await super().start()
        if self.fails == "start":
            raise RuntimeError("no start")

    async def stop(self) -> None:
        await super().stop()
        if self.fails == "stop":
            raise RuntimeError("no stop")


@pytest.mark.parametrize("fails", ["start", "stop"])
async def test_F121_an_end_that_goes_wrong_leaves_nothing_open(tmp_path: Path, fails: str) -> None:
    config = from_data({"gateway": {"port": 0}, "clocks": {"drain_timeout": "300ms"}})
    listener, stop, desks = bind(config), asyncio.Event(), list[lanes.Desk]()
    stop.set()

    async def life() -> None:
        async with lanes.connect(str(tmp_path / "lanes.db")) as desk:
            desks.append(desk)
            gateway = Unwilling(desk, echo, config=config)
            gateway.fails = fails
            await serve(gateway, config, listener, stop=stop, signals=False)

    before = asyncio.all_tasks()
    with pytest.raises(RuntimeError, match=f"no {fails}"):
        await life()
    assert listener.fileno() == -1
    assert {task.get_name() for task in asyncio.all_tasks() - before} == set()
    with pytest.raises(lanes.StorageError):
        await desks[0].counts()


async def test_F121_a_part_of_the_engine_that_can_not_be_stopped_leaves_the_others_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("it can not be stopped")

    async with lanes.connect(str(tmp_path / "lanes.db")) as desk:
        gateway = lanes.Gateway(desk, echo)
        await gateway.start()
        with monkeypatch.context() as patched:
            patched.setattr("lanes.engine.upkeep.housekeeping.Housekeeper.stop", fail)
            with pytest.raises(RuntimeError):
                await gateway.stop()
        assert (await desk.status()).gateways == ()
        housekeeper = gateway._engine._housekeeper
        assert housekeeper is not None
        housekeeper.stop()


async def test_F121_a_desk_that_can_not_be_closed_as_a_whole_closes_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("it can not be closed")

    async with lanes.connect(str(tmp_path / "lanes.db")) as desk:
        with monkeypatch.context() as patched:
            patched.setattr("lanes.waiting.Endings.close", fail)
            with pytest.raises(RuntimeError):
                await desk.close()
        with pytest.raises(lanes.StorageError):
            await desk.counts()


async def test_it_stops_at_once_whatever_the_interval_of_its_ticks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "TICK_S", 3_600)
    config = from_data({"gateway": {"port": 0}})
    async with (
        asyncio.timeout(PATIENCE_S),
        lanes.connect(str(lay(tmp_path / "lanes.db"))) as desk,
        serving(desk, config, echo) as served,
        client_of(served.url) as client,
    ):
        assert (await client.get("/healthz")).status_code == 200
        served.stop.set()  # its idle connection is open still
        await served.task


async def test_F585_threads_that_runs_block_hold_up_neither_lists_nor_the_stop_of_a_gateway(tmp_path: Path) -> None:
    go_on, running = threading.Event(), asyncio.Semaphore(0)

    async def blocks(run: RunContext) -> str:
        """As docs/embedding.md tells: what blocks does so in a thread."""
        running.release()
        await asyncio.to_thread(go_on.wait)
        return run.text

    config = from_data({"gateway": {"port": 0}, "clocks": {"drain_timeout": "10ms"}})
    try:
        async with lanes.connect(str(lay(tmp_path / "lanes.db"))) as desk, serving(desk, config, blocks) as served:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
            for each in range(3):
                await desk.send(f"lane-{each}", "x")
                await running.acquire()
            async with client_of(served.url) as client:
                assert len((await client.get("/api/lanes")).json()["lanes"]) == 3
                large = {"text": "x" * (LARGE_BODY + 1)}
                assert (await client.post("/api/lanes/lane-0/messages", json=large)).status_code == 202
    finally:
        go_on.set()
