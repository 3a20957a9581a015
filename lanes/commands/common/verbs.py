"""Commands of the table of verbs: name, help, arguments, options and call as they are declared there."""

from collections.abc import Callable
from typing import Any

import click

from lanes.base.errors import Unfit
from lanes.commands.common.each import InOrder, chosen_keys, do_each, nothing_fits, refuse_unless_one
from lanes.commands.common.exits import Exit
from lanes.commands.common.options import (
    DURATION,
    ID,
    KEY,
    ChoiceType,
    FilterType,
    NumberType,
    all_option,
    fail,
    given_text,
    keys_argument,
)
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.printing import ON_A_TERMINAL, Output
from lanes.drivers.driver import Driver
from lanes.explain.phrases import counted
from lanes.verbs import kinds
from lanes.verbs.messages import EVERY, message_count, message_ids
from lanes.verbs.outcomes import Action
from lanes.verbs.queries import list_
from lanes.verbs.verb import Verb, VerbParam
from lanes_storage.records import How, LaneFilter, Subject

#: More words than these are not named in the usage.
MOST_SHOWN = 6
#: Kinds that have a separate type on the command line.
TYPES = {
    kinds.KEY: KEY,
    kinds.ID: ID,
    kinds.DURATION: DURATION,
    kinds.COUNT: click.IntRange(min=0),
    **{kinds.filter_of(subject): FilterType(subject) for subject in Subject},
}
#: Of a verb that can be done to all lanes as a whole.
WHOLE = """

--all means every lane, and --match every lane whose key fits: as a whole, lanes to come included, over restarts. A
pause of a single lane stays. With --filter, or with resume where there is no such pause, each lane that fits is acted
on by itself.
"""
BULK = """

With --filter, every message that fits and for which it is allowed, the oldest first.

Exit code 1 for a message for which it is not allowed.
"""


def command_for(verb: Verb[..., Any], *besides: str) -> Callable[[Callable[..., int | None]], click.Command]:
    """Makes a function the command of a verb: it is called with the session and the parameters that were given.

    ``besides``: parameters that it does not take from the command line, or in another way.
    """

    def made(function: Callable[..., int | None]) -> click.Command:
        with_options = options_of(verb, *besides)(pass_session(function))
        key = verb.by_name.get("key")
        if key is not None and "key" not in besides:
            with_options = click.argument("key", type=KEY, required=key.required)(with_options)
        return click.command(verb.name, help=verb.doc + (WHOLE if verb.about.whole else ""), epilog=epilog(verb))(
            with_options
        )

    return made


def query_command(
    verb: Verb[..., Any],
    print_: Callable[[Output, Any], None],
    *,
    nothing: str = "",
    exit_code: Callable[[Session, Any], int] = lambda _, __: Exit.DONE,
    opened: bool = True,
) -> click.Command:
    """The command of a verb that only reads: it prints what that gives.

    ``nothing`` is printed for an empty list. ``opened``: as for ``Session.desk``.
    """

    @command_for(verb)
    def command(session: Session, /, **given: Any) -> int:
        out = session.out
        if "limit" in given:
            given["limit"] = out.limit(given["limit"])
        with session.desk(opened=opened) as desk:
            found = desk.call(verb, **given)
            missing = nothing_fits(desk, given.get("filter_"), nothing) if nothing and not found else None
        if out.json:
            out.data(found)
        elif missing is not None:
            out.talk(missing)
        else:
            print_(out, found)
        return exit_code(session, found)

    return command


def command_of(verb: Verb[..., Any]) -> click.Command:
    """The command of a verb that does one thing to lanes, or to messages, or gives a lane a text."""
    if "text" in verb.by_name:
        return _command_with_text(verb)
    return _command_on_messages(verb) if "id" in verb.by_name else _command_on_lanes(verb)


def _command_with_text(verb: Verb[..., Any]) -> click.Command:
    said = verb.said
    assert said is not None

    @command_for(verb)
    @click.argument("text")
    def command(session: Session, /, text: str, **given: Any) -> int:
        text = given_text(text)
        with session.desk() as desk:
            accepted = desk.call(verb, text=text, **given)
        session.out.result(accepted, said(accepted).sentence)
        return Exit.DONE

    return command


