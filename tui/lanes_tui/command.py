"""``lanes dashboard``: added to the command line through the entry point group ``lanes.commands``."""

import asyncio
import os
import re
import sys
from pathlib import Path

import click

from lanes.commands.common.actor import actor
from lanes.commands.common.session import Session, pass_session

SIZE = re.compile(r"([1-9][0-9]{1,2})x([1-9][0-9]{0,2})")


@click.command("dashboard", epilog="Example: lanes dashboard --read-only")
@click.option("--read-only", is_flag=True, help="Look, and act on nothing.")
@click.option("--screenshot", type=click.Path(path_type=Path, dir_okay=False), hidden=True)
@click.option("--size", default="120x36", hidden=True)
@pass_session
def dashboard(session: Session, read_only: bool, screenshot: Path | None, size: str) -> None:
    """Watch lanes live, and free them.

    Without a terminal it prints the lanes once.
    """
    from lanes_storage import open_store
    from lanes_tui.app import Dashboard
    from lanes_tui.file_source import FileSource
    from lanes_tui.settings import load, settings_path
    from lanes_tui.source import Lost
    from lanes_tui.still import picture, table

    url = session.database()
    open_store(url).close()  # a database that is missing or newer is refused before the screen is taken
    source = FileSource(url, actor=actor(), read_only=read_only)
    if screenshot is not None:
        screenshot.write_text(asyncio.run(picture(source, _size(size))), encoding="utf-8")
        return
    if not _on_a_terminal():
        try:
            click.echo(asyncio.run(table(source)), nl=False)
        except Lost as lost:
            raise click.ClickException(str(lost)) from lost
        return
    code = Dashboard(source, load(settings_path()), with_gateway=os.environ.get("LANES_UP") == "1").run()
    sys.exit(code or 0)


def _on_a_terminal() -> bool:
    """Whether there is a screen to paint on: the toolkit would paint, on stderr, all the same."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _size(given: str) -> tuple[int, int]:
    found = SIZE.fullmatch(given)
    if found is None:
        raise click.BadParameter("a size is columns x rows, such as 120x36", param_hint="--size")
    return int(found[1]), int(found[2])
