"""``lanes reconcile``: one pass of the reconciler, outside any gateway."""

import click

from lanes.commands.common.actor import actor
from lanes.commands.common.output import Cell, Piece
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.table import Column
from lanes.engine.reconciler import ACTING
from lanes.forms import Form

COLUMNS = (
    Column("KEY", cut="middle", least=16),
    Column("RUN", right=True),
    Column("OWNER", right=True),
    Column("DECISION"),
    Column("DONE"),
    Column("EVIDENCE", cut="end", least=16),
)


@click.command(
    "reconcile",
    epilog="""\b
    Examples:
      lanes reconcile --dry-run     each decision with its evidence
      lanes reconcile --wait        watch silent owners first, then act
    """,
)
@click.option("--dry-run", is_flag=True, help="Print every decision and its evidence, and change nothing.")
@click.option("--wait", is_flag=True, help="Watch silent owners for their stale_after first.")
@pass_session
def command(session: Session, dry_run: bool, wait: bool) -> None:
    """Take back lanes whose owner is provably gone.

    An owner that is merely silent is listed, and judged only after --wait has watched it for long enough.
    The reconciler of each gateway does the same all the time; this is for when none lives.
    """
    with session.desk() as desk:
        decided = desk.reconcile(actor=actor(), dry_run=dry_run, wait=wait, talk=session.out.talk)
    if session.out.json:
        session.out.data(decided)
    elif decided:
        session.out.table(COLUMNS, [_row(decision) for decision in decided])
    else:
        session.out.talk("nothing is held" if dry_run else "nothing to reconcile")


def _row(decision: Form) -> list[Piece]:
    owner = decision["owner"]
    acting = decision["decision"] in ACTING
    return [
        decision["key"] or "", decision["run_id"] or "", owner["id"] if owner else "",
        Cell(decision["decision"], "warn" if acting else ""), "yes" if decision["done"] else "", decision["evidence"],
    ]  # fmt: skip
