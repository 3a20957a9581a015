"""A busy night on a database: lanes in every state, made by the doors at moments of their own choosing."""

from collections.abc import Callable, Mapping
from pathlib import Path

from lanes.testing import HOUR, MINUTE, SECOND, Hands
from lanes_storage import doors, open_store
from lanes_storage.clock import Now
from lanes_storage.law import Cause
from lanes_storage.records import (
    AttemptPhase,
    Beat,
    Claimed,
    ProviderAttempt,
    ProviderCounts,
    ProviderRefusal,
    RunFailure,
    RunResult,
)
from tests.kit.world import World

#: 2026-09-21 14:02:07 UTC, when the pictures are taken.
NIGHT = Now(wall=1_789_999_327_000, boot=7_000_000_000, mono=300_000_000, boot_id="boot-of-the-scene")

FEISHU = "agent:main:feishu:group:oc_d497a1"
TEXTS = {
    "telegram": ("what is on today?", "Two meetings, and a train at 17:04."),
    "slack": ("summarise the thread", "They agreed to ship on Tuesday; Ana writes the notes."),
    "web": ("is the printer fixed?", "Yes, since this morning."),
    "discord": ("who is on call?", "Ben until six, then Mei."),
    "email": ("draft a reply to the landlord", "Dear Mr Okoro, thank you for your letter of Monday."),
}