def _command_on_lanes(verb: Verb[..., Any]) -> click.Command:
    said, whole = verb.said, verb.about.whole
    assert said is not None

    @command_for(verb, "key")
    @keys_argument
    @options_of(list_, only=("filter_", "match"))
    def command(
        session: Session,
        /,
        keys: tuple[str, ...],
        filter_: LaneFilter | None,
        match: str | None,
        every: bool = False,
        **given: Any,
    ) -> int:
        refuse_unless_one(keys, given.get("epoch"))
        if every and (keys or filter_ is not None or match is not None):
            fail("--all is every lane: it takes no KEY, --filter or --match")
        with session.desk() as desk:
            if whole is not None and (every or (match is not None and filter_ is None and not keys)):
                meant = {name: value for name, value in given.items() if name in whole.by_name}
                acted = desk.call(whole, **({} if every else {"match": match}), **meant)
                if acted.done or every:
                    assert whole.said is not None
                    session.out.result([acted], whole.said(acted).sentence)
                    return Exit.DONE
            return do_each(
                session.out,
                chosen_keys(desk, keys, filter_=filter_, match=match),
                lambda key: desk.call(verb, key=key, **given),
                lambda acted: f"{acted.lane.key}: {said(acted).sentence}",
                nothing=lambda: nothing_fits(desk, filter_),
            )

    return command


def _command_on_messages(verb: Verb[..., Any]) -> click.Command:
    said, action = verb.said, Action(verb.name)
    assert said is not None
    told = verb.about.printed or (lambda message: said(message).sentence)

    @click.command(verb.name, help=verb.doc + BULK, epilog=epilog(verb))
    @click.argument("message_id", metavar="[ID]", type=ID, required=False)
    @options_of(message_ids, only=("filter_",))
    @click.option("--dry-run", is_flag=True, help="With --filter: only count the messages, and change nothing.")
    @click.option("--yes", is_flag=True, help="Do not ask; needed for more than one message without a terminal.")
    @pass_session
    def command(
        session: Session, /, message_id: int | None, filter_: LaneFilter | None, dry_run: bool, yes: bool
    ) -> int:
        if (message_id is None) == (filter_ is None):
            fail("give the ID of one message, or choose several with --filter" + (", not both" if message_id else ""))
        if dry_run and filter_ is None:
            fail("--dry-run counts what a --filter chooses")
        out = session.out
        with session.desk() as desk:
            if dry_run:
                return _count(out, desk, action, filter_)
            if message_id is not None:
                message = desk.call(verb, id=message_id)
                out.result(message, told(message))
                return Exit.DONE
            chosen = filter_ or EVERY

            def ids(filter_: LaneFilter) -> list[int]:
                return [int(number) for number in desk.call(message_ids, for_=action, filter_=filter_)]

            numbers = ids(chosen)
            if len(numbers) > 1 and not yes and not _confirmed(out, action, len(numbers)):
                return Exit.FAILED
            return do_each(
                out,
                numbers,
                InOrder(lambda number: desk.call(verb, id=number), lambda key: ids(chosen.where("key", How.IS, key))),
                told,
                nothing=lambda: nothing_fits(desk, filter_, f"nothing to {action}"),
            )

    return command


def _count(out: Output, desk: Driver, action: Action, chosen: LaneFilter | None) -> int:
    found = desk.call(message_count, for_=action, filter_=chosen)
    out.result(found, f"it would {action} {counted(found.messages, 'message')}")
    return Exit.DONE


def _confirmed(out: Output, action: Action, number: int) -> bool:
    count = counted(number, "message")
    if not out.asks:
        fail(f"this would {action} {count}: look with --dry-run, then confirm with --yes")
    return click.confirm(f"{action.capitalize()} {count}?", err=True)


def options_of(verb: Verb[..., Any], *besides: str, only: tuple[str, ...] | None = None) -> Callable[[Any], Any]:
    """The options that a verb declares, or ``only`` some of them; ``besides``: without these."""

    def decorated(function: Any) -> Any:
        for param in reversed(verb.params):
            optional = not param.required and param.kind is not kinds.KEY and param.name not in besides
            if optional and param.given is None and (only is None or param.name in only):
                function = _option(param)(function)
        return function if verb.about.whole is None else all_option(function)

    return decorated


def epilog(verb: Verb[..., Any]) -> str:
    """The examples of a verb."""
    if len(verb.about.examples) == 1:
        return f"Example: {verb.about.examples[0]}"
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in verb.about.examples)])


def _option(param: VerbParam) -> Callable[[Any], Any]:
    names, said = [f"--{param.wire.replace('_', '-')}", param.name], param.meaning
    if param.wire == "limit":
        said += f" [default: {ON_A_TERMINAL} on a terminal]"
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
