"""``lanes dead-letters``: the failed messages of every lane."""

import click

from lanes.commands.common.exits import Exit
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.verbs import options_of
from lanes.commands.output.printing import Output
from lanes.commands.output.tables import print_dead_letters
from lanes.explain.phrases import counted
from lanes.records import Message, Pruned
from lanes.verbs.messages import dead_letters, prune_dead_letters
from lanes_storage.records import LaneFilter

#: How many a terminal shows.
ON_A_TERMINAL = 50


@click.command(
    "dead-letters",
    epilog="""\b
    Examples:
      lanes dead-letters
      lanes dead-letters --older-than 30d            what a prune would delete
      lanes dead-letters --prune --older-than 30d
    """,
)
@options_of(dead_letters)
@click.option("--prune", is_flag=True, help="Delete them, for good.")
@click.option("--yes", is_flag=True, help="Do not ask; needed for --prune without a terminal.")
@click.pass_context
@pass_session
def command(
    session: Session,
    ctx: click.Context,
    /,
    filter_: LaneFilter | None,
    limit: int | None,
    older_than: int | None,
    prune: bool,
    yes: bool,
) -> int:
    """The failed messages of every lane, the newest first.

    `lanes retry ID` accepts one once more. They stay until they are pruned by hand.
    """
    _check(ctx, limit, older_than, prune, yes)
    if prune and filter_ is not None:
        ctx.fail("--prune takes all of that age: give it without --filter")
    out = session.out
    if limit is None and out.tty and not out.json and not prune:
        limit = ON_A_TERMINAL
    more = None if limit is None else limit + 1
    with session.desk() as desk:
        found = desk.call(dead_letters, filter_=filter_, older_than=older_than, limit=more)
        if not prune:
            _list(out, found, limit)
            return Exit.DONE
        if found and not yes and not _confirmed(ctx, out, len(found)):
            out.talk("nothing was pruned")
            return Exit.FAILED
        gone = desk.call(prune_dead_letters, older_than=older_than).pruned
    _report(out, gone, kept=len(found) - gone)
    return Exit.DONE


def _check(ctx: click.Context, limit: int | None, older_than: int | None, prune: bool, yes: bool) -> None:
    if prune and older_than is None:
        ctx.fail("--prune needs --older-than: say of what age they are to go (0s: all)")
    if prune and limit is not None:
        ctx.fail("--prune takes all of that age: give it without --limit")
    if yes and not prune:
        ctx.fail("--yes is for --prune")


def _confirmed(ctx: click.Context, out: Output, number: int) -> bool:
    count = counted(number, "dead letter")
    if not out.asks:
        ctx.fail(f"this would delete {count}: look without --prune, then confirm with --yes")
    return click.confirm(f"Delete {count} for good?", err=True)


def _report(out: Output, gone: int, *, kept: int) -> None:
    if out.json:
        out.data(Pruned(gone))
    else:
        out.line(f"{counted(gone, 'dead letter')} pruned")
    if kept > 0:
        out.talk(f"{kept} kept: a sender may still come again with an idempotency key within 24 h")


def _list(out: Output, found: list[Message], limit: int | None) -> None:
    shown = found[:limit]
    if out.json:
        out.data(shown)
    elif not shown:
        out.talk("no dead letter")
    else:
        print_dead_letters(out, shown)
        if len(found) > len(shown):
            out.talk(f"the newest {counted(len(shown), 'dead letter')}; --limit shows more")
