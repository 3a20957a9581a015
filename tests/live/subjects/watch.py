"""OpenClaw beside lanes (docs/watch.md): held, seen, freed by one ``lanes abort``, and the next message is answered."""

import asyncio
import json
import os
import signal
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lanes.host.holder import ports_of, processes
from lanes.watch.openclaw.wire import OpenClawLink
from tests.kit.processes import House, house
from tests.kit.until import until
from tests.live.openclaw import TOKEN, VERSIONS, OpenClaw, openclaw
from tests.live.subject import YES, Subject, Table

DOCUMENT = Path(__file__).parents[3] / "docs" / "watch.md"
WATCH = """
[[watch]]
name = "openclaw"
url = "{url}"
token_file = "openclaw-token"
files = "{state}"
"""
#: A held session is seen within this time. The machine may be busy with other things.
SEEN_S = 2.0


class Trial:
    """One gateway, what is sent to it, and lanes beside it."""

    def __init__(self, gateway: OpenClaw, client: OpenClawLink, made: House) -> None:
        self.gateway, self._client, self._made = gateway, client, made
        self._events: list[tuple[str, dict[str, Any]]] = []
        client._on_event = lambda event, payload: self._events.append((event, dict(payload)))
        self.notes: list[str] = []

    async def a_hang(self) -> None:
        """A run whose provider sends nothing, and a message behind it."""
        key = await self._warm("hang")
        await self._model(key, "sim-hang")
        await self._agent(key, "first")
        await self._freed(key, "running", "abort by run id")

    async def a_ghost(self) -> None:
        """A message that was sent at the end of the run before it, and hangs. It is a ghost on 2026.5."""
        key = await self._warm("ghost")
        await self._model(key, "sim-slow-5")
        run = (await self._chat(key, "first"))["runId"]
        await until(lambda: self._asks("sim-slow-5"), "the first to be asked")
        await self._model(key, "sim-hang")
        await until(lambda: self._final(run), "the answer to the first")
        await self._chat(key, "second")
        await until(lambda: self._asks("sim-hang"), "the second to hang at its provider")
        await self._freed(key, None, None)

    async def a_stopped_gateway(self) -> None:
        """SIGSTOP: its state is read from its files, and the next step is named."""
        key = await self._warm("stopped")
        await self._model(key, "sim-hang")
        await self._agent(key, "first")
        await self._seen(key, held=True)
        pid = next(pid for pid in processes() if self.gateway.port in ports_of(pid))
        os.kill(pid, signal.SIGSTOP)
        try:
            hung = await until(lambda: self._row(key, lambda lane: lane["seen"]["gateway"] == "hung"), "it to be hung")
            assert hung["seen"]["from_files"], hung
            assert hung["state"] == "running", hung
            said = (await self._lanes("why", f"openclaw:{key}", "--json"))["why"]
            assert f"kill -CONT {pid}" in said, said
        finally:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: self._row(key, lambda lane: lane["seen"]["gateway"] == "connected"), "it to be back")
        await self._freed(key, "running", "abort by run id")

    # -------------------------------------------------------------------------------------- steps

    async def _warm(self, name: str) -> str:
        """A new session that has answered once: the first run of a process loads much."""
        key = f"agent:main:{name}-{uuid.uuid4().hex[:6]}"
        await self._answers(key)
        return key

    async def _answers(self, key: str) -> None:
        run = (await self._agent(key, "hello"))["runId"]
        await until(lambda: self._final(run), f"an answer in {key}")

    def _final(self, run: str) -> bool:
        return any(
            event == "chat" and payload.get("runId") == run and payload.get("state") == "final"
            for event, payload in self._events
        )

    async def _model(self, key: str, name: str) -> None:
        """The next run of a session asks that model."""
        await self._client.call("sessions.patch", {"key": key, "model": f"sim/{name}"}, 60)

    def _asks(self, model: str) -> bool:
        """Whether that model is asked, and has not answered."""
        newest = {each["sequence"]: each for each in self._made.provider_saw()}
        return any(each["model"] == model and each["outcome"] == "open" for each in newest.values())

    async def _agent(self, key: str, text: str) -> dict[str, Any]:
        return await self._send("agent", key, text)

    async def _chat(self, key: str, text: str) -> dict[str, Any]:
        return await self._send("chat.send", key, text)

    async def _send(self, method: str, key: str, text: str) -> dict[str, Any]:
        given = {"sessionKey": key, "message": text, "idempotencyKey": uuid.uuid4().hex}
        return await self._client.call(method, given, 120)

    async def _freed(self, key: str, state: str | None, step: str | None) -> None:
        """Seen, freed by one abort, and the next message is answered."""
        began = time.monotonic()
        lane = await self._seen(key, held=True)
        seen_s = time.monotonic() - began
        assert state is None or lane["seen"]["state"] == state, lane
        began = time.monotonic()
        (result,) = await self._lanes("abort", f"openclaw:{key}", "--json")
        assert result["outcome"] == "released", result
        by = [each["step"] for each in result["steps"] if each["proof"]]
        assert step is None or by == [step], result
        self.notes.append(f"seen after {seen_s:.1f} s, freed in {time.monotonic() - began:.1f} s by {by[0]}")
        await self._model(key, "sim-ok")
        await self._answers(key)

    async def _seen(self, key: str, *, held: bool) -> dict[str, Any]:
        return await until(
            lambda: self._row(key, lambda lane: (lane["state"] == "running") is held and bool(lane["seen"]["runs"])),
            f"{key} to be seen",
        )

    async def _row(self, key: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        lanes = await self._lanes("list", "--source", "openclaw", "--json")
        return next((lane for lane in lanes if lane["key"] == f"openclaw:{key}" and fits(lane)), {})

    async def _lanes(self, *words: str) -> Any:
        finished = await asyncio.to_thread(lambda: self._made.lanes(*words, check=False))
        assert finished.out, finished
        return json.loads(finished.out)


TRIALS = (Trial.a_hang, Trial.a_ghost, Trial.a_stopped_gateway)
COLUMNS = ("program", "version", "hang", "follow-up", "stopped gateway")


def run(_: Path, say: Callable[[str], None]) -> Table:
    """Try both versions, each beside lanes."""
    return Table(COLUMNS, [asyncio.run(_tried(version, say)) for version in VERSIONS])


async def _tried(version: str, say: Callable[[str], None]) -> list[str]:
    row = ["OpenClaw", version]
    with tempfile.TemporaryDirectory(prefix="lanes-live-") as name, house(Path(name) / "lanes") as made:
        provider = made.simulator().url
        async with openclaw(Path(name) / "openclaw", version, f"{provider}/v1") as (gateway, client):
            made.config.write_text(WATCH.format(url=gateway.url, state=gateway.state), encoding="utf-8")
            made.config.with_name("openclaw-token").write_text(TOKEN, encoding="utf-8")
            made.start("watch", "--db", str(made.database), "--config", str(made.config), name="watch")
            trial = Trial(gateway, client, made)
            for tried in TRIALS:
                row.append(await _outcome(tried(trial)))
                say(f"OpenClaw {version}, {tried.__name__}: {row[-1]} ({'; '.join(trial.notes)})")
                trial.notes.clear()
    return row


async def _outcome(trial: Awaitable[None]) -> str:
    try:
        await trial
    except AssertionError as error:
        return f"no: {str(error)[:200]}".replace("\n", " ")
    return YES


SUBJECT = Subject("watch", DOCUMENT, run)
