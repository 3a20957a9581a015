"""``lanes up``: the main job for one person, a gateway and the dashboard."""

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lanes.commands.common.output import say
from lanes.commands.common.session import Session, pass_session
from lanes.errors import ConfigError

if TYPE_CHECKING:
    import socket

    from lanes.config import Config

#: The dashboard's exit code when the gateway is to stop as well.
STOP_TOO = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be served: the configuration as it is, or the simulated provider in its place."""

    config: "Config"
    database: str
    simulate: bool


@click.command("up", epilog="Example: lanes up")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on, instead of gateway.port; 0: any.")
@click.option("--simulate", is_flag=True, help="Ask the simulated provider, whatever is configured.")
@pass_session
def command(session: Session, port: int | None, simulate: bool) -> None:
    """Start a gateway and, on a terminal, the dashboard.

    With no provider configured it runs a simulated one, on a database of its own.
    """
    plan = _plan(session, port, simulate)
    from lanes.server.serve import bind

    listener = bind(plan.config)
    asyncio.run(_up(plan, listener, dashboard=sys.stdin.isatty() and sys.stdout.isatty()))


def _plan(session: Session, port: int | None, simulate: bool) -> Plan:
    from lanes.config import places

    config = session.config(gateway__port=port)
    if config.runners and not simulate:
        return Plan(config, session.database(serving=True), simulate=False)
    named = session.named_database or config.database.url or os.environ.get("LANES_DB")
    database = named or str(places.demo_database())
    if not simulate and _real_runner_ran(database):
        raise ConfigError(
            f"no runner is configured, and {database} was used by a real one: configure it again,"
            " or say --simulate to let the simulated provider answer its messages"
        )
    return Plan(config, database, simulate=True)


def _real_runner_ran(database: str) -> bool:
    from lanes.commands.common.serving import SIMULATED
    from lanes_storage import open_store, reads
    from lanes_storage.errors import DatabaseMissing, DatabaseTooOld

    try:
        store = open_store(database)
    except (DatabaseMissing, DatabaseTooOld):
        return False
    try:
        return store.read(reads.real_runner_ever_ran(SIMULATED))
    finally:
        store.close()


async def _up(plan: Plan, listener: "socket.socket", *, dashboard: bool) -> None:
    from lanes.commands.common.serving import log_to, run_gateway
    from lanes.config import places, simulated
    from lanes.simulate.server import serve as serve_simulator

    log_file = None
    if dashboard:
        log_file = places.make_private(places.state_dir()) / "gateway.log"
    log_to("info", log_file)
    stop, screen = asyncio.Event(), _Screen(plan.database, log_file)

    def ready(url: str) -> None:
        if plan.simulate:
            say("no provider is configured: the simulated one answers (see `lanes simulate provider --help`)")
        say(f"gateway on {url}, database {plan.database}")
        if dashboard:
            screen.open(stop)

    async with contextlib.AsyncExitStack() as stack:
        config = plan.config
        if plan.simulate:
            config = simulated(await stack.enter_async_context(serve_simulator()), over=config)
        stack.push_async_callback(screen.close)
        await run_gateway(
            config,
            plan.database,
            listener,
            on_ready=ready,
            stop=stop,
            simulated=plan.simulate,
        )


class _Screen:
    """The dashboard as a process of its own, on the terminal of this one."""

    def __init__(self, database: str, log_file: Path | None) -> None:
        self._database = database
        self._log_file = log_file
        self._task: asyncio.Task[None] | None = None

    def open(self, stop: asyncio.Event) -> None:
        """Start it, and set ``stop`` when its user says that the gateway is to stop as well."""
        self._task = asyncio.create_task(self._run(stop), name="lanes-dashboard")

    async def close(self) -> None:
        """End it, if it has not ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, stop: asyncio.Event) -> None:
        import termios

        from lanes.commands.common.serving import log_to

        before = termios.tcgetattr(sys.stdin.fileno())
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "lanes",
            "dashboard",
            "--db",
            self._database,
            env=os.environ | {"LANES_UP": "1"},
        )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
            # However it ended, the terminal is as it was.
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
        if code == STOP_TOO:
            stop.set()
            return
        log_to("info")
        ended = "" if code == 0 else f"the dashboard ended with exit code {code}; "
        say(f"{ended}the gateway goes on here: Ctrl-C stops it, `lanes dashboard` looks at it again")
