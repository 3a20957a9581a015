"""``lanes dead-letters``: the failed messages of every lane."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from lanes.commands.common.each import confirmed, nothing_fits
from lanes.commands.common.exits import Exit, fail
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for, pages
from lanes.commands.output.printing import Output
from lanes.commands.output.tables import print_dead_letters
from lanes.drivers.driver import Driver
from lanes.explain.phrases import counted
from lanes.records import Message, Pruned
from lanes.verbs.messages import dead_letters, prune_dead_letters, tally_dead_letters
from lanes.verbs.paging import one_more
from lanes_storage.errors import StorageError


@command_for(dead_letters)
@click.option("--prune", is_flag=True, help="Delete them, for good.")
@click.option("--yes", is_flag=True, help="Do not ask; needed for --prune without a terminal.")
def command(session: Session, /, prune: bool, yes: bool, limit: int | None, **params: Any) -> int:
    _check({**params, "limit": limit}, prune, yes)
    out = session.out
    with session.desk() as desk:
        if not prune:
            _list(out, desk, params, out.limit(limit))
            return Exit.DONE
        found = _number(desk, params["older_than"])
        if (
            found
            and not yes
            and not confirmed(out, f"delete {counted(found, 'dead letter')} for good", look="without --prune")
        ):
            out.talk("nothing was pruned")
            return Exit.FAILED
        pruned = desk.call(prune_dead_letters, older_than=params["older_than"]).pruned
    _report(out, pruned, kept=found - pruned)
    return Exit.DONE


def _number(desk: Driver, older_than_ms: int) -> int:
    """How many dead letters are of that age, without reading them all: together they may be larger than memory."""
    try:
        return int(desk.call(tally_dead_letters, older_than=older_than_ms).letters)
    except StorageError as error:
        from lanes.drivers.client import NoRoute  # loads what only --url needs

        if not isinstance(error, NoRoute):
            raise
        return len(desk.call(dead_letters, older_than=older_than_ms))


def _check(params: dict[str, Any], prune: bool, yes: bool) -> None:
    if prune and params["older_than"] is None:
        fail("--prune needs --older-than: the age from which they are deleted (0s: all)")
    for name in ("limit", "filter_"):
        if prune and params[name] is not None:
            fail(f"--prune deletes all of that age: leave out --{name.rstrip('_')}")
    if yes and not prune:
        fail("--yes is for --prune")


def _report(out: Output, pruned: int, *, kept: int) -> None:
    out.result(Pruned(pruned), f"{counted(pruned, 'dead letter')} pruned")
    if kept > 0:
        out.talk(f"{kept} kept: their sender may still ask for them by idempotency key (24 h)")


def _list(out: Output, desk: Driver, params: dict[str, Any], limit: int | None) -> None:
    more = False

    def found() -> Iterator[Sequence[Message]]:
        nonlocal more
        for page in pages(desk, dead_letters, {**params, "limit": one_more(limit)}):
            more = limit is not None and len(page) > limit
            yield page[:limit]

    out.pages(
        found(),
        lambda page, titles: print_dead_letters(out, page, titles=titles),
        lambda: nothing_fits(desk, params["filter_"], "no dead letter"),
    )
    if more and not out.json:
        out.talk(f"the newest {counted(limit or 0, 'dead letter')}; --limit shows more")
