"""OpenClaw with lanes in front of its models (docs/guard.md), and with lanes beside it at the same time."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from lanes import connect
from lanes.records import Lane
from tests.kit.processes import house
from tests.kit.until import until
from tests.live.openclaw import FLAKY, VERSIONS, openclaw
from tests.live.subject import YES, Subject, Table
from tests.live.subjects.watch import watch
from tests.live.talk import FaultTrial, Talk, outcome

DOCUMENT = Path(__file__).parents[3] / "docs" / "guard.md"
TOKEN = "token-of-the-live-test"
#: The second source has short limits.
CONFIG = """
[[provider]]
name = "sim"
base_url = "{url}/v1"
api_key = "client"
[[source]]
name = "openclaw"
preset = "openclaw"
provider = "sim"
token_file = "source.token"
[[source]]
name = "short"
preset = "openclaw"
provider = "sim"
token_file = "short.token"
first_byte_timeout = "4s"
"""
DOORS = ("sim", "lanes")
#: So often ``FLAKY`` fails first.
FAILURES = 2


class DoorTrial(FaultTrial):
    """A gateway that can ask its models directly, or through lanes."""

    async def a_tool(self) -> None:
        """A command of the program runs, and its result goes to the model."""
        made = self._gateway.folder / "made-by-a-tool"
        await self._talk.answered(await self._talk.begin("tool"), f"[[sim-shell]] touch {made} [[sim-ok]]")
        assert made.exists(), "the tool did not run"

    async def a_limit(self) -> None:
        """What hangs costs one limit, and the provider is asked once."""
        self._talk.door = "short"
        try:
            key = await self._talk.begin("limit")
            mark = f"[[sim-hang]] limit of {key}"
            await self._talk.send(key, mark)
            await self._talk.answered(key, "behind it")
            asked = len(self._talk.asked(mark))
            assert asked == 1, f"the provider was asked {asked} times"
        finally:
            self._talk.door = "lanes"

    async def server_errors(self) -> str:
        """Two errors of the provider, then an answer: as many requests as without lanes. Then lanes watches as well."""
        counts = [await self._recovered(door) for door in DOORS]
        watch(self._talk.made, self._gateway)
        key = await self._talk.begin("watched")
        await until(
            lambda: self._talk.listed(lambda lane: lane.key == f"openclaw:{key}" and lane.seen is not None), key
        )
        counts += [await self._recovered(door) for door in DOORS]
        said = "{} directly, {} through lanes, {} watched, {} both".format(*counts)
        assert max(counts) <= counts[0], f"it asked more often: {said}"
        return f"{YES} (requests: {said})"

    async def both(self) -> str:
        """Through both doors: one line, and its abort ends the request here first."""
        key = await self._talk.begin("both")
        held = await self._talk.held(key, "[[sim-hang]]")
        (lane,) = await until(lambda: self._one_line(key), "its lane to be one line")
        return await self._talk.freed(held._replace(lane=lane), "agent", "agent")

    async def _one_line(self, key: str) -> list[Lane]:
        """The lane of the session, once it alone is held, and the watch knows its run."""
        lines = await self._talk.listed(lambda lane: lane.state == "running")
        known = [lane for lane in lines if lane.key == f"openclaw:{key}" and lane.seen is not None and lane.seen.runs]
        return known if lines == known else []

    async def _recovered(self, door: str) -> int:
        self._talk.door = door
        key = await self._talk.begin("recovers")
        await until(lambda: self._talk.idle(key), f"{key} to be idle")
        await self._talk.call("sessions.patch", key=key, model=f"{door}/{FLAKY}")
        await self._talk.answered(key, f"flaky {key}")
        asked = self._talk.asked_of(FLAKY, f"flaky {key}")
        assert asked > FAILURES, f"it was asked only {asked} times"
        return asked


TRIALS = {
    "a tool": DoorTrial.a_tool,
    "hang": DoorTrial.a_hang,
    "drip": DoorTrial.a_drip,
    "stall": DoorTrial.a_stall,
    "follow-up": DoorTrial.a_ghost,
    "a hang costs one limit": DoorTrial.a_limit,
    "`server_error` twice": DoorTrial.server_errors,
    "both doors": DoorTrial.both,
}


def run(_: Path, say: Callable[[str], None]) -> Table:
    """Try both versions."""
    return Table(("program", "version", *TRIALS), [asyncio.run(_tried(version, say)) for version in VERSIONS])


async def _tried(version: str, say: Callable[[str], None]) -> list[str]:
    row = ["OpenClaw", version]
    with tempfile.TemporaryDirectory(prefix="lanes-live-") as name, house(Path(name) / "lanes") as made:
        provider = made.simulator().url
        made.config.write_text(CONFIG.format(url=provider), encoding="utf-8")
        for source in ("source", "short"):
            (made.folder / f"{source}.token").write_text(f"{source}-{TOKEN}", encoding="ascii")
            (made.folder / f"{source}.token").chmod(0o600)
        url = made.gateway().url
        accounts = {
            "sim": f"{provider}/v1",
            "lanes": f"{url}/g/openclaw/source-{TOKEN}/v1",
            "short": f"{url}/g/short/short-{TOKEN}/v1",
        }
        async with (
            connect(str(made.database)) as desk,
            openclaw(Path(name) / "openclaw", version, accounts) as (gateway, client),
        ):
            talk = Talk(client, made, desk)
            talk.door, talk.steers = "lanes", version.startswith("2026.5")
            trial = DoorTrial(gateway, talk)
            for what, tried in TRIALS.items():
                row.append(await outcome(tried(trial)))
                say(f"OpenClaw {version}: {what}: {row[-1]}")
    return row


SUBJECT = Subject("doors", DOCUMENT, run)
