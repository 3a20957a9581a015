"""``lanes drain``: stop gateways from claiming, and wait until they hold nothing."""

import click

from lanes.commands.common.exits import Exit, fail
from lanes.commands.common.options import DURATION
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Output, Piece
from lanes.commands.output.words import state, stopped, took
from lanes.drivers.driver import Driver
from lanes.explain.phrases import counted
from lanes.records import Cut, OwnerDetail
from lanes.verbs.system import drain, drain_rehearsal, gateways

#: How long a gateway may take, once the time is over, to cut what still runs.
CUT_MS = 5_000
REHEARSAL = (
    OutputColumn("KEY", cut="middle", least=20, below=True),
    OutputColumn("RUN", right=True),
    OutputColumn("GATEWAY", right=True),
    OutputColumn("HELD", right=True),
    OutputColumn("ITS MESSAGE"),
    OutputColumn("", cut="end"),
)


@command_for(drain, "gateway", "for_")
@click.argument("gateway", required=False, metavar="[GATEWAY]")
@click.option("--wait", type=DURATION, metavar="D", help="How long runs may continue. [default: drain_timeout]")
@click.option("--dry-run", is_flag=True, help="Show what would be cut now and what becomes of it, and change nothing.")
def command(session: Session, /, gateway: str | None, wait: int | None, dry_run: bool) -> int:
    out = session.out
    with session.desk() as desk:
        found = desk.call(gateways)
        for sentence in stopped(found):
            out.talk(f"lanes: {sentence}")
        living = [each for each in found if each.alive]
        chosen = living if gateway is None else _named(living, gateway)
        if not chosen:
            detail = f"no {'' if gateway is None else 'such '}gateway lives"
            return out.trouble("no_gateway", detail, Exit.UNREACHABLE, "`lanes status` shows them")
        one = None if gateway is None else chosen[0].id
        if dry_run:
            cuts = desk.call(drain_rehearsal, gateway=one)
            nothing = "no run would be cut: nothing is running"
            out.found(cuts, lambda: out.table(REHEARSAL, [_row(cut) for cut in cuts]), nothing)
            return Exit.DONE
        return _drain(out, desk, one, session.context().drain_timeout_ms() if wait is None else wait)


def _named(living: list[OwnerDetail], gateway: str) -> list[OwnerDetail]:
    """The gateway with that id or pid."""
    found = [each for each in living if gateway in (str(each.id), str(each.pid))]
    if len(found) > 1:
        fail(f"{gateway} is the id of one gateway and the process of another: name yours by its other number")
    return found


def _drain(out: Output, desk: Driver, gateway: int | None, patience_ms: int) -> int:
    drained = desk.call(drain, gateway=gateway, for_=patience_ms)
    held = sum(each.held for each in drained)
    if held:
        subject = (
            f"{counted(len(drained), 'gateway')} drains" if len(drained) == 1 else f"{len(drained)} gateways drain"
        )
        out.talk(f"{subject}; waiting for {counted(held, 'run')}, for up to {took(patience_ms)}")
    ended = desk.call(gateways, id=tuple(each.id for each in drained), wait=patience_ms + CUT_MS)
    if out.json:
        out.data(ended)
    else:
        for each in ended:
            left = f"still holds {counted(each.held, 'lane')}" if each.held else "holds nothing"
            out.line(f"gateway {each.id} (pid {each.pid} on {each.host}): drained, {left}")
    return Exit.UNCONFIRMED if any(each.held for each in ended) else Exit.DONE


def _row(cut: Cut) -> list[Piece]:
    becomes = "goes back to its place" if cut.message_state == "queued" else "ends"
    pauses = "; the lane is paused" if cut.pauses else ""
    return [
        cut.key, str(cut.run_id), str(cut.owner), took(cut.held_ms), state(cut.message_state), becomes + pauses,
    ]  # fmt: skip
