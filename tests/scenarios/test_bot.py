"""The bot of ``examples/bot`` as its users have it: its own tests, and its process on a socket, stopped in a run."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.house.modules import ROOT
from tests.kit.processes import PATIENCE_S, Process, environment, eventually

BOT = ROOT / "examples" / "bot"
#: The bot with another model: it says one word, and the rest when the test lets it go on.
PROGRAM = """
import asyncio, pathlib, sys
sys.path.insert(0, sys.argv[1])
import bot

async def think(text, history):
    yield f"{len(history) + 1}: "
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.005)
    yield text

bot.think = think
asyncio.run(bot.main())
"""


@contextmanager
def running(folder: Path, name: str) -> Iterator[Process]:
    env = environment(folder) | {"BOT_DB": str(folder / "bot.db"), "BOT_PORT": "0"}
    bot = Process([sys.executable, "-c", PROGRAM, str(BOT)], folder, name, env=env)
    try:
        bot.url = bot.address()
        yield bot
    finally:
        bot.end()


def events(response: httpx.Response) -> Iterator[tuple[str, dict[str, str]]]:
    """The server-sent events of a response, as they come."""
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def test_the_tests_of_the_bot_pass(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(BOT)],
        cwd=BOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_bot_that_is_stopped_ends_what_runs_and_keeps_what_waits(tmp_path: Path) -> None:
    with running(tmp_path, "bot") as bot, httpx.Client(base_url=bot.url, timeout=PATIENCE_S, verify=False) as web:
        assert web.get("/readyz").json() == {"ready": True, "runs": 0}
        with (
            web.stream("POST", "/chats/42/messages", json={"text": "what runs"}) as first,
            web.stream("POST", "/chats/42/messages", json={"text": "what waits"}) as second,
        ):
            reply, waiting = events(first), events(second)
            assert [next(reply)[0] for _ in range(2)] == ["accepted", "delta"], "it is in the middle of its run"
            message = next(waiting)[1]["id"]
            bot.popen.terminate()
            eventually(lambda: web.get("/readyz").status_code == 503, "the drain")
            assert web.get("/healthz").status_code == 200
            assert web.post("/chats/43/messages", json={"text": "too late"}).status_code == 503
            (tmp_path / "go").touch()
            assert [name for name, _ in reply] == ["delta", "message"]
            ((name, kept),) = waiting
            assert (name, kept["state"]) == ("message", "queued")
        assert bot.popen.wait(PATIENCE_S) == 0
    with running(tmp_path, "next") as bot, httpx.Client(base_url=bot.url, timeout=PATIENCE_S, verify=False) as web:
        answered = eventually(lambda: _done(web, message), "what waited")
        assert answered["reply"] == "2: what waits"
        assert bot.terminate() == 0


def _done(web: httpx.Client, message: str) -> dict[str, str] | None:
    shown: dict[str, str] = web.get(f"/messages/{message}").json()
    return shown if shown["state"] == "done" else None
