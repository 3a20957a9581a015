"""The check of the contract's invariants on a live file."""

from collections.abc import Callable

from lanes.doctor.checks import Check, QuotingMessage, broken, ok
from lanes_storage.interface import Reader
from lanes_storage.reads.invariants import EXAMINATIONS, INVARIANTS, SHOWN, Breach, Invariant

_FIX = "this must never happen: keep the file, and report it with `lanes bundle FILE`"
#: How many times the whole journal is scanned.
SCANS = sum(each.scans_journal for each in EXAMINATIONS)


def check_invariants(reader: Reader, scanned: Callable[[], None]) -> list[Check]:
    """Check every invariant: one result if all hold, else one for each that is broken. ``scanned`` is called after each
    scan of the journal."""
    breaches: dict[str, list[Breach]] = {}
    for examination in EXAMINATIONS:
        for invariant, breach in reader.read(examination.query()):
            breaches.setdefault(invariant.name, []).append(breach)
        if examination.scans_journal:
            scanned()
    wrong = [_breached(one, breaches[one.name]) for one in INVARIANTS if one.name in breaches]
    return wrong or [ok("invariants", f"all {len(INVARIANTS)} hold")]


def _breached(invariant: Invariant, breaches: list[Breach]) -> Check:
    named = "; ".join(f"{_where(breach)}: {breach.evidence}" for breach in breaches[:3])
    rows = "; ".join(f"row {breach.id}: {breach.evidence}" for breach in breaches[:3])
    count = f"{SHOWN} or more" if len(breaches) == SHOWN else str(len(breaches))
    bare = f"violated: {invariant.sentence} (invariant {invariant.number}, broken {count} times)"
    return broken(invariant.name, QuotingMessage(f"{bare}: {named}", f"{bare}: {rows}"), _FIX)


def _where(breach: Breach) -> str:
    return f"row {breach.id}" if breach.key is None else f"lane {breach.key} (row {breach.id})"
