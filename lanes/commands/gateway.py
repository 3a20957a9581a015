import click


@click.command("gateway", epilog="Example: lanes")
def command() -> None:
    """X."""
