"""``lanes conversation KEY``: the turns that a lane remembers; ``new``, ``export`` and ``import``."""

import json
from typing import IO, TYPE_CHECKING, Any

import click

from lanes.commands.common.exits import Exit, fail
from lanes.commands.common.options import GLOBALS, whole_text, with_globals
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for, query_command
from lanes.commands.output.printing import Output
from lanes.explain.phrases import clock_time, counted
from lanes.records import Acted, Conversation, ConversationTurn
from lanes.verbs.conversations import conversation, export_conversation, import_conversation, new_conversation
from lanes.verbs.verb import Verb

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: The global options, and whether each is a flag, without a value.
_ALONE = {name: bool(option.is_flag) for option in GLOBALS for name in option.opts}


class _Group(click.Group):
    """A group whose first argument may also be a key; the command is then ``show``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        place = 0
        while place < len(args) and (option := args[place].partition("="))[0] in _ALONE:
            place += 1 if option[1] or _ALONE[option[0]] else 2
        if place < len(args) and args[place] not in self.commands and not {"-h", "--help"} & {*args[:place]}:
            args = [*args[:place], "show", *args[place:]]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[Any]]":
        from lanes.commands.common.completion import complete_keys

        return [*super().shell_complete(ctx, incomplete), *complete_keys(ctx, incomplete)]


@click.group(
    "conversation",
    cls=_Group,
    epilog="""\b
    Examples:
      lanes conversation agent:main:telegram:42
      lanes conversation agent:main:telegram:42 --number 1 --json
      lanes conversation new agent:main:telegram:42
      lanes conversation export agent:main:telegram:42 > talk.json
      lanes conversation import agent:main:telegram:42 talk.json
    """,
)
def command() -> None:
    """What a lane remembers; begin a new conversation.

    `lanes conversation KEY` shows its turns. For a key that is one of the words below, write `show` before it.
    """


def _print(out: Output, found: Conversation) -> None:
    earlier = [f"{each.number} ({counted(each.turns, 'turn')})" for each in found.conversations]
    if found.number > 1 or not found.current:
        out.line(f"conversation {found.number} of {found.key}; kept are: {', '.join(earlier) or 'none'}")
    if not found.turns:
        out.talk("it has no turns yet")
    for turn in found.turns:
        _print_turn(out, turn)


def _print_turn(out: Output, turn: ConversationTurn) -> None:
    note = "" if turn.told else ", no longer sent: it is too long for the model"
    source = "imported" if turn.message_id is None else f"message {turn.message_id}"
    out.line()
    out.line(f"{clock_time(turn.at)}  {source}, {turn.state}{note}")
    out.paragraph(f"> {turn.text}")
    if turn.tools:
        out.line(f"(called {', '.join(turn.tools)})")
    if turn.reply:
        out.paragraph(turn.reply)


@command_for(new_conversation)
@click.option("--yes", is_flag=True, help="Do not ask.")
def new(session: Session, /, key: str, yes: bool, **params: Any) -> int:
    if session.out.is_interactive and not yes and not click.confirm(f"Begin a new conversation in {key!a}?", err=True):
        return Exit.FAILED
    return _begin(session, new_conversation, key=key, **params)


def _begin(session: Session, verb: Verb[..., Acted], **params: Any) -> int:
    with session.desk() as desk:
        acted = desk.call(verb, **params)
    session.out.result(acted, f"{acted.lane.key}: {verb.outcome(acted).sentence}")
    return Exit.DONE


@command_for(export_conversation)
def export(session: Session, /, **params: Any) -> int:
    with session.desk() as desk:
        session.out.data(desk.call(export_conversation, **params))
    return Exit.DONE


@command_for(import_conversation)
@click.argument("file", type=click.File("rb"))
def import_(session: Session, /, key: str, file: IO[bytes]) -> int:
    return _begin(session, import_conversation, key=key, messages=_messages(file))


def _messages(file: IO[bytes]) -> tuple[dict[str, Any], ...]:
    """The chat messages of a file: an export, or a JSON list of messages."""
    text = whole_text("FILE", file)
    if not text.strip():
        fail("FILE is empty")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        fail(f"FILE is not JSON: {error}")
    messages = document.get("messages") if isinstance(document, dict) else document
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        fail("FILE has no list of chat messages")
    return tuple(messages)


show = query_command(conversation, _print)
show.name = "show"
new.name, export.name, import_.name = "new", "export", "import"
for one in (show, new, export, import_):
    command.add_command(with_globals(one))
