"""A quarter of an hour of an operator, by docs/guard.md, with a real ``systemd --user``.

OpenClaw runs, and a session is wedged: it is freed, and guarded from then on by a unit. Everything is killed, and in
the end all is taken back.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lanes.host.holder import processes
from lanes.watch.openclaw.wire import OpenClawLink
from tests.kit.processes import House, Process
from tests.kit.until import until
from tests.live.manager import UserManager, inside, user_manager
from tests.live.openclaw import SYSTEM, VERSIONS, OpenClaw, npm_package
from tests.live.subject import Subject, Table, Unavailable
from tests.live.talk import Chat, outcome

DOCUMENT = Path(__file__).parents[3] / "docs" / "guard.md"
UNIT = "lanes.service"
OPENCLAW_PORT, PROVIDER_PORT = 18789, 9191
#: So often the gateway is killed as soon as it runs: more often than systemd starts a unit in ten seconds by default.
KILLS = 7
#: In the namespaces, for the process outside.
SKIPPED = "skipped: "


class OperatorsOpenClaw(OpenClaw):
    """OpenClaw in the home of a user, as it is there by itself."""

    reload = "hybrid"

    def __init__(self, home: Path, version: str) -> None:
        super().__init__(home, version, OPENCLAW_PORT, {"sim": f"http://127.0.0.1:{PROVIDER_PORT}/v1"})
        self.state = home / ".openclaw"
        self.config = self.state / "openclaw.json"


class Operator:
    """Somebody who reads the document. Each trial goes on from the one before."""

    def __init__(self, manager: UserManager, version: str) -> None:
        self._manager = manager
        self._gateway = OperatorsOpenClaw(manager.home, version)
        self._house = House(manager.home)
        self._house.database = manager.home / ".local" / "state" / "lanes" / "lanes.db"
        self._toml = manager.home / ".config" / "lanes" / "lanes.toml"
        self._unit = manager.home / ".config" / "systemd" / "user" / UNIT
        self._watch: Process | None = None
        self._key = f"agent:main:feishu:group:{uuid.uuid4().hex[:6]}"
        self._before: dict[Path, bytes] = {}
        self._client: OpenClawLink | None = None
        self._chat: Chat

    async def ready(self) -> None:
        """OpenClaw runs, and a session of it has answered."""
        self._house.start(
            "simulate", "provider", "--port", str(PROVIDER_PORT), "--log", "provider.jsonl", name="provider"
        ).address()
        self._gateway.write()
        await self._openclaw()
        await self._chat.answered(self._key)

    async def wedged(self) -> None:
        """A session is stuck, and is freed from beside OpenClaw."""
        mark = await self._hang()
        self._lanes("watch", "add", "--yes")
        lanes = [str(self._manager.home / ".local" / "bin" / "lanes"), "watch"]
        self._watch = Process(lanes, self._manager.home, "watch", env=dict(self._manager.environment))
        watch = self._watch
        await until(lambda: "watching" in watch.said(), "lanes to watch")
        await until(self._held, "the session to be seen")
        await self._freed(f"openclaw:{self._key}", mark)

    async def guarded(self) -> None:
        """One command, and what OpenClaw asks is bounded; a hang is freed, and asked once."""
        self._before = {path: path.read_bytes() for path in (self._toml, self._gateway.config)}
        said = self._lanes("guard", "openclaw", "--write")
        assert "a request passed" in said, said
        assert self._manager.systemctl("is-enabled", UNIT).stdout.strip() == "enabled"
        await until(self._passes_lanes, "OpenClaw to ask through lanes")
        assert self._watch is not None
        self._watch.terminate()
        mark = await self._hang()
        await self._freed((await until(self._held, "the request to be held"))[0], mark)
        assert len(self._chat.asked(mark)) == 1, "the provider was asked again"

    async def everything_killed(self) -> None:
        """``kill -9`` of OpenClaw, the gateway and systemd, while a session hangs; the unit is started."""
        await self._hang()
        self._manager.kill()
        self._gateway.end()
        os.kill(self._gateway_pid(), signal.SIGKILL)
        self._manager.start()
        started = self._manager.systemctl("start", UNIT)
        assert started.returncode == 0, started.stderr
        await self._openclaw()
        await self._chat.answered(self._key, "after everything was killed")
        assert await self._passes_lanes()

    async def killed_again(self) -> None:
        """``kill -9`` of the gateway, as soon as it runs, again and again."""
        for _ in range(KILLS):
            pid = await until(lambda: self._manager.pid(UNIT), "the gateway to be started again")
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: self._manager.pid(UNIT) != pid, "the gateway to be gone")  # type: ignore[misc]
        await until(lambda: self._manager.pid(UNIT), "the gateway to be started again")
        await self._chat.answered(self._key, "after the gateway was killed")
        assert await self._passes_lanes()

    async def undone(self) -> None:
        """Exactly what was changed is taken back, and OpenClaw asks its provider itself."""
        pid = self._manager.pid(UNIT)
        self._lanes("guard", "openclaw", "--undo")
        assert not self._unit.exists()
        assert self._manager.systemctl("is-active", UNIT).stdout.strip() == "inactive"
        assert pid not in processes(), "the gateway runs on"
        for path, content in self._before.items():
            assert path.read_bytes() == content, f"{path} is not as it was"
        await self._chat.answered(self._key, "directly")

    async def _openclaw(self) -> None:
        self._gateway.start()
        await self.leave()
        self._client = await self._gateway.client()
        self._chat = Chat(self._client, self._house)

    async def leave(self) -> None:
        """Close what is connected to OpenClaw."""
        if self._client is not None:
            await self._client.close()

    async def _hang(self) -> str:
        mark = f"[[sim-hang]] {uuid.uuid4().hex[:8]}"
        await self._chat.send(self._key, mark)
        await self._chat.open(mark)
        return mark

    async def _freed(self, key: str, mark: str) -> None:
        (result,) = json.loads(await asyncio.to_thread(self._lanes, "abort", key, "--json"))
        assert result["outcome"] == "released", result
        await self._chat.answered(self._key, "the next one")
        assert len(self._chat.asked(mark)) == 1, "the provider was asked again"

    async def _passes_lanes(self) -> bool:
        """Whether the next answer comes through lanes."""
        asked = "SELECT coalesce(max(id), 0) FROM runs"
        before = self._house.count(asked)
        await self._chat.answered(self._key, "hello again")
        return self._house.count(asked) > before

    def _held(self) -> list[str]:
        """The lanes of OpenClaw that are held."""
        listed: list[dict[str, Any]] = json.loads(self._lanes("list", "--source", "openclaw", "--json"))
        return [lane["key"] for lane in listed if lane["state"] == "running"]

    def _gateway_pid(self) -> int:
        """The process of the gateway, where no service manager tells it."""
        (pid,) = self._house.row("SELECT pid FROM owners WHERE kind = 'gateway' ORDER BY id DESC LIMIT 1")
        return int(pid)

    def _lanes(self, *words: str) -> str:
        done = self._manager.run("lanes", *words)
        assert done.returncode == 0, f"lanes {' '.join(words)}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout if "--json" in words else done.stdout + done.stderr


TRIALS: dict[str, Callable[[Operator], Any]] = {
    "a wedged session is freed": Operator.wedged,
    "guarded, by a unit": Operator.guarded,
    "everything killed, the unit started": Operator.everything_killed,
    "`kill -9` of the gateway": Operator.killed_again,
    "`--undo`": Operator.undone,
}


def run(_: Path, say: Callable[[str], None]) -> Table:
    """Try both versions, each in new namespaces. Raises Unavailable."""
    npm_package("node", f"node-{SYSTEM}@24")
    rows = []
    for version in VERSIONS:
        npm_package(f"openclaw-{version}", f"openclaw@{version}")
        with subprocess.Popen(inside(__name__, version), stdout=subprocess.PIPE, text=True) as tried:
            assert tried.stdout is not None
            cells = []
            for line in tried.stdout:
                if line.startswith(SKIPPED):
                    raise Unavailable(line.removeprefix(SKIPPED).strip())
                cells.append(line.strip())
                say(f"OpenClaw {version}: {[*TRIALS][len(cells) - 1]}: {cells[-1]}")
        assert tried.returncode == 0, f"the trial of OpenClaw {version} ended with {tried.returncode}"
        rows.append(["OpenClaw", version, *cells])
    return Table(("program", "version", *TRIALS), rows)


async def _tried(version: str) -> None:
    """Tell the cell of each trial, in a line each."""
    with tempfile.TemporaryDirectory(prefix="lanes-live-") as folder:
        try:
            with user_manager(Path(folder)) as manager:
                operator = Operator(manager, version)
                await operator.ready()
                for trial in TRIALS.values():
                    _tell(await outcome(trial(operator)))
                await operator.leave()
        except Unavailable as why:
            _tell(f"{SKIPPED}{why}")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


SUBJECT = Subject("unit", DOCUMENT, run)
if __name__ == "__main__":
    asyncio.run(_tried(sys.argv[1]))
