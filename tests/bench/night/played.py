"""Plays a bad night in compressed time: real providers over HTTP, before a gateway of lanes or LiteLLM's router."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from lanes.bench.kit.processes import PATIENCE_S, BenchProcess, environment
from lanes.bench.kit.rows import Skipped
from lanes.bench.kit.work import Work
from lanes.desk import connect
from lanes.simulate.app import Simulator
from lanes.simulate.server import serve
from lanes_storage.law import MessageState
from tests.bench import peers
from tests.bench.night.morning import Morning, judge
from tests.bench.night.plan import BACKUP, LAST_S, PRIMARY, NightPlan
from tests.bench.night.weather import NightWeather

ROUTER = peers.SCRIPTS / "litellm_night.py"
#: What the runbook advises for a night, with every time of it as much shorter as the night is.
CONFIG = """
[clocks]
max_park = "{park_ms}ms"

[[policy]]
match = "*"
retry = {{ attempts = 5, backoff = "{backoff_ms}ms" }}

[[runner]]
name = "chat"
kind = "provider"
providers = ["{primary_name}", "{backup_name}"]

[[provider]]
name = "{primary_name}"
base_url = "{primary}"
model = "sim-ok"
max_cooldown = "{cooldown_ms}ms"

[[provider]]
name = "{backup_name}"
base_url = "{backup}"
model = "sim-ok"
max_requests = 1
max_cooldown = "{cooldown_ms}ms"
"""
Received = list[tuple[str, int]]


class NightProviders(NamedTuple):
    """Both providers of a night that has not begun, where they are, and how it begins."""

    primary: Simulator
    backup: Simulator
    urls: tuple[str, str]
    begin: Callable[[], None]


@asynccontextmanager
async def _providers(plan: NightPlan, scale: float, told: float) -> AsyncIterator[NightProviders]:
    loop, began = asyncio.get_running_loop(), list[float]()

    def now() -> float:
        return (loop.time() - began[0]) * scale if began else 0.0

    async def until(at_s: float) -> None:
        await asyncio.sleep((at_s - now()) / scale)

    weather = NightWeather(plan, now, until, scale=scale, told=told)
    primary, backup = weather.primary(), weather.backup()
    passing: list[asyncio.Task[None]] = []

    def begin() -> None:
        began.append(loop.time())
        passing.append(asyncio.create_task(weather.passes(primary, backup)))

    async with serve(simulator=primary) as first, serve(simulator=backup) as second:
        try:
            yield NightProviders(primary, backup, (first, second), begin)
        finally:
            for task in passing:
                task.cancel()


async def _night(
    plan: NightPlan, scale: float, told: float, live: Callable[[NightProviders], Awaitable[Received]]
) -> Morning:
    async with _providers(plan, scale, told) as providers:
        received = await live(providers)
        return judge(plan.sendings, received, [*providers.primary.requests, *providers.backup.requests])


def by_lanes(work: Work, plan: NightPlan, scale: float) -> Morning:
    """What a gateway makes of the night."""

    async def live(providers: NightProviders) -> Received:
        database, config = work.fresh("night.db"), work.fresh("lanes.toml")
        scaled = {
            "park_ms": 1_800_000 / scale,
            "backoff_ms": max(10_000 / scale, 100),
            "cooldown_ms": max(60_000 / scale, 1_000),
        }
        text = CONFIG.format(
            **{name: round(ms) for name, ms in scaled.items()},
            primary_name=PRIMARY,
            backup_name=BACKUP,
            primary=providers.urls[0],
            backup=providers.urls[1],
        )
        config.write_text(text, encoding="utf-8")
        told = ("--db", str(database), "--config", str(config), "--port", "0", "--log-level", "error")
        served = await asyncio.to_thread(BenchProcess, work, "gateway", "-m", "lanes", "gateway", *told)
        await asyncio.to_thread(served.ready)
        try:
            return await _sent(plan, scale, database, providers.begin)
        finally:
            served.kill()

    return asyncio.run(_night(plan, scale, scale, live))


async def _sent(plan: NightPlan, scale: float, database: Path, begin: Callable[[], None]) -> Received:
    """Send all messages at their times, and wait until each has ended."""
    async with connect(str(database)) as desk:
        begin()
        began, sent = asyncio.get_running_loop().time(), []
        for each in plan.sendings:
            await asyncio.sleep(began + each.at_s / scale - asyncio.get_running_loop().time())
            sent.append((each, await desk.send(each.key, each.text)))
        ended = [(each, await desk.wait(message.id, timeout=PATIENCE_S)) for each, message in sent]
        return [(each.key, each.number) for each, message in ended if message.state == MessageState.DONE]


def by_router(work: Work, plan: NightPlan, scale: float, retries: int) -> Morning:
    """What LiteLLM's router makes of it, with so many retries of each request. Raises Skipped."""
    python = peers.PYTHON
    if python is None:
        raise Skipped("litellm is not here: --peers names a Python that has it, `make bench` installs one")
    asked = [python, "-c", "import litellm"]
    known = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment(work.folder) | known)
    except OSError as error:
        raise Skipped(f"litellm cannot run: --peers {python}: {error.strerror}") from error
    if done.returncode != 0:
        raise Skipped(f"litellm is not with --peers {python}: {done.stderr.strip().splitlines()[-1]}")

    async def live(providers: NightProviders) -> Received:
        first, second = providers.urls
        sendings = [[each.at_s, each.key, each.number, each.text] for each in plan.sendings]
        night = {"primary": first, "backup": second, "scale": scale, "retries": retries, "sendings": sendings}
        path, said = work.fresh("night.json"), work.fresh("litellm.log")
        path.write_text(json.dumps(night), encoding="utf-8")
        with said.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(python, str(ROUTER), str(path)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(work.folder),
            )
        try:
            assert process.stdout is not None
            assert process.stdin is not None
            await process.stdout.readline()
            providers.begin()
            process.stdin.write(b"begin\n")
            lines = await _lines(process.stdout, LAST_S / scale + PATIENCE_S)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        return [(key, int(number)) for key, number in (line.split() for line in lines)]

    return asyncio.run(_night(plan, scale, 1.0, live))


async def _lines(said: asyncio.StreamReader, most_s: float) -> list[str]:
    """What a process says until its end, or until nobody waits for it any more."""
    lines = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            while line := await said.readline():
                lines.append(line.decode())
    return lines
