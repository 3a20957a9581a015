"""The check of providers: which of them fail unnoticed, while others answer in their place."""

from collections.abc import Mapping

from lanes.base.terminal import clean
from lanes.context import Context
from lanes.doctor.checks import Check, QuotingMessage, ok, warning
from lanes.records import Liveness
from lanes.text.naming import as_typed
from lanes.text.spans import span
from lanes_storage import reads
from lanes_storage.interface import Reader
from lanes_storage.law import AttemptCause, EventType
from lanes_storage.records import CooldownRow, EventRow, How, LaneFilter, ProviderCounts, ProviderRow, Subject

#: How many of the latest starts, and of the latest ends, of failure spells are read.
SPELLS = 1_000
#: A provider is reported if it answered none of the last hour's requests and failed at least this many.
UNANSWERED = 3
#: A request that is too long does not count as a failure: the provider that refuses it works.
TOO_LONG = AttemptCause.CONTEXT_OVERFLOW


def check_providers(reader: Reader, ctx: Context) -> list[Check]:
    """One warning for each provider that cools, that has failed and not answered since, or that has answered none of
    the last hour's requests. The last also finds a refused key that only one lane uses, which cools no provider.

    Failures from before the oldest living gateway are left out: its predecessors may have had other settings, and
    nothing would report that the provider answers again.
    """
    at = ctx.now()
    now, liveness = at.wall, Liveness(at)
    living = [each for each in reader.read(reads.owners()) if each.kind == "gateway" and liveness.lives(each)]
    last = _last_reported(reader, min(gateway.started_at for gateway in living), now) if living else {}
    cooling = {row.provider: row for row in reader.read(reads.cooldowns(now))}
    failing = [(name, event) for name, event in last.items() if event.type == EventType.PROVIDER_FAILING]
    found = [_failing(name, event, now) for name, event in sorted(failing) if name not in cooling]
    found += [_cooling(row, now) for row in cooling.values()]
    reported = {*cooling, *(name for name, _ in failing)}
    for name, row in reader.read(reads.providers()).items():
        counts = ProviderCounts.read(row.counts, now)
        failures = {cause: count for cause, count in counts.failures.items() if cause != TOO_LONG}
        if name in reported or counts.answers:
            continue
        if row.doubted is not None and row.cause is None:
            found.append(_refused(row))
        elif sum(failures.values()) >= UNANSWERED:
            found.append(_unanswered(name, failures))
    return found or [ok("providers", "none is known to fail")]


def _last_reported(reader: Reader, since: int, now: int) -> dict[str, EventRow]:
    """The last event of each provider since the wall time ``since`` that shows whether it fails."""
    older = LaneFilter(at=now, of=Subject.EVENT).where("changed", How.MORE, now - since)
    before = reader.read(reads.events(chosen=older, limit=1, newest=True))
    last: dict[str, EventRow] = {}
    for type_ in (EventType.PROVIDER_FAILING, EventType.PROVIDER_ANSWERS):
        query = reads.events(type=type_, since=since, after=before[0].id if before else 0, limit=SPELLS, newest=True)
        for event in reader.read(query):
            name = str((event.detail or {}).get("provider", ""))
            if name not in last or last[name].id < event.id:
                last[name] = event
    return last


def _cooling(row: CooldownRow, now: int) -> Check:
    bare = f"provider {clean(row.provider)} cools for {span(row.until - now)} ({clean(row.cause)}"
    message = QuotingMessage(f"{bare}: {clean(row.message)})", f"{bare})") if row.message else f"{bare})"
    fix = f"find out why; then `lanes providers reset {as_typed(row.provider, 'NAME')}` ends the cooldown"
    return warning("providers", message, fix)


def _refused(row: ProviderRow) -> Check:
    bare = f"provider {clean(row.provider)} has refused a request, and answered none since"
    fix = "where a setting is wrong, correct it and restart the gateway"
    return warning("providers", QuotingMessage(f"{bare}: {clean(row.message or 'it gave no reason')}", bare), fix)


def _unanswered(name: str, failures: Mapping[str, int]) -> Check:
    causes = ", ".join(f"{count} {clean(cause)}" for cause, count in sorted(failures.items()))
    requests = f"none of the {sum(failures.values())} requests of the last hour"
    message = f"provider {clean(name)} has answered {requests} ({causes})"
    return warning(
        "providers", message, "see what it said with `lanes dead-letters` or `lanes show KEY`, and repair it"
    )


def _failing(name: str, event: EventRow, now: int) -> Check:
    why = clean(str((event.detail or {}).get("message", "")))
    bare = f"provider {clean(name)} has failed for {span(now - event.at)} ({clean(event.cause or '')}"
    message = QuotingMessage(f"{bare}: {why})", f"{bare})")
    fix = "the next of each chain is asked in its place: see who answers with `lanes show KEY`, and repair it"
    return warning("providers", message, fix)
