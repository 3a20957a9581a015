"""The table of commands. A command's module is imported when it is called, or for the help listing."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING

import click

from lanes.commands.common.options import GLOBALS, with_globals

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: The commands by purpose, in the order of the help. The value is the folder of the command's module, which has its
#: name and defines ``command``; or the module that declares its verb (``verbs.…``), for a command that is generated
#: from its verb alone; or empty, for one of another package.
GROUPS = {
    "Start and stop": {"up": "serve", "gateway": "serve", "drain": "serve"},
    "Look": {
        "status": "serve",
        "dashboard": "",
        "list": "operate",
        "show": "operate",
        "why": "operate",
        "messages": "operate",
        "dead-letters": "operate",
        "events": "operate",
        "providers": "operate",
    },
    "Talk": {"send": "operate", "answer": "verbs.sending", "steer": "verbs.sending", "conversation": "maintain"},
    "Act on what waits, runs or has failed": {
        "abort": "operate",
        "pause": "verbs.control",
        "resume": "verbs.control",
        "ack": "verbs.control",
        "retry": "verbs.messages",
        "drop": "verbs.messages",
        "move": "operate",
        "reconcile": "serve",
    },
    "Other programs that run agents": {"guard": "maintain", "watch": "watch"},
    "Configuration, database and faults": {
        "doctor": "maintain",
        "config": "maintain",
        "db": "maintain",
        "bundle": "maintain",
    },
    "Try out, measure, complete": {"demo": "serve", "simulate": "serve", "bench": "maintain", "completion": "maintain"},
}
_PLACES = {name: place for group in GROUPS.values() for name, place in group.items()}
_VERBS = "verbs."
#: The commands that are generated from their verb alone, each with the verb's module.
OF_VERBS = {name: place.removeprefix(_VERBS) for name, place in _PLACES.items() if place.startswith(_VERBS)}
#: The commands that have a module, each with its folder.
COMMANDS = {name: place for name, place in _PLACES.items() if place and name not in OF_VERBS}
#: Other packages add their commands here.
ENTRY_POINTS = "lanes.commands"


def grouped() -> dict[str, list[str]]:
    """Every available command, by purpose."""
    added = _added()
    found = {
        title: [name for name, place in group.items() if place or name in added] for title, group in GROUPS.items()
    }
    others = sorted(added.keys() - _PLACES.keys())
    return found | ({"Of other packages": others} if others else {})


class LazyGroup(click.Group):
    """Knows its commands by name, and imports one only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for names in grouped().values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, self.list_commands(ctx)))
        for title, names in grouped().items():
            found = [(name.ljust(widest), self.get_command(ctx, name)) for name in names]
            with formatter.section(title):  # a narrow terminal wraps them
                formatter.write_dl([(name, each.get_short_help_str(500)) for name, each in found if each is not None])

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
        gc.freeze()  # collections skip the imported modules, which stay
        gc.enable()
        return found


def _added() -> dict[str, EntryPoint]:
    # importlib.metadata costs more than everything else that `lanes abort` imports.
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _loaded(point: EntryPoint) -> click.Command:
    """The command of another package; if that is broken, one that says so, since the other commands must work."""
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
