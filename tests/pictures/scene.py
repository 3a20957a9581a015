"""A busy night on a database: lanes in every state, made by the doors at moments of their own choosing."""

from pathlib import Path

from lanes.testing import HOUR, MINUTE, SECOND, Hands
from lanes_storage import doors, open_store
from lanes_storage.law import Cause
from lanes_storage.moment import Now
from lanes_storage.records import Attempt, Claimed, Failure
from tests.kit.world import World

#: 2026-09-21 14:02:07 UTC, when the pictures are taken.
NIGHT = Now(wall=1_789_999_327_000, boot=7_000_000_000, mono=300_000_000, boot_id="boot-of-the-scene")

FEISHU = "agent:main:feishu:group:oc_d497a1"


class Scene:
    """Lanes, messages, runs and owners, the last of them at ``NIGHT``."""

    def __init__(self, path: Path) -> None:
        self.time = Hands(NIGHT)
        self._store = open_store(str(path), create=True)
        self.ago(3 * HOUR)
        self.world = World(self._store, self.time)
        self.one = self.world.owner(host="gw-1", pid=2211, boot_id=NIGHT.boot_id)
        self.two = self.world.owner(host="gw-2", pid=1840, boot_id="another-boot")
        self.dead = self.world.owner(host="gw-3", pid=977, boot_id="a-third-boot")
        first = self.world.me  # every world begins with one
        self.world.step(lambda tx: doors.end_owner(tx, first, self.time(), cause="stopped", by="scene"))

    def close(self) -> None:
        """Close the database; it stands at ``NIGHT``."""
        self._store.close()

    def ago(self, ms: int) -> None:
        """What follows happened so long before ``NIGHT``."""
        self.time.now = NIGHT.later(-ms)

    def quiet(self, count: int) -> None:
        """Lanes whose last run ended well."""
        places = ("telegram", "slack", "web", "discord", "email")
        for number in range(count):
            self.ago(2 * HOUR - number * 41 * SECOND)
            self._end(f"agent:main:{places[number % 5]}:{4200 + 37 * number}", self.one)

    def held(self, key: str, since: int, owner: int, *waiting: str, quiet: int = 4 * SECOND) -> Claimed:
        """A lane that a run holds since so long, with messages behind it."""
        self.ago(since)
        claimed = self.world.start(key, "book the trip that we spoke about", owner)
        for number, text in enumerate(waiting):
            self.ago(since - (number + 1) * since // (len(waiting) + 2))
            self.world.send(key, text)
        self.ago(quiet)
        self.world.beat(claimed.ticket, owner=owner)
        return claimed

    def errored(self, key: str, since: int, *waiting: str) -> None:
        """A lane whose providers all failed; what waits behind it is parked or paused by the caller."""
        self.ago(since)
        claimed = self.world.start(key, "summarise the thread", self.two)
        at = NIGHT.wall - since
        chain = (
            Attempt("codex", "server_error", "HTTP 500: upstream connect error", at + SECOND),
            Attempt("backup", "first_byte_timeout", "no byte in 45 s", at + 46 * SECOND),
        )
        self.ago(since - 46 * SECOND)
        self.world.fail(claimed.ticket, Failure(Cause.PROVIDER_FAILED, "every provider failed", chain))
        for text in waiting:
            self.world.send(key, text)

    def aborted(self, key: str, since: int) -> None:
        """A lane that somebody freed."""
        self.ago(since)
        claimed = self.world.start(key, "hello?", self.one)
        self.world.request_abort(key, actor="alice@gw-1", reason="stuck at the provider")
        self.world.abort(claimed.ticket)

    def parked(self, key: str, since: int, for_ms: int) -> None:
        """A head that waits for its provider."""
        self.ago(since)
        claimed = self.world.start(key, "translate this, please", self.two)
        self.world.park(claimed.ticket, for_ms)

    def pause(self, key: str, since: int, reason: str) -> None:
        """Let a lane claim nothing."""
        self.ago(since)
        self.world.step(lambda tx: doors.pause(tx, key, self.time(), actor="bob@gw-1", reason=reason))

    def beat(self, owner: int, ago: int, *held: Claimed) -> None:
        """The last heartbeat of an owner, naming its runs."""
        self.ago(ago)
        self.world.beat(*(claimed.ticket for claimed in held), owner=owner, progress="content")

    def _end(self, key: str, owner: int) -> None:
        claimed = self.world.start(key, "what is on today?", owner)
        self.time.move(3 * SECOND)
        self.world.complete(claimed.ticket, "Two meetings and a train at 17:04.")


def stage(path: Path) -> Hands:
    """Make the database of every picture; returns the clock that stands at its moment."""
    scene = Scene(path)
    scene.quiet(60)
    scene.aborted("agent:main:slack:C02:thread-9", 25 * MINUTE)
    scene.errored("agent:ops:cron:nightly-report", 18 * MINUTE)
    scene.errored("agent:main:web:7", 9 * MINUTE)
    scene.parked("agent:main:feishu:user:ou_81", 70 * SECOND, 90 * SECOND)
    scene.errored("agent:main:discord:guild:88", 6 * MINUTE, "are you there?", "hello??")
    scene.pause("agent:main:discord:guild:88", 5 * MINUTE, "looking into it")
    long_one = scene.held(FEISHU, 4 * MINUTE + 12 * SECOND, scene.one, "is anybody there?", "hello??", "@bot ping")
    ghost = scene.held("agent:main:telegram:7731", 130 * SECOND, scene.dead, "any news?")
    busy = [
        scene.held("agent:coder:repo:lanes#214", 95 * SECOND, scene.one),
        scene.held("agent:main:微信:群聊:产品讨论", 41 * SECOND, scene.one, "好的,谢谢"),
        scene.held("agent:main:telegram:42", 12 * SECOND, scene.one),
    ]
    away = scene.held("agent:main:line:🐈:U5521", 27 * SECOND, scene.two)
    scene.beat(scene.dead, 48 * SECOND, ghost)
    scene.beat(scene.two, 3 * SECOND, away)
    scene.beat(scene.one, SECOND, *busy, long_one)
    scene.close()
    scene.time.now = NIGHT
    return scene.time
