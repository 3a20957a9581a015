"""``lanes gateway``: the gateway alone, in the foreground."""

import click

from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.printing import say

LEVELS = ("debug", "info", "warning", "error")


@click.command("gateway", epilog="Example: lanes gateway --config lanes.toml --port 8765")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on, instead of gateway.port; 0: any.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="How much to log.")
@pass_session
def command(session: Session, port: int | None, log_level: str) -> None:
    """Run a gateway, in the foreground.

    It takes messages over HTTP, runs them one at a time per lane, and releases lanes that dead processes hold.
    SIGTERM or Ctrl-C drains it; a second one stops it at once.
    """
    config = session.serving_config(gateway__port=port)
    from lanes.commands.serve.leaving import run_to_its_end
    from lanes.commands.serve.serving import run_gateway
    from lanes.logs import log_to
    from lanes.server.preflight import check
    from lanes.server.serve import bind

    check(config)
    listener = bind(config)
    log_to(log_level)
    database = session.database(serving=True)
    run_to_its_end(
        run_gateway(config, database, listener, on_ready=lambda url: say(f"gateway on {url}, database {database}"))
    )
