"""A crash campaign: real gateways and a real provider, killed again and again under traffic, and judged at the end."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from lanes.testing import History, broken, read_provider
from lanes_storage import open_store
from tests.kit.processes import PATIENCE_S, House, Process, eventually
from tests.proof import sender

CONFIG = """
[clocks]
heartbeat_interval = "200ms"
stale_after = "20s"
reconcile_interval = "200ms"

[[runner]]
name = "chat"
kind = "provider"
providers = ["only"]

[[provider]]
name = "only"
dialect = "chat"
base_url = "{url}/v1"
model = "sim-echo"
trace = true
"""
LANES = 6  # of each sender
#: What a message may end as after its gateways were killed under it three times; everything else is answered.
POISON = "SELECT count(*) FROM messages WHERE state = 'failed' AND error_cause = 'poison'"


@dataclass(slots=True)
class Slot:
    """One place for a gateway: the process that fills it, and when it is killed if it has not killed itself."""

    name: str
    process: Process | None = None
    until: float = 0.0


@dataclass(slots=True)
class Campaign:
    """One campaign in one house. ``dooms`` gives each new gateway its kill point; None: a random moment."""

    made: House
    seed: int
    gateways: int = 1
    senders: int = 1
    pause_ms: int = 40
    longest_s: float = 3.0
    kills: int = 0
    points: set[str] = field(default_factory=set)  # kill points that were reached
    luck: Random = field(init=False)
    acknowledging: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.luck = Random(self.seed)
        provider = self.made.simulator("--tempo", "30")
        self.made.config.write_text(CONFIG.format(url=provider.url))

    def run(self, go_on: Callable[[], bool], dooms: list[str] | None = None) -> History:
        """Kill while ``go_on``, then let one gateway finish; the judgement."""
        for number in range(self.senders):
            self.acknowledging.append(self._sender(number))
        eventually(lambda: self.acknowledged(), "the first message to be acknowledged")
        slots = [Slot(f"gateway-{number}") for number in range(self.gateways)]
        waiting = list(dooms or [])
        while go_on():
            for slot in slots:
                self._tend(slot, waiting)
            time.sleep(0.01)  # processes end without a word to wait for
        for slot in slots:
            if slot.process is not None:
                slot.process.end()
        return self._settle()

    def acknowledged(self) -> dict[int, str]:
        """What senders were told: id and text."""
        told = {}
        for log in self.made.folder.glob("acknowledged-*.jsonl"):
            for line in log.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                told[entry["id"]] = entry["text"]
        return told

    def _sender(self, number: int) -> Process:
        folder, name = self.made.folder, f"sender-{number}"
        log = folder / f"acknowledged-{number}.jsonl"
        log.touch()
        arguments = [str(self.made.database), str(log), str(LANES), str(self.pause_ms), f"{self.seed}-{number}"]
        process = Process([sys.executable, str(Path(sender.__file__)), *arguments], folder, name)
        self.made.processes.append(process)
        return process

    def _tend(self, slot: Slot, waiting: list[str]) -> None:
        """Fill an empty place; kill who has lived for long enough."""
        if slot.process is None:
            doom = waiting.pop(0) if waiting else self._doom()
            slot.process = self.made.start_gateway(slot.name, kill_at=doom)
            slot.until = time.monotonic() + (PATIENCE_S if doom else self.luck.uniform(0.3, self.longest_s))
            slot.process.doom = doom
            return
        if slot.process.popen.poll() is not None:
            assert slot.process.popen.returncode == -9, slot.process.said()
            self.points.add(slot.process.doom or "")
        elif time.monotonic() > slot.until:
            slot.process.kill()
        else:
            return
        self.kills += 1
        slot.process.end()
        self.made.processes.remove(slot.process)
        slot.process = None

    def _doom(self) -> str | None:
        if self.luck.random() < 0.4:
            return None
        return f"{self.luck.choice(('before', 'after', 'mid'))}:{self.luck.randint(1, 80)}"

    def _settle(self) -> History:
        for process in self.acknowledging:
            assert process.terminate() == 0, process.said()
        last = self.made.gateway("last")
        left = "SELECT count(*) FROM messages WHERE ended_at IS NULL"
        eventually(lambda: self.made.count(left) == 0, "every message to end", 300)
        assert last.terminate() == 0, last.said()
        return self._judge()

    def _judge(self) -> History:
        told = self.acknowledged()
        history = self.made.history(told, settled=True)
        history.take(read_provider(self.made.folder / "provider.jsonl", history.cut_runs))
        store = open_store(str(self.made.database))
        try:
            history.contradictions += broken(store)
        finally:
            store.close()
        wrong = "SELECT count(*) FROM messages WHERE state = 'done' AND reply <> text"
        history.contradictions += [f"{self.made.count(wrong)} wrong replies"] * (self.made.count(wrong) > 0)
        unanswered = self.made.count("SELECT count(*) FROM messages WHERE state <> 'done'") - self.made.count(POISON)
        history.lost += [f"{unanswered} messages were neither answered nor poison"] * (unanswered > 0)
        return history
