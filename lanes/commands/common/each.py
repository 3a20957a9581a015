"""Doing one thing to several lanes, and making one exit code of what came out."""

from collections.abc import Callable, Iterable

import click

from lanes.commands.common.desks import AnyDesk
from lanes.commands.common.exits import Exit, exit_of, gravest, sentence
from lanes.commands.common.output import Output, say
from lanes.errors import LanesError
from lanes.filters import narrowed
from lanes.forms import Form
from lanes_storage.records import LaneFilter


def chosen_keys(
    ctx: click.Context, desk: AnyDesk, keys: tuple[str, ...], chosen: LaneFilter | None, match: str | None = None
) -> list[str]:
    """The lanes that a command was given: named, or by a filter or a glob, not both. Each once."""
    if bool(keys) == (chosen is not None or match is not None):
        ctx.fail("name at least one KEY, or choose lanes with --filter" + (", not both" if keys else ""))
    if keys:
        return list(dict.fromkeys(keys))
    return [lane["key"] for lane in desk.lanes(narrowed(chosen or LaneFilter(), match=match))]


def do_each(out: Output, keys: Iterable[str], act: Callable[[str], Form], said: Callable[[Form], str]) -> int:
    """Act on each lane, say what came of it, and go on after an expected error."""
    done: list[Form] = []
    codes: list[Exit] = []
    for key in keys:
        try:
            lane = act(key)
        except LanesError as error:
            say(f"lanes: {sentence(error)}")
            codes.append(exit_of(error))
            continue
        done.append(lane)
        if not out.json:
            out.line(said(lane))
    if out.json:
        out.data(done)
    elif not done and not codes:
        say("no lane fits")
    return gravest(codes) or Exit.DONE
