"""``lanes reconcile``: one pass of the reconciler, outside any gateway."""

from collections.abc import Iterator

import click

from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Cell, Output, Piece
from lanes.commands.serve.reconciling import reconcile_after_watching, reconcile_on
from lanes.drivers.local import LocalDriver
from lanes.engine.reconcile.reconciler import ACTING
from lanes.records import Finding
from lanes.verbs.system import reconcile

COLUMNS = (
    OutputColumn("KEY", cut="middle", least=16),
    OutputColumn("RUN", right=True),
    OutputColumn("OWNER", right=True),
    OutputColumn("DECISION"),
    OutputColumn("DONE"),
    OutputColumn("EVIDENCE", cut="end", least=16),
)


@click.command(
    "reconcile",
    epilog="""\b
    Examples:
      lanes reconcile --dry-run     each decision with its evidence
      lanes reconcile --wait        watch silent owners first, then act
      lanes reconcile --watch       go on, as a gateway does, until Ctrl-C
    """,
)
@click.option("--dry-run", is_flag=True, help="Print every decision and its evidence, and change nothing.")
@click.option("--wait", is_flag=True, help="Watch silent owners for their stale_after first.")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C, and say what was done; as JSON, one a line.")
@click.pass_context
@pass_session
def command(session: Session, ctx: click.Context, dry_run: bool, wait: bool, watch: bool) -> None:
    """Take back lanes whose owner is provably gone.

    An owner that is merely silent is listed, and judged only after --wait has watched it for long enough.
    The reconciler of each gateway does the same all the time; this is for when none lives.
    """
    if watch and (wait or dry_run):
        ctx.fail("--watch goes on by itself: give it without --wait and --dry-run")
    if session.url is not None and (wait or watch):
        option = "--wait" if wait else "--watch"
        ctx.fail(f"a gateway watches silent owners and reconciles all the time: leave {option} out with --url")
    with session.desk() as desk:
        if isinstance(desk, LocalDriver) and watch:
            _watch(session.out, reconcile_on(desk.store, desk.ctx, session.out.talk))
            return
        if isinstance(desk, LocalDriver) and wait:
            decided = reconcile_after_watching(desk.store, desk.ctx, session.out.talk, dry_run=dry_run)
        else:
            decided = desk.call(reconcile, dry_run=dry_run)
    if session.out.json:
        session.out.data(decided)
    elif decided:
        session.out.table(COLUMNS, [_row(decision) for decision in decided])
    else:
        session.out.talk("nothing is held" if dry_run else "nothing to reconcile")


def _watch(out: Output, passes: Iterator[list[Finding]]) -> None:
    """Print what each pass did, until nobody reads any more."""
    for decided in passes:
        for decision in decided:
            if out.json:
                out.data(decision, one_line=True)
            else:
                what = decision.key or f"owner {decision.owner.id if decision.owner else ''}"
                late = "" if decision.done else " (too late: it had moved on)"
                out.line(what, f": {decision.decision}: {decision.evidence}{late}")
        out.flush()
        if not out.heard:
            return


def _row(decision: Finding) -> list[Piece]:
    owner = decision.owner
    acting = decision.decision in ACTING
    return [
        decision.key or "", str(decision.run_id or ""), str(owner.id) if owner else "",
        Cell(decision.decision, "warn" if acting else ""), "yes" if decision.done else "", decision.evidence,
    ]  # fmt: skip
