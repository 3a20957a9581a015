"""``lanes reconcile``: one pass of the reconciler, outside any gateway."""

from typing import Any

import click

from lanes.commands.common.exits import fail
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Cell, Output, Piece
from lanes.engine.reconcile.reconciler import ACTING
from lanes.records import Finding
from lanes.verbs.examining import reconcile

COLUMNS = (
    OutputColumn("KEY", cut="middle", least=16, below=True),
    OutputColumn("RUN", right=True),
    OutputColumn("OWNER", right=True),
    OutputColumn("DECISION"),
    OutputColumn("DONE"),
    OutputColumn("EVIDENCE", below=True),
)


@command_for(reconcile)
@click.option("--wait", is_flag=True, help="Watch silent owners for their stale_after first.")
@click.option("--watch", is_flag=True, help="Repeat until Ctrl-C, and print what was done; as JSON, one per line.")
def command(session: Session, /, dry_run: bool, wait: bool, watch: bool) -> None:
    out = session.out
    if watch and (wait or dry_run):
        fail("--watch repeats until it is interrupted: leave out --wait and --dry-run")
    if session.url is not None and (wait or watch):
        option = "--wait" if wait else "--watch"
        fail(f"a gateway watches silent owners and reconciles by itself: leave {option} out with --url")
    here: dict[str, Any] = {} if session.url else {"wait": wait, "report": out.talk}
    with session.desk() as desk:
        if watch:
            desk.call(reconcile, **here, each_pass=lambda decided: _print_pass(out, decided))
            return
        decided = desk.call(reconcile, **here, dry_run=dry_run)
    nothing = "nothing is held" if dry_run else "nothing to reconcile"
    out.found(decided, lambda: out.table(COLUMNS, [_row(decision) for decision in decided]), nothing)


def _print_pass(out: Output, decided: list[Finding]) -> bool:
    """Print what a pass did; returns whether the output still has a reader."""
    for decision in decided:
        if out.json:
            out.data(decision, one_line=True)
        else:
            subject = decision.key or f"owner {decision.owner.id if decision.owner else ''}"
            late = "" if decision.done else " (too late: the lane had moved on)"
            out.line(subject, f": {decision.decision}: {decision.evidence}{late}")
    out.flush()
    return out.has_reader


def _row(decision: Finding) -> list[Piece]:
    owner = decision.owner
    acting = decision.decision in ACTING
    return [
        decision.key or "", str(decision.run_id or ""), str(owner.id) if owner else "",
        Cell(decision.decision, "warn" if acting else ""), "yes" if decision.done else "", decision.evidence,
    ]  # fmt: skip
