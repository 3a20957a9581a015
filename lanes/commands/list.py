"""``lanes list``: lanes, sorted by harm."""

import click

from lanes.commands.common.local import Choice
from lanes.commands.common.options import DURATION, match_option
from lanes.commands.common.output import Piece
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.table import Column
from lanes.commands.common.words import counted, note, state, took
from lanes.forms import Form
from lanes_storage.law import LaneState

#: How many lanes a terminal shows.
ON_A_TERMINAL = 50
COLUMNS = (
    Column("KEY", cut="middle", least=20),
    Column("STATE"),
    Column("HELD", right=True),
    Column("QUEUED", right=True),
    Column("WAITS", right=True),
    Column("", cut="end", least=10),
)


@click.command(
    "list",
    epilog="""\b
    Examples:
      lanes list --held-for 5m              what has been held for long
      lanes list --state errored --json     for scripts
    """,
)
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
@pass_session
def command(
    session: Session, states: tuple[str, ...], held: bool, match: str | None, held_for: int | None, limit: int | None
) -> None:
    """Lanes, sorted by harm.

    Unfinished ones come first, the head that has waited longest at the top.
    """
    out = session.out
    if held:
        states = (*states, LaneState.RUNNING)
    if limit is None and out.tty and not out.json:
        limit = ON_A_TERMINAL
    choice = Choice(match=match, states=states, held_for_ms=held_for)
    with session.desk() as desk:
        lanes = desk.lanes(choice, limit=None if limit is None else limit + 1)
    more = limit is not None and len(lanes) > limit
    lanes = lanes[:limit]
    if out.json:
        out.data(lanes)
        return
    if not lanes:
        out.talk("no such lane" if any((states, match, held_for is not None)) else "no lane yet: `lanes send KEY TEXT`")
        return
    out.table(COLUMNS, [_row(lane) for lane in lanes])
    if more:
        out.talk(f"the first {counted(len(lanes), 'lane')}; --limit shows more")


def _row(lane: Form) -> list[Piece]:
    queued = str(lane["queued"]) if lane["queued"] else ""
    return [lane["key"], state(lane["state"]), took(lane["held_s"]), queued, took(lane["head_wait_s"]), note(lane)]
