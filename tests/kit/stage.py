"""Setting a stage: lanes in every state, in a real file, made by the doors themselves and without a gateway."""

import subprocess
from pathlib import Path

from lanes.base.procedure import run
from lanes.context import Context
from lanes.host.identity import Identity, identity_of, this_process
from lanes.records import Message
from lanes.verbs import sending
from lanes_storage import doors, reads
from lanes_storage.clock import system_clock
from lanes_storage.interface import Transaction
from lanes_storage.law import Cause, OnInterrupt, OnSurvivors, RunnerKind
from lanes_storage.records import (
    AttemptPhase,
    Beat,
    Claimed,
    NewOwner,
    ProviderAttempt,
    ProviderCounts,
    ProviderRefusal,
    RunFailure,
    RunResult,
    Terms,
)
from lanes_storage.records import MessageRow as Row
from tests.kit.databases import new_store

MINUTE = 60_000
TERMS = Terms(
    run_timeout_ms=5 * MINUTE,
    stall_timeout_ms=2 * MINUTE,
    abort_grace_ms=10_000,
    reconcile_interval_ms=5_000,
    warn_held_after_ms=MINUTE,
    max_park_ms=10 * MINUTE,
    on_interrupt=OnInterrupt.REQUEUE,
    on_survivors=OnSurvivors.START,
)


class Stage:
    """A database with owners, lanes and messages in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = new_store(path)

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def owner(
        self,
        who: Identity | None = None,
        *,
        kind: str = "gateway",
        heartbeat_interval_ms: int = 5_000,
        stale_after_ms: int = 30_000,
        url: str | None = None,
    ) -> int:
        """Enter a process as an owner; this one unless told otherwise."""
        who = who or this_process()
        new = NewOwner(
            kind,
            who.host,
            who.boot_id,
            who.pid_ns,
            who.pid,
            who.start_time,
            "test",
            heartbeat_interval_ms,
            stale_after_ms,
            ("chat",),
            url,
        )
        return self.store.write(lambda tx: doors.register(tx, new, system_clock()))

    def dead_owner(self, *, url: str | None = None) -> int:
        """Enter a process that has ended since."""
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
            who = identity_of(child.pid)
        return self.owner(who, url=url)

    def send(self, key: str, *texts: str) -> list[Message]:
        """Accept messages."""
        return [run(self.store, sending.send(Context("tester"), key, text, cap=1000)) for text in texts]

    def claim(self, key: str, owner: int, terms: Terms = TERMS) -> Claimed:
        """Let an owner take a lane for its head."""

        def step(tx: Transaction) -> Claimed | None:
            now = system_clock()
            (head,) = [head for head in doors.candidates(tx, owner, now, limit=1000) if head.key == key]
            return doors.claim(head, owner, "chat", RunnerKind.PROVIDER, terms, now)(tx)

        claimed = self.store.write(step)
        assert claimed is not None
        return claimed

    def hold(self, key: str, owner: int, *waiting: str, terms: Terms = TERMS) -> Claimed:
        """A lane that is held for one message, with others waiting."""
        self.send(key, "the one that runs")
        claimed = self.claim(key, owner, terms)
        self.send(key, *waiting)
        return claimed

    def say(self, claimed: Claimed, owner: int, said: str) -> None:
        """Let the owner's heartbeat tell what a run has said so far."""
        now = system_clock()
        beat = Beat(claimed.ticket, "content", now.boot, now.wall, reply_so_far=said)
        self.store.write(doors.heartbeat(owner, [beat], now))

    def complete(self, claimed: Claimed, reply: str = "the reply") -> None:
        """End a run well."""
        self.store.write(doors.complete(claimed.ticket, RunResult(reply), system_clock(), by="tester"))

    def fail_lanes(self, count: int, owner: int) -> None:
        """So many lanes whose message failed: ``failed:0``, ``failed:1`` …"""
        for number in range(count):
            self.fail(self.hold(f"failed:{number}", owner))

    def fail(self, claimed: Claimed, message: str = "all providers failed") -> None:
        """End a run badly, with a chain of two providers."""
        at = system_clock().wall
        chain = (
            ProviderAttempt("codex", "server_error", "500", at),
            ProviderAttempt("backup", "idle_timeout", "silent", at),
        )
        failure = RunFailure(Cause.PROVIDER_FAILED, message, chain)
        self.store.write(doors.fail(claimed.ticket, failure, system_clock(), by="tester"))

    def park(self, claimed: Claimed, for_ms: int = MINUTE) -> None:
        """Put the head back, to wait for a provider."""
        now = system_clock()
        failure = RunFailure(Cause.PROVIDER_COOLING, "every provider cools")
        self.store.write(doors.park(claimed.ticket, now.wall + for_ms, failure, now, by="tester"))

    def refuse(self, provider: str, cause: str = "rate_limited", message: str = "too many requests") -> None:
        """Let a provider refuse a request, so that it cools for a minute."""
        refusal = ProviderRefusal(cause, message, MINUTE)
        self.store.write(lambda tx: doors.cool(tx, provider, refusal, system_clock(), by="tester", most_ms=10 * MINUTE))

    def counted(self, provider: str, answers: int, latency_ms: int, **failures: int) -> None:
        """Let the requests to a provider have ended so in the last hour."""
        counts = ProviderCounts(answers, answers * latency_ms, failures)
        self.store.write(lambda tx: doors.count(tx, provider, counts, system_clock()))

    def asks(self, claimed: Claimed, owner: int, provider: str, chain: int = 1) -> None:
        """Let the owner's heartbeat tell that a run asks a provider."""
        now = system_clock()
        phase = AttemptPhase(provider, "first_byte_timeout", MINUTE, 1, chain, None, 0, now.wall, now.boot, now.slept)
        beat = Beat(claimed.ticket, "model_call:started", now.boot, now.wall, attempt=phase)
        self.store.write(doors.heartbeat(owner, [beat], now))

    def confirm_abort(self, claimed: Claimed) -> None:
        """Do what an owner does when its run has stopped after an abort request."""
        self.store.write(doors.abort(claimed.ticket, system_clock(), by="tester", forced=False))

    def message(self, message_id: int) -> Row:
        """A message as it stands."""
        found = self.store.read(reads.message(message_id))
        assert found is not None
        return found

    def waits(self, key: str) -> bool:
        """Whether a message waits in a lane."""
        lane = self.store.read(reads.lane(key))
        return lane is not None and lane.queued > 0
