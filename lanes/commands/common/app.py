"""The table of commands. A command's module is imported when it is called, or for the help listing."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING

import click

from lanes.commands.common.options import GLOBALS, with_globals

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: The commands that say more than their verb does, or have none, in the order of the help, each with the folder of its
#: module, which has the name of the command and names it ``command``.
COMMANDS = {
    "up": "serve",
    "gateway": "serve",
    "demo": "serve",
    "status": "serve",
    "list": "operate",
    "show": "operate",
    "why": "operate",
    "send": "operate",
    "abort": "operate",
    "messages": "operate",
    "conversation": "maintain",
    "move": "operate",
    "dead-letters": "operate",
    "events": "operate",
    "providers": "operate",
    "drain": "serve",
    "reconcile": "serve",
    "doctor": "maintain",
    "bundle": "maintain",
    "db": "maintain",
    "config": "maintain",
    "watch": "watch",
    "guard": "maintain",
    "simulate": "serve",
    "bench": "maintain",
    "completion": "maintain",
}
#: The commands that are made of their verb alone, each with the module of ``lanes.verbs`` that declares it.
OF_VERBS = {
    "answer": "sending",
    "steer": "sending",
    "pause": "control",
    "resume": "control",
    "ack": "control",
    "retry": "messages",
    "drop": "messages",
}
#: Other packages add their commands here.
ENTRY_POINTS = "lanes.commands"


def commands() -> list[str]:
    """Every command of ours, in the order of the help."""
    return [name for each in COMMANDS for name in (each, *(OF_VERBS if each == "abort" else ()))]


class LazyGroup(click.Group):
    """Knows its commands by name, and imports one only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        ours = commands()
        return [*ours, *sorted(_added().keys() - set(ours))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if (folder := COMMANDS.get(cmd_name)) is not None:
            found = import_module(f"lanes.commands.{folder}.{cmd_name.replace('-', '_')}").command
        elif (module := OF_VERBS.get(cmd_name)) is not None:
            from lanes.commands.common.generated import command_of

            found = command_of(getattr(import_module(f"lanes.verbs.{module}"), cmd_name))
        else:
            added = _added().get(cmd_name)
            if added is None:
                return None
            found = _loaded(added)
        return with_globals(found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:
            import difflib

            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"did you mean `{close[0]}`?" if close else "`lanes --help` lists them"
            ctx.fail(f"there is no command {args[0]}; {hint}")
        found = super().resolve_command(ctx, args)
        gc.freeze()  # what is imported stays, so no collection has to look at it
        gc.enable()
        return found


def _added() -> dict[str, EntryPoint]:
    # importlib.metadata costs more than everything else that `lanes abort` imports.
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _loaded(point: EntryPoint) -> click.Command:
    """The command of another package; where that is broken, one that says so, since ours must go on working."""
    try:
        command: click.Command = point.load()
    except ImportError as error:
        problem = f"the command {point.name} cannot be loaded from {point.value}: {error}; install lanes again"

        def refuse() -> None:
            raise click.ClickException(problem)

        return click.Command(point.name, callback=refuse, short_help="(broken: cannot be loaded)")
    return command


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's signature
    if value and not ctx.resilient_parsing:
        from lanes import __version__

        click.echo(f"lanes {__version__}")
        ctx.exit()


lanes = LazyGroup(
    "lanes",
    help="""One agent run at a time per conversation, and a way out when one is stuck.

    Commands act on the database itself, so they work with the gateway alive, hung or dead.
    """,
    epilog="""\b
    Examples:
      lanes up                      a gateway and the dashboard
      lanes send demo:1 "hello"     give a lane something to do
      lanes list                    what is held, what waits, what went wrong
      lanes why demo:1              why a lane does not move
      lanes abort demo:1            free it
    """,
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Show the version and exit.",
        ),
        *GLOBALS,
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
