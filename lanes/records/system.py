"""Records of the whole system: gateways, counts, health, settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from lanes.records.lanes import Owner
from lanes.records.liveness import Liveness
from lanes.records.record import Record
from lanes.text import ages
from lanes_storage import records as rows
from lanes_storage.law import SourceState
from lanes_storage.records import Health as Health

if TYPE_CHECKING:
    from lanes.records.kinds import INLINE, Anything, ByCause, ByState, Count, Moment, Seconds


#: What to do about a source that nobody watches.
NOT_WATCHED = "run `lanes watch`, or a gateway with its [[watch]]"


class Drain(Record):
    """The drain of an owner: who requested it, and until when its runs may continue."""

    by: str
    until: Annotated[Moment | None, "null: no end"]


class OwnerDetail(Owner):
    """A gateway, or a desk that holds lanes for blocks of an embedding program."""

    held: Annotated[Count, "the number of lanes that it holds"]
    draining: Annotated[Drain | None, "by whom, and until when its runs may continue"]
    started_at: Moment
    heartbeat_age_ms: Seconds
    url: str | None
    evidence: Annotated[str, "what is known of its process"]

    @property
    def is_stopped(self) -> bool:
        """Whether its process is stopped; the evidence then names the command that continues it."""
        return f"kill -CONT {self.pid}" in self.evidence

    @property
    def acts(self) -> bool:
        """Whether it is alive and not stopped, so that it can claim and enforce limits."""
        return self.alive and not self.is_stopped

    @classmethod
    def of(cls, row: rows.OwnerRow, liveness: Liveness) -> OwnerDetail:
        """The record of a row, with what is known of its process."""
        return OwnerDetail(
            id=row.id,
            host=row.host,
            pid=row.pid,
            alive=liveness.lives(row),
            held=row.held,
            draining=None if row.drain_by is None else Drain(row.drain_by, row.drain_until),
            started_at=row.started_at,
            heartbeat_age_ms=ages.beat_ms(row, liveness.now),
            url=row.url,
            evidence=liveness.evidence(row),
        )


class OwnerHealth(Record):
    """The load of an owner: its rates per minute over the last minutes, and its open descriptors."""

    owner: Count
    runs_per_min: Annotated[Count, "runs that ended, rounded up"]
    answers_per_min: Count
    failures_per_min: Count
    silent: Annotated[Count, "runs that have been silent for half of the limit that acts first"]
    last_error: Annotated[str | None, "the cause of its last failure in that time"]
    descriptors: Annotated[Count | None, "files and connections that its process has open; null: not seen from here"]
    descriptors_limit: Count | None

    @classmethod
    def of(cls, row: rows.OwnerLoad, minutes: float, descriptors: tuple[int, int] | None) -> OwnerHealth:
        """The rates of counts taken over ``minutes``. ``descriptors``: how many are open, and the limit."""
        ran, answered, failed = (int(-(-count // minutes)) for count in (row.runs, row.answers, row.failures))
        used, most = descriptors or (None, None)
        return OwnerHealth(row.owner, ran, answered, failed, row.silent, row.last_error, used, most)


class MessageCounts(Record):
    """The counts of messages that may need attention."""

    queued: Count
    dead_letters: Count


class Counts(Record):
    """The counts of a database."""

    lanes: Annotated[ByState, "by state"]
    paused: Count
    messages: MessageCounts
    oldest_head_ms: Annotated[Seconds | None, "the longest wait of a head"]
    ghosts: Annotated[Count, "runs that hold a lane and that their owner does not report"]
    unlimited: Annotated[Count, "held lanes whose run_timeout or stall_timeout is off"]
    silent: Annotated[Count, "owners without a heartbeat for too long"]

    @classmethod
    def of(cls, row: rows.LaneCounts, liveness: Liveness) -> Counts:
        """The counts of a database."""
        return Counts(
            lanes=row.lanes,
            paused=row.paused,
            messages=MessageCounts(row.queued, row.dead_letters),
            oldest_head_ms=liveness.since(row.oldest_head_at),
            ghosts=row.ghosts,
            unlimited=row.unlimited,
            silent=row.silent,
        )


class Cooldown(Record):
    """A provider that is not asked until a stored time."""

    provider: str
    cause: str
    until: Moment


class Provider(Record):
    """A provider: whether it may be asked, how many runs ask it now, and how the last hour's requests ended."""

    name: str
    health: Health
    in_flight: Annotated[Count, "runs that ask it now"]
    max_in_flight: Annotated[Count | None, "how many may ask it now; null: any number, or not known here"]
    cause: Annotated[str | None, "of its last cooldown, unless it is well again"]
    message: Annotated[str | None, "what it said then; while it is well, of a refusal since which it answered none"]
    since: Annotated[Moment | None, "the beginning of that cooldown"]
    until: Annotated[Moment | None, "its end"]
    tried_last_until: Moment | None
    answers: Annotated[Count, "in the last hour"]
    failures: Annotated[ByCause, "in the last hour, by cause"]
    latency_ms: Annotated[Seconds | None, "the mean time from a request to the end of its answer, in the last hour"]

    @classmethod
    def of(cls, row: rows.ProviderRow, in_flight: int, max_requests: int | None, now_wall: int) -> Provider:
        """The record of a row; ``max_requests`` is what the configuration says."""
        health, counts = row.health(now_wall), rows.ProviderCounts.read(row.counts, now_wall)
        ill = health is not Health.WELL
        refused = row.doubted is not None and row.cause is None
        return Provider(
            name=row.provider,
            health=health,
            in_flight=in_flight,
            max_in_flight=0 if health is Health.COOLING else row.most(now_wall, max_requests),
            cause=row.cause if ill else None,
            message=row.message if ill or refused else None,
            since=row.since if ill else None,
            until=row.until if ill else None,
            tried_last_until=row.tried_last_until if (row.tried_last_until or 0) > now_wall else None,
            answers=counts.answers,
            failures=dict(counts.failures),
            latency_ms=counts.latency_ms // counts.answers if counts.answers else None,
        )


