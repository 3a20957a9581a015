"""``lanes watch``: watch other programs' gateways, without a gateway of lanes."""

import click

from lanes.base.errors import ConfigError
from lanes.commands.common.exits import Exit
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.printing import say
from lanes.commands.serve.gateway import LEVELS
from lanes.config.declared.setting import WATCHED


@click.command(
    "watch",
    epilog="""\b
    Examples:
      lanes watch add      find what runs here, pair with it, and configure it
      lanes watch          watch it, until Ctrl-C
    """,
)
@click.argument("action", type=click.Choice(["add"]), required=False, metavar="[add]")
@click.option("--kind", type=click.Choice(tuple(WATCHED)), help="add: only gateways of this program.")
@click.option("--name", help="add: the prefix of the names of its lanes. [default: the program's name]")
@click.option("--address", help="add: its address, if it is not found automatically.")
@click.option("--token-file", type=click.Path(dir_okay=False), help="add: the file that holds its token.")
@click.option("--yes", is_flag=True, help="add: read its token here, and write the file, without asking.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="How much to log.")
@pass_session
def command(
    session: Session,
    action: str | None,
    kind: str | None,
    name: str | None,
    address: str | None,
    token_file: str | None,
    yes: bool,
    log_level: str,
) -> int:
    """Watch other programs' gateways, in the foreground.

    What is configured as [[watch]] is seen by every command and the dashboard, and can be freed. A gateway of lanes
    with the same configuration does that as well; one process of a database watches at a time.

    With `add` it finds a gateway that runs here, tries it or pairs with it, and writes it into lanes.toml. It asks
    before it reads another program's configuration or environment. A token goes only to a process of this user on this
    machine, or over an encrypted connection; OpenClaw's is used once, and not stored.
    """
    if action == "add":
        from lanes.commands.watch.adding import NewWatch, add_watch

        return add_watch(session, NewWatch(kind, name, address, token_file, yes))
    config = session.config()
    if not config.watches:
        raise ConfigError("no [[watch]] is configured: `lanes watch add` finds what runs here")
    from lanes.commands.serve.leaving import run_to_its_end
    from lanes.commands.watch.standalone import watch_alone
    from lanes.logs import log_to

    log_to(log_level)
    database = session.database(serving=True)
    names = ", ".join(f"{watch.name} ({watch.url})" for watch in config.watches)
    run_to_its_end(watch_alone(config, database, on_ready=lambda: say(f"watching {names}, database {database}")))
    return Exit.DONE
