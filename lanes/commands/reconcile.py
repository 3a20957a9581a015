import click


@click.command("reconcile", epilog="Example: lanes")
def command() -> None:
    """X."""
