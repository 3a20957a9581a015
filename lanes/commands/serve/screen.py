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
#: Resets the terminal modes that the dashboard sets, in its own order: synchronized output, bracketed paste, no line
#: wrap, size reports, mouse, keyboard protocol, alternate screen, hidden cursor, focus reports.
GIVE_BACK = (
    "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
#: How long the dashboard may take to end after SIGTERM.
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
        """``config``: the gateway's file, whose policies also apply to messages that are sent from the dashboard."""
        self._options = ["--db", database, *(("--config", str(config)) if config is not None else ())]
        self._task: asyncio.Task[None] | None = None

    def open(self, stop: asyncio.Event) -> None:
        """Start the dashboard; set ``stop`` when its user also stops the gateway, or the terminal is gone."""
        self._task = asyncio.create_task(self._run(stop), name="lanes-dashboard")

    async def close(self) -> None:
        """End the dashboard, if it still runs."""
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
            with contextlib.suppress(termios.error):  # the terminal may be gone
                termios.tcsetattr(terminal, termios.TCSADRAIN, before)
            if (process.returncode or 0) < 0 and not hung_up(terminal):  # a killed dashboard could not
                sys.stdout.write(GIVE_BACK)
                sys.stdout.flush()
        if code == STOP_TOO:
            say("the gateway lets its runs end, then stops: Ctrl-C stops it now")
            stop.set()
            return
        if hung_up(terminal):  # SIGHUP goes to the leader of the session only, which may be `make`, say
            ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            log.info("the terminal is gone: %s", "the gateway goes on" if ignored else "the gateway drains")
            if not ignored:
                stop.set()
            return
        from lanes.runners.command.trees import ended_with  # the gateway has loaded it already

        log_to("info")
        if stop.is_set():  # Ctrl-C reaches the gateway too, while the dashboard does not read keys
            return
        ended = "" if code == 0 else f"the dashboard {ended_with(code)}; "
        say(f"{ended}the gateway continues here: Ctrl-C stops it, `lanes dashboard` opens the dashboard again")


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End the process. A dashboard whose terminal is gone does not always react to SIGTERM."""
    process.terminate()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
