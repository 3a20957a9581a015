"""Many runs of an agent that leaves behind what it can, ended in every way that there is.

Rounds of lanes side by side under one gateway. In each round every lane's tree stands, with another message waiting
behind it, and then each is ended in some way, the whole gateway perhaps by ``kill -9``. The judge is the host: of no
tree a process may live once its lane goes on.
"""

import json
from collections import Counter
from pathlib import Path
from random import Random

from tests.agents.kit import program
from tests.agents.trees import EACH, alive, pids
from tests.kit.filesystems import SmallDisk
from tests.kit.processes import House, Process, eventually

#: How a run ends: ``leave`` by itself, leaving its tree behind; ``time out`` at its limit.
WAYS = ("abort", "force", "leave", "time out")
#: What becomes of the gateway of a round: its event loop is blocked, it is killed, or the disk is full meanwhile.
FATES = ("lives", "lives", "blocked", "killed", "full")
#: How a run can end while nothing can be stored: no abort can be requested then.
WITHOUT_ROOM = ("leave", "time out")
CONFIG = """
[clocks]
abort_grace = "2s"
reconcile_interval = "200ms"
stale_after = "60s"
[[runner]]
name = "tree"
kind = "command"
argv = {argv}
[[runner]]
name = "leave"
kind = "command"
argv = {leave}
[[runner]]
name = "block"
kind = "python"
target = "blocker:block"
[[policy]]
match = "time out:*"
run_timeout = "6s"
[[policy]]
match = "leave:*"
runner = "leave"
[[policy]]
match = "block"
runner = "block"
"""
BLOCKER = """
import time
async def block(run):
    time.sleep(float(run.text))
    return "free"
"""


class TreeCampaign:
    """A house, its gateway, and what was counted."""

    def __init__(self, made: House, seed: int, *, lanes: int, disk: SmallDisk | None = None) -> None:
        self.runs = 0
        self.left: list[str] = []  # must stay empty
        self.ways: Counter[str] = Counter()
        self._made = made
        self._disk = disk
        self._random = Random(seed)
        self._lanes = lanes
        self._round = 0
        words = {"argv": json.dumps(program("tree")), "leave": json.dumps(program("tree", "leave when told"))}
        made.config.write_text(CONFIG.format(**words), encoding="utf-8")
        (made.folder / "blocker.py").write_text(BLOCKER, encoding="utf-8")
        self._gateway = self._start()

    def run(self, most: int) -> None:
        """Rounds until so many runs have ended."""
        while self.runs < most:
            self.round(self._random.choice([fate for fate in FATES if fate != "full" or self._disk is not None]))

    def round(self, fate: str) -> None:
        """One round: each lane has a tree that ends in some way, and the gateway has this fate."""
        self._round += 1
        ways = WITHOUT_ROOM if fate == "full" else WAYS
        keys = [f"{self._random.choice(ways)}:{self._round}.{number}" for number in range(self._lanes)]
        self._made.send_many([(key, "go") for key in keys])
        folders = {key: self._folder(key) for key in keys}
        trees = {key: eventually(lambda f=folder: pids(f), f"the tree of {key}") for key, folder in folders.items()}  # type: ignore[misc]
        if any(len(tree) != EACH for tree in trees.values()):
            self.left.append(f"a tree was not whole: {trees}")
        self._made.send_many([(key, "next") for key in keys])
        if fate == "full":
            self._fill(keys, trees)
        else:
            self._befall(fate, keys)
        for key in keys:
            self._judge(key, folders[key], trees[key], fate)
        for key in keys:  # the second run of each lane, which waited for the end of the first
            self._made.command("abort", key, "--scope", "both", "--force", "--json", check=False)
            eventually(lambda f=folders[key]: not alive(pids(f)), f"the second tree of {key} to end")  # type: ignore[misc]

    def _befall(self, fate: str, keys: list[str]) -> None:
        if fate == "blocked":
            self._made.command("send", "block", "4")
            eventually(lambda: "block" in self._made.held(), "the loop to be blocked")
        if fate == "killed":
            self._gateway.kill()
            self._gateway = self._start()
            return
        for key in keys:
            if key.startswith("leave"):
                (self._folder(key) / "leave").touch()
            elif key.startswith(("abort", "force")):
                force = ["--force"] if key.startswith("force") else []
                told = self._made.command("abort", key, "--json", *force, check=False).json[0]
                if told["survivors"] != []:
                    self.left.append(f"{key}: {told}")

    def _fill(self, keys: list[str], trees: dict[str, list[tuple[int, int]]]) -> None:
        """The trees end while nothing can be stored, and the lanes are free once there is room."""
        assert self._disk is not None
        self._disk.fill()
        for key in keys:
            if key.startswith("leave"):
                (self._folder(key) / "leave").touch()
        for key, tree in trees.items():
            eventually(lambda t=tree: not alive(t), f"the tree of {key} to end with a full disk")  # type: ignore[misc]
        if self._random.random() < 0.5:
            self._gateway.kill()
            self._disk.free()
            self._gateway = self._start()
        else:
            self._disk.free()

    def _judge(self, key: str, folder: Path, tree: list[tuple[int, int]], fate: str) -> None:
        """The next run of the lane begins, and only after the first tree is gone.

        With a full disk it may have begun and ended before it could write down its tree.
        """
        ended = "SELECT count(*) FROM messages m JOIN lanes l ON l.id = m.lane_id WHERE l.key = ? AND m.ended_at > 0"
        eventually(
            lambda: pids(folder) not in ([], tree) or self._made.row(ended, key) == (2,),
            f"the next run of {key} ({fate})",
        )
        self.runs += 1
        self.ways[f"{key.partition(':')[0]}, gateway {fate}"] += 1
        self.left += [f"{key} ({fate}): process {pid} lives" for pid in alive(tree)]
        if (folder / "overlap").exists():
            self.left.append(f"{key} ({fate}): two trees at once")

    def _folder(self, key: str) -> Path:
        (number,) = self._made.row("SELECT id FROM lanes WHERE key = ?", key)
        return self._made.folder / "work" / str(number)

    def _start(self) -> Process:
        return self._made.gateway(f"gateway-{self._round}")
