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
from tests.live.talk import Held, Talk, is_held, outcome

DOCUMENT = Path(__file__).parents[3] / "docs" / "watch.md"
WATCH = """
[[watch]]
name = "openclaw"
url = "{url}"
token_file = "openclaw-token"
files = "{state}"
"""
#: After this time somebody who has got no answer writes again.
WRITES_AGAIN_S = 4.0


class Trial:
    """One gateway, what is said to it, and lanes beside it."""

    def __init__(self, gateway: OpenClaw, talk: Talk) -> None:
        self._gateway, self._talk = gateway, talk

    async def a_hang(self) -> str:
        """A run whose provider sends nothing, and messages behind it."""
        return await self._fault("[[sim-hang]]")

    async def a_drip(self) -> str:
        """A run whose answer never ends."""
        return await self._fault("[[sim-drip]]")

    async def a_stall(self) -> str:
        """A run whose answer stops in the middle."""
        return await self._fault("[[sim-stall]]")

    async def a_ghost(self) -> str:
        """A message that was sent at the end of the run before it, and hangs. It is a ghost on 2026.5."""
        return await follow_up(self._talk)

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

    async def _fault(self, fault: str) -> str:
        key = await self._talk.begin("fault")
        return await self._talk.freed(await self._talk.held(key, fault), "agent", "agent")

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


async def follow_up(talk: Talk) -> str:
    """A message that was sent at the end of the run before it, and hangs; one more waits."""
    key = await talk.begin("ghost")
    first = await talk.send(key, "[[sim-slow-5]] first", "chat.send")
    await until(lambda: talk.answer(first), "the answer to the first")
    mark = f"[[sim-hang]] second of {key}"
    await talk.send(key, mark, "chat.send")
    held = await talk.seen(key, mark)
    await asyncio.sleep(WRITES_AGAIN_S)
    return await talk.freed(held, "chat.send")


TRIALS = {
    "hang": Trial.a_hang,
    "drip": Trial.a_drip,
    "stall": Trial.a_stall,
    "follow-up": Trial.a_ghost,
    "a tool that ignores TERM": Trial.a_tool,
    "stopped gateway": Trial.a_stopped_gateway,
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
            trial = Trial(gateway, Talk(client, made, desk))
            for what, tried in TRIALS.items():
                row.append(await outcome(tried(trial)))
                say(f"OpenClaw {version}: {what}: {row[-1]}")
    return row


SUBJECT = Subject("watch", DOCUMENT, run)
