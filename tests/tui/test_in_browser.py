"""``lanes dashboard --serve``: who is let in, what a tab may do, and that nothing is left of it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from lanes.base.errors import ConfigError
from lanes.testing import MINUTE, Hands
from lanes_storage import reads
from lanes_storage.clock import system_clock
from lanes_storage.law import LaneState
from lanes_tui.web.server import MOST_BYTES, WebServer, listen
from lanes_tui.web.tabs import ENDED, IDLE, IDLE_MS, MOST_TABS, REFUSED, TOO_MANY
from tests.kit.browser import tab
from tests.kit.processes import House
from tests.kit.stage import Stage
from tests.kit.until import until

TOKEN = "open-sesame"
Serve = Callable[..., Awaitable[WebServer]]


@pytest.fixture
async def serve(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts a server for dashboards on the database of the stage."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    async with contextlib.AsyncExitStack() as ending:

        async def begin(*, writes: bool = False, clock: Hands | None = None, first_s: float = 60.0) -> WebServer:
            listener = ending.enter_context(listen(0))
            argv = ["--db", str(stage.path), "dashboard", "--in-tab", *([] if writes else ["--read-only"])]
            server = WebServer(
                listener, TOKEN, argv, writes=writes, clock=clock or Hands(system_clock()), first_s=first_s
            )
            await ending.enter_async_context(server.serving())
            return server

        yield begin


def pids(server: WebServer) -> list[int]:
    """The dashboards that run."""
    return [each.pid for each in server.tabs.open]


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int) -> None:
    await until(lambda: not lives(pid), "the process to end")


# ------------------------------------------------------------------------------------------- a tab


async def test_a_tab_shows_lanes_live_acts_on_nothing_and_ends_with_its_dashboard(serve: Serve, stage: Stage) -> None:
    stage.hold("held:1", stage.dead_owner(), "waits")
    server = await serve()
    async with tab(server.url, TOKEN) as one:
        await one.shows("held:1", "read-only")
        stage.send("later:1", "text")
        await one.shows("later:1")
        await one.click("later:1")
        await one.say("resize", {"width": 90, "height": 30})
        await one.type("a")
        await one.shows("this dashboard is read-only")
        (pid,) = pids(server)
        await one.type("q")
        assert await one.ended() == (ENDED, "The dashboard was closed.")
        await gone(pid)
    await until(lambda: not server.tabs.open, "its place to be free")
    found = stage.store.read(reads.lane("held:1"))
    assert found is not None
    assert found.state is LaneState.RUNNING


async def test_a_tab_that_may_write_says_so_on_every_screen_and_aborts(serve: Serve, stage: Stage) -> None:
    """What writes files here, or stops the process, is not there all the same."""
    stage.hold("held:1", stage.dead_owner(), "waits")
    before = set(Path.cwd().iterdir())
    server = await serve(writes=True)
    async with tab(server.url, TOKEN) as one:
        await one.shows("held:1", "WRITES, IN A BROWSER")
        await one.type("eE\x1aJ")
        await one.shows("journal", "WRITES, IN A BROWSER")
        await one.type("q:expo")
        await one.shows("expo")
        assert "as JSON" not in one.screen
        await one.type("\x1b")
        await one.shows("LANE")
        await one.type("a")
        await one.shows("Cancel")
        await one.type("y")
        await one.shows("repaired")
    found = stage.store.read(reads.lane("held:1"))
    assert found is not None
    assert found.state is LaneState.ABORTED
    assert set(Path.cwd().iterdir()) == before


async def test_a_dashboard_that_dies_closes_its_tab_and_no_other_and_ends_with_its_own(
    serve: Serve, stage: Stage
) -> None:
    stage.send("lane:1", "text")
    server = await serve()
    async with tab(server.url, TOKEN) as one:
        await one.shows("lane:1")
        (pid,) = pids(server)
        async with tab(server.url, TOKEN) as other:
            await other.shows("lane:1")
            os.kill(pid, signal.SIGKILL)
            assert await one.ended() == (ENDED, "The dashboard ended by itself (exit code -9).")
            stage.send("lane:2", "text")
            await other.shows("lane:2")
            (pid,) = pids(server)
    await gone(pid)


async def test_what_is_no_message_is_ignored_and_one_without_end_ends_the_tab(serve: Serve, stage: Stage) -> None:
    stage.send("lane:1", "text")
    server = await serve()
    async with tab(server.url, TOKEN) as one:
        await one.shows("lane:1")
        for junk in (
            "",
            "{",
            "[]",
            '"stdin"',
            '["stdin", 1]',
            '["resize", {"width": -1, "height": 1}]',
            "[" * 9_000,
        ):
            await one.socket.send_str(junk)
        await one.socket.send_bytes(b"\x00\xff")
        await one.say("resize", {"width": 100_000, "height": 1})
        await one.say("deliver_chunk_request", {"key": "x"})
        await one.type("J")
        await one.shows("journal")
        await one.type("x" * MOST_BYTES)
        assert (await one.ended())[0] == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


# -------------------------------------------------------------------------------------- who is let in


@pytest.mark.parametrize("said", [["token", "wrong"], ["token", ""], ["token"], ["stdin", TOKEN], {"token": TOKEN}, 5])
async def test_without_the_token_no_dashboard_starts(serve: Serve, said: object) -> None:
    server = await serve()
    async with tab(server.url, None) as one:
        await one.socket.send_json(said)
        assert await one.ended() == (REFUSED, "This is not the token.")
        assert not pids(server)


async def test_who_says_nothing_is_sent_away(serve: Serve) -> None:
    server = await serve(first_s=0.05)
    async with tab(server.url, None) as one:
        assert (await one.ended())[0] == REFUSED


async def test_the_token_in_the_address_or_a_header_is_no_token(serve: Serve) -> None:
    server = await serve(first_s=0.05)
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as client,
        client.ws_connect(f"{server.url}socket?token={TOKEN}", headers={"Origin": server.url[:-1]}) as one,
    ):
        await one.receive()
        assert one.close_code == REFUSED


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:{port}", "http://localhost.:{port}"],
)
async def test_a_page_of_somebody_else_opens_no_socket(serve: Serve, origin: str) -> None:
    server = await serve()
    port = server.url.rstrip("/").rpartition(":")[2]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with tab(server.url, TOKEN, origin=origin.format(port=port)):
            pass
    assert refused.value.status == 403


async def test_who_names_no_origin_opens_no_socket(serve: Serve) -> None:
    server = await serve()
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{server.url}socket")
        assert refused.value.status == 403


@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.:{port}", "[::1]:{port}"]
)
async def test_under_another_name_it_answers_nothing(serve: Serve, host: str) -> None:
    """A name of somebody else that was made to mean this machine (DNS rebinding)."""
    server = await serve()
    port = server.url.rstrip("/").rpartition(":")[2]
    named = {"Host": host.format(port=port), "Origin": server.url.rstrip("/")}
    for path in ("", "socket", "static/page.js"):
        async with aiohttp.ClientSession() as client, client.get(f"{server.url}{path}", headers=named) as answer:
            assert answer.status == 403
            assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_a_tab_too_many_is_told_how_many_there_are(serve: Serve, stage: Stage) -> None:
    server = await serve()
    assert server.tabs.most == MOST_TABS == 8
    server.tabs.most = 2  # eight dashboards take long to start, and show the same
    async with contextlib.AsyncExitStack() as tabs:
        for _ in range(2):
            await tabs.enter_async_context(tab(server.url, TOKEN))
        await until(lambda: len(pids(server)) == 2, "the dashboards")
        third = await tabs.enter_async_context(tab(server.url, TOKEN))
        assert await third.ended() == (TOO_MANY, "2 tabs are open already: close one of them.")


async def test_a_tab_that_nobody_uses_is_ended_and_one_that_is_used_is_not(serve: Serve, stage: Stage) -> None:
    stage.send("lane:1", "text")
    time = Hands(system_clock())
    server = await serve(clock=time)
    async with tab(server.url, TOKEN) as idle, tab(server.url, TOKEN) as used:
        await idle.shows("lane:1")
        await used.shows("lane:1")
        time.move(IDLE_MS - MINUTE)
        await used.type("J")
        await used.shows("journal")
        time.move(2 * MINUTE)
        assert await idle.ended() == (IDLE, "Nobody used it for 30m.")
        assert used.closed is None
        await used.type("q")
        await used.shows("lane:1")


# --------------------------------------------------------------------------------------- what is served


async def test_the_page_loads_only_what_is_here(serve: Serve) -> None:
    server = await serve()
    async with aiohttp.ClientSession() as client:
        async with client.get(server.url) as answer:
            page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert TOKEN not in page
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        assert f'nonce="{nonce}"' in page
        async with client.get(server.url) as answer:
            assert nonce not in await answer.text(), "another page has another one"
        for name in ("page.js", "page.css", "textual.js", "xterm.css", "RobotoMono.ttf", "RobotoMono-Italic.ttf"):
            async with client.get(f"{server.url}static/{name}") as answer:
                assert answer.status == 200
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_there_is_nothing_else_to_fetch(serve: Serve) -> None:
    server = await serve()
    for path in ("download/key", "static/", "static/index.html", "static/..%2fserver.py", "static//etc/passwd"):
        async with aiohttp.ClientSession() as client, client.get(f"{server.url}{path}") as answer:
            assert answer.status == 404, path
            assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_port_in_use_is_told_with_who_has_it() -> None:
    with listen(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen on 127.0.0.1:{port}: .*pid {os.getpid()} .*--port"):
            listen(port)


# --------------------------------------------------------------------------------------- the command


async def begun(made: House, *more: str, **environment: str) -> tuple[asyncio.subprocess.Process, str]:
    """The command as a process, and where it serves. It begins as ``nohup`` would start it where that is asked for."""
    nohup = ["nohup"] if environment.pop("NOHUP", None) else []
    process = await asyncio.create_subprocess_exec(
        *nohup, sys.executable, "-m", "lanes", "--db", str(made.database), "dashboard", "--serve", "--port", "0", *more,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LANES_TOKEN": TOKEN, **environment},
    )  # fmt: skip
    assert process.stderr is not None
    said = (await process.stderr.readline()).decode()
    return process, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_leaves_nothing_behind_and_the_token_is_never_said(made: House, number: signal.Signals) -> None:
    Stage(made.database).close()
    process, said = await begun(made)
    url = next(word for word in said.split() if word.startswith("http://"))
    assert "read-only" in said
    assert "LANES_TOKEN" in said
    async with tab(url, TOKEN) as one:
        await one.shows("lanes")
        children = await asyncio.to_thread(_children, process.pid)
        assert children
        process.send_signal(number)
        assert (await one.ended())[0] == aiohttp.WSCloseCode.GOING_AWAY
        assert await process.wait() == 0
    for pid in children:
        await gone(pid)
    assert process.stderr is not None
    assert TOKEN not in said + (await process.stderr.read()).decode()
    with socket.socket() as probe:
        port = int(url.rstrip("/").rpartition(":")[2])
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_server_that_is_killed_takes_its_dashboards_with_it(made: House) -> None:
    Stage(made.database).close()
    process, said = await begun(made, "--write", NOHUP="yes")
    assert "WRITES" in said
    url = next(word for word in said.split() if word.startswith("http://"))
    async with tab(url, TOKEN) as one:
        await one.shows("lanes")
        process.send_signal(signal.SIGHUP)  # which it was started to ignore
        await one.type("J")
        await one.shows("journal")
        (pid,) = await asyncio.to_thread(_children, process.pid)
        process.kill()
        await process.wait()
        await gone(pid)


async def test_without_a_terminal_to_show_it_on_it_needs_a_token_of_the_environment(made: House) -> None:
    Stage(made.database).close()
    process, said = await begun(made, LANES_TOKEN="")
    assert "set LANES_TOKEN" in said
    assert await process.wait() == 78


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
