"""What a command imports: a command that starts slowly is not used when it is needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.stage import Stage

HEAVY = {
    "asyncio", "sqlmodel", "sqlalchemy", "httpx", "textual", "starlette", "uvicorn", "pydantic", "aiosqlite",
    "importlib.metadata", "tomllib", "lanes.config.loading", "lanes.engine.engine",
}  # fmt: skip
PROGRAM = """
import json, sys
from lanes.commands.common.entry import run
code = run(sys.argv[1:])
sys.stderr.write(json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.parametrize(
    "command", [["list"], ["abort", "k"], ["abort", "--all", "--yes"], ["why", "k"], ["show", "k"], ["pause", "k"]]
)
def test_quick_commands_import_nothing_heavy(stage: Stage, tmp_path: Path, command: list[str]) -> None:
    stage.hold("k", stage.dead_owner())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--db", str(stage.path), *command],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done
    assert not HEAVY & set(modules)


#: Of a gateway: what is needed where something is configured, and not before.
CONFIGURED = ("lanes.runners.command.runner", "lanes.runners.acp", "lanes.runners.isolated", "lanes.runners.passing",
              "lanes.server.passing.answering")  # fmt: skip


def test_a_gateway_loads_a_kind_of_runner_only_where_it_is_configured() -> None:
    """What is loaded stays in memory, whether it is used or not."""
    code = "import json, sys, lanes.commands.serve.serving; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "lanes.server.app" in loaded
    assert [name for name in loaded if name.startswith(CONFIGURED) or name in ("decimal", "fractions")] == []
