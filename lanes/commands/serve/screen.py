"""The dashboard beside a gateway in the foreground: what ``lanes up`` and ``lanes demo`` share."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from lanes.base.terminal import hung_up, paints
from lanes.commands.output.printing import say
from lanes_storage.logs import Log
from lanes_storage.threads import call_off

log = Log("lanes")

#: The dashboard's exit code when the gateway is to stop as well.
STOP_TOO = 10
#: What ends the modes that it sets on a terminal, in its own order: the picture on its way, pasting, lines that do not
#: wrap, sizes, the mouse, keys, the other screen, the hidden cursor, focus.
GIVE_BACK = (
    "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
#: How long it may take to end after SIGTERM.
PATIENCE_S = 1.0


def on_a_terminal() -> bool:
    """Whether there is a terminal to show a dashboard on."""
    return paints(sys.stdin, sys.stdout)


def log_beside() -> Path:
    """Where a gateway logs while its terminal belongs to the dashboard."""
    from lanes.config.declared import places

    return places.make_private(places.state_dir()) / "gateway.log"


class Screen:
    """The dashboard as a separate process, on the terminal of this one."""

    def __init__(self, database: str, config: Path | None = None) -> None:
        """``config``: the file of the gateway, by whose policies what is sent from the screen is taken."""
        self._options = ["--db", database, *(("--config", str(config)) if config is not None else ())]
        self._task: asyncio.Task[None] | None = None

    def open(self, stop: asyncio.Event) -> None:
        """Start it, and set ``stop`` when its user wants the gateway to stop as well, or its terminal is gone."""
        self._task = asyncio.create_task(self._run(stop), name="lanes-dashboard")

    async def close(self) -> None:
        """End it, if it has not ended."""
        if self._task is not None:
            await call_off(self._task)

    async def _run(self, stop: asyncio.Event) -> None:
        import termios

        from lanes.logs import log_to

        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "lanes",
            "dashboard",
            *self._options,
            env=os.environ | {"LANES_UP": "1"},
        )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                await _ended(process)
            with contextlib.suppress(termios.error):  # however it ended, the terminal is as it was, unless it is gone
                termios.tcsetattr(terminal, termios.TCSADRAIN, before)
            if (process.returncode or 0) < 0 and not hung_up(terminal):  # killed, it could not
                sys.stdout.write(GIVE_BACK)
                sys.stdout.flush()
        if code == STOP_TOO:
            say("the gateway stops; what runs may end first: Ctrl-C stops it at once")
            stop.set()
            return
        if hung_up(terminal):  # only what leads the session is signalled, as `make` where it is the first program
            ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            log.info("the terminal is gone: %s", "the gateway goes on" if ignored else "the gateway drains")
            if not ignored:
                stop.set()
            return
        from lanes.runners.command.trees import ended_with  # what the gateway has loaded by now, and nobody else

        log_to("info")
        if stop.is_set():  # Ctrl-C on the terminal is for both, as long as the dashboard has not taken it
            return
        ended = "" if code == 0 else f"the dashboard {ended_with(code)}; "
        say(f"{ended}the gateway goes on here: Ctrl-C stops it, `lanes dashboard` looks at it again")


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End it. A dashboard whose terminal is gone does not always react to SIGTERM."""
    process.terminate()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
