"""How many files the gateways may have open, and how many runs that allows."""

import resource
from pathlib import Path

from lanes.doctor.checks import Check, ok, warning
from lanes.host import descriptors
from lanes.host.identity import is_here, this_process
from lanes.text import ages
from lanes_storage import reads
from lanes_storage.clock import Clock
from lanes_storage.interface import Reader
from lanes_storage.records import OwnerRow

#: As many runs as one provider runner has at once, unless told otherwise.
USUAL_RUNS = 1_000
FIX = "raise the hard limit: `ulimit -Hn`, LimitNOFILE= (systemd), --ulimit nofile= (Docker)"


def check_descriptors(reader: Reader, clock: Clock) -> list[Check]:
    """What the gateways of this host may have open; where none lives, what one that is started from here may."""
    now, me = clock(), this_process()
    owners = reader.read(reads.owners())
    here = [o for o in owners if o.kind == "gateway" and is_here(o, me) and ages.lives(o, now, me)]
    found = [check for owner in here if (check := _of(owner)) is not None]
    if found:
        return found
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return [ok("descriptors", "a gateway started from here may have any number of files open")]
    return [_judged(f"a gateway started from here may have {hard} files open", hard)]


def _of(owner: OwnerRow) -> Check | None:
    """One gateway; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{owner.pid}/limits").read_text(encoding="ascii").splitlines()
        taken = sum(1 for _ in Path(f"/proc/{owner.pid}/fd").iterdir())
    except OSError:
        return None
    soft = next(line.split()[3] for line in lines if line.startswith("Max open files"))
    said = f"gateway {owner.id} has {taken} of {soft} files open"
    if soft == "unlimited":
        return ok("descriptors", said)
    if int(soft) - taken < descriptors.RESERVE // 2:
        return warning("descriptors", f"{said}: it can hardly take another connection", FIX)
    return _judged(said, int(soft))


def _judged(said: str, limit: int) -> Check:
    told = f"{said}, which allows {descriptors.allowed(limit)} runs at once"
    return ok("descriptors", told) if limit >= descriptors.needed(USUAL_RUNS) else warning("descriptors", told, FIX)
