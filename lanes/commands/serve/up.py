"""``lanes up``: a gateway and the dashboard, for one person."""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from lanes.base.errors import ConfigError
from lanes.commands.common.database import real_runner_ran
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.printing import say
from lanes.commands.serve.screen import Screen, log_beside, on_a_terminal

if TYPE_CHECKING:
    import socket

    from lanes.config import Config


@dataclass(frozen=True, slots=True)
class ServePlan:
    """What to serve: the configuration, or the simulated provider in place of its runners."""

    config: "Config"
    database: str
    simulate: bool


@click.command("up", epilog="Example: lanes up")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on, instead of gateway.port; 0: any.")
@click.option("--simulate", is_flag=True, help="Ask the simulated provider, whatever is configured.")
@pass_session
def command(session: Session, port: int | None, simulate: bool) -> None:
    """Start a gateway and, on a terminal, the dashboard.

    With no provider configured it runs a simulated one, on a separate database.
    """
    plan = _plan(session, port, simulate)
    from lanes.server.preflight import check
    from lanes.server.serve import bind

    if not plan.simulate:
        check(plan.config)
    listener = bind(plan.config)
    from lanes.commands.serve.leaving import run_to_its_end

    run_to_its_end(_up(plan, listener, dashboard=on_a_terminal()))


def _plan(session: Session, port: int | None, simulate: bool) -> ServePlan:
    from lanes.config.declared import places

    config = session.serving_config(gateway__port=port)
    if (config.runners or config.sources) and not simulate:
        return ServePlan(config, session.database(serving=True), simulate=False)
    named = session.named_database or config.database.url or os.environ.get("LANES_DB")
    database = named or str(places.demo_database())
    if not simulate and real_runner_ran(database):
        raise ConfigError(
            f"no runner is configured, and {database} was used by a real one: configure it again,"
            " or say --simulate to let the simulated provider answer its messages"
        )
    return ServePlan(config, database, simulate=True)


async def _up(plan: ServePlan, listener: "socket.socket", *, dashboard: bool) -> None:
    from lanes.commands.serve.serving import run_gateway
    from lanes.config import simulated
    from lanes.logs import log_to
    from lanes.simulate.server import serve as serve_simulator

    log_to("info", log_beside() if dashboard else None)
    stop, screen = asyncio.Event(), Screen(plan.database, plan.config.source)

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
