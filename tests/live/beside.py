"""Real servers that lanes watches beside OpenClaw, on loopback, whose model is the simulated provider."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from tests.kit.ports import kept_port
from tests.kit.until import until
from tests.live.homes import codex, opencode
from tests.live.openclaw import LIVE, SYSTEM, npm_package
from tests.live.subject import Unavailable

LANGGRAPH = ("langgraph-cli[inmem]==0.4.40", "langgraph-api==0.16.7", "httpx")
GRAPH = """
import os, httpx
from langgraph.graph import END, START, MessagesState, StateGraph


async def call(state):
    asked = {"model": state["messages"][-1].content, "messages": [{"role": "user", "content": "hello"}]}
    async with httpx.AsyncClient(timeout=None) as client:
        answer = await client.post(os.environ["PROVIDER"] + "/chat/completions", json=asked)
    return {"messages": [("ai", answer.json()["choices"][0]["message"]["content"])]}


made = StateGraph(MessagesState)
made.add_node("call", call)
made.add_edge(START, "call")
made.add_edge("call", END)
graph = made.compile()
"""


class LiveServer:
    """One server. ``kind`` is what lanes calls it."""

    kind = version = scheme = ""

    def __init__(self, folder: Path, port: int, provider: str) -> None:
        folder.mkdir(parents=True)
        self.folder, self.port, self._provider = folder, port, provider
        self.url = f"{self.scheme}://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What is started; its settings are written. Raises Unavailable."""
        raise NotImplementedError

    async def ready(self) -> None:
        """Connect; raises OSError or aiohttp.ClientError while it does not listen."""
        raise NotImplementedError

    async def begin(self) -> str:
        """A new session."""
        raise NotImplementedError

    async def send(self, key: str, model: str) -> None:
        """A message for that model; its answer is not waited for."""
        raise NotImplementedError

    async def answered(self, key: str) -> bool:
        """Whether the newest message of a session was answered."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close what is connected to it."""

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def environment(self) -> dict[str, str]:
        """Its whole environment: nothing of the user's is read or written."""
        home = str(self.folder)
        places = {f"XDG_{name}_HOME": f"{home}/{name.lower()}" for name in ("CONFIG", "DATA", "STATE", "CACHE")}
        return {"HOME": home, "NO_COLOR": "1", "PATH": os.environ["PATH"], **places}

    def launch(self) -> None:
        """Start its process, in a separate session."""
        command = self.command()
        log = (self.folder / "console.log").open("ab")
        self._process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()

    async def listens(self) -> None:
        """Wait until it listens."""

        async def look() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "console.log").read_text(errors="replace")[-2000:]
            with contextlib.suppress(OSError, aiohttp.ClientError):
                await self.ready()
                return True
            await asyncio.sleep(0.2)
            return False

        await until(look, f"{self.kind} to listen")

    def end(self) -> None:
        """Kill it with all that it started in its session."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


class OverHttp(LiveServer):
    """A server that is spoken to over HTTP."""

    scheme = "http"

    async def ask(self, method: str, path: str, body: Any = None, seconds: float = 60) -> Any:
        """The answer to a request."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, f"{self.url}{path}", json=body) as answer,
        ):
            text = await answer.text()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text[:300]}"
            return json.loads(text) if text else None


class LiveOpencode(OverHttp):
    """``opencode serve``."""

    kind, version = "opencode", "1.18.33"

    def command(self) -> list[str]:
        opencode(self.folder, self._provider)
        file = self.folder / "config" / "opencode" / "opencode.json"
        settings = json.loads(file.read_text(encoding="utf-8"))
        models = settings["provider"]["simulated"]["models"]
        models["sim-hang"] = models["sim-ok"] | {"name": "sim-hang"}
        file.write_text(json.dumps(settings), encoding="utf-8")
        name = f"opencode-{SYSTEM}"
        program = npm_package(f"opencode-{self.version}", f"{name}@{self.version}") / "bin" / "opencode"
        return [str(program), "serve", "--hostname", "127.0.0.1", "--port", str(self.port)]

    async def ready(self) -> None:
        await self.ask("GET", "/global/health", seconds=5)

    async def begin(self) -> str:
        return str((await self.ask("POST", "/session", {"title": "live"}))["id"])

    async def send(self, key: str, model: str) -> None:
        named = {"providerID": "simulated", "modelID": model}
        parts = [{"type": "text", "text": "hello"}]
        await self.ask("POST", f"/session/{key}/prompt_async", {"model": named, "parts": parts})

    async def answered(self, key: str) -> bool:
        found = await self.ask("GET", f"/session/{key}/message?limit=1")
        return bool(found) and found[-1]["info"].get("finish") == "stop"


