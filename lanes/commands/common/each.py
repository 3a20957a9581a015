"""Acting on several lanes or messages, with one exit code for all of them."""

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
    """The chosen lanes, without the counts of all lanes, which take the longer the more lanes there are."""
    found: LanePage
    try:
        found = desk.call(list_, counted=False, **which)
    except Unfit:  # an older gateway does not know the parameter; if it refuses another one, it refuses again
        found = desk.call(list_, **which)
    return found.lanes


def chosen_keys(desk: Driver, keys: tuple[str, ...], **which: Any) -> list[str]:
    """The keys of the lanes that a command names, or that its filter or glob chooses (not both), each once."""
    if bool(keys) == any(value is not None for value in which.values()):
        fail("name at least one KEY, or choose lanes with --filter" + (", not both" if keys else ""))
    return list(dict.fromkeys(keys)) or [lane.key for lane in listed(desk, **which)]


def nothing_fits(desk: Driver, chosen: LaneFilter | None, sentence: str = "no lane fits") -> str:
    """The sentence for a filter that nothing fits; it names an unknown source, or a word that looks like a field."""
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
    """Refuse an epoch without exactly one key."""
    if epoch is not None and len(set(keys)) != 1:
        fail("--epoch is for exactly one KEY")


class InOrder(Generic[R]):
    """Acts on messages, the oldest first. Once a lane has refused one (queue full, busy), its later ones (``behind``)
    are not tried: room may appear meanwhile, and they would overtake the refused one."""

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
    """List ``named`` on the terminal and ask whether to act on it. Without a terminal, fail and name --yes."""
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
    """Act on each lane or message, print the outcome, and continue after an expected error. Returns the exit code."""
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
