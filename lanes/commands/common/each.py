"""Doing one thing to several lanes, and making one exit code of what came out."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import click

from lanes.base.errors import LanesError
from lanes.commands.common.exits import Exit, exit_of, gravest, sentence
from lanes.commands.output.printing import Output, say
from lanes.drivers.driver import Driver
from lanes.explain.phrases import counted
from lanes.filters import narrowed
from lanes.records import Record
from lanes.verbs.messages import message_ids
from lanes.verbs.outcomes import Action
from lanes.verbs.queries import list_
from lanes_storage.records import LaneFilter

R = TypeVar("R", bound=Record)
T = TypeVar("T")


def chosen_keys(
    ctx: click.Context, desk: Driver, keys: tuple[str, ...], chosen: LaneFilter | None, match: str | None = None
) -> list[str]:
    """The lanes that a command was given: named, or by a filter or a glob, not both. Each once."""
    if bool(keys) == (chosen is not None or match is not None):
        ctx.fail("name at least one KEY, or choose lanes with --filter" + (", not both" if keys else ""))
    if keys:
        return list(dict.fromkeys(keys))
    fitting = desk.call(list_, filter_=narrowed(chosen or LaneFilter(), match=match))
    return [lane.key for lane in fitting.lanes]


def chosen_messages(
    ctx: click.Context,
    out: Output,
    number: int | None,
    chosen: LaneFilter | None,
    desk: Driver,
    action: Action,
    *,
    yes: bool,
) -> list[int] | None:
    """The messages that a command was given: one by its id, or those of a filter. None: somebody said no."""
    if (number is None) == (chosen is None):
        ctx.fail("give the ID of one message, or choose several with --filter" + (", not both" if number else ""))
    if chosen is None:
        return [number or 0]
    numbers = [int(number) for number in desk.call(message_ids, for_=action, filter_=chosen)]
    if len(numbers) > 1 and not yes:
        count = counted(len(numbers), "message")
        if not out.asks:
            ctx.fail(f"this would {action} {count}: confirm it with --yes")
        if not click.confirm(f"{action.capitalize()} {count}?", err=True):
            return None
    return numbers


def do_each(
    out: Output,
    targets: Iterable[T],
    act: Callable[[T], R],
    said: Callable[[R], str],
    *,
    nothing: str = "no lane fits",
) -> int:
    """Act on each lane or message, say what came of it, and go on after an expected error."""
    done: list[R] = []
    codes: list[Exit] = []
    for target in targets:
        try:
            record = act(target)
        except LanesError as error:
            say(f"lanes: {sentence(error)}")
            codes.append(exit_of(error))
            continue
        done.append(record)
        if not out.json:
            out.line(said(record))
    if out.json:
        out.data(done)
    elif not done and not codes:
        say(nothing)
    return gravest(codes) or Exit.DONE
