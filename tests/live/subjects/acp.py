"""Agents that speak ACP: the examples of its SDKs, and agents from npm: questions, stops, sessions, ``kill -9``."""

import importlib.metadata
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lanes.simulate.plays import ANSWER
from tests.kit.processes import eventually, house
from tests.live.homes import HOMES
from tests.live.npm import install
from tests.live.subject import YES, Subject, Table, Unavailable, tried
from tests.live.subjects.agents import DOCUMENT, AgentTrial, sleeping

LIBRARY, TYPESCRIPT = "agent-client-protocol", "@agentclientprotocol/sdk"
#: The programs of two agents, as the document has them.
OPENCODE = ["opencode", "acp"]
GEMINI = ["gemini", "--skip-trust", "--acp"]
NOT_ITS = "–"  # what an agent does not do by itself
HELD_QUESTION = "SELECT count(*) FROM runs r JOIN lanes l ON l.run_id = r.id WHERE l.key = ? AND question IS NOT NULL"
ENDED = "SELECT ended_at > 0 FROM messages WHERE id = ?"
NEXT_MINUTE_S = 61.0
GOES_ON = "goes on with its session"


class SessionTrial(AgentTrial):
    """One agent with sessions, in front of the simulated provider; it asks before it runs a command."""

    kind = "acp"
    goes_on = YES  # with its session: how often

    def a_turn(self) -> None:
        """A text and its answer."""
        ended = self._ask("lane", "hello there")
        assert ended["reply"] == ANSWER, ended

    def a_permission(self) -> None:
        """A command that an operator allows runs once, and one that is not allowed does not run."""
        for said in ("no", "yes"):
            sent = self._made.command("send", f"ask {said}", "[[sim-shell]] echo x >> asked").out.strip()
            self._answer(f"ask {said}", said)
            eventually(lambda sent=sent: self._made.row(ENDED, sent) == (1,), "its end")  # type: ignore[misc]
            file = self._folder(f"ask {said}") / "asked"
            ran = file.read_text(encoding="ascii") if file.exists() else ""
            assert ran == ("x\n" if said == "yes" else ""), f"{said}: {ran}"

    def an_abort(self) -> None:
        """An abort in the middle of a tool ends all of its processes; then the next message starts."""
        self._work("abort", 7011)
        (told,) = self._made.command("abort", "abort", "--json").json
        assert (told["outcome"], told["survivors"]) == ("released", []), told
        assert not sleeping(7011), "a process is left"
        self._answered("abort", "go on")

    def a_kill(self) -> None:
        """``kill -9`` in the middle of a tool: the next gateway goes on with the session, without the processes."""
        self._answered("kill", "hello there")
        self._work("kill", 7013)
        self._gateway.kill()
        self._gateway = self._made.gateway("third")
        said = self._ask("kill", "[[sim-recall]]")["reply"] or ""
        assert "hello there" in said, said
        assert not sleeping(7013), "a process is left"

    def _work(self, key: str, seconds: int) -> None:
        """Have a tool sleep for so many seconds, with a child in a session by itself."""
        self._made.command("send", key, f"[[sim-shell]] setsid sleep {seconds} & sleep {seconds}")
        self._answer(key, "yes")
        eventually(lambda: len(sleeping(seconds)) >= 2, "the tool to run")

    def _answer(self, key: str, said: str) -> None:
        eventually(lambda: self._made.row(HELD_QUESTION, key) == (1,), f"the question in {key}")
        assert "May it use" in self._made.command("why", key).out
        self._made.command("answer", key, said)


class GeminiTrial(SessionTrial):
    """Version 0.61 goes on with a session once only, and not in the minute in which it began it."""

    goes_on = "once"

    def resume(self) -> None:
        time.sleep(NEXT_MINUTE_S)
        super().resume()

    def a_kill(self) -> None:
        """The next gateway answers, without the processes. It may ask for what was cut once more."""
        self._work("kill", 7013)
        self._gateway.kill()
        self._gateway = self._made.gateway("third")
        sent = self._made.command("send", "kill", "go on").out.strip()
        eventually(lambda: (1,) in (self._made.row(HELD_QUESTION, "kill"), self._made.row(ENDED, sent)), "an answer")
        assert not sleeping(7013), "a process is left"
        if self._made.row(HELD_QUESTION, "kill") == (1,):
            self._answer("kill", "no")
        eventually(lambda: self._made.row(ENDED, sent) == (1,), "its end")


