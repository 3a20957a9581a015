"""Rows with words that no program knows, in any column: every surface still answers."""

import contextlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from lanes.base.procedure import Effect, run
from lanes.commands.common.entry import run as command
from lanes.context import Context
from lanes.verbs import control, messages, queries, sending, system
from lanes_storage import doors, open_store, reads
from lanes_storage.clock import system_clock
from lanes_storage.law import BoundTo, Mode, Overflow
from lanes_storage.records import LaneFilter, LaneOrder, LaneSort, NewOwner, Subject
from lanes_tui.display import columns, describing
from lanes_tui.display.columns import ViewedAt
from lanes_tui.sources.file import FileSource
from lanes_tui.still import table
from tests.kit.cooling import cool
from tests.kit.poison import TextColumn, poisoned, text_columns, together
from tests.kit.stage import Stage

T = TypeVar("T")
SEED = 20261128


def furnished(path: Path) -> None:
    """A database with something in every table, and lanes in every state."""
    stage = Stage(path)
    me, gone = stage.owner(), stage.dead_owner()
    stage.hold("held", me, "waiting", "more")
    stage.hold("left behind", gone, "waiting")
    stage.hold("asked", me)
    failed = stage.hold("failed", me)
    stage.fail(failed)
    stage.fail(stage.hold("failed twice", me, "waiting"))
    stage.complete(stage.hold("done", me))
    parked = stage.hold("parked", me)
    stage.park(parked)
    aborted = stage.hold("aborted", me)

    def perform(effect: Effect[T]) -> T:
        return run(stage.store, effect, system_clock)

    perform(control.abort(Context("alice"), "asked", reason="stuck", wait=False))
    perform(control.abort(Context("alice"), "aborted", reason="stuck", wait=False))
    stage.confirm_abort(aborted)
    stage.complete(failed, "a late reply")
    stage.send("paused", "waiting")
    perform(control.pause(Context("alice"), "paused", reason="to look"))
    stage.send("dropped", "waiting", "kept")
    alice = Context("alice")
    perform(messages.drop(alice, perform(messages.messages(alice, "dropped"))[-1].id))
    perform(sending.send(Context("a"), "named", "x", idempotency_key="k", token="t", runner="other"))
    perform(sending.send(Context("a"), "request", request={"messages": [{}]}, bound_to=BoundTo.CLIENT, bound_owner=me))
    waited = perform(sending.send(Context("a"), "waited", "x", mode=Mode.QUEUE, overflow=Overflow.REJECT))
    held = perform(queries.lane_of(alice, "held")).run_id
    assert held is not None
    perform(sending.begin_wait(alice, held, waited.id))
    perform(system.drain(alice, gateway=me))
    now = system_clock()
    stage.store.write(lambda tx: cool(tx, "codex", "rate_limited", 600_000, now, by="tester"))
    desk = NewOwner("desk", "there", "boot", "ns", 1, 2, "test", 5_000, 30_000)
    stage.store.write(lambda tx: doors.register(tx, desk, now))
    stage.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "lanes.db"
    furnished(path)
    return path


@pytest.fixture
def copies(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes the database with some columns poisoned."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def copy(*columns: TextColumn) -> Path:
        path = tmp_path / f"{columns[0].table}.{columns[0].name}.db"
        shutil.copy(model, path)
        for column in columns:
            poisoned(path, column, random.Random(f"{SEED} {column}"))
        return path

    return copy


def columns_of(model: Path) -> list[TextColumn]:
    found = text_columns(model)
    assert {"lanes", "messages", "runs", "owners", "events"} <= {column.table for column in found}
    assert len(found) > 40
    return found


#: Commands that look at everything, and those that act on something; KEY and ID are of the file as it stands.
LOOKS = (
    "list", "list --json", "list --held", "show KEY", "show KEY --json", "why KEY", "messages KEY",
    "messages KEY --json",
    "events", "events --json", "events KEY", "dead-letters", "dead-letters --json", "status", "status --json",
    "reconcile --dry-run", "doctor --json", "bundle FILE",
)  # fmt: skip
ACTS = (
    "retry ID", "ack KEY", "pause KEY", "resume KEY", "drop ID", "drain --dry-run",
    "abort --all --scope both --yes --no-wait",
    "dead-letters --prune --older-than 0s --yes",
)  # fmt: skip
#: Commands that may say no, or that something is broken.
MAY_REFUSE = {"status", "retry", "drop", "doctor", "abort", "drain"}
#: What a command may answer: done, or in words that there is nothing of the kind. Never a traceback.
ANSWERS = {0, 1, 2, 3, 4, 5, 69, 75}


@pytest.mark.parametrize("each", [3, pytest.param(len(LOOKS + ACTS), marks=pytest.mark.soak)])
def test_F95_every_command_answers_whatever_stands_in_a_column(
    model: Path, copies: Callable[..., Path], capsys: pytest.CaptureFixture[str], each: int
) -> None:
    """``each``: how many commands are tried on each column; so few meet each column once, and each command often."""
    chance = random.Random(SEED)
    for column in columns_of(model):
        path = copies(column)
        for line in sorted(chance.sample(LOOKS + ACTS, each), key=(LOOKS + ACTS).index):
            words = _filled(path, line, chance)
            code = command(["--db", str(path), *words])
            said = capsys.readouterr()
            where = f"{column.table}.{column.name}: lanes {words}: {code}\n{said.out}\n{said.err}"
            assert code in ANSWERS, where
            assert code == 0 or line.split()[0] in MAY_REFUSE or "KEY" in line, where
            assert "\x1b[31m" not in said.out + said.err, where
            assert "\u202e" not in said.out + said.err, where


def _filled(path: Path, line: str, chance: random.Random) -> list[str]:
    """The words of a command, with a lane, a message and a file in them."""
    with contextlib.closing(open_store(str(path))) as store:
        keys = [lane.key for lane in run(store, reads.lanes(LaneFilter()))]
        ids = [str(letter.id) for letter in run(store, reads.dead_letters())]
    values = {"KEY": chance.choice(keys), "ID": chance.choice(ids or ["1"]), "FILE": f"{path}.zip"}
    return [values.get(word, word) for word in line.split()]


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.soak)])
async def test_F95_the_dashboard_shows_whatever_stands_in_a_column(
    model: Path, copies: Callable[..., Path], alone: bool
) -> None:
    """One column of each table at once; in the long form each ``alone``."""
    for group in together(columns_of(model), alone=alone):
        source = FileSource(str(copies(*group)), actor="tester")
        told: list[str] = []
        for by in LaneSort:
            window = await source.window(LaneFilter(), 0, 100, order=LaneOrder(by))
        sight = ViewedAt.of(window.at, source.now())
        for lane in window.rows:
            told += [columns.plain(title, lane, sight) for title in columns.USUAL]
            detail = (await source.detail(lane.key)).record
            told += [describing.message_line(message, sight).plain for message in detail.messages]
            told += [line.plain for message in detail.messages for line in describing.message_whole(message, sight)]
            told += [describing.event_line(event, sight).plain for event in detail.events]
        await source.status()
        await source.events(limit=1_000)
        await source.letters(LaneFilter(of=Subject.MESSAGE), 0, 1_000)
        await source.marks(LaneFilter(), 1_000)
        await source.export(LaneFilter(), LaneOrder(), 1_000)
        await table(source, told.append)
        assert not any("\x1b" in line or "\u202e" in line for line in told), group
