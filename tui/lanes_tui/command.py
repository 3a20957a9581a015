"""``lanes dashboard``: added to the command line through the entry point group ``lanes.commands``."""

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import click

from lanes.base.terminal import paints
from lanes.commands.common.actor import actor
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.printing import say

if TYPE_CHECKING:
    from lanes_tui.app import Dashboard
    from lanes_tui.display.settings import Settings
    from lanes_tui.sources.source import Source

ORPHANED = (
    "the gateway that was started with this dashboard has ended: `lanes up` starts it again, "
    "`lanes dashboard` shows the lanes without it; if Ctrl-C does nothing in this terminal, run `stty sane`"
)


@click.command(
    "dashboard",
    epilog="""\b
    Examples:
      lanes dashboard --read-only
      lanes dashboard --serve              in a browser, read-only
      lanes dashboard --serve --write      in a browser, with actions
    """,
)
@click.option("--read-only", is_flag=True, help="Only show; refuse every action.")
@click.option("--watch", is_flag=True, help="Print the lanes again whenever they change, without a screen.")
@click.option("--ascii/--unicode", "plain", default=None, help="Draw with ASCII only, or not; remembered.")
@click.option("--serve", is_flag=True, help="Serve it to browsers on this machine, read-only; needs the extra `web`.")
@click.option("--write", is_flag=True, help="With --serve: allow actions. Shown in red.")
@click.option("--port", type=click.IntRange(0, 65535), help="With --serve: the port, instead of 8767; 0: any free one.")
@click.option("--in-tab", is_flag=True, hidden=True)
@click.pass_context
@pass_session
def dashboard(
    session: Session,
    ctx: click.Context,
    /,
    read_only: bool,
    watch: bool,
    plain: bool | None,
    serve: bool,
    write: bool,
    port: int | None,
    in_tab: bool,
) -> None:
    """Watch lanes live, and free them.

    Without a terminal it prints the lanes once, or with --watch whenever they change; with --json as `lanes list`
    does. With --serve it is a page in a browser, which asks for a token.
    """
    if not serve and (write or port is not None):
        ctx.fail("--write and --port need --serve")
    if serve and (watch or (write and read_only)):
        ctx.fail("--serve cannot be used with --watch, nor with --write and --read-only together")
    still = not (in_tab or serve) and (watch or not _on_a_terminal())
    if still and session.json:
        from lanes.commands.operate.list import command as list_command

        ctx.invoke(list_command, watch=watch)
        return
    source = _source(session, read_only)
    if serve:
        from lanes_tui.web.command import PORT, serve_dashboard

        asyncio.run(source.close())
        serve_dashboard(session, port=PORT if port is None else port, writes=write, plain=plain)
        return
    if still:
        from lanes_tui.sources.source import Lost
        from lanes_tui.still import printed, table

        try:
            asyncio.run(printed(source, click.echo) if watch else table(source, click.echo))
        except Lost as lost:
            raise click.ClickException(str(lost)) from lost
        return
    from lanes_tui.display.settings import load, settings_path

    settings = load(settings_path())
    if plain is not None:
        settings.ascii = plain
        settings.save()
    app = _app(source, settings, in_tab=in_tab)
    code = app.run()
    if app.last_run is not None and app.last_run.is_cut:
        from lanes_tui.dialogs.results import sentence

        say(sentence(app.last_run).plain)
    if app.surroundings.orphaned:
        say(ORPHANED)
        sys.exit(1)
    sys.exit(app.return_code or 0 if code is None else code)  # 1 after a crash, which has been printed


def _app(source: "Source", settings: "Settings", *, in_tab: bool) -> "Dashboard":
    if in_tab:
        from lanes_tui.web.in_tab import SIGN, TabDashboard

        source.sign = "" if source.read_only else SIGN
        return TabDashboard(source, settings)
    from lanes_tui.app import Dashboard
    from lanes_tui.display.settings import settings_path
    from lanes_tui.display.views import load_views
    from lanes_tui.terminal import query_terminal, traits_of

    traits = traits_of(os.environ, lambda: query_terminal(sys.stdin.fileno()))
    views = load_views(settings_path().with_name("dashboard-views.json"))
    return Dashboard(source, settings, traits=traits, views=views, with_gateway=os.environ.get("LANES_UP") == "1")


def _source(session: Session, read_only: bool) -> "Source":
    """The source to look at. Raises StorageError, before anything is painted, if the database is missing or newer."""
    url = session.url
    if url is not None:
        from lanes_tui.sources.remote import RemoteSource

        client = session.client(url)
        client.ask("GET", "/api/status")
        return RemoteSource(client, read_only=read_only)
    from lanes_storage import open_store
    from lanes_tui.sources.file import FileSource

    path = session.database()
    open_store(path).close()
    return FileSource(path, actor=actor(), read_only=read_only, config=session.configured())


def _on_a_terminal() -> bool:
    """Whether there is a terminal to paint on. Without it, the toolkit would paint on stderr."""
    return paints(sys.stdin, sys.stdout, sys.stderr)
