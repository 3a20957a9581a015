"""``lanes list``: lanes, sorted by harm."""

import time

import click

from lanes.commands.common.options import DURATION, match_option
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Output, Piece
from lanes.commands.output.words import note, state, took
from lanes.drivers.driver import Driver
from lanes.explain.phrases import counted
from lanes.filters import narrowed, parse
from lanes.records import Lane
from lanes.verbs.queries import list_
from lanes_storage.law import LaneState
from lanes_storage.records import LaneFilter

#: How many lanes a terminal shows.
ON_A_TERMINAL = 50
#: Lines of a watched terminal that are no lane: the titles, the word that there are more, and the cursor's.
FRAME = 3
#: A watched terminal is shown anew after so long, and anything watched at most so often.
TICK_S, REST_S = 1.0, 0.2
COLUMNS = (
    OutputColumn("KEY", cut="middle", least=20),
    OutputColumn("STATE"),
    OutputColumn("HELD", right=True),
    OutputColumn("QUEUED", right=True),
    OutputColumn("WAITS", right=True),
    OutputColumn("", cut="end", least=10),
)


@click.command(
    "list",
    epilog="""\b
    Examples:
      lanes list 'state:errored feishu'     what went wrong in one channel
      lanes list 'held:>5m'                 what has been held for long
      lanes list '!cron wait:>1m' --json    for scripts
      lanes list --watch                    until Ctrl-C
    """,
)
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([s.value for s in LaneState]),
    help="Lanes in this state; may be repeated.",
)
@click.option("--held", is_flag=True, help="Lanes that are held: those that run.")
@match_option
@click.option("--held-for", type=DURATION, metavar="D", help="Lanes held for at least so long, such as 5m.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many. [default: 50 on a terminal]")
@click.option("--watch", is_flag=True, help="Show it anew whenever it changes, until Ctrl-C; as JSON, one list a line.")
@click.pass_context
@pass_session
def command(
    session: Session,
    ctx: click.Context,
    words: tuple[str, ...],
    states: tuple[str, ...],
    held: bool,
    match: str | None,
    held_for: int | None,
    limit: int | None,
    watch: bool,
) -> None:
    """Lanes, sorted by harm.

    Unfinished ones come first, the head that has waited longest at the top. FILTER leaves out what does not fit all
    of its words: parts of the key, and fields such as state:errored or held:>5m (docs/operations.md has them all).
    """
    out = session.out
    if held:
        states = (*states, LaneState.RUNNING)
    if limit is None and out.tty and not out.json:
        limit = max(1, out.height - FRAME) if watch else ON_A_TERMINAL
    chosen = narrowed(_read(ctx, words), states=states, match=match, held_for_ms=held_for)
    with session.desk() as desk:
        if watch:
            _watch(out, desk, chosen, limit)
        else:
            _show(out, chosen, _look(desk, chosen, limit), limit)


def _read(ctx: click.Context, words: tuple[str, ...]) -> LaneFilter:
    """The filter, which may be one word of the shell or several."""
    parsed = parse(" ".join(words), 0)
    if parsed.problem is not None:
        ctx.fail(f"the filter is not understood: {parsed.problem}")
    return parsed.chosen


def _look(desk: Driver, chosen: LaneFilter, limit: int | None) -> list[Lane]:
    """The lanes, and one more than the limit where there are more."""
    return list(desk.call(list_, filter_=chosen, limit=None if limit is None else limit + 1).lanes)


def _watch(out: Output, desk: Driver, chosen: LaneFilter, limit: int | None) -> None:
    """On a terminal the ages go on, so it is shown each second; a pipe gets what changed."""
    desk.changed(0)
    while out.heard:
        lanes = _look(desk, chosen, limit)
        if out.json:
            out.data(lanes[:limit], one_line=True)
        else:
            out.clear()
            _show(out, chosen, lanes, limit)
            if not out.tty:
                out.line()
        out.flush()
        time.sleep(REST_S)
        while not desk.changed(TICK_S) and out.heard and not out.tty:
            pass


def _show(out: Output, chosen: LaneFilter, lanes: list[Lane], limit: int | None) -> None:
    more = limit is not None and len(lanes) > limit
    lanes = lanes[:limit]
    if out.json:
        out.data(lanes)
    elif not lanes:
        out.talk("no lane yet: `lanes send KEY TEXT`" if chosen.everything else "no lane fits")
    else:
        out.table(COLUMNS, [_row(lane) for lane in lanes])
        if more:
            out.talk(f"the first {counted(len(lanes), 'lane')}; --limit shows more")


def _row(lane: Lane) -> list[Piece]:
    queued = str(lane.queued) if lane.queued else ""
    return [lane.key, state(lane.state), took(lane.held_ms), queued, took(lane.head_wait_ms), note(lane)]
