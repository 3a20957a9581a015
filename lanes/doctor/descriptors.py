"""The checks of the limit on open files: how many runs it allows the gateways."""

import resource

from lanes.context import Context
from lanes.doctor.checks import Check, ok, warning
from lanes.host import descriptors
from lanes.host.identity import is_here, this_process
from lanes.records import Liveness
from lanes_storage import reads
from lanes_storage.interface import Reader
from lanes_storage.records import OwnerRow

#: The default ``max_runs`` of a provider runner.
USUAL_RUNS = 1_000
FIX = "raise the hard limit: `ulimit -Hn`, LimitNOFILE= (systemd), --ulimit nofile= (Docker)"


def check_descriptors(reader: Reader, ctx: Context) -> list[Check]:
    """How many files the gateways of this host may open; where none lives, one that is started from here."""
    me, liveness = this_process(), Liveness(ctx.now())
    owners = reader.read(reads.owners())
    here = [o for o in owners if o.kind == "gateway" and is_here(o, me) and liveness.lives(o)]
    found = [check for owner in here if (check := _of(owner)) is not None]
    if found:
        return found
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return [ok("descriptors", "a gateway started from here may have any number of files open")]
    return [_judged(f"a gateway started from here may have {hard} files open", hard)]


def _of(owner: OwnerRow) -> Check | None:
    """The check of one gateway; None where the system does not show its descriptors."""
    if (used := descriptors.used_by(owner.pid)) is None:
        return None
    open_files, most = used
    if most == resource.RLIM_INFINITY:
        return ok("descriptors", f"gateway {owner.id} has {open_files} of unlimited files open")
    fact = f"gateway {owner.id} has {open_files} of {most} files open"
    if most - open_files < descriptors.RESERVE // 2:
        return warning("descriptors", f"{fact}: it can hardly take another connection", FIX)
    return _judged(fact, most)


def _judged(fact: str, limit: int) -> Check:
    message = f"{fact}, which allows {descriptors.allowed(limit)} runs at once"
    return (
        ok("descriptors", message) if limit >= descriptors.needed(USUAL_RUNS) else warning("descriptors", message, FIX)
    )
