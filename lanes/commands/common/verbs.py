"""Commands of the table of verbs: options and help as they are declared, and one call for each lane."""

from collections.abc import Callable
from typing import Any

import click

from lanes.base.errors import Unfit
from lanes.commands.common.each import chosen_keys, chosen_messages, do_each
from lanes.commands.common.exits import Exit
from lanes.commands.common.options import (
    DURATION,
    ID,
    KEY,
    ChoiceType,
    FilterType,
    NumberType,
    filter_option,
    keys_argument,
    match_option,
    message_filter_option,
)
from lanes.commands.common.session import Session, pass_session
from lanes.records import Message
from lanes.verbs import kinds
from lanes.verbs.outcomes import Action
from lanes.verbs.verb import Verb, VerbParam
from lanes_storage.records import LaneFilter, Subject

#: More words than these are not named in the usage.
MOST_SHOWN = 6
#: Kinds that have a type of their own on the command line.
TYPES = {
    kinds.KEY: KEY,
    kinds.ID: ID,
    kinds.DURATION: DURATION,
    kinds.COUNT: click.IntRange(min=0),
    **{kinds.filter_of(subject): FilterType(subject) for subject in Subject},
}


def command_of(verb: Verb[..., Any]) -> click.Command:
    """The command of a verb that does one thing to lanes."""

    @click.command(verb.name, help=verb.doc, epilog=epilog(verb))
    @keys_argument
    @filter_option
    @match_option
    @options_of(verb)
    @click.pass_context
    @pass_session
    def command(
        session: Session,
        ctx: click.Context,
        /,
        keys: tuple[str, ...],
        chosen: LaneFilter | None,
        match: str | None,
        **given: Any,
    ) -> int:
        assert verb.said is not None
        said = verb.said
        if given.get("epoch") is not None and len(set(keys)) != 1:
            ctx.fail("--epoch is for exactly one KEY")
        with session.desk() as desk:
            return do_each(
                session.out,
                chosen_keys(ctx, desk, keys, chosen, match),
                lambda key: desk.call(verb, key=key, **given),
                lambda acted: f"{acted.lane.key}: {said(acted).sentence}",
            )

    return command


def command_on_messages(
    verb: Verb[..., Any],
    *,
    about: str,
    told: Callable[[Message], str],
    nothing: str,
) -> click.Command:
    """The command of a verb that does one thing to messages: to one by its id, or to those of a filter.

    ``about`` is its help, ``told`` what it prints of each, and ``nothing`` what is said where the filter chooses none.
    """

    @click.command(verb.name, help=about, epilog=epilog(verb))
    @click.argument("message_id", metavar="[ID]", type=ID, required=False)
    @message_filter_option
    @click.option("--yes", is_flag=True, help="Do not ask; needed for more than one message without a terminal.")
    @click.pass_context
    @pass_session
    def command(
        session: Session, ctx: click.Context, /, message_id: int | None, chosen: LaneFilter | None, yes: bool
    ) -> int:
        with session.desk() as desk:
            if chosen is None and message_id is not None and session.out.json:
                session.out.data(desk.call(verb, id=message_id))
                return Exit.DONE
            numbers = chosen_messages(ctx, session.out, message_id, chosen, desk, Action(verb.name), yes=yes)
            if numbers is None:
                return Exit.FAILED
            return do_each(session.out, numbers, lambda number: desk.call(verb, id=number), told, nothing=nothing)

    return command


def options_of(verb: Verb[..., Any], *besides: str) -> Callable[[Any], Any]:
    """The options that a verb declares, ``besides`` those that the command takes in another way."""

    def decorated(function: Any) -> Any:
        for param in reversed(verb.params):
            optional = not param.required and param.kind is not kinds.KEY
            if optional and param.given is None and param.name not in besides:
                function = _option(param)(function)
        return function

    return decorated


def epilog(verb: Verb[..., Any]) -> str:
    """The examples of a verb."""
    if len(verb.about.examples) == 1:
        return f"Example: {verb.about.examples[0]}"
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in verb.about.examples)])


def _option(param: VerbParam) -> Callable[[Any], Any]:
    names, said = [f"--{param.wire.replace('_', '-')}", param.name], param.meaning
    if param.kind is kinds.FLAG:
        return click.option(*names, is_flag=True, help=said)
    if "enum" in param.kind.schema:
        if param.many:
            return click.option(*names, multiple=True, type=WordType(param), help=said)
        many = len(param.kind.schema["enum"]) > MOST_SHOWN
        metavar = param.wire[0].upper() if many else None
        default = param.default and str(param.default)
        return click.option(
            *names, type=WordType(param), default=default, metavar=metavar, show_default=default is not None, help=said
        )
    return click.option(*names, type=_type(param), metavar=param.kind.metavar, help=said)


def _type(param: VerbParam) -> Any:
    return TYPES.get(param.kind) or Written(param)


class Written(NumberType):
    """A value as its kind is written."""

    def __init__(self, param: VerbParam) -> None:
        self.name = param.kind.metavar.lower()
        self._param = param

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._param.kind.parse(str(value), self._param.wire)
        except Unfit as error:
            self.fail(str(error), param, ctx)


class WordType(ChoiceType):
    """One of the words of a kind, as its value."""

    def __init__(self, param: VerbParam) -> None:
        super().__init__(param.kind.schema["enum"])
        self._param = param

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self._param.kind.parse(str(super().convert(value, param, ctx)), self._param.wire)