class ProviderResetDone(Record):
    """A provider after a reset."""

    provider: Provider
    done: Annotated[bool, "whether it cooled, recovered, or was tried last"]
    woken: Annotated[Count, "messages that waited for it and may start now"]


def all_providers(
    known: Mapping[str, rows.ProviderRow],
    in_flight: Mapping[str, int],
    limits: Mapping[str, int | None],
    now_wall: int,
) -> list[Provider]:
    """The providers with a stored row and those of the configuration (``limits``), sorted by name."""
    return [
        Provider.of(known.get(name, rows.ProviderRow(name)), in_flight.get(name, 0), limits.get(name), now_wall)
        for name in sorted({*limits, *known})
    ]


class GlobPause(Record):
    """A pause of every lane whose key fits a glob, lanes to come included."""

    match: Annotated[str, "the glob; `*`: all lanes"]
    reason: str
    by: str
    at: Moment
    until: Annotated[Moment | None, "null: until someone resumes them"]

    @classmethod
    def of(cls, row: rows.PauseRow) -> GlobPause:
        """The record of a pause of a glob."""
        return GlobPause(row.pattern or "", row.reason, row.actor, row.at, row.until)

    @property
    def of_all(self) -> bool:
        """Whether it pauses every lane, those to come included."""
        return self.match.strip("*") == ""


class SourceDetail(Record):
    """Another program's gateway that is watched."""

    name: str
    kind: str
    url: str
    version: str | None
    state: SourceState
    since: Annotated[Moment, "when it came into this state"]
    watched: Annotated[bool, "whether a process that lives watches it; otherwise all of this is old"]
    error: Annotated[str | None, "the last reason that it could not be watched"]
    error_at: Moment | None
    fix: Annotated[str | None, "what to do; null: nothing, or it is tried again by itself"]

    @classmethod
    def of(cls, row: rows.SourceRow, watcher: rows.OwnerRow | None, liveness: Liveness) -> SourceDetail:
        """The record of a row."""
        watched = watcher is not None and liveness.lives(watcher)
        fix = row.fix if watched else NOT_WATCHED
        return SourceDetail(
            row.name, row.kind, row.url, row.version, row.state, row.changed_at, watched, row.error, row.error_at, fix
        )

    @property
    def well(self) -> bool:
        """Whether what is shown of its sessions is current."""
        return self.watched and self.state is SourceState.CONNECTED


class Status(Record):
    """An overview of a database."""

    database: str
    gateways: tuple[OwnerDetail, ...]
    counts: Annotated[Counts, INLINE]
    cooldowns: tuple[Cooldown, ...]
    desks: Annotated[
        tuple[OwnerDetail, ...], "the processes that hold lanes for blocks of an embedding program (`desk.hold`)"
    ]
    pauses: Annotated[tuple[GlobPause, ...], "of all lanes, or of those whose key fits a glob"] = ()
    sources: Annotated[tuple[SourceDetail, ...], "other programs' gateways that are watched"] = ()

    @classmethod
    def of(
        cls,
        database: str,
        owners: Iterable[rows.OwnerRow],
        counts: rows.LaneCounts,
        cooldowns: Iterable[rows.CooldownRow],
        liveness: Liveness,
        pauses: Iterable[rows.PauseRow] = (),
        sources: Iterable[rows.SourceRow] = (),
    ) -> Status:
        """The record of what was read from a database."""
        owners = list(owners)
        watchers = {owner.id: owner for owner in owners}
        return Status(
            database,
            tuple(OwnerDetail.of(owner, liveness) for owner in owners if owner.kind == "gateway"),
            Counts.of(counts, liveness),
            tuple(Cooldown(each.provider, each.cause, each.until) for each in cooldowns),
            tuple(OwnerDetail.of(owner, liveness) for owner in owners if owner.kind != "gateway"),
            tuple(map(GlobPause.of, pauses)),
            tuple(SourceDetail.of(each, watchers.get(each.owner_id), liveness) for each in sources),
        )


class Level(StrEnum):
    """How serious the result of a check is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"  # an invariant does not hold, or the file is damaged or in a place where it cannot be safe


class Check(Record):
    """The result of one check of the doctor."""

    check: str
    level: Annotated[Level, "`broken` is a broken invariant, a damaged file, or one on a network file system"]
    message: str
    fix: Annotated[str | None, "what to do; null: nothing"] = None


class SettingValue(Record):
    """One effective setting. Never a secret."""

    name: str
    value: Annotated[Anything, "as in the file; null: none"]
    origin: Annotated[str, "`flag`, `environment`, `file`, `default` or `derived`"]
    where: Annotated[str, "the line or variable that set it"]
    meaning: str