class Scene:
    """Lanes, messages, runs and owners. What is planned happens in the order of time, the last of it at ``NIGHT``."""

    def __init__(self, path: Path) -> None:
        self.time = Hands(NIGHT.later(-3 * HOUR))
        self._store = open_store(str(path), create=True)
        self.world = World(self._store, self.time)
        self._planned: list[tuple[int, int, Callable[[], object]]] = []
        first = self.world.me  # every world begins with one
        self.world.step(lambda tx: doors.end_owner(tx, first, self.time(), cause="stopped", by="owner:1"))
        self.one = self.world.owner(host="gw-1", pid=2211, boot_id=NIGHT.boot_id)
        self.two = self.world.owner(host="gw-2", pid=1840, boot_id="another-boot", url="http://10.0.0.12:8765")
        self.dead = self.world.owner(host="gw-3", pid=977, boot_id="a-third-boot", url="http://10.0.0.13:8765")

    def plan(self, ago: int, act: Callable[[], object]) -> None:
        """Let something have happened so long before ``NIGHT``."""
        self._planned.append((-ago, len(self._planned), act))

    def play(self) -> None:
        """Let everything happen, and close the database."""
        for when, _, act in sorted(self._planned, key=lambda planned: planned[:2]):
            self.time.now = NIGHT.later(when)
            act()
        self.time.now = NIGHT
        self._store.close()

    def send(self, key: str, ago: int, text: str) -> None:
        """A message, by whoever brings those of its channel."""
        sender = key.split(":")[2] if key.count(":") > 1 else "api"
        self.plan(ago, lambda: self.world.send(key, text, actor=sender))

    def claim(self, key: str, ago: int, owner: int) -> list[Claimed]:
        """A claim; what is returned holds it once it has happened."""
        claimed: list[Claimed] = []
        self.plan(ago, lambda: claimed.append(self.world.claim(key, owner)))
        return claimed

    def held(self, key: str, since: int, owner: int, text: str, *waiting: str) -> list[Claimed]:
        """A lane that a run holds since so long, with messages behind it."""
        self.send(key, since, text)
        claimed = self.claim(key, since, owner)
        for number, behind in enumerate(waiting):
            self.send(key, since - (number + 1) * since // (len(waiting) + 2), behind)
        return claimed

    def done(self, key: str, ago: int, text: str, reply: str) -> None:
        """A run that ended well."""
        claimed = self.held(key, ago, self.one, text)
        self.plan(
            ago - 3 * SECOND,
            lambda: self.world.step(doors.complete(claimed[0].ticket, RunResult(reply), self.time(), by="owner:2")),
        )

    def errored(self, key: str, ago: int, text: str) -> None:
        """A lane whose providers all failed."""
        claimed = self.held(key, ago, self.two, text)
        at = NIGHT.wall - ago
        chain = (
            ProviderAttempt("codex", "server_error", "HTTP 500: upstream connect error", at + SECOND),
            ProviderAttempt("backup", "first_byte_timeout", "no byte in 45 s", at + 46 * SECOND),
        )
        why = RunFailure(Cause.PROVIDER_FAILED, "every provider failed", chain)
        self.plan(
            ago - 46 * SECOND,
            lambda: self.world.step(doors.fail(claimed[0].ticket, why, self.time(), by="owner:3")),
        )

    def aborted(self, key: str, ago: int, text: str) -> None:
        """A lane that somebody freed."""
        claimed = self.held(key, ago, self.one, text)

        def abort() -> None:
            self.world.request_abort(key, actor="alice@gw-1", reason="stuck at the provider")
            self.world.step(doors.abort(claimed[0].ticket, self.time(), by="owner:2", forced=False))

        self.plan(ago - 90 * SECOND, abort)

    def parked(self, key: str, ago: int, text: str, for_ms: int) -> None:
        """A head that waits for its provider."""
        claimed = self.held(key, ago, self.two, text)
        why = RunFailure(Cause.PROVIDER_COOLING, "codex is rate limited, backup cools")
        self.plan(
            ago - 2 * SECOND,
            lambda: self.world.step(doors.park(claimed[0].ticket, NIGHT.wall + for_ms, why, self.time(), by="owner:3")),
        )

    def provider(self, name: str, answers: int, latency_ms: int, **failures: int) -> None:
        """How the requests to a provider ended in the last hour."""
        counts = ProviderCounts(answers, answers * latency_ms, failures)
        self.plan(SECOND, lambda: self.world.step(lambda tx: doors.count(tx, name, counts, self.time())))

    def refused(self, name: str, ago: int, cause: str, message: str, for_ms: int) -> None:
        """A provider that refused, and cools since then."""
        refusal = ProviderRefusal(cause, message, for_ms)
        self.plan(
            ago,
            lambda: self.world.step(
                lambda tx: doors.cool(tx, name, refusal, self.time(), by="owner:2", most_ms=10 * MINUTE)
            ),
        )

    def pause(self, key: str, ago: int, reason: str) -> None:
        """Let a lane claim nothing."""
        self.plan(
            ago,
            lambda: self.world.step(lambda tx: doors.pause(tx, key, self.time(), actor="bob@gw-1", reason=reason)),
        )

    def beat(
        self, owner: int, ago: int, *held: list[Claimed], said: str, asks: Mapping[int, list[Claimed]] | None = None
    ) -> None:
        """The last heartbeat of an owner, naming its runs, and what they have replied so far.

        ``asks``: runs that have asked their provider since so long, without a byte of an answer.
        """

        def act() -> None:
            now = self.time()
            beats = [Beat(each[0].ticket, "content", now.boot, now.wall, None, said, now.slept) for each in held]
            for since, each in (asks or {}).items():
                at = NIGHT.later(-since)
                phase = AttemptPhase(
                    "codex", "first_byte_timeout", 45 * SECOND, 1, 2, "backup", 0, at.wall, at.boot, at.slept
                )
                beats.append(
                    Beat(
                        each[0].ticket,
                        "model_call:started",
                        at.boot,
                        at.wall,
                        progress_slept_ms=at.slept,
                        attempt=phase,
                    )
                )
            self.world.step(doors.heartbeat(owner, beats, now))

        self.plan(ago, act)


def stage(path: Path) -> Hands:
    """Make the database of every picture; returns the clock that stands at its moment."""
    scene = Scene(path)
    for number in range(60):
        channel = tuple(TEXTS)[number % 5]
        scene.done(f"agent:main:{channel}:{4200 + 37 * number}", 2 * HOUR - number * 41 * SECOND, *TEXTS[channel])
    scene.aborted("agent:main:slack:C02:thread-9", 25 * MINUTE, "hello?")
    scene.errored("agent:ops:cron:nightly-report", 18 * MINUTE, "write the nightly report")
    scene.errored("agent:main:web:7", 9 * MINUTE, "book a table for four")
    scene.errored("agent:main:discord:guild:88", 6 * MINUTE, "summarise the thread")
    scene.send("agent:main:discord:guild:88", 290 * SECOND, "are you there?")
    scene.send("agent:main:discord:guild:88", 250 * SECOND, "hello??")
    scene.pause("agent:main:discord:guild:88", 5 * MINUTE, "looking into it")
    scene.parked("agent:main:feishu:user:ou_81", 70 * SECOND, "translate this, please", 90 * SECOND)
    scene.provider("codex", 412, 8_400, first_byte_timeout=14, server_error=3)
    scene.provider("backup", 37, 5_100, idle_timeout=2)
    scene.provider("azure-eu", 96, 6_300, rate_limited=5)
    scene.refused(
        "azure-eu", 70 * SECOND, "rate_limited", "HTTP 429: requests per minute of this key are used up", 180 * SECOND
    )
    scene.refused("backup", 4 * MINUTE, "overloaded", "HTTP 529: overloaded", 30 * SECOND)
    long_one = scene.held(
        FEISHU,
        252 * SECOND,
        scene.one,
        "book the trip that we spoke about",
        "is anybody there?",
        "hello??",
        "@bot ping",
    )
    ghost = scene.held("agent:main:telegram:7731", 130 * SECOND, scene.dead, "find the invoice of May", "any news?")
    coder = scene.held("agent:coder:repo:lanes#214", 95 * SECOND, scene.one, "make the tests pass")
    group = scene.held("agent:main:微信:群聊:产品讨论", 41 * SECOND, scene.one, "总结一下今天的讨论", "好的,谢谢")
    quick = scene.held("agent:main:telegram:42", 12 * SECOND, scene.one, "what is on today?")
    away = scene.held("agent:main:line:🐈:U5521", 27 * SECOND, scene.two, "how is the cat?")
    hung = scene.held("agent:main:whatsapp:4917", 100 * SECOND, scene.one, "is my parcel here?", "hello?")
    scene.beat(scene.dead, 48 * SECOND, ghost, said="I found three invoices")
    scene.beat(scene.two, 3 * SECOND, away, said="She sleeps in the")
    scene.beat(
        scene.one,
        SECOND,
        long_one,
        coder,
        group,
        quick,
        said="Let me see. There is a train at",
        asks={38 * SECOND: hung},
    )
    scene.play()
    return scene.time
