"""A campaign: real gateways and a real provider, killed and harmed again and again under traffic, judged at the end."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Protocol, TypeVar

import httpx

from lanes.testing import History
from lanes_storage import open_store
from tests.kit.processes import ADDRESS, PATIENCE_S, House, Process, eventually
from tests.proof.campaign import sender
from tests.proof.campaign.configuration import configure
from tests.proof.campaign.judge import ODD, judge, told_in
from tests.proof.campaign.processes import Pager
from tests.proof.campaign.worlds import Worlds

T = TypeVar("T")
LANES = 6  # of each sender
LEFT = "SELECT count(*) FROM messages WHERE ended_at IS NULL"
#: What a message may end as after its gateways were killed under it three times; everything else is answered.
POISON = "SELECT count(*) FROM messages WHERE state = 'failed' AND error_cause = 'poison'"


class Harm(Protocol):
    """Something that is done to a campaign for a while, besides kills. Nothing acknowledged may go with it."""

    #: The codes by which a gateway may end itself that lives meanwhile.
    exits: frozenset[int]
    #: Whether gateways are killed and started meanwhile, in a campaign that does so.
    mortal: bool

    def begin(self, campaign: "Campaign") -> None:
        """Do it."""
        ...

    def shows(self, campaign: "Campaign") -> bool:
        """Whether it has had its effect on every process that lives."""
        ...

    def end(self, campaign: "Campaign") -> None:
        """Undo it, or do what an operator does then."""
        ...


@dataclass(slots=True)
class Slot:
    """One place for a gateway: the process that fills it, when it is killed if it has not killed itself, and the codes
    by which it may end itself, for what it met."""

    name: str
    process: Process | None = None
    pager: Pager | None = None
    until: float = 0.0
    exits: frozenset[int] = frozenset()


@dataclass(slots=True)
class Campaign:
    """One campaign in one house. ``habits`` names a sender each. ``mortal``: gateways are killed all the time."""

    made: House
    seed: int
    gateways: int = 1
    habits: Sequence[str] = ("steady",)
    pause_ms: int = 100
    longest_s: float = 3.0
    mortal: bool = True
    kills: int = 0
    harms: list[str] = field(default_factory=list)
    points: set[str] = field(default_factory=set)  # kill points that were reached
    dooms: list[str] = field(default_factory=list)  # the kill points of the next gateways
    luck: Random = field(init=False)
    worlds: Worlds = field(init=False)
    slots: list[Slot] = field(init=False)
    senders: list[Process] = field(default_factory=list)
    sent_by: int = 0  # senders so far
    exits: frozenset[int] = frozenset()
    closed: bool = False  # no gateway is started

    def __post_init__(self) -> None:
        self.luck = Random(self.seed)
        self.worlds = Worlds(self.made.database)
        self.slots = [Slot(f"gateway-{number}") for number in range(self.gateways)]
        configure(self.made, self.made.provider(30))

    def run(self, go_on: Callable[[], bool], harms: Mapping[str, Harm] = MappingProxyType({})) -> History:
        """Kill, and harm, while ``go_on``, then let one gateway finish; the judgement."""
        self.begin()
        while go_on():
            if harms:
                self.suffer(*self.luck.choice(list(harms.items())))
            self.rest(self.luck.uniform(0.5, 2) if harms else 0)
        return self.settle()

    def begin(self) -> None:
        """Start the senders, and the gateways."""
        open_store(str(self.made.database), create=True).close()
        self.senders = [self._sender(number, habit) for number, habit in enumerate(self.habits)]
        self.until(lambda: self.acknowledged() and (self.mortal or all(self.urls())), "the first acknowledgement")

    def suffer(self, name: str, harm: Harm) -> None:
        """One harm from its beginning until all is well again."""
        self.harms.append(name)
        mortal, self.mortal, self.exits = self.mortal, self.mortal and harm.mortal, harm.exits
        for slot in self.slots:
            slot.exits |= harm.exits
        harm.begin(self)
        self.until(lambda: harm.shows(self), f"the harm {name!r} to show")
        self.rest(self.luck.uniform(0, 2) if self.mortal else 0)
        harm.end(self)
        self.until(self.faithful, f"each gateway to be ready on the right file, or to refuse, after {name!r}")
        self.mortal, self.exits = mortal, frozenset()
        self.flows()

    def __str__(self) -> str:
        harmed = f", harms {len(self.harms)}" if self.harms else ""
        return f"gateways {self.gateways}, kills {self.kills}{harmed}, acknowledged {self.acknowledged()}"

    # ------------------------------------------------------------------------------------- to look

    def acknowledged(self) -> int:
        """How many messages senders were told to be accepted."""
        return sum(log.read_bytes().count(b"\n") for log in self.made.folder.glob("acknowledged-*.jsonl"))

    def living(self) -> list[Process]:
        """The gateways that live."""
        return [slot.process for slot in self.slots if slot.process and slot.process.popen.poll() is None]

    def urls(self) -> list[str]:
        """Where each gateway listens; empty for one that does not say so yet."""
        for process in self.living():
            if not process.url and (found := ADDRESS.search(process.said())):
                process.url = found[0]
        return [process.url for process in self.living()]

    def misheld(self, process: Process) -> list[str]:
        """The parts of the database that a process has open and the path does not name."""
        try:
            return self.worlds.misheld(process.pid)
        except (FileNotFoundError, ProcessLookupError):
            return []  # it is gone

    def faithful(self) -> bool:
        """Whether each gateway takes messages if, and only if, the path names what it has open."""
        self.urls()
        return all(
            ready(process.url) is not bool(self.misheld(process)) or process.popen.poll() is not None
            for process in self.living()
            if process.url
        )

    def named_by_the_doctor(self) -> bool:
        """Whether ``lanes doctor`` names every process that has open what the path does not name."""
        strangers = [process.pid for process in (*self.living(), *self.senders) if self.misheld(process)]
        if not strangers:
            return True
        told = self.made.lanes("doctor", check=False).out
        return all(f"process {pid} " in told for pid in strangers)

    # ------------------------------------------------------------------------------------- to wait

    def tend(self) -> None:
        """Fill empty places; kill who has lived for long enough."""
        for process in self.senders:
            assert process.popen.poll() is None, process.said()
        for slot in self.slots:
            self._tend(slot)
        listing = "\n".join(url for url in self.urls() if url)
        urls = self.made.folder / "urls"
        if not urls.exists() or urls.read_text(encoding="ascii") != listing:
            draft = urls.with_suffix(".draft")
            draft.write_text(listing, encoding="ascii")
            draft.rename(urls)

    def until(self, condition: Callable[[], T | None], what: str) -> T:
        """Wait for something while the campaign goes on."""

        def look() -> T | None:
            self.tend()
            return condition()

        return eventually(look, what)

    def rest(self, seconds: float) -> None:
        """Let the campaign go on for a while."""
        end = time.monotonic() + seconds
        self.tend()
        while time.monotonic() < end:
            time.sleep(0.01)  # processes end without a word to wait for
            self.tend()

    def flows(self) -> None:
        """Wait until each sender had something acknowledged after now."""
        logs = [self.made.folder / f"acknowledged-{number}.jsonl" for number in range(len(self.senders))]
        sizes = [log.stat().st_size for log in logs]
        more = lambda: all(log.stat().st_size > size for log, size in zip(logs, sizes, strict=True))  # noqa: E731
        self.until(more, "each sender to have something acknowledged")

    # -------------------------------------------------------------------------------------- to act

    def end_gateways(self) -> None:
        """``kill -9`` to each of them, and start no other until ``closed`` is lifted."""
        self.closed = True
        for slot in self.slots:
            self._clear(slot)

    def replace_gateway(self, process: Process) -> None:
        """Stop one in order, as an operator does; another one takes its place."""
        (slot,) = [slot for slot in self.slots if slot.process is process]
        code = process.terminate()
        assert code in (0, 69), f"{process.name} ended with {code}: {process.said()}"
        self._clear(slot)

    def replace_senders(self) -> None:
        """Let others take the place of those that keep files open which the path does not name."""
        strange = [(number, process) for number, process in enumerate(self.senders) if self.misheld(process)]
        for number, process in strange:
            assert process.terminate() == 0, process.said()
            self.senders[number] = self._sender(number, self.habits[number])

    def send(self, key: str, text: str) -> None:
        """Send a message that may end in any way."""
        self.made.lanes("send", f"{ODD}:{key}", text)

    def _sender(self, number: int, habit: str) -> Process:
        folder, name = self.made.folder, f"sender-{number}"
        log = folder / f"acknowledged-{number}.jsonl"
        log.touch()
        self.sent_by += 1  # each sender has texts that no other one sends
        seed = f"{self.seed}-{number}-{self.sent_by}"
        arguments = [habit, str(self.made.database), str(log), str(LANES), str(self.pause_ms), seed]
        process = Process([sys.executable, str(Path(sender.__file__)), *arguments], folder, name, forked=True)
        self.made.processes.append(process)
        return process

    def _tend(self, slot: Slot) -> None:
        if slot.process is None:
            if not self.closed:
                self._fill(slot)
            return
        code = slot.process.popen.poll()
        if code is not None:
            assert code == -9 or code in slot.exits, f"{slot.name} ended with {code}: {slot.process.said()}"
            self.points.add(slot.process.doom or "")
            self.kills += code == -9
        elif self.mortal and time.monotonic() > slot.until:
            slot.process.kill()
            self.kills += 1
        else:
            return
        self._clear(slot)

    def _fill(self, slot: Slot) -> None:
        doom = self.dooms.pop(0) if self.dooms else self._doom()
        slot.pager = Pager(self.made.folder / f"{slot.name}.log")
        slot.process = self.made.start_gateway(slot.name, kill_at=doom, output=slot.pager.end)
        slot.until = time.monotonic() + (PATIENCE_S if doom else self.luck.uniform(0.3, self.longest_s))
        slot.process.doom, slot.exits = doom, self.exits

    def _clear(self, slot: Slot) -> None:
        if slot.process is not None and slot.pager is not None:
            slot.process.end()
            slot.pager.close()
            self.made.processes.remove(slot.process)
        slot.process = slot.pager = None

    def _doom(self) -> str | None:
        if not self.mortal or self.luck.random() < 0.4:
            return None
        return f"{self.luck.choice(('before', 'after', 'mid'))}:{self.luck.randint(1, 80)}"

    # ----------------------------------------------------------------------------------- to settle

    def settle(self) -> History:
        """End the senders, let one gateway finish, and judge."""
        for process in self.senders:
            assert process.terminate() == 0, process.said()
        self.end_gateways()
        last = self.made.gateway("last")
        self.made.lanes("abort", "--match", f"{ODD}*", "--scope", "both", "--yes", check=False)
        eventually(lambda: self.made.count(LEFT) == 0, "every message to end", 300)
        self._answers()
        assert last.terminate() == 0, last.said()
        return judge(told_in(self.made.folder), self.worlds, self.made.folder / "provider.jsonl")

    def _answers(self) -> None:
        """Whatever came in, every command that looks still answers."""
        for words in (["list"], ["status"], ["dead-letters"], ["events"], ["doctor"]):
            self.made.lanes(*words)


def ready(url: str) -> bool:
    """Whether a gateway says that it takes messages."""
    try:
        return httpx.get(f"{url}/readyz", timeout=10, verify=False).status_code == 200
    except httpx.HTTPError:
        return False
