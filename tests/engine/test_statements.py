"""F551: what a living gateway asks of its database costs the same, however many lanes and runs it holds."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from lanes.testing import DAY, MINUTE, SECOND, Hands
from lanes_storage import Store
from tests.kit.gateways import Gates, gateway_on
from tests.storage.test_plans import GROWING, walks

#: Walks along an index of what is rare.
RARE = "USING"


async def test_F551_no_statement_of_a_living_gateway_walks_a_table(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by listening, so that a new duty of the upkeep cannot be left out of a list."""
    asked: set[str] = set()

    class Noted(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            asked.add(sql)
            return super().execute(sql, *values)

        def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
            asked.add(sql)
            return super().executemany(sql, *values)

    opened = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *how, **more: opened(*how, **more, factory=Noted))
    runner = Gates()
    async with gateway_on(tmp_path, runner, Hands(), run_timeout="30s", stall_timeout="20s") as site:
        for key in ("ends", "aborted", "stalls"):
            await site.desk.send(key, "hello")
            await site.desk.send(key, "and again")
        await site.running(runner, "ends", "aborted", "stalls")
        await site.desk.abort("aborted", reason="stuck")
        await site.desk.pause("ends", reason="looking")
        await site.passes(MINUTE, step_ms=2 * SECOND)
        site.time.move(15 * DAY)
        await site.passes(10 * SECOND)
        runner.open()
    monkeypatch.undo()

    growing = [sql for sql in asked if any(table in sql for table in GROWING) and not sql.startswith("PRAGMA")]
    assert len(growing) > 30
    found = {sql: walks(store, sql) for sql in growing}
    assert {sql: steps for sql, steps in found.items() if [step for step in steps if RARE not in step]} == {}
