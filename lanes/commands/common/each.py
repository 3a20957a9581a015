"""Doing one thing to several lanes, and making one exit code of what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import click

from lanes.base.errors import LanesError, Refused, Unfit
from lanes.commands.common.exits import Exit, fail, gravest, print_error
from lanes.commands.output.printing import Output, say
from lanes.records import Record
from lanes.verbs.queries import list_
from lanes_storage.records import LaneFilter

if TYPE_CHECKING:
    from lanes.drivers.driver import Driver
    from lanes.records import Lane, LanePage

R = TypeVar("R", bound=Record)
T = TypeVar("T")


def listed(desk: Driver, **which: Any) -> Sequence[Lane]:
    """The chosen lanes. All lanes are not counted for that: it takes the longer the more there are."""
    found: LanePage
    try:
        found = desk.call(list_, counted=False, **which)
    except Unfit:  # a gateway of an older version has no such parameter; what else it refuses it refuses again
        found = desk.call(list_, **which)
    return found.lanes


def chosen_keys(desk: Driver, keys: tuple[str, ...], **which: Any) -> list[str]:
    """The lanes that a command was given: named, or by a filter or a glob, not both. Each once."""
    if bool(keys) == any(value is not None for value in which.values()):
        fail("name at least one KEY, or choose lanes with --filter" + (", not both" if keys else ""))
    return list(dict.fromkeys(keys)) or [lane.key for lane in listed(desk, **which)]


def nothing_fits(desk: Driver, chosen: LaneFilter | None, sentence: str = "no lane fits") -> str:
    """The sentence where nothing fits a filter. It names the words that may have been meant as a field."""
    if chosen is None or not chosen.conditions:
        return sentence
    from lanes.filters.doubts import no_field, no_source, sources_named, unknown_fields

    if named := sources_named(chosen):
        from lanes.records import HERE
        from lanes.verbs.system import status

        found = desk.advise(status)
        known = None if found is None else (HERE, *(source.name for source in found.sources))
        if known is not None and (unknown := [name for name in named if name not in known]):
            return f"{sentence}: {no_source(unknown[0], known)}"

    for word in unknown_fields(chosen):
        if not listed(desk, filter_=LaneFilter((word,)), limit=1):
            return f"{sentence}: {no_field(word, chosen.of)}"
    return sentence


def refuse_unless_one(keys: tuple[str, ...], epoch: int | None) -> None:
    """An epoch is that of one lane."""
    if epoch is not None and len(set(keys)) != 1:
        fail("--epoch is for exactly one KEY")


class InOrder(Generic[R]):
    """Acts on messages, the oldest first. Where a lane refused one (its queue is full, it is busy), no later one of
    ``behind`` (its messages) is tried: there may be room by then, and it would overtake the one that was refused."""

    def __init__(self, act: Callable[[int], R], behind: Callable[[str], Iterable[int]]) -> None:
        self._act, self._behind = act, behind
        self._refused: dict[int, Refused] = {}

    def __call__(self, number: int) -> R:
        """Act on one. Raises LanesError."""
        if number in self._refused:
            raise self._refused[number]
        try:
            return self._act(number)
        except Refused as refused:
            self._refused |= dict.fromkeys(self._behind(refused.key), refused)
            raise


def confirmed(out: Output, would: str, *, look: str = "with --dry-run", named: Sequence[str] = ()) -> bool:
    """Ask the person at the terminal whether to do it, below what it is about; without one, --yes is the answer."""
    if not out.is_interactive:
        fail(f"this would {would}: look {look}, then confirm with --yes")
    for line in named:
        say(f"  {line}")
    return click.confirm(f"{would[0].upper()}{would[1:]}?", err=True)


def do_each(
    out: Output,
    targets: Iterable[T],
    act: Callable[[T], R],
    outcome_text: Callable[[R], str],
    *,
    nothing: Callable[[], str],
) -> int:
    """Act on each lane or message, say what came of it, and go on after an expected error."""
    done: list[R] = []
    codes: list[Exit] = []
    for target in targets:
        try:
            record = act(target)
        except LanesError as error:
            codes.append(print_error(out, error))
            continue
        done.append(record)
        if not out.json:
            out.line(outcome_text(record))
    if out.json:
        out.data(done)
    elif not done and not codes:
        say(nothing())
    return gravest(codes) or (codes[0] if codes and not done else Exit.DONE)
