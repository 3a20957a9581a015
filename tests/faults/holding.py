"""Other programs that use the file, as processes of their own: they keep the write lock, or keep reading."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kit.processes import PATIENCE_S

LOCK = "BEGIN IMMEDIATE"
READ = "BEGIN; SELECT count(*) FROM messages"
PROGRAM = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2].split(";"):
    connection.execute(statement).fetchall()
print("holding", flush=True)
sys.stdin.readline()
"""


@contextmanager
def holding(database: Path, what: str) -> Iterator[None]:
    """Keep a transaction open in another process for as long as the block lasts."""
    command = [sys.executable, "-c", PROGRAM, str(database), what]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "holding\n"
        yield
    finally:
        process.communicate("\n", timeout=PATIENCE_S)
