"""A pytest plugin that notes which statements each test runs, and how each test ended."""

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from lanes_storage import statements
from lanes_storage.doors import releases
from lanes_storage.sqlite import dialect
from lanes_storage.sqlite.store import SqliteReader
from lanes_storage.sqlite.transaction import SqliteTransaction

NAMES = {sql: name for module in (statements, dialect) for name, sql in vars(module).items() if isinstance(sql, str)}
#: Where the notes go; without it nothing is noted.
NOTES = "LANES_MUTATION_NOTES"


class Witness:
    """Listens to every transaction of the process."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._test = ""
        self.seen: defaultdict[str, set[str]] = defaultdict(set)
        for method in ("run", "rows"):
            self._listen(SqliteTransaction, method, lambda args: NAMES.get(args[1]))
        self._listen(SqliteReader, "read", lambda args: NAMES.get(args[1].sql.removeprefix("EXPLAIN QUERY PLAN ")))
        self._listen(releases, "_still_so", lambda _: "_still_so")

    def _listen(self, owner: Any, name: str, subject: Any) -> None:
        real = getattr(owner, name)

        def heard(*args: Any) -> Any:
            found = subject(args)
            if found is not None:
                self.seen[self._test].add(found)
            return real(*args)

        setattr(owner, name, heard)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._test = item.nodeid
        return (yield)

    def pytest_sessionfinish(self) -> None:
        self._notes.write_text(json.dumps({test: sorted(names) for test, names in self.seen.items()}))


def pytest_configure(config: pytest.Config) -> None:
    here = Path.cwd()
    assert Path(statements.__file__).is_relative_to(here), f"{statements.__file__} is not in the copy {here}"
    if os.environ.get(NOTES):
        config.pluginmanager.register(Witness(Path(os.environ[NOTES])))
