"""Few file descriptors: what has no room waits, and nobody else is blamed for it."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from lanes.base.errors import RunError
from lanes.config import from_data
from lanes.desk import connect
from lanes.host import descriptors
from lanes.runners.build import build_specs
from lanes.runners.http.failures import NoRoom
from tests.kit.processes import ADDRESS, PATIENCE_S, House, environment, eventually
from tests.kit.runs import KitRun
from tests.scenarios.conftest import configure

FEW = 128
CLIENTS = 120


@contextlib.contextmanager
def none_free() -> Iterator[None]:
    """No descriptor can be had in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_F120_ones_own_shortage_is_no_fault_of_a_provider(
    made: House, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "_shortage", descriptors.Shortage())  # and it is over with this test
    closed = {"dialect": "chat", "base_url": f"http://{host}:9/v1", "model": "sim-ok"}  # nothing listens there
    config = from_data(
        {
            "runner": [{"name": name, "kind": "provider", "providers": [name]} for name in ("first", "chat")],
            "provider": [{"name": name, **closed} for name in ("first", "chat")],
        }
    )
    async with connect(str(made.database)) as desk:
        specs = build_specs(config, desk.store, desk.clock)
        with pytest.raises(RunError):  # what it needs is loaded
            await specs["first"].run(KitRun("hello"))
        try:
            with none_free(), pytest.raises(NoRoom, match="no file descriptor was free") as parted:
                await specs["chat"].run(KitRun("hello"))
            assert parted.value.failure.attempts == ()
            assert descriptors.room(0) == 0, "and nothing more is claimed for a moment"
        finally:
            await specs.aclose()


def test_the_limit_is_raised_towards_the_hard_one() -> None:
    script = (
        "import resource\n"
        "from lanes.host import descriptors\n"
        "for hard, runs, expected in ((20_000, 9_000, 18_064), (9_000, 1000, 8_192), (512, 1000, 512)):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "    assert descriptors.raise_limit(runs) == expected == resource.getrlimit(resource.RLIMIT_NOFILE)[0]\n"
        "    assert descriptors.room(0) == (expected - 64) // 2\n"
    )
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 20_000:
        script = script.replace("20_000", str(hard)).replace("18_064", str(min(hard, 18_064)))
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE_S)


def test_a_limit_that_is_none_is_enough_for_any_number_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux has no such limit for files: only the number that other systems return is tried here."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert descriptors.raise_limit(100_000) >= descriptors.needed(100_000)
    assert descriptors.most_connections() >= 100_000


def test_F120_streams_beyond_the_descriptors_wait_and_none_fails(made: House) -> None:
    configure(made, made.provider(10))
    log = made.folder / "few.log"
    where = ["--db", str(made.database), "--config", str(made.config), "--port", "0"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "lanes", "gateway", *where],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=made.folder,
            env=environment(made.folder),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, FEW)),
        )
    try:
        url = eventually(lambda: ADDRESS.search(log.read_text()), "the gateway")[0]
        doctor = made.lanes("doctor", "--json", check=False).json
        (told,) = [check for check in doctor if check["check"] == "descriptors"]
        assert f"of {FEW} files open, which allows {descriptors.allowed(FEW)} runs at once" in told["message"]
        answers = asyncio.run(ask(url))
        assert all(answer.endswith("data: [DONE]\n\n") and "error" not in answer for answer in answers), answers
        assert made.count("SELECT count(*) FROM messages WHERE state = 'done'") == CLIENTS
        assert made.lanes("status", "--json").json["cooldowns"] == []
        assert len(log.read_text().splitlines()) < 50, "and the log is no flood"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait(PATIENCE_S)


async def ask(url: str) -> list[str]:
    """As many streams at once as do not fit."""
    body = {"model": "lanes", "stream": True, "messages": [{"role": "user", "content": "[[sim-slow-2]] hello"}]}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, limits=limits, verify=False) as client:
        answers = await asyncio.gather(*(client.post("/v1/chat/completions", json=body) for _ in range(CLIENTS)))
    return [answer.text for answer in answers]
