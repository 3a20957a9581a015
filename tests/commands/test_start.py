"""What a command imports: one that starts slowly is not used when it is needed. All is counted, nothing is timed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kit.stage import Stage

HEAVY = {
    "asyncio", "sqlmodel", "sqlalchemy", "httpx", "textual", "starlette", "uvicorn", "pydantic", "aiosqlite",
    "importlib.metadata", "tomllib", "dataclasses", "logging", "locale", "lanes.config.loading", "lanes.engine.engine",
}  # fmt: skip
#: What only other commands need: the verbs of other modules, the doors of what they write, the records that they show.
OF_OTHERS = {
    "lanes.commands.common.generated", "lanes.verbs.messages", "lanes.verbs.sending", "lanes.verbs.system",
    "lanes.verbs.conversations", "lanes.verbs.queries.searching", "lanes.verbs.queries.looking", "lanes.explain.why",
    "lanes.verbs.control.pausing", "lanes.filters.reading", "lanes.records.messages", "lanes.records.system",
    "lanes.records.forms", "lanes.engine.reconcile.survivors", "lanes_storage.doors.claims",
    "lanes_storage.doors.intake", "lanes_storage.doors.releases", "lanes_storage.records.stored",
}  # fmt: skip
LIST, ABORT = ("list",), ("abort", "free")
#: How many modules of ours the quickest commands import, and how many classes these make, at most. Each costs such a
#: command about 0.1 ms: before a bound is raised, see which import could wait. ``TYPED`` of them are named tuples of
#: ``typing``, which cost most: ``lanes_storage.tuples`` has cheaper ones.
MODULES = {LIST: 91, ABORT: 107}
CLASSES = {LIST: 190, ABORT: 209}
TYPED = {LIST: 5, ABORT: 9}
PROGRAM = """
import json, sys
from lanes.commands.common.entry import run
code = run(sys.argv[1:])
ours = {name: module for name, module in sys.modules.items() if name.startswith("lanes")}
classes = [made for name, module in ours.items() for made in vars(module).values()
           if isinstance(made, type) and made.__module__ == name]
typed = [made for made in classes if hasattr(made, "_fields") and type(made) is type]
sys.stderr.write(json.dumps([code, sorted(sys.modules), len(classes), len(typed)]))
"""


def told(stage: Stage, folder: Path, *command: str) -> Any:
    """The exit code of a command on a lane that is held, what it imported, how many classes of ours that
    made, and how many of these are named tuples of ``typing``."""
    stage.hold("k", stage.dead_owner())
    stage.send("free", "a")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--db", str(stage.path), *command],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize(
    "command",
    [
        ("abort", "k"),
        ("abort", "--all", "--yes"),
        ("why", "k"),
        ("show", "k"),
        ("pause", "k"),
        ("resume", "k"),
    ],
)
def test_quick_commands_import_nothing_heavy(stage: Stage, tmp_path: Path, command: tuple[str, ...]) -> None:
    code, modules, *_ = told(stage, tmp_path, *command)
    assert code == 0
    assert not HEAVY & set(modules)


def test_to_advise_the_start_of_a_unit_needs_no_library_of_the_web(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "lanes.toml").touch()
    code, modules, *_ = told(stage, tmp_path, "send", "free", "hi")
    assert code == 0
    assert "lanes.guard.units" in modules
    assert not {"urllib.request", "http.client"} & set(modules)


@pytest.mark.parametrize("command", [LIST, ABORT], ids=" ".join)
def test_the_quickest_commands_import_only_what_they_use(
    stage: Stage, tmp_path: Path, command: tuple[str, ...]
) -> None:
    code, modules, classes, typed = told(stage, tmp_path, *command)
    ours = [name for name in modules if name.startswith("lanes")]
    assert code == {LIST: 0, ABORT: 4}[command]
    assert (HEAVY | OF_OTHERS) & set(modules) == set()
    assert len(ours) <= MODULES[command]
    assert classes <= CLASSES[command]
    assert typed <= TYPED[command]


def test_a_process_that_serves_has_all_of_the_storage_before_it_begins() -> None:
    """It must not need a file to release a lane: it may have no descriptor left, or lanes was upgraded meanwhile."""
    program = """
import sys
import lanes.engine.engine
before = set(sys.modules)
from lanes_storage import doors, reads, records
from lanes_storage.lazily import whole
whole(doors, reads, records)
assert set(sys.modules) == before, set(sys.modules) - before
"""
    subprocess.run([sys.executable, "-c", program], check=True)


#: Of a gateway: what is needed where something is configured, and not before.
CONFIGURED = ("lanes.runners.command.runner", "lanes.runners.acp", "lanes.runners.isolated", "lanes.runners.passing",
              "lanes.server.passing.answering", "starlette.responses", "urllib.request", "decimal",
              "fractions")  # fmt: skip


def test_a_gateway_loads_a_kind_of_runner_only_where_it_is_configured() -> None:
    """What is loaded stays in memory, whether it is used or not."""
    code = "import json, sys, lanes.commands.serve.serving; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "lanes.server.app" in loaded
    assert [name for name in loaded if name.startswith(CONFIGURED)] == []


def test_a_dashboard_loads_no_engine() -> None:
    code = "import json, sys, lanes.desk, lanes_tui.app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"lanes.engine.engine", "textual.widgets._text_area"} & set(json.loads(done.stdout))
