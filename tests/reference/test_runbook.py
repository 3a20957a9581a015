"""Every command that the runbook shows is run, on a database in which there is something for it to do."""

import re
import shlex
import shutil
from functools import partial
from pathlib import Path

import pytest

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import EventType
from lanes_storage.records import NewQuestion
from tests.commands.conftest import Call, Called, alone, bare, database
from tests.config.conftest import RUNNER
from tests.house.modules import ROOT
from tests.kit.stage import Stage

__all__ = ["alone", "bare", "database"]  # fixtures

RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", RUNBOOK, re.MULTILINE | re.DOTALL)
COMMANDS = list(dict.fromkeys(re.findall(r"^(lanes .+)$", "\n".join(BLOCKS), re.MULTILINE)))
KEY = "agent:main:telegram:42"
#: The dead letter that the runbook retries.
LETTER = 17
HOUR_MS = 3_600_000


@pytest.fixture
def night(database: Path, bare: Call, tmp_path: Path) -> Path:
    """A database at three in the morning: a dead letter, a lane held for hours by a dead process, and a copy."""
    stage = Stage(database)
    owner = stage.dead_owner()
    stage.send("other", *map(str, range(LETTER - 1)))
    failed = stage.hold(KEY, owner)
    assert failed.message.id == LETTER
    stage.fail(failed)
    stage.store.write(lambda tx: tx.run(_AGE_LETTERS, {"by": 40 * 24 * HOUR_MS}))
    stage.hold("held", owner, "waits")
    stage.store.write(lambda tx: tx.run(_AGE_RUNS, {"by": 2 * HOUR_MS}))
    stage.close()
    assert bare("--db", str(database), "db", "backup", "lanes-backup.db").code == 0
    (tmp_path / "lanes.toml").write_text(f'{RUNNER}[gateway]\nport = 0\n[clocks]\nrun_timeout = "10m"\n')
    return database


_AGE_LETTERS = "UPDATE messages SET ended_at = ended_at - :by WHERE state = 'failed'"
_AGE_RUNS = "UPDATE runs SET claimed_at = claimed_at - :by, claimed_boot = claimed_boot - :by WHERE ended_at IS NULL"


def set_for(command: str, night: Path) -> None:
    """What a command needs besides: a living gateway, or its lane held, or a name that is free."""
    stage = Stage(night)
    if command.startswith(("lanes status", "lanes drain")):
        owner = stage.owner()
    if "paused:yes" in command:
        stage.store.write(lambda tx: doors.pause(tx, KEY, system_clock(), actor="t", reason="restored"))
    if command == "lanes drain --dry-run":
        stage.hold("runs", owner)
    for told in (EventType.WAIT_EXCEEDED, EventType.PROVIDER_FAILING):
        if told in command:
            stage.store.write(partial(doors.record, type=told, now=system_clock()))
    if command.startswith("lanes answer"):
        ticket = stage.hold(KEY, stage.dead_owner()).ticket
        asks = NewQuestion("1.1", "Which branch?", HOUR_MS)
        stage.store.write(lambda tx: doors.ask(tx, ticket, asks, system_clock(), by="run"))
    if command.startswith(f"lanes abort {KEY}"):
        stage.hold(KEY, stage.dead_owner())
    stage.close()
    if command.startswith("lanes db backup lanes-backup.db"):
        Path("lanes-backup.db").unlink()
    if "saved.db" in command:  # copied from the descriptors of a gateway whose file was deleted
        shutil.copyfile("lanes-backup.db", "saved.db")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_runbook_does_what_it_is_there_for(
    command: str, night: Path, bare: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANES_DB", str(night))
    set_for(command, night)
    done: Called = bare(*shlex.split(command)[1:])
    assert done.code == 0, done
    assert done.out, f"{command} had something to say"


def test_the_runbook_shows_commands_for_every_symptom() -> None:
    assert len(COMMANDS) >= 30
    sections = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)
    symptoms = {section.splitlines()[0] for section in sections[1:]}
    assert symptoms >= {
        "Messages are not answered", "A lane is held for an hour", "The gateway does not start", "The disk is full",
        "The same lane keeps failing", "A planned restart",
    }  # fmt: skip


def test_every_anchor_of_the_runbook_is_one_of_its_headings() -> None:
    titles = re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    headings = {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}
    whole = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    for anchor in [*re.findall(r"\]\(#([^)]+)\)", RUNBOOK), *re.findall(r"\]\(operations\.md#([^)]+)\)", whole)]:
        assert anchor in headings
