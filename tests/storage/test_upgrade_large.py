"""The upgrade of a large database: with little memory, and with too little room."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lanes_storage import open_store
from lanes_storage.errors import DatabaseFull
from lanes_storage.schema import versions
from lanes_storage.sqlite.file.wal import LARGE_LOG_BYTES, log_bytes
from lanes_storage.sqlite.inspect import damage, marks
from tests.kit.filesystems import MEGABYTE, needed_disk
from tests.storage.of_0_1_0 import refused, rows, upgraded

#: The bytes of a text and of its answer.
LONG = 4_000
#: What an upgrade may take of the memory, whatever the size of the file: the cache of a connection has 16 MB.
MOST_MEGABYTES = 30
#: So much must be left besides what is needed.
SPARE = 18

#: Upgrades the file and prints by how many megabytes that raised the peak of its memory.
MEASURED = """
import re, sys
from pathlib import Path
from lanes_storage import open_store
from lanes_storage.schema.versions import creation

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

creation()
before = peak()
open_store(sys.argv[1], create=True).close()
print(peak() - before)
"""


def filled(path: Path, megabytes: int) -> Path:
    """Add so much of answered texts to a database of 0.1.0."""
    like = next(row for row in rows(path, "messages") if row["state"] == "done" and row["text"] and row["reply"])
    others = ", ".join(like.keys() - {"id", "text", "reply", "batch"})
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            f" INSERT INTO messages (id, text, reply, {others})"
            f" SELECT 2000000 + i, hex(zeroblob(?)), hex(zeroblob(?)), {others} FROM n, messages WHERE id = ?",
            (megabytes * MEGABYTE // (2 * LONG), LONG // 2, LONG // 2, like["id"]),
        )
    connection.close()
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells the peak of a process alone")
def test_F711_an_upgrade_needs_no_memory_for_what_is_in_the_file(old: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", MEASURED, str(filled(old, 60))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= MOST_MEGABYTES
    assert log_bytes(old) <= LARGE_LOG_BYTES, "and leaves no log that each command would have to read"


def test_F712_an_upgrade_that_would_leave_no_room_on_the_disk_is_undone(old: Path, tmp_path: Path) -> None:
    """Its log fits, and what the file then grows by does not."""
    tried = tmp_path / "tried.db"
    tried.write_bytes(filled(old, 20).read_bytes())
    size, log = upgraded(tried).stat().st_size, log_bytes(tried)
    with needed_disk(tmp_path / "disk", SPARE + (size + log) // MEGABYTE) as disk:
        path, other = disk.folder / "lanes.db", disk.folder / "other"
        path.write_bytes(old.read_bytes())
        other.write_bytes(bytes(SPARE * MEGABYTE + (size - old.stat().st_size) // 2))
        with refused(path, DatabaseFull, "no room left") as found:
            open_store(str(path), create=True)
        assert "MiB more, then repeat: the file still has its old schema" in found.value.fix
        assert damage(path) == []
        other.unlink()
        assert marks(upgraded(path))[1] == versions.VERSION
        assert damage(path) == []


def test_F770_an_upgrade_that_fills_the_disk_gives_it_back(old: Path, tmp_path: Path) -> None:
    """Its log does not fit."""
    size = filled(old, 20).stat().st_size
    with needed_disk(tmp_path / "disk", size // MEGABYTE + 10) as disk:
        path = disk.folder / "lanes.db"
        path.write_bytes(old.read_bytes())
        with refused(path, DatabaseFull, "no room left"):
            open_store(str(path), create=True)
        assert log_bytes(path) == 0
        assert damage(path) == []
