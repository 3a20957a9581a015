"""A real OpenClaw gateway of a given version, in a separate folder, with the models of the simulated provider."""

import asyncio
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lanes.watch.adapter import SourceDown
from lanes.watch.openclaw.adapter import ADMIN
from lanes.watch.openclaw.device import Device
from lanes.watch.openclaw.wire import OpenClawLink
from tests.kit.ports import kept_port
from tests.live.subject import Unavailable

LIVE = Path(__file__).parents[2] / ".live"
VERSIONS = ("2026.5.7", "2026.9.6")
MODEL = "sim-ok"
#: It fails twice before it answers.
FLAKY = "sim-recovers-2"
TOKEN = "shared-token-of-a-test"
SYSTEM = (
    f"{platform.system().lower()}-{ {'x86_64': 'x64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }"
)


def npm_package(folder: str, package: str) -> Path:
    """The folder of an installed package; installs it where it is missing. Raises Unavailable."""
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed")
    home = LIVE / folder
    name = package.rpartition("@")[0]
    if not (home / "node_modules" / name / "package.json").exists():
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text("{}")
        command = ["npm", "install", package, "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=1800, stdin=subprocess.DEVNULL)
        except subprocess.SubprocessError as error:
            raise Unavailable(f"npm installs no {package}") from error
    return home / "node_modules" / name


class OpenClaw:
    """One gateway. ``accounts``: where its models are, by the names that it gives them; the first is the default."""

    #: Whether it reads its configuration again, once that has changed.
    reload = "off"

    def __init__(self, folder: Path, version: str, port: int, accounts: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.version, self.port = folder, version, port
        self.url = f"ws://127.0.0.1:{self.port}"
        self.state = folder / "state"
        self.config = folder / "openclaw.json"
        self.process: subprocess.Popen[bytes] | None = None
        self._accounts = accounts
        self._node = npm_package("node", f"node-{SYSTEM}@24") / "bin" / "node"
        self._root = npm_package(f"openclaw-{version}", f"openclaw@{version}")

    def write(self) -> None:
        """Write its configuration."""
        model = {
            "reasoning": False, "input": ["text"], "contextWindow": 128_000,
            "maxTokens": 4_096, "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        }  # fmt: skip
        models = [{"id": name, "name": name} | model for name in (MODEL, FLAKY)]
        api = {"apiKey": "sk-sim", "api": "openai-completions", "models": models}
        named = [f"{account}/{name}" for account in self._accounts for name in (MODEL, FLAKY)]
        config: dict[str, Any] = {
            "gateway": {
                "mode": "local", "port": self.port, "bind": "loopback", "auth": {"mode": "token", "token": TOKEN},
                "controlUi": {"enabled": False}, "reload": {"mode": self.reload},
            },
            "update": {"checkOnStart": False}, "discovery": {"mdns": {"mode": "off"}},
            "logging": {"file": str(self.folder / "gateway.log"), "level": "info", "consoleLevel": "info"},
            "diagnostics": {"enabled": True}, "cron": {"enabled": False},
            "models": {
                "mode": "replace", "providers": {name: {"baseUrl": url} | api for name, url in self._accounts.items()},
            },
            "tools": {"exec": {"backgroundMs": 600_000}},
            "agents": {"defaults": {
                "workspace": str(self.folder / "workspace"), "model": {"primary": named[0]}, "skipBootstrap": True,
                "heartbeat": {"every": "0m"}, "models": {each: {} for each in named},
            }},
        }  # fmt: skip
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(json.dumps(config))

    def environment(self) -> Mapping[str, str]:
        """Its whole environment: nothing of the user's is read or written."""
        home = str(self.folder)
        (self.folder / "tmp").mkdir(exist_ok=True)
        return {
            "HOME": home, "OPENCLAW_STATE_DIR": str(self.state), "OPENCLAW_CONFIG_PATH": str(self.config),
            "OPENCLAW_NO_RESPAWN": "1", "OPENCLAW_DISABLE_BONJOUR": "1", "OPENCLAW_SKIP_CHANNELS": "1",
            "OPENCLAW_SKIP_CRON": "1", "DO_NOT_TRACK": "1", "OPENCLAW_TELEMETRY_DISABLED": "1", "NO_COLOR": "1",
            "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home, "TMPDIR": f"{home}/tmp",
            "PATH": f"{self._node.parent}:{os.environ['PATH']}",
        }  # fmt: skip

    def start(self) -> None:
        """Start its process, in a separate session."""
        command = [str(self._node), str(self._root / "openclaw.mjs"), "gateway", "run", "--port", str(self.port)]
        log = (self.folder / "console.log").open("ab")
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=dict(self.environment()), stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def end(self) -> None:
        """Kill it with all that it started in its session."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    async def client(self) -> OpenClawLink:
        """A connection that may send, once it listens."""
        device = Device(self.folder / "client.json", ADMIN)
        for _ in range(600):
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "console.log").read_text()[-2000:]
            link = OpenClawLink(self.url, device)
            try:
                await link.connect(TOKEN)
            except SourceDown:
                await asyncio.sleep(0.5)
            else:
                return link
        raise AssertionError(f"OpenClaw {self.version} does not listen: {self.folder}/console.log")


@asynccontextmanager
async def openclaw(
    folder: Path, version: str, accounts: Mapping[str, str]
) -> AsyncIterator[tuple[OpenClaw, OpenClawLink]]:
    """A running gateway, and a connection that may send to it."""
    with kept_port() as port:
        gateway = OpenClaw(folder, version, port, accounts)
        gateway.write()
        gateway.start()
        try:
            client = await gateway.client()
            try:
                yield gateway, client
            finally:
                await client.close()
        finally:
            gateway.end()
