"""Options and argument types that several commands share; global options are stored in the session."""

import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import click

from lanes.base import arguments
from lanes.base.durations import parse
from lanes.base.errors import InvalidKey, NotFound
from lanes.base.terminal import check_key
from lanes.commands.common.exits import fail
from lanes.commands.common.session import Session
from lanes_storage.records import LaneFilter, Subject

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    TextType = click.ParamType[str]
    NumberType = click.ParamType[int]
    FilterParam = click.ParamType[LaneFilter]
    ChoiceType = click.Choice[str]
else:  # older ones of click cannot be subscripted
    TextType = NumberType = FilterParam = click.ParamType
    ChoiceType = click.Choice


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Store a global option in the session; one after the command overrides one before it."""

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # noqa: ARG001 - click's signature
        session = ctx.ensure_object(Session)
        if value is not None and value is not False:
            setattr(session, name, value)

    return keep


def _show_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's signature
    if value and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _naming_option(option: str, metavar: str, attribute: str, help_text: str) -> click.Option:
    """A global option that names something."""
    return click.Option([option], metavar=metavar, expose_value=False, callback=_keep(attribute), help=help_text)


#: Accepted before and after every command. ``--help`` is one of them, since click's own looks for a translation at each
#: start.
GLOBALS: tuple[click.Option, ...] = (
    _naming_option("--db", "URL", "named_database", "The database: a path, or sqlite:///path. [env: LANES_DB]"),
    _naming_option(
        "--url",
        "URL",
        "named_url",
        "A gateway elsewhere, instead of a database: http://HOST:PORT. [env: LANES_URL, LANES_TOKEN]",
    ),
    _naming_option("--config", "FILE", "named_config", "The configuration file. [env: LANES_CONFIG]"),
    click.Option(["--json"], is_flag=True, expose_value=False, callback=_keep("json"), help="Print JSON, for scripts."),
    click.Option(
        ["-h", "--help"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_help,
        help="Show this message and exit.",
    ),
)


def with_globals(command: click.Command) -> click.Command:
    """Add the global options that a command does not have yet, and return it."""
    own = {name for param in command.params for name in param.opts}
    command.params += [option for option in GLOBALS if own.isdisjoint(option.opts)]
    return command


class KeyType(TextType):
    """A session key, kept exactly."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return check_key(str(value))
        except InvalidKey as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> "list[CompletionItem[Any]]":
        from lanes.commands.common.completion import complete_keys

        return complete_keys(ctx, incomplete)


class DurationType(NumberType):
    """A duration such as ``30s``, as whole milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class IdType(NumberType):
    """The id of a message. A text that can be no id is a NotFound, not a usage error."""

    name = "id"
    #: The largest that a database can give.
    largest = 2**63 - 1

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not text:
            self.fail("it is empty", param, ctx)
        number = arguments.digits(text)
        if number is None or number > self.largest:
            raise NotFound("message", text)
        return number


class FilterType(FilterParam):
    """A filter of lanes, or of messages or events. An empty one is refused where it is an option: a script with an
    empty variable must not choose everything.
    """

    name = "filter"

    def __init__(self, of: Subject = Subject.LANE) -> None:
        self.of = of

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> LaneFilter:
        if isinstance(value, LaneFilter):
            return value
        from lanes.filters import parse

        parsed = parse(str(value), 0, self.of)
        if parsed.problem is not None:
            self.fail(parsed.problem, param, ctx)
        if parsed.chosen.everything:
            self.fail("it is empty, and would choose everything", param, ctx)
        return parsed.chosen


KEY = KeyType()
DURATION = DurationType()
ID = IdType()

all_option = click.option("--all", "every", is_flag=True, help="Every lane, lanes to come included.")
keys_argument = click.argument("keys", type=KEY, nargs=-1, metavar="[KEY]...")


def message_text(text: str) -> str:
    """The text of a message; ``-`` is read from standard input."""
    if text == "-":
        text = whole_text("TEXT", sys.stdin.buffer).removesuffix("\n")
    try:
        text.encode("utf-8")
    except UnicodeError:
        fail("TEXT is not valid UTF-8")
    if not text:
        fail("TEXT is empty")
    return text


def whole_text(name: str, file: IO[bytes]) -> str:
    """The whole text of the file that the argument ``name`` gives. It may be unreadable, such as the standard input
    under `nohup`."""
    try:
        return file.read().decode("utf-8-sig")  # Windows programs write a byte order mark
    except OSError as error:
        fail(f"{name} cannot be read: {error.strerror}")
    except UnicodeError:
        fail(f"{name} is not valid UTF-8")
