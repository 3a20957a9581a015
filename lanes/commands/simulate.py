import click


@click.command("simulate", epilog="Example: lanes")
def command() -> None:
    """X."""
