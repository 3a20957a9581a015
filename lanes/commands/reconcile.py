"""``lanes reconcile``: one pass of the reconciler, outside any gateway."""

import time

import click

from lanes import ages, forms
from lanes.commands.common.actor import actor
from lanes.commands.common.local import LocalDesk
from lanes.commands.common.output import Cell, Output, Piece
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.table import Column
from lanes.commands.common.words import counted
from lanes.engine.observer import Observer
from lanes.engine.reconciler import ACTING, Decision, Finding
from lanes.forms import Form
from lanes.why import span
from lanes_storage import reads
from lanes_storage.moment import Now
from lanes_storage.records import Owner

#: Between two looks of --wait.
LOOK_EVERY_MS = 100
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
        observer = Observer(desk.store, desk.store.write, desk.clock, by=actor(), interval_ms=LOOK_EVERY_MS)
        findings = observer.look()
        if wait:
            findings = _watch(desk, observer, findings, session.out)
        findings = _with_the_silent(findings, desk.store.read(reads.owners()), desk.clock())
        if not dry_run:
            done = {id(finding): landed for finding, landed in observer.act(findings)}
            findings = [finding for finding in findings if finding.decision is not Decision.HEALTHY]
        else:
            done = {}
        now = desk.clock()
    decided = [forms.finding_form(finding, now, done=done.get(id(finding), False)) for finding in findings]
    if session.out.json:
        session.out.data(decided)
    elif decided:
        session.out.table(COLUMNS, [_row(decision) for decision in decided])
    else:
        session.out.talk("nothing is held" if dry_run else "nothing to reconcile")


def _watch(desk: LocalDesk, observer: Observer, findings: list[Finding], out: Output) -> list[Finding]:
    """Look again and again, until each owner that looks silent has beaten, ended, or been silent for long enough."""
    before = {o.id: o for o in desk.store.read(reads.owners()) if _looks_silent(o, desk.clock())}
    open_ = before.keys() - _judged(findings)
    if open_:
        longest = max(before[number].stale_after_ms for number in open_)
        out.talk(f"watching {counted(len(open_), 'silent owner')} for up to {span(longest)}")
    while open_:
        time.sleep(LOOK_EVERY_MS / 1000)
        findings = observer.look()
        beats = {owner.id: owner.heartbeats for owner in desk.store.read(reads.owners())}
        open_ = {number for number in open_ - _judged(findings) if beats.get(number) == before[number].heartbeats}
    return findings


def _judged(findings: list[Finding]) -> set[int]:
    """The owners that were found to have lost their lanes."""
    return {f.owner.id for f in findings if f.owner is not None and f.run is None and f.decision in ACTING}


def _looks_silent(owner: Owner, now: Now) -> bool:
    return ages.beat_ms(owner, now) > 2 * owner.heartbeat_interval_ms


def _with_the_silent(findings: list[Finding], owners: list[Owner], now: Now) -> list[Finding]:
    """One look sees no silence: what the stored heartbeat says of it is added, for people, and judges nothing."""
    silent = {owner.id for owner in owners if _looks_silent(owner, now)}
    shown = [
        _watched(f.owner, now, f) if f.decision is Decision.HEALTHY and f.owner and f.owner.id in silent else f
        for f in findings
    ]
    named = {finding.owner.id for finding in findings if finding.owner is not None}
    return shown + [_watched(owner, now) for owner in owners if owner.id in silent - named]


def _watched(owner: Owner, now: Now, finding: Finding | None = None) -> Finding:
    said = f"its last heartbeat was {span(ages.beat_ms(owner, now))} ago"
    said += f"; --wait watches it for {span(owner.stale_after_ms)}"
    return Finding(Decision.WATCHED, said, owner, finding.run if finding else None)


def _row(decision: Form) -> list[Piece]:
    owner = decision["owner"]
    acting = decision["decision"] in ACTING
    return [
        decision["key"] or "", decision["run_id"] or "", owner["id"] if owner else "",
        Cell(decision["decision"], "warn" if acting else ""), "yes" if decision["done"] else "", decision["evidence"],
    ]  # fmt: skip
