"""OpenClaw beside lanes (docs/watch.md): held, seen, freed by one ``lanes abort``, and the next message is answered."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lanes import connect
from lanes.host.holder import ports_of, processes
from lanes.records import Lane
from tests.kit.processes import House, house
from tests.kit.until import until
from tests.live.openclaw import TOKEN, VERSIONS, OpenClaw, openclaw
from tests.live.subject import Subject, Table
from tests.live.subjects.agents import sleeping
from tests.live.talk import FaultTrial, Held, Talk, is_held, outcome

DOCUMENT = Path(__file__).parents[3] / "docs" / "watch.md"
WATCH = """
[[watch]]
name = "openclaw"
url = "{url}"
token_file = "openclaw-token"
files = "{state}"
"""


class WatchTrial(FaultTrial):
    """A gateway with lanes beside it."""

    async def a_tool(self) -> str:
        """A tool whose processes ignore TERM, one of them in a session by itself."""
        key = await self._talk.begin("tool")
        seconds = 7100 + os.getpid() % 800
        command = f"trap '' TERM HUP INT; setsid sleep {seconds} & sleep {seconds}"
        mark = f"[[sim-shell]] {command} [[sim-ok]]"
        try:
            await self._talk.send(key, mark)
            await until(lambda: len(sleeping(seconds)) >= 2, "the tool to run")
            began = time.monotonic()
            lane = (await until(lambda: self._talk.listed(lambda lane: is_held(lane, key)), f"{key} to be seen"))[0]
            return await self._talk.freed(Held(key, mark, lane, time.monotonic() - began), "agent")
        finally:
            for pid in sleeping(seconds):
                os.kill(pid, signal.SIGKILL)

    async def a_stopped_gateway(self) -> None:
        """SIGSTOP: its state is read from its files, and the next step is named."""
        key = await self._talk.begin("stopped")
        held = await self._talk.held(key, "[[sim-hang]]")
        pid = next(pid for pid in processes() if self._gateway.port in ports_of(pid))
        os.kill(pid, signal.SIGSTOP)
        try:
            await self._state(key, "hung", from_files=True)
            said = (await self._talk.lanes("why", held.lane.key))[0]["why"]
            assert f"kill -CONT {pid}" in said, said
        finally:
            os.kill(pid, signal.SIGCONT)
        await self._state(key, "connected", from_files=False)
        await self._talk.freed(held)

    async def _state(self, key: str, state: str, *, from_files: bool) -> None:
        def fits(lane: Lane) -> bool:
            seen = lane.seen
            return is_held(lane, key) and seen is not None and (seen.gateway, seen.from_files) == (state, from_files)

        await until(lambda: self._talk.listed(fits), f"its gateway to be {state}")


def watch(made: House, gateway: OpenClaw) -> None:
    """Have lanes watch it."""
    config = made.folder / "watch.toml"
    config.write_text(WATCH.format(url=gateway.url, state=gateway.state), encoding="utf-8")
    config.with_name("openclaw-token").write_text(TOKEN, encoding="utf-8")
    made.start("watch", "--db", str(made.database), "--config", str(config), name="watch")


TRIALS = {
    "hang": WatchTrial.a_hang,
    "drip": WatchTrial.a_drip,
    "stall": WatchTrial.a_stall,
    "follow-up": WatchTrial.a_ghost,
    "a tool that ignores TERM": WatchTrial.a_tool,
    "stopped gateway": WatchTrial.a_stopped_gateway,
}


def run(_: Path, say: Callable[[str], None]) -> Table:
    """Try both versions, each beside lanes."""
    return Table(("program", "version", *TRIALS), [asyncio.run(_tried(version, say)) for version in VERSIONS])


async def _tried(version: str, say: Callable[[str], None]) -> list[str]:
    row = ["OpenClaw", version]
    with tempfile.TemporaryDirectory(prefix="lanes-live-") as name, house(Path(name) / "lanes") as made:
        accounts = {"sim": f"{made.simulator().url}/v1"}
        async with (
            connect(str(made.database)) as desk,
            openclaw(Path(name) / "openclaw", version, accounts) as (gateway, client),
        ):
            watch(made, gateway)
            trial = WatchTrial(gateway, Talk(client, made, desk))
            for what, tried in TRIALS.items():
                row.append(await outcome(tried(trial)))
                say(f"OpenClaw {version}: {what}: {row[-1]}")
    return row


SUBJECT = Subject("watch", DOCUMENT, run)
