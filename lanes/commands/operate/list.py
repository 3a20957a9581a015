"""``lanes list``: lanes, sorted by harm."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lanes import filters
from lanes.commands.common.each import listed, nothing_fits
from lanes.commands.common.exits import fail
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Output, Piece
from lanes.commands.output.words import lane_state, note, took
from lanes.explain.phrases import counted
from lanes.records import Lane
from lanes.verbs.paging import PAGE, one_more
from lanes.verbs.queries import list_
from lanes_storage.records import How, LaneFilter

if TYPE_CHECKING:
    from lanes.drivers.driver import Driver

#: Lines of a watched terminal that show no lane: the titles, the hint that there are more, and the cursor's.
FRAME = 3
#: The longest and the shortest time between two lists of ``--watch``; the longest holds on a terminal only.
TICK_S, REST_S = 1.0, 0.2
COLUMNS = (
    OutputColumn("KEY", cut="middle", least=20, below=True),
    OutputColumn("STATE"),
    OutputColumn("HELD", right=True),
    OutputColumn("QUEUED", right=True),
    OutputColumn("WAITS", right=True),
    OutputColumn("", cut="end"),
)


#: For a terminal that is redrawn, on which each lane is one line.
WATCHED = tuple(column._replace(below=False) for column in COLUMNS)


@command_for(list_)
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option("--watch", is_flag=True, help="Show it again at each change, until Ctrl-C; as JSON, one list per line.")
def command(
    session: Session,
    /,
    words: tuple[str, ...],
    filter_: LaneFilter | None,
    watch: bool,
    limit: int | None,
    **params: Any,
) -> None:
    out = session.out
    limit = max(1, out.height - FRAME) if limit is None and watch and out.tty and not out.json else out.limit(limit)
    if words and filter_ is not None:
        fail("give the filter as words or with --filter, not both")
    params["filter_"] = filter_ or _read(words)
    with session.desk() as desk:
        if watch:
            _watch(out, desk, params, limit)
        else:
            _show(out, desk, params, _look(desk, params, limit), limit)


def _read(words: tuple[str, ...]) -> LaneFilter:
    """The filter of the arguments, which may be one argument or several."""
    if not words:
        return LaneFilter()
    parsed = filters.parse(" ".join(words), 0)
    if parsed.problem is not None:
        fail(f"the filter is not understood: {parsed.problem}")
    return parsed.chosen


def _look(desk: Driver, params: dict[str, Any], limit: int | None) -> list[Lane]:
    """The lanes up to the limit, and one more if there are more."""
    return list(listed(desk, **params, limit=one_more(limit)))


def _watch(out: Output, desk: Driver, params: dict[str, Any], limit: int | None) -> None:
    """Print the list again after changes; on a terminal also each second, since ages grow."""
    desk.changed(0)
    while out.has_reader:
        lanes = _look(desk, params, limit)
        if out.json:
            out.data(lanes[:limit], one_line=True)
        else:
            out.clear()
            _show(out, desk, params, lanes, limit, WATCHED)
            if not out.tty:
                out.line()
        out.flush()
        time.sleep(REST_S)
        while not desk.changed(TICK_S) and out.has_reader and not out.tty:
            pass


def _show(
    out: Output,
    desk: Driver,
    params: dict[str, Any],
    lanes: list[Lane],
    limit: int | None,
    columns: Sequence[OutputColumn] = COLUMNS,
) -> None:
    more = limit is not None and len(lanes) > limit
    lanes = lanes[:limit]
    out.pages(
        (lanes[at : at + PAGE] for at in range(0, len(lanes), PAGE)),
        lambda page, titles: out.table(columns, [_row(lane) for lane in page], titles=titles),
        lambda: _nothing(desk, params),
    )
    if more and not out.json:
        out.talk(f"the first {counted(len(lanes), 'lane')}; --limit shows more")


def _nothing(desk: Driver, params: dict[str, Any]) -> str:
    everything = params["filter_"].everything and not any(params[name] for name in params if name != "filter_")
    if everything:
        return "no lane yet: `lanes send KEY TEXT`"
    chosen: LaneFilter = params["filter_"]
    return nothing_fits(desk, chosen if not (name := params["source"]) else chosen.where("source", How.IS, name))


def _row(lane: Lane) -> list[Piece]:
    queued = str(lane.queued) if lane.queued else ""
    return [lane.key, lane_state(lane), took(lane.held_ms), queued, took(lane.head_wait_ms), note(lane)]
