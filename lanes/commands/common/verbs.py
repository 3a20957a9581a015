"""Commands derived from verbs: their names, help, arguments, options and calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from lanes.base.errors import Unfit
from lanes.commands.common.each import nothing_fits
from lanes.commands.common.exits import Exit
from lanes.commands.common.options import DURATION, ID, KEY, ChoiceType, FilterType, NumberType, all_option
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.printing import ON_A_TERMINAL
from lanes.verbs import kinds
from lanes.verbs.paging import PAGE
from lanes.verbs.verb import Verb, VerbParam
from lanes_storage.clock import system_clock
from lanes_storage.records import Subject

if TYPE_CHECKING:
    from lanes.drivers.driver import Driver

#: The most words of a choice that the usage lists.
MOST_SHOWN = 6
#: The click types of kinds that have their own.
TYPES = {
    kinds.KEY: KEY,
    kinds.ID: ID,
    kinds.DURATION: DURATION,
    kinds.COUNT: click.IntRange(min=0),
    **{kinds.filter_of(subject): FilterType(subject) for subject in Subject},
}
#: The help of a verb that can act on all lanes as a whole.
WHOLE = """

--all (every lane) and --match (every lane whose key fits) set or end one pause as a whole: lanes to come are included,
and it survives restarts. The pause of a single lane is separate. With --filter, or with resume where there is no such
pause, each lane that fits is acted on by itself.
"""


def command_for(verb: Verb[..., Any], *besides: str) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a function the command of a verb; it is called with the session and the given parameters.

    ``besides``: parameters for which no argument or option is derived.
    """

    def decorated(function: Callable[..., int | None]) -> click.Command:
        with_options = options_of(verb, *besides)(pass_session(function))
        key = verb.by_name.get("key")
        if key is not None and "key" not in besides:
            with_options = click.argument("key", type=KEY, required=key.required)(with_options)
        return click.command(verb.name, help=verb.doc + (WHOLE if verb.about.whole else ""), epilog=epilog(verb))(
            with_options
        )

    return decorated


def query_command(
    verb: Verb[..., Any],
    print_: Callable[..., None],
    *,
    nothing: str = "",
    exit_code: Callable[[Session, Any], int] = lambda _, __: Exit.DONE,
) -> click.Command:
    """The command of a verb that only reads, and whose result it prints.

    ``nothing``: the verb returns a list, which is read page by page, and this is printed for an empty one.
    """

    @command_for(verb)
    def command(session: Session, /, **params: Any) -> int:
        out = session.out
        if "limit" in params:
            params["limit"] = out.limit(params["limit"])
        with session.desk() as desk:
            if nothing:
                out.pages(
                    pages(desk, verb, params),
                    lambda page, titles: print_(out, page, titles=titles),
                    lambda: nothing_fits(desk, params.get("filter_"), nothing),
                )
                return Exit.DONE
            found = desk.call(verb, **params)
        if out.json:
            out.data(found)
        else:
            print_(out, found)
        return exit_code(session, found)

    return command


def pages(desk: Driver, verb: Verb[..., Any], params: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """The pages of a verb's list: a single one with a limit, else many, since the list may be larger than memory."""
    paging = verb.paging
    assert paging is not None
    if params["limit"] is not None:
        yield desk.call(verb, **params)
        return
    if params.get("filter_"):  # so that ages count back from the same time on every page
        params = {**params, "filter_": kinds.timed(params["filter_"], system_clock())}
    place: dict[str, Any] = {paging.param: 0} if paging.forward else {}
    while True:
        page = desk.call(verb, **{**params, **place, "limit": PAGE})
        yield page
        if len(page) < PAGE:
            return
        place = {paging.param: paging.place(page)}
        if "since" in params:  # it would move with the clock; everything after a page is within it
            place["since"] = None


def options_of(verb: Verb[..., Any], *besides: str, only: tuple[str, ...] | None = None) -> Callable[[Any], Any]:
    """The options that a verb declares: without ``besides``, or ``only`` these."""

    def decorated(function: Any) -> Any:
        for param in reversed(verb.params):
            optional = not param.required and param.kind is not kinds.KEY and param.name not in besides
            if optional and param.restriction is None and (only is None or param.name in only):
                function = _option(param)(function)
        return function if verb.about.whole is None else all_option(function)

    return decorated


def epilog(verb: Verb[..., Any]) -> str:
    """The examples of a verb."""
    if len(verb.about.examples) == 1:
        return f"Example: {verb.about.examples[0]}"
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in verb.about.examples)])


def _option(param: VerbParam) -> Callable[[Any], Any]:
    names, help_text = [f"--{param.wire.replace('_', '-')}", param.name], param.meaning
    if param.wire == "limit":
        help_text += f" [default: {ON_A_TERMINAL} on a terminal]"
    if param.kind is kinds.FLAG:
        return click.option(*names, is_flag=True, help=help_text)
    if "enum" in param.kind.schema:
        if param.many:
            return click.option(*names, multiple=True, type=WordType(param), help=help_text)
        many = len(param.kind.schema["enum"]) > MOST_SHOWN
        metavar = param.wire[0].upper() if many else None
        default = param.default and str(param.default)
        return click.option(
            *names,
            type=WordType(param),
            default=default,
            metavar=metavar,
            show_default=default is not None,
            help=help_text,
        )
    return click.option(
        *names, type=TYPES.get(param.kind) or Written(param), metavar=param.kind.metavar, help=help_text
    )


class Written(NumberType):
    """A value in the notation of its kind."""

    def __init__(self, param: VerbParam) -> None:
        self.name = param.kind.metavar.lower()
        self._param = param

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._param.kind.parse(str(value), self._param.wire)
        except Unfit as error:
            self.fail(str(error), param, ctx)


class WordType(ChoiceType):
    """A choice among the words of a kind, converted to its value."""

    def __init__(self, param: VerbParam) -> None:
        super().__init__(param.kind.schema["enum"])
        self._param = param

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self._param.kind.parse(str(super().convert(value, param, ctx)), self._param.wire)