class ExampleTrial(SessionTrial):
    """The example of the SDK for TypeScript: it asks for one permission in each turn, and keeps no session."""

    def a_turn(self) -> None:
        self._turn("turn", "yes")

    def a_permission(self) -> None:
        said = {answer: self._turn(answer, answer) for answer in ("no", "yes")}
        assert said["no"] != said["yes"], said

    def an_abort(self) -> None:
        self._made.command("send", "abort", "change it")
        eventually(lambda: self._made.row(HELD_QUESTION, "abort") == (1,), "its question")
        (told,) = self._made.command("abort", "abort", "--json").json
        assert (told["outcome"], told["survivors"]) == ("released", []), told
        self._turn("abort", "yes")

    def a_kill(self) -> None:
        sent = self._made.command("send", "kill", "change it").out.strip()
        eventually(lambda: self._made.row(HELD_QUESTION, "kill") == (1,), "its question")
        self._gateway.kill()
        self._gateway = self._made.gateway("third")
        eventually(lambda: self._made.row(ENDED, sent) == (1,), "the end of what was cut")
        self._turn("kill", "yes")

    def _turn(self, key: str, answer: str) -> str:
        sent = self._made.command("send", key, "change it").out.strip()
        self._answer(key, answer)
        eventually(lambda: self._made.row(ENDED, sent) == (1,), "its end")
        state, reply = self._made.row("SELECT state, reply FROM messages WHERE id = ?", sent)
        assert state == "done", (state, reply)
        return str(reply)


class EchoTrial(SessionTrial):
    """The example of the SDK for Python: it repeats what it gets, at once."""

    def a_turn(self) -> None:
        ended = self._ask("lane", "hello there")
        assert ended["reply"] == "Client sent:hello there", ended

    def a_kill(self) -> None:
        self._gateway.kill()
        self._gateway = self._made.gateway("third")
        self.a_turn()


TRIALS: dict[str, Callable[[SessionTrial], None]] = {
    "a turn": lambda trial: trial.a_turn(),
    "permission by `lanes answer`": lambda trial: trial.a_permission(),
    "abort in the middle": lambda trial: trial.an_abort(),
    GOES_ON: lambda trial: trial.resume(),
    "unknown session": lambda trial: trial.an_unknown_conversation(),
    "`kill -9` of the gateway": lambda trial: trial.a_kill(),
}


class Tried(NamedTuple):
    """An agent: its program, and how many of the trials it cannot take, by their place."""

    name: str
    version: str
    trial: type[SessionTrial]
    argv: list[str]
    unable: tuple[int, ...] = ()


def run(folder: Path, say: Callable[[str], None]) -> Table:
    """Try every agent. Raises Unavailable."""
    told = DOCUMENT.read_text(encoding="utf-8")
    assert all(json.dumps(argv) in told for argv in (OPENCODE, GEMINI)), "the document names other programs"
    rows = []
    for each in _agents(folder):
        with tempfile.TemporaryDirectory(dir=folder) as place, house(Path(place)) as made:
            trial = each.trial(made, _home(each.name), f"argv = {json.dumps(each.argv)}")
            row = [each.name, each.version]
            for number, (what, attempt) in enumerate(TRIALS.items()):
                cell = NOT_ITS if number in each.unable else tried(attempt, trial)
                row.append(trial.goes_on if (what, cell) == (GOES_ON, YES) else cell)
                say(f"{each.name}: {what}: {row[-1]}")
            rows.append(row)
    return Table(["agent", "version", *TRIALS], rows)


def _agents(folder: Path) -> list[Tried]:
    versions, python = install(folder), importlib.metadata.version(LIBRARY)
    example = folder / "npm" / "node_modules" / TYPESCRIPT / "dist" / "examples" / "agent.js"
    echo = [sys.executable, str(_example(folder, python))]
    return [
        Tried("example of the SDK for Python", python, EchoTrial, echo, (1, 2, 3, 4)),
        Tried("example of the SDK for TypeScript", versions[TYPESCRIPT], ExampleTrial, ["node", str(example)], (3, 4)),
        Tried("opencode", versions["opencode-ai"], SessionTrial, OPENCODE),
        Tried("gemini", versions["@google/gemini-cli"], GeminiTrial, GEMINI),
    ]


def _home(name: str) -> Callable[[Path, str], None]:
    """What writes the settings of an agent, where it has some. It is to ask before it runs a command."""

    def write(home: Path, url: str) -> None:
        if name in HOMES:
            HOMES[name](home, url)
        file = home / "config" / "opencode" / "opencode.json"
        if file.exists():
            settings = json.loads(file.read_text(encoding="utf-8"))
            file.write_text(json.dumps(settings | {"permission": {"bash": "ask"}}), encoding="utf-8")

    return write


def _example(folder: Path, version: str) -> Path:
    """The example of the library, from its source distribution. Raises Unavailable."""
    into = folder / f"{LIBRARY}-{version}"
    example = into / "agent.py"
    if not example.exists():
        into.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        only = ["--no-binary", LIBRARY, f"{LIBRARY}=={version}"]
        done = subprocess.run([*command, *only, "--dest", str(into)], capture_output=True, text=True, check=False)
        found = [*into.glob("*.tar.gz")]
        if done.returncode or not found:
            raise Unavailable(f"pip downloads no {LIBRARY}: {done.stderr[-500:].strip()}")
        with tarfile.open(found[0]) as archive:
            (member,) = [name for name in archive.getnames() if name.endswith("/examples/agent.py")]
            content = archive.extractfile(member)
            assert content is not None
            example.write_bytes(content.read())
    return example


SUBJECT = Subject("acp", DOCUMENT, run)
