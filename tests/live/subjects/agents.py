"""The agents of docs/agents.md, by their recipes there: a turn, a tool, its conversation, failures, and its end."""

import contextlib
import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lanes.simulate.plays import ANSWER
from tests.kit.processes import House, eventually, house
from tests.live.homes import HOMES
from tests.live.npm import install
from tests.live.subject import Subject, Table, tried

DOCUMENT = Path(__file__).parents[3] / "docs" / "agents.md"
RECIPE = re.compile(
    r"\*\*(?P<name>\w+)\*\* \(`npm install -g (?P<package>\S+)`\).*?```toml\n(?P<toml>.*?)```", re.DOTALL
)
CONFIG = """
[clocks]
abort_grace = "6s"
reconcile_interval = "200ms"
[[runner]]
name = "agent"
kind = "{kind}"
{recipe}
[[policy]]
match = "timeout*"
run_timeout = "9s"
"""
T = TypeVar("T")
#: How long a turn may take on a busy machine.
TURN = "180s"


class AgentTrial:
    """One agent in a separate house, and what is tried with it. Each trial raises AssertionError where it fails."""

    kind = "command"

    def __init__(self, made: House, home: Callable[[Path, str], None], recipe: str) -> None:
        self._made = made
        home(made.folder, made.simulator().url)
        made.config.write_text(CONFIG.format(kind=self.kind, recipe=recipe), encoding="utf-8")
        self._gateway = made.gateway()

    def a_turn(self) -> None:
        """A text and its answer, with what it cost."""
        ended = self._ask("lane", "hello there")
        assert ended["reply"] == ANSWER, ended
        assert ended["usage"]["completion_tokens"] > 0, ended

    def a_tool(self) -> None:
        """A command of the agent runs once."""
        self._answered("lane", f"[[sim-shell]] echo x >> {self._folder('lane')}/once")
        assert (self._folder("lane") / "once").read_text(encoding="ascii") == "x\n", "it ran more than once"

    def resume(self) -> None:
        """The next message goes on with the conversation, also in another gateway."""
        self._gateway.terminate()
        self._gateway = self._made.gateway("second")
        said = self._ask("lane", "[[sim-recall]]")["reply"]
        assert "hello there" in said, said

    def an_unknown_conversation(self) -> None:
        """A conversation that the agent does not know any more is begun again."""
        with contextlib.closing(sqlite3.connect(self._made.database, timeout=60, isolation_level=None)) as connection:
            (stored,) = connection.execute("SELECT agent_session FROM lanes WHERE key = 'lane'").fetchone()
            kept = json.loads(stored)["agent"]
            session = kept["id"] if isinstance(kept, dict) else kept
            other = json.dumps({"agent": f"{session[:-4]}0000"})
            connection.execute("UPDATE lanes SET agent_session = ? WHERE key = 'lane'", (other,))
        self._answered("lane", "hello again")
        assert "and begins a new one" in self._gateway.said(), self._gateway.said()[-1000:]

    def a_failure(self) -> None:
        """What the provider refuses fails, with the agent's own words, and the lane is free."""
        self._fails("failure", "[[sim-context-overflow]]", "agent_error")

    def a_cut_stream(self) -> None:
        """An answer that was cut is no reply."""
        self._fails("cut", "[[sim-cut]]", "agent_error")

    def an_abort(self) -> None:
        """An abort in the middle of a tool ends all of its processes; then the next message starts."""
        self._begin("abort", 7001)
        (told,) = self._made.command("abort", "abort", "--json").json
        assert (told["outcome"], told["survivors"]) == ("released", []), told
        assert not sleeping(7001), "a process is left"
        self._answered("abort", "go on")

    def a_time_out(self) -> None:
        """So does a time-out, while the provider says nothing."""
        ended = self._ask("timeout", "[[sim-hang]]")
        cause = ended["error"] and ended["error"]["cause"]
        assert cause in ("run_timeout", "stall_timeout"), ended  # both are as long here
        assert not within(self._folder("timeout")), "a process is left"

    def a_kill(self) -> None:
        """``kill -9`` of the gateway in the middle of a tool: the next one answers once the processes are gone."""
        self._begin("kill", 7003)
        self._gateway.kill()
        self._gateway = self._made.gateway("third")
        self._answered("kill", "[[sim-recall]]", "go on")
        assert not sleeping(7003), "a process is left"

    # -------------------------------------------------------------------------------------- the means

    def _ask(self, key: str, text: str) -> dict[str, Any]:
        told = self._made.command("send", key, text, "--wait", "--timeout", TURN, "--json", check=False)
        assert told.out.startswith("{"), told
        return dict(told.json)

    def _answered(self, key: str, *texts: str) -> None:
        ended = [self._ask(key, text) for text in texts][-1]
        assert ended["state"] == "done", ended

    def _fails(self, key: str, text: str, cause: str) -> None:
        ended = self._ask(key, text)
        assert (ended["state"], ended["error"] and ended["error"]["cause"]) == ("failed", cause), ended
        assert self._made.held() == [], "the lane is held"

    def _begin(self, key: str, seconds: int) -> str:
        """Have a tool sleep for so many seconds, with a child in a session by itself; not again, where an agent still
        has the text that was cut in its conversation, before the next one."""
        sleeps = f"setsid sleep {seconds} & sleep {seconds}"
        text = f"[[sim-shell]] test -e begun || {{ touch begun; {sleeps}; }} #"
        sent = self._made.command("send", key, text).out.strip()
        eventually(lambda: len(sleeping(seconds)) >= 2, "the tool to run")
        return sent

    def _folder(self, key: str) -> Path:
        (number,) = self._made.row("SELECT id FROM lanes WHERE key = ?", key)
        return self._made.folder / "work" / str(number)


def within(folder: Path) -> list[str]:
    """The processes that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "cwd").readlink() == folder:
                found.append(entry.name)
    return found


def sleeping(seconds: int) -> list[int]:
    """The processes that sleep for exactly so long."""
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 - often
        if entry.isdecimal():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{entry}/cmdline").read_bytes() == b"sleep\0%d\0" % seconds:
                    found.append(int(entry))
    return found


TRIALS: dict[str, Callable[[AgentTrial], None]] = {
    "a turn": AgentTrial.a_turn,
    "a tool": AgentTrial.a_tool,
    "goes on with its conversation": AgentTrial.resume,
    "unknown conversation": AgentTrial.an_unknown_conversation,
    "failure": AgentTrial.a_failure,
    "cut stream": AgentTrial.a_cut_stream,
    "abort in a tool": AgentTrial.an_abort,
    "time-out": AgentTrial.a_time_out,
    "`kill -9` of the gateway": AgentTrial.a_kill,
}


def run(folder: Path, say: Callable[[str], None]) -> Table:
    """Try every agent. Raises Unavailable."""
    versions = install(folder)
    recipes = {found["name"]: found for found in RECIPE.finditer(DOCUMENT.read_text(encoding="utf-8"))}
    assert recipes.keys() <= HOMES.keys()
    rows = []
    for name, found in recipes.items():
        with tempfile.TemporaryDirectory(dir=folder) as place, house(Path(place)) as made:
            trial = AgentTrial(made, HOMES[name], found["toml"])
            row = [name, versions[found["package"]]]
            for what, attempt in TRIALS.items():
                row.append(tried(attempt, trial))
                say(f"{name}: {what}: {row[-1]}")
            rows.append(row)
    return Table(["agent", "version", *TRIALS], rows)


SUBJECT = Subject("agents", DOCUMENT, run)