class LiveCodex(LiveServer):
    """``codex app-server``, over a WebSocket."""

    kind, version, scheme = "codex", "0.171.0", "ws"

    def command(self) -> list[str]:
        codex(self.folder, self._provider)
        npm_package(f"codex-{self.version}", f"@openai/codex@{self.version}")
        found = sorted((LIVE / f"codex-{self.version}").glob("node_modules/@openai/codex-*/vendor/*/bin/codex"))
        if not found:
            raise Unavailable("npm installs no codex for this system")
        return [str(found[0]), "app-server", "--listen", self.url]

    async def ready(self) -> None:
        self._session = aiohttp.ClientSession()
        try:
            self._socket = await self._session.ws_connect(self.url, max_msg_size=2**26)
        except BaseException:
            await self._session.close()
            raise
        self._ids, self._asked, self._turns = count(1), dict[int, asyncio.Future[Any]](), dict[str, str]()
        self._reading = asyncio.create_task(self._read())
        await self._call("initialize", {"clientInfo": {"name": "live", "title": "live", "version": "0"}})
        await self._socket.send_json({"method": "initialized"})

    async def _read(self) -> None:
        async for message in self._socket:
            frame = json.loads(message.data)
            if "method" not in frame:
                self._asked.pop(frame["id"]).set_result(frame)
            elif frame["method"] == "turn/completed":
                self._turns[frame["params"]["threadId"]] = frame["params"]["turn"]["status"]

    async def _call(self, method: str, params: Any) -> Any:
        name = next(self._ids)
        answer = self._asked[name] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": name, "method": method, "params": params})
        return (await asyncio.wait_for(answer, 60))["result"]

    async def begin(self) -> str:
        wish = {"model": "sim-ok", "cwd": str(self.folder), "sandbox": "read-only", "approvalPolicy": "never"}
        return str((await self._call("thread/start", wish))["thread"]["id"])

    async def send(self, key: str, model: str) -> None:
        self._turns.pop(key, None)
        text = [{"type": "text", "text": "hello"}]
        await self._call("turn/start", {"threadId": key, "model": model, "input": text})

    async def answered(self, key: str) -> bool:
        return self._turns.get(key) == "completed"

    async def close(self) -> None:
        await self._socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._session.close()


class LiveLangGraph(OverHttp):
    """``langgraph dev``, with a graph that asks the model which a message names."""

    kind, version = "langgraph", "0.16.7"

    def command(self) -> list[str]:
        (self.folder / "graph.py").write_text(GRAPH, encoding="utf-8")
        about = {"dependencies": ["."], "graphs": {"agent": "./graph.py:graph"}}
        (self.folder / "langgraph.json").write_text(json.dumps(about), encoding="utf-8")
        home = LIVE / f"langgraph-{self.version}"
        if not (home / "bin" / "langgraph").exists():
            for command in (
                [sys.executable, "-m", "venv", str(home)],
                [str(home / "bin" / "pip"), "install", *LANGGRAPH],
            ):
                try:
                    subprocess.run(command, check=True, capture_output=True, timeout=1800, stdin=subprocess.DEVNULL)
                except subprocess.SubprocessError as error:
                    raise Unavailable("pip installs no LangGraph server") from error
        program, where = str(home / "bin" / "langgraph"), ("--host", "127.0.0.1", "--port", str(self.port))
        return [program, "dev", *where, "--no-browser", "--no-reload"]

    def environment(self) -> dict[str, str]:
        quiet = {"LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1"}
        path = f"{LIVE / f'langgraph-{self.version}' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return super().environment() | quiet | {"PATH": path, "PROVIDER": f"{self._provider}/v1"}

    async def ready(self) -> None:
        await self.ask("GET", "/ok", seconds=5)

    async def begin(self) -> str:
        return str((await self.ask("POST", "/threads", {"thread_id": str(uuid.uuid4())}))["thread_id"])

    async def send(self, key: str, model: str) -> None:
        asked = {"messages": [{"role": "user", "content": model}]}
        wish = {"assistant_id": "agent", "input": asked, "multitask_strategy": "enqueue"}
        await self.ask("POST", f"/threads/{key}/runs", wish)

    async def answered(self, key: str) -> bool:
        found = await self.ask("GET", f"/threads/{key}/runs?limit=1")
        return bool(found) and found[0]["status"] == "success"


SERVERS: tuple[type[LiveServer], ...] = (LiveOpencode, LiveCodex, LiveLangGraph)


@asynccontextmanager
async def serving(server: type[LiveServer], folder: Path, provider: str) -> AsyncIterator[LiveServer]:
    """A server that listens during the block. Raises Unavailable."""
    with kept_port() as port:
        made = server(folder, port, provider)
        try:
            made.launch()
            await made.listens()
            yield made
            await made.close()
        finally:
            made.end()
