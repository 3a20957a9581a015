"""``lanes demo``: a gateway, a simulated provider and traffic with faults."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import click

from lanes.base.errors import ConfigError
from lanes.commands.common.database import real_runner_ran
from lanes.commands.common.options import DURATION
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.printing import say
from lanes.commands.serve.screen import Screen, log_beside, on_a_terminal

if TYPE_CHECKING:
    import socket

    from lanes.config import Config

#: The port of the gateway, if it is free, so that the examples of the README work.
PORT = 8765


@click.command(
    "demo",
    epilog="""\b
    Examples:
      lanes demo              with the dashboard
      lanes demo --for 2m     ends by itself
    """,
)
@click.option("--for", "for_ms", type=DURATION, metavar="D", help="End after this long. [default: until Ctrl-C]")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on. [default: 8765, or a free one]")
@click.option(
    "--tempo",
    type=click.FloatRange(0.1, 20),
    default=1.0,
    show_default=True,
    help="How many times faster than real time.",
)
@pass_session
def command(session: Session, for_ms: int | None, port: int | None, tempo: float) -> None:
    """See lanes at work, with traffic that meets every fault.

    A gateway, a simulated provider and a script; on a terminal with the dashboard. Within a minute every state is
    there: running, errored, aborted, paused, parked, waiting for too long, a dead letter. It has a separate
    database (demo.db) and ignores the configuration.
    """
    from lanes.config.declared import places

    database = session.named_database or os.environ.get("LANES_DB") or str(places.demo_database())
    if real_runner_ran(database):
        raise ConfigError(f"{database} was used by a real gateway: give the demo another database")
    from lanes.commands.serve.leaving import run_to_its_end

    run_to_its_end(_demo(database, port, tempo, for_ms, dashboard=on_a_terminal()))


async def _demo(database: str, port: int | None, tempo: float, for_ms: int | None, *, dashboard: bool) -> None:
    from lanes.commands.serve.serving import run_gateway
    from lanes.logs import log_to
    from lanes.simulate.server import serve as serve_simulator

    log_to("info" if dashboard else "error", log_beside() if dashboard else None)
    stop, screen = asyncio.Event(), Screen(database)

    def ready(url: str) -> None:
        say(f"gateway on {url}, database {database}")
        if dashboard:
            screen.open(stop)
        if for_ms is not None:
            asyncio.get_running_loop().call_later(for_ms / 1000, stop.set)

    async with contextlib.AsyncExitStack() as stack:
        config, listener = _bound(await stack.enter_async_context(serve_simulator(tempo=tempo)), port, tempo)
        stack.push_async_callback(screen.close)
        await stack.enter_async_context(_traffic(database, tempo, stop, _quiet if dashboard else say))
        await run_gateway(config, database, listener, on_ready=ready, stop=stop, simulated=True)


def _bound(simulator: str, port: int | None, tempo: float) -> "tuple[Config, socket.socket]":
    """The configuration, and the socket that is bound for it. Raises ConfigError if a named port is taken."""
    from lanes.server.serve import bind
    from lanes.simulate.demo import configuration

    config = configuration(simulator, port=PORT if port is None else port, tempo=tempo)
    try:
        return config, bind(config)
    except ConfigError:
        if port is not None:
            raise
    config = configuration(simulator, port=0, tempo=tempo)
    return config, bind(config)


@contextlib.asynccontextmanager
async def _traffic(
    database: str, tempo: float, stop: asyncio.Event, print_line: Callable[[str], None]
) -> AsyncIterator[None]:
    """Play the script through its own desk during the block; the demonstration ends with it, or if it fails."""
    from lanes.desk import connect
    from lanes.simulate.demo import play

    async with connect(database) as desk:
        task = asyncio.create_task(play(desk, print_line, tempo=tempo), name="lanes-demo")
        task.add_done_callback(lambda _: stop.set())
        try:
            yield
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended


def _quiet(line: str) -> None:
    """Print nothing: the terminal belongs to the dashboard."""
    del line
