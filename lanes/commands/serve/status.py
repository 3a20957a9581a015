"""``lanes status``: the database at a glance."""

from collections.abc import Iterator

from lanes.commands.common.exits import Exit
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import query_command
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Cell, Output
from lanes.commands.output.words import lasting, state, stopped, took
from lanes.explain.phrases import clock_time, counted
from lanes.records import OwnerDetail, SourceDetail, Status
from lanes.text.naming import all_lanes, resume_command
from lanes.verbs.system import status

OWNER = (
    OutputColumn("HOST", cut="end"),
    OutputColumn("PID", right=True),
    OutputColumn("ALIVE"),
    OutputColumn("HELD", right=True),
    OutputColumn("UP SINCE"),
    OutputColumn("HEARTBEAT", right=True),
)


SOURCE = (
    OutputColumn("SOURCE", cut="end"),
    OutputColumn("KIND"),
    OutputColumn("VERSION"),
    OutputColumn("STATE"),
    OutputColumn("SINCE"),
    OutputColumn("ADDRESS", cut="end"),
)


def _print(out: Output, found: Status) -> None:
    out.line("database  ", found.database)
    lanes, messages = found.counts.lanes, found.counts.messages
    pieces: list[Cell | str] = []
    for name in ("running", "errored", "aborted", "idle"):
        pieces += [", " if pieces else "", f"{lanes[name]} ", state(name) if lanes[name] else name]
    out.line("lanes     ", *pieces, f", {found.counts.paused} paused" if found.counts.paused else "")
    waits = took(found.counts.oldest_head_ms)
    oldest = f", the oldest head for {waits}" if waits else ""
    for pause in found.pauses:
        until = clock_time(pause.until) if pause.until else f"`{resume_command(pause.match)}`"
        text = f"{all_lanes(pause.match)} until {until}"
        out.line("paused    ", Cell(text, "bad"), f" (by {pause.by}: {pause.reason})")
    letters = messages.dead_letters
    dead = Cell(counted(letters, "dead letter"), "bad" if letters else "")
    out.line("messages  ", f"{messages.queued} queued{oldest}, ", dead)
    if found.counts.unlimited:
        off = f"off for {counted(found.counts.unlimited, 'held lane')} (see `lanes list --held`)"
        out.line("limits    ", Cell(off, "warn"))
    if found.counts.ghosts:
        out.line(
            "ghosts    ",
            Cell(counted(found.counts.ghosts, "run"), "bad"),
            " that the heartbeats of their owner left out",
        )
    for cooldown in found.cooldowns:
        out.line("cooling   ", f"{cooldown.provider} ({cooldown.cause}){lasting(cooldown.until)}")
    for kind, owners in (("GATEWAY", found.gateways), ("DESK", found.desks)):
        if owners:
            out.line()
            out.table((OutputColumn(kind, right=True), *OWNER), [_row(owner) for owner in owners])
            for owner in owners:
                if note := _note(owner):
                    out.line(f"{kind.lower()} {owner.id}: {note}")
    if found.sources:
        out.line()
        out.table(SOURCE, [_source(source) for source in found.sources])
        for source in found.sources:
            for note in _notes(source):
                out.line(f"source {source.name}: {note}")


def _source(source: SourceDetail) -> list[Cell | str]:
    state = Cell(source.state, "good" if source.well else "bad") if source.watched else Cell("not watched", "bad")
    return [source.name, source.kind, source.version or "", state, clock_time(source.since), source.url]


def _notes(source: SourceDetail) -> Iterator[str]:
    """The last error of a source, and what to do about its state."""
    if source.error is not None and source.error_at is not None:
        last = "" if not source.well else f"; the last error, at {clock_time(source.error_at)}"
        yield f"{source.error}{last}"
    if not source.well and source.fix is not None:
        yield f"→ {source.fix}"


def _row(owner: OwnerDetail) -> list[Cell | str]:
    alive = Cell("yes", "good") if owner.alive else Cell("no", "bad")
    if owner.is_stopped:
        alive = Cell("stopped", "warn")
    return [
        str(owner.id), owner.host, str(owner.pid), alive, str(owner.held),
        clock_time(owner.started_at), took(owner.heartbeat_age_ms),
    ]  # fmt: skip


def _note(owner: OwnerDetail) -> str:
    """The remarks that have no column. A dead owner has no drain any more, and only a former address."""
    if owner.is_stopped:
        return owner.evidence
    if not owner.alive:
        return f"{owner.evidence}; its address was {owner.url}" if owner.url else owner.evidence
    parts = [owner.url] if owner.url else []
    if owner.draining:
        by, cut = owner.draining.by, clock_time(owner.draining.until)
        parts.append(f"draining by {by}: it claims nothing until it is started again; runs are cut at {cut}")
    return ", ".join(parts)


def _exit_code(session: Session, found: Status) -> int:
    if any(gateway.alive for gateway in found.gateways):
        return Exit.DONE
    # a stopped gateway still holds its port, so that another one would not start
    do = "; ".join(stopped(found.gateways)) or f"start one with {session.how_to_start()}"
    return session.out.trouble("no_gateway", "no gateway lives on this database", Exit.UNREACHABLE, do)


command = query_command(status, _print, exit_code=_exit_code)
