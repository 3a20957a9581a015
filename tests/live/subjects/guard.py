"""Programs that ask their models through lanes (docs/guard.md): a turn, a tool, and a hang that one abort ends."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from lanes.simulate.plays import ANSWER
from tests.kit.processes import House, environment, eventually, house
from tests.live.homes import HOMES
from tests.live.npm import install
from tests.live.pypi import hermes
from tests.live.subject import Subject, Table, tried

DOCUMENT = Path(__file__).parents[3] / "docs" / "guard.md"
TOKEN = "token-of-the-live-test"
CONFIG = """
[[provider]]
name = "sim"
base_url = "{url}/v1"
api_key = "client"
[[source]]
name = "bot"
preset = "{name}"
provider = "sim"
token_file = "bot.token"
"""
PACKAGES = {"codex": "@openai/codex", "claude": "@anthropic-ai/claude-code", "opencode": "opencode-ai"}
COMMANDS = {
    "codex": ("codex", "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-"),
    "claude": ("claude", "-p", "--output-format", "json"),
    "opencode": ("opencode", "run"),
    "hermes": ("hermes", "--yolo", "-z"),
}
#: What names no session: each of its requests has a lane with a name that says so.
NAMELESS = frozenset({"hermes"})
#: What takes its text as an argument.
ARGUED = frozenset({"hermes"})
#: How long a turn may take on a busy machine.
TURN_S = 180.0


class GuardTrial:
    """One program in a separate house. Each trial raises AssertionError where it fails."""

    def __init__(self, made: House, name: str, program: Path | None = None) -> None:
        self._made, self._name = made, name
        first, *words = COMMANDS[name]
        self._command = [str(program or first), *words]
        made.config.write_text(CONFIG.format(url=made.simulator().url, name=name), encoding="utf-8")
        token = made.folder / "bot.token"
        token.write_text(TOKEN, encoding="ascii")
        token.chmod(0o600)
        HOMES[name](made.folder, f"{made.gateway().url}/g/bot/{TOKEN}")
        self._work = made.folder / "work"
        self._work.mkdir()

    def a_turn(self) -> None:
        """It is answered, and its lane has the name of its session."""
        said = self._turn("hello there")
        assert ANSWER in said, said[-500:]
        keys = [key for (key,) in self._made.rows("SELECT key FROM lanes WHERE parent_id IS NULL")]
        assert keys, "there is no lane"
        nameless = self._name in NAMELESS
        assert all(key.startswith("bot:") and (":anonymous:" in key) is nameless for key in keys), keys

    def a_tool(self) -> None:
        """A command of the program runs, and its result goes to the model."""
        said = self._turn(f"[[sim-shell]] touch {self._work / 'made'}")
        assert (self._work / "made").exists(), f"the tool did not run: {said[-1000:]}"

    def a_hang(self) -> None:
        """One abort ends it: the program goes on, and the provider is not asked again."""
        running = self._begin("[[sim-hang]]")
        aborts = 0
        while running.poll() is None:  # opencode asks for a title first, which hangs as well
            held = eventually(lambda: self._made.held() or running.poll() is not None, "a request to be held", TURN_S)
            if isinstance(held, list):
                session = held[0].partition("\x1f")[0]  # as the file names a request of several of one session
                told = self._made.command("abort", session, "--json", check=False).json
                aborts += told[0]["outcome"] == "released"
        assert 0 < self._hanging() <= aborts, f"{aborts} aborts, and the provider was asked {self._hanging()} times"
        assert self._made.held() == [], "something is held"

    def the_next(self) -> None:
        """The next message is answered, without a restart of anything."""
        assert ANSWER in self._turn("hello again")

    def _hanging(self) -> int:
        return len({seen["sequence"] for seen in self._made.provider_saw() if seen["fault"] == "sim-hang"})

    def _turn(self, text: str) -> str:
        running = self._begin(text)
        said, _ = running.communicate(timeout=TURN_S)
        return said

    def _begin(self, text: str) -> "subprocess.Popen[str]":
        asked = self._work / "asked"
        asked.write_text(text, encoding="utf-8")
        with asked.open("rb") as stdin:
            return subprocess.Popen(
                [*self._command, *([text] if self._name in ARGUED else [])],
                cwd=self._work,
                env=environment(self._made.folder)
                | {"NO_COLOR": "1", "PWD": str(self._work)},  # opencode works in $PWD
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )


TRIALS: dict[str, Callable[[GuardTrial], None]] = {
    "a turn": GuardTrial.a_turn,
    "a tool": GuardTrial.a_tool,
    "a hang: each abort is one attempt": GuardTrial.a_hang,
    "the next message": GuardTrial.the_next,
}


def run(folder: Path, say: Callable[[str], None]) -> Table:
    """Try every program. Raises Unavailable."""
    versions = install(folder)
    program, version = hermes(folder)
    found = {name: versions[package] for name, package in PACKAGES.items()} | {"hermes": version}
    rows = []
    for name, version in found.items():
        with tempfile.TemporaryDirectory(dir=folder) as place, house(Path(place)) as made:
            trial = GuardTrial(made, name, program if name == "hermes" else None)
            row = [name, version]
            for what, attempt in TRIALS.items():
                row.append(tried(attempt, trial))
                say(f"{name}: {what}: {row[-1]}")
            rows.append(row)
    return Table(["program", "version", *TRIALS], rows)


SUBJECT = Subject("guard", DOCUMENT, run)
