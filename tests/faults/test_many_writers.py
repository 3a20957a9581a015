"""F62: eight processes that write and a long reader: no lock error, no lost update, a log that stays bounded."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lanes_storage import open_store
from lanes_storage.sqlite.file.file import SqliteFile
from lanes_storage.sqlite.file.wal import log_bytes
from tests.faults import hammer
from tests.faults.holding import READ, holding
from tests.kit.processes import House

pytestmark = pytest.mark.disk

WRITERS = 8
#: What SQLite cuts the log back to after a checkpoint, and a burst on top of it.
BOUND_BYTES = 2 * 67_108_864


def test_F62_eight_writers_and_a_long_reader(made: House) -> None:
    hammered(made, 4)


@pytest.mark.soak
def test_F62_eight_writers_and_a_long_reader_for_a_minute(made: House) -> None:
    hammered(made, 60)


def hammered(made: House, seconds: int) -> None:
    path = made.database
    open_store(str(path), create=True).close()
    with holding(path, READ):
        told = [json.loads(out) for out in write_together(path, seconds)]
        written = log_bytes(path)
    total = {name: sum(entry[name] for entry in told) for name in told[0]}
    assert total["completed"] > 0
    assert made.count("SELECT count(*) FROM messages") == total["sent"]
    assert made.count("SELECT count(*) FROM messages WHERE state = 'done'") == total["completed"]
    assert made.count("SELECT value FROM counters WHERE name = 'epoch'") == total["claimed"]
    assert made.count("SELECT sum(heartbeats) FROM owners") == total["beats"]
    history = made.history()
    assert history.problems == []
    assert (history.messages, history.unfinished) == (total["sent"], total["sent"] - total["completed"])
    with contextlib.closing(SqliteFile.open(path)) as file:
        assert file.shorten() is None, "the reader has gone"
    write_together(path, 1)
    assert log_bytes(path) < BOUND_BYTES, f"what a long reader made of it ({written} bytes) is not kept"


def write_together(path: Path, seconds: int) -> list[str]:
    """What the writers print; none of them may fail."""
    program = [sys.executable, str(Path(hammer.__file__)), str(path), str(seconds)]
    writers = [
        subprocess.Popen([*program, f"writer-{number}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for number in range(WRITERS)
    ]
    ended = [(writer.communicate(timeout=300), writer.returncode) for writer in writers]
    assert all(code == 0 for _, code in ended), [said for (_, said), _ in ended if said]
    return [out for (out, _), _ in ended]
