import click


@click.command("up", epilog="Example: lanes")
def command() -> None:
    """X."""
