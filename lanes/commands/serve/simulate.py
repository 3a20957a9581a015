"""``lanes simulate provider``: a provider with faults to choose, for trying things out."""

import textwrap
from itertools import zip_longest
from pathlib import Path

import click

from lanes.commands.common.options import with_globals
from lanes.simulate.faults import FAULTS

DEFAULT_PORT = 8766


def _faults() -> str:
    names = [name if argument is None else f"{name}-N" for name, (argument, _) in FAULTS.items()]
    width = max(map(len, names)) + 2
    descriptions = (textwrap.wrap(meaning, 76 - width, break_on_hyphens=False) for _, meaning in FAULTS.values())
    lines = [
        f"  {word:<{width}}{line}"
        for name, part in zip(names, descriptions, strict=True)
        for word, line in zip_longest([name], part, fillvalue="")
    ]
    return "\n".join(["\b", "The model chooses what happens, or its name in [[brackets]] in the text:", *lines])


@click.group("simulate", epilog="Example: lanes simulate provider --port 8766")
def command() -> None:
    """A provider that fails as it is told to."""


@click.command("provider", epilog=f"{_faults()}\n\nExample: lanes simulate provider --port 8766")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--log", type=click.Path(path_type=Path, dir_okay=False), help="Write every request to this file, as JSON lines."
)
@click.option(
    "--tempo",
    type=click.FloatRange(0.01, 1000),
    default=1.0,
    show_default=True,
    help="How many times faster than real time.",
)
def provider(port: int, host: str, log: Path | None, tempo: float) -> None:
    """A provider with faults to choose.

    It speaks every dialect (chat, responses, messages), listens on loopback, and says its address on stderr.

    Ctrl-C or SIGTERM ends it.
    """
    from lanes.simulate.server import run

    try:
        run(port, host, log, tempo)
    except OSError as error:
        raise click.ClickException(f"it cannot listen on {host} port {port}: {error.strerror or error}") from error


command.add_command(with_globals(provider))
