"""Commands that are generated from their verb alone: they act on lanes or on messages, or give a lane a text."""

from typing import Any

import click

from lanes.commands.common.each import InOrder, chosen_keys, confirmed, do_each, nothing_fits, refuse_unless_one
from lanes.commands.common.exits import Exit, fail
from lanes.commands.common.options import ID, keys_argument, message_text
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.verbs import command_for, epilog, options_of
from lanes.commands.output.printing import Output
from lanes.drivers.driver import Driver
from lanes.explain.phrases import counted
from lanes.verbs.messages import EVERY, message_count, message_ids
from lanes.verbs.outcomes import Action
from lanes.verbs.queries import list_
from lanes.verbs.verb import Verb
from lanes_storage.records import How, LaneFilter

BULK = """

With --filter: every message that fits and allows it, the oldest first.

Exit code 1 if the message does not allow it.
"""


def command_of(verb: Verb[..., Any]) -> click.Command:
    """The command of a verb that acts on lanes or on messages, or gives a lane a text."""
    if "text" in verb.by_name:
        return _command_with_text(verb)
    return _command_on_messages(verb) if "id" in verb.by_name else _command_on_lanes(verb)


def _command_with_text(verb: Verb[..., Any]) -> click.Command:
    @command_for(verb)
    @click.argument("text")
    def command(session: Session, /, text: str, **params: Any) -> int:
        text = message_text(text)
        with session.desk() as desk:
            message = desk.call(verb, text=text, **params)
            session.print_accepted(desk, message, verb.outcome(message).sentence)
        return Exit.DONE

    return command


def _command_on_lanes(verb: Verb[..., Any]) -> click.Command:
    whole = verb.about.whole

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
        **params: Any,
    ) -> int:
        refuse_unless_one(keys, params.get("epoch"))
        if every and (keys or filter_ is not None or match is not None):
            fail("--all means every lane: leave out KEY, --filter and --match")
        with session.desk() as desk:
            if whole is not None and (every or (match is not None and filter_ is None and not keys)):
                whole_params = {name: value for name, value in params.items() if name in whole.by_name}
                acted = desk.call(whole, **({} if every else {"match": match}), **whole_params)
                if acted.done or every:
                    session.out.result([acted], whole.outcome(acted).sentence)
                    return Exit.DONE
            return do_each(
                session.out,
                chosen_keys(desk, keys, filter_=filter_, match=match),
                lambda key: desk.call(verb, key=key, **params),
                lambda acted: f"{acted.lane.key}: {verb.outcome(acted).sentence}",
                nothing=lambda: nothing_fits(desk, filter_),
            )

    return command


def _command_on_messages(verb: Verb[..., Any]) -> click.Command:
    action = Action(verb.name)
    sentence_of = verb.about.printed or (lambda message: verb.outcome(message).sentence)

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
                session.print_accepted(desk, message, sentence_of(message))
                return Exit.DONE
            chosen = filter_ or EVERY

            def ids(filter_: LaneFilter) -> list[int]:
                return [int(number) for number in desk.call(message_ids, for_=action, filter_=filter_)]

            numbers = ids(chosen)
            if len(numbers) > 1 and not yes and not confirmed(out, _would(action, len(numbers))):
                return Exit.FAILED
            code = do_each(
                out,
                numbers,
                InOrder(lambda number: desk.call(verb, id=number), lambda key: ids(chosen.where("key", How.IS, key))),
                sentence_of,
                nothing=lambda: nothing_fits(desk, filter_, f"nothing to {action}"),
            )
            if action is Action.RETRY and numbers and (alone := session.alone(desk)) is not None:
                out.talk(alone)
            return code

    return command


def _count(out: Output, desk: Driver, action: Action, chosen: LaneFilter | None) -> int:
    found = desk.call(message_count, for_=action, filter_=chosen)
    out.result(found, f"it would {_would(action, found.messages)}")
    return Exit.DONE


def _would(action: Action, number: int) -> str:
    return f"{action} {counted(number, 'message')}"
