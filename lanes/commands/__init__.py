"""The command line: ``lanes``. Each command is a module of its own, imported only when it is called."""


def main() -> None:
    """Run the command line on this process's arguments, and exit."""
    from lanes.commands.common.entry import run

    raise SystemExit(run())
