"""opencode, codex and LangGraph beside lanes (docs/watch.md): held, seen, freed by one abort, answered again."""

import asyncio
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kit.processes import House, house
from tests.kit.until import until
from tests.live.beside import SERVERS, LiveServer, serving
from tests.live.subject import YES, Subject, Table, Unavailable

DOCUMENT = Path(__file__).parents[3] / "docs" / "watch.md"
WATCH = """
[[watch]]
name = "{kind}"
kind = "{kind}"
url = "{url}"
"""


class BesideTrial:
    """One server, and lanes beside it. Each trial raises AssertionError where it fails."""

    def __init__(self, server: LiveServer, made: House) -> None:
        self._server, self._made = server, made
        self.notes: list[str] = []

    async def a_hang(self) -> None:
        """A run whose provider sends nothing."""
        await self._freed(await self._held())

    async def a_message_behind(self) -> None:
        """The same, with a message behind it."""
        key = await self._held()
        await self._server.send(key, "sim-ok")
        await self._freed(key)

    async def a_stopped_server(self) -> None:
        """SIGSTOP: it is told, with the next step; afterwards the session is freed."""
        key = await self._held()
        os.kill(self._server.pid, signal.SIGSTOP)
        try:
            await until(lambda: self._row(key, "running", "hung"), "it to be hung")
            said = (await self._lanes("why", self._address(key), "--json"))["why"]
            assert f"kill -CONT {self._server.pid}" in said, said
        finally:
            os.kill(self._server.pid, signal.SIGCONT)
        await until(lambda: self._row(key, "running", "connected"), "it to be back")
        await self._freed(key)

    async def _held(self) -> str:
        """A new session that has answered once, and hangs now."""
        key = await self._server.begin()
        await self._answers(key)
        before = self._hanging()
        await self._server.send(key, "sim-hang")
        await until(lambda: self._hanging() > before, "the provider to be asked")
        began = time.monotonic()
        await until(lambda: self._row(key, "running", "connected"), f"{key} to be seen")
        self.notes.append(f"seen after {time.monotonic() - began:.1f} s")
        return key

    def _hanging(self) -> int:
        return len({seen["sequence"] for seen in self._made.provider_saw() if seen["model"] == "sim-hang"})

    async def _answers(self, key: str) -> None:
        await self._server.send(key, "sim-ok")
        await until(lambda: self._server.answered(key), f"an answer in {key}")

    async def _freed(self, key: str) -> None:
        began = time.monotonic()
        (result,) = await self._lanes("abort", self._address(key), "--json")
        assert result["outcome"] == "released", result
        self.notes.append(f"freed in {time.monotonic() - began:.1f} s: {result['steps'][-1]['proof']}")
        await self._answers(key)

    def _address(self, key: str) -> str:
        return f"{self._server.kind}:{key}"

    async def _row(self, key: str, state: str, gateway: str) -> bool:
        lanes = await self._lanes("list", "--source", self._server.kind, "--json")
        return any(
            lane["key"] == self._address(key)
            and (lane["state"], lane["seen"]["gateway"]) == (state, gateway)
            and lane["seen"]["runs"]
            for lane in lanes
        )

    async def _lanes(self, *words: str) -> Any:
        finished = await asyncio.to_thread(lambda: self._made.command(*words, check=False))
        assert finished.out, finished
        return json.loads(finished.out)


TRIALS = {
    "hang": BesideTrial.a_hang,
    "a message behind": BesideTrial.a_message_behind,
    "stopped server": BesideTrial.a_stopped_server,
}


def run(_: Path, say: Callable[[str], None]) -> Table:
    """Try each server beside lanes. One that cannot be installed here is left out. Raises Unavailable."""
    rows = []
    for server in SERVERS:
        try:
            rows.append(asyncio.run(_tried(server, say)))
        except Unavailable as why:
            say(f"{server.kind}: skipped, since {why}")
    if not rows:
        raise Unavailable("none of them can be installed")
    return Table(["program", "version", *TRIALS], rows)


async def _tried(server: type[LiveServer], say: Callable[[str], None]) -> list[str]:
    row = [server.kind, server.version]
    with tempfile.TemporaryDirectory(prefix="lanes-live-") as name, house(Path(name) / "lanes") as made:
        async with serving(server, Path(name) / server.kind, made.simulator().url) as started:
            made.config.write_text(WATCH.format(kind=server.kind, url=started.url), encoding="utf-8")
            made.start("watch", "--db", str(made.database), "--config", str(made.config), name="watch")
            trial = BesideTrial(started, made)
            for what, attempt in TRIALS.items():
                row.append(await _outcome(attempt, trial))
                say(f"{server.kind} {server.version}, {what}: {row[-1]} ({'; '.join(trial.notes)})")
                trial.notes.clear()
    return row


async def _outcome(attempt: Callable[[BesideTrial], Any], trial: BesideTrial) -> str:
    try:
        await attempt(trial)
    except AssertionError as error:
        return f"no: {str(error)[:200]}".replace("\n", " ")
    return YES


SUBJECT = Subject("watch-programs", DOCUMENT, run)
