"""The checks of rows: waiting messages, ghosts, runs without limits, dead letters, shortages, pauses, journal times."""

from collections.abc import Sequence
from itertools import pairwise

from lanes.context import Context
from lanes.doctor import descriptors
from lanes.doctor.checks import Check, ok, warning
from lanes.explain.phrases import clock_time
from lanes.host.identity import ProcessSighting, look, this_process
from lanes.records import Liveness
from lanes.text.naming import all_lanes, resume_command
from lanes.text.spans import span
from lanes_storage import reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reader
from lanes_storage.law import SIMULATED, Edge
from lanes_storage.records import EventRow, LaneCounts, OwnerRow, PauseRow

#: How many of the latest events are checked for times that go back.
EVENTS = 1_000
#: How long a gateway may take to prove that no process of a run survives.
UNSEEN_MS = 60_000
#: By how much times must go back to be reported.
STEP_MS = 60_000
#: What a host may lack for a run, as the causes of parks name it, and the advice.
SHORTAGES = {
    "no_descriptor": descriptors.FIX,
    "no_process": "end some processes, or raise their limit (`ulimit -u`, TasksMax=, --pids-limit) or the memory",
    "no_folder": "free space on the disk of the working folders, or raise the quota or the limit of open files",
}
#: How long after a shortage it is reported.
SHORT_MS = 600_000


def check_rows(reader: Reader, ctx: Context) -> list[Check]:
    """The checks of the counts and of the journal."""
    now = ctx.now()
    counts = reader.read(reads.counts(now.wall))
    gateways = [owner for owner in reader.read(reads.owners()) if owner.kind == "gateway"]
    lives = any(map(Liveness(now).lives, gateways))
    last = reader.read(reads.events(limit=EVENTS, newest=True))
    return [
        _waiting(counts) if lives or not counts.queued else _none_lives(counts, gateways, reader, ctx),
        _ghosts(counts, lives),
        _limits(counts),
        _dead_letters(counts),
        *_shortages(last, now),
        _journal(last),
    ]


def _waiting(counts: LaneCounts) -> Check:
    return ok("gateway", f"messages waiting: {counts.queued}; lanes held: {counts.lanes['running']}")


def _none_lives(counts: LaneCounts, gateways: list[OwnerRow], reader: Reader, ctx: Context) -> Check:
    message, me = f"no gateway lives; messages waiting: {counts.queued}", this_process()
    for owner in gateways:  # a stopped one still holds its port, so that another one would not start
        if look(owner, me) is ProcessSighting.STOPPED:
            return warning("gateway", message, f"let gateway {owner.id} go on: `kill -CONT {owner.pid}`")
    start = ctx.how_to_start(lambda: reader.read(reads.real_runner_ever_ran(SIMULATED)))
    return warning("gateway", message, f"start one: {start}")


def _ghosts(counts: LaneCounts, lives: bool) -> Check:
    if counts.ghosts:
        message = f"runs that hold a lane, and that the last heartbeats of their owner left out: {counts.ghosts}"
        by = "the next pass of a gateway" if lives else "`lanes reconcile`"
        return warning("ghosts", message, f"{by} takes their lanes back")
    return ok("ghosts", "no run is a ghost")


def _limits(counts: LaneCounts) -> Check:
    if counts.unlimited:
        message = f"held lanes with run_timeout or stall_timeout off: {counts.unlimited}"
        fix = "nothing ends a hung run there but `lanes abort KEY`; `lanes list --held` shows them"
        return warning("limits", message, fix)
    return ok("limits", "every held lane has its limits")


def _dead_letters(counts: LaneCounts) -> Check:
    if counts.dead_letters:
        message = f"failed messages that were neither retried nor pruned: {counts.dead_letters}"
        fix = "look at them: `lanes dead-letters`; retry those whose cause has passed, and --prune the others"
        return warning("dead_letters", message, fix)
    return ok("dead_letters", "no dead letter")


def _shortages(last: Sequence[EventRow], now: Now) -> list[Check]:
    """Runs for which their host lacked something: their messages wait and are retried, which no count shows."""
    parked = [each for each in last if each.type == Edge.PARK and now.wall - each.at < SHORT_MS]
    found = []
    for cause, fix in SHORTAGES.items():
        if times := [each.at for each in parked if each.cause == cause]:
            ago = span(max(0, now.wall - max(times)))
            message = (
                f"runs that met a shortage in the last {span(SHORT_MS)} ({cause}): {len(times)}, the last {ago} ago"
            )
            found.append(warning("shortages", message, fix))
    return found or [ok("shortages", "no run met a shortage lately")]


def _journal(last: Sequence[EventRow]) -> Check:
    """Events are ordered by number: a time that goes back means that a clock was set, or that hosts differ."""
    back = max((before.at - after.at for before, after in pairwise(last)), default=0)
    if back > STEP_MS:
        message = f"times in the journal go back by {span(back)} within the last {len(last)} events"
        return warning(
            "journal", message, "a clock was set, or the clocks of two hosts differ: keep them in step (NTP)"
        )
    return ok("journal", "its times are in order")


def check_pauses(reader: Reader, ctx: Context) -> list[Check]:
    """The pauses of all lanes or of a glob, which are easily forgotten, and lanes that stay paused because of possible
    survivors."""
    now = ctx.now()
    found = [_paused(pause, now) for pause in reader.read(reads.glob_pauses(now.wall))]
    unseen = [pause for pause in reader.read(reads.survivor_pauses()) if now.wall - pause.at > UNSEEN_MS]
    if unseen:
        message = f"lanes paused until nothing of their last run is left: {len(unseen)}"
        fix = (
            "`lanes list paused:yes` shows them; a gateway on the same host and in the same container resumes them: if"
            " that is gone, `lanes resume KEY`"
        )
        found.append(warning("survivors", f"{message}, for up to {span(now.wall - unseen[0].at)}", fix))
    return found or [ok("pauses", "no pause of all lanes or of a glob")]


def _paused(pause: PauseRow, now: Now) -> Check:
    glob = pause.pattern or ""
    until = "without an end" if pause.until is None else f"until {clock_time(pause.until)}"
    message = f"{all_lanes(glob)} have been paused by {pause.actor!a} for {span(now.wall - pause.at)}, {until}"
    return warning("pauses", message, f"nothing of theirs is claimed; `{resume_command(glob)}` ends that")
