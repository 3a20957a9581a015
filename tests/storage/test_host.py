"""A program with SQLModel tables of its own embeds lanes: neither's tables come into the other's file."""

import sqlite3
import subprocess
import sys
from pathlib import Path

HOST = """
import sys
from typing import Optional
from sqlmodel import Field, Session, SQLModel, create_engine, select

class Message(SQLModel, table=True):
    __tablename__ = "messages"
    id: Optional[int] = Field(default=None, primary_key=True)
    words: str

class Lane(SQLModel, table=True):
    __tablename__ = "lanes"
    id: Optional[int] = Field(default=None, primary_key=True)
    name: str

ours, theirs = sys.argv[1:]
import lanes.desk, asyncio

async def main():
    async with lanes.connect(f"sqlite:///{theirs}") as desk:
        await desk.send("a", "hello")
        engine = create_engine(f"sqlite:///{ours}")
        SQLModel.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Message(words="mine"))
            session.add(Lane(name="mine"))
            session.commit()
            assert [one.words for one in session.exec(select(Message))] == ["mine"]
        engine.dispose()

asyncio.run(main())
import lanes_storage.schema.tables
assert set(SQLModel.metadata.tables) == {"messages", "lanes"}
assert "BIGINT" not in str(Message.__table__.c.id.type), Message.__table__.c.id.type
"""


def test_F131_a_host_with_tables_of_the_same_names_embeds_lanes(tmp_path: Path) -> None:
    host, database = tmp_path / "host.db", tmp_path / "lanes.db"
    done = subprocess.run(
        [sys.executable, "-c", HOST, str(host), str(database)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert columns(host, "messages") == ["id", "words"]
    assert "moved_to" in columns(database, "messages")
    assert tables(host) == {"messages", "lanes"}
    assert {"events", "pauses"} <= tables(database)


def columns(path: Path, table: str) -> list[str]:
    return [row[1] for row in ask(path, f"PRAGMA table_info({table})")]


def tables(path: Path) -> set[str]:
    return {row[0] for row in ask(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")}


def ask(path: Path, sql: str) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()
