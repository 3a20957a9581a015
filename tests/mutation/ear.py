"""Between the doors and the engine: hears which statements are run, and can put another in the place of one."""

import re
from typing import Any

from lanes_storage.doors.shared import ends
from lanes_storage.interface import Query
from lanes_storage.sqlite.file.transaction import SqliteTransaction
from lanes_storage.sqlite.store import SqliteReader
from tests.mutation.guards import EVIDENCE, Guard, all_statements

EXPLAIN = "EXPLAIN QUERY PLAN "
#: What is put behind a statement of which so many rows are read. Others have it in their text.
LIMIT = re.compile(r" LIMIT \d+$")


class Ear:
    """Listens to every transaction and read of this process from when it is made on."""

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self._names = {sql: name for name, sql in all_statements().items()}
        self._instead: dict[str, str] = {}
        run, many, rows = SqliteTransaction.run, SqliteTransaction.many, SqliteTransaction.rows
        read, look = SqliteReader.read, SqliteReader.look
        still_so = vars(ends)[EVIDENCE]

        def heard_still_so(*args: Any) -> Any:
            self.heard.add(EVIDENCE)
            return still_so(*args)

        changed: Any = SqliteTransaction
        changed.run = lambda tx, sql, params: run(tx, self._hear(sql), params)
        changed.many = lambda tx, sql, params: many(tx, self._hear(sql) if params else sql, params)
        changed.rows = lambda tx, sql, params: rows(tx, self._hear(sql), params)
        changed = SqliteReader
        changed.read = lambda reader, query: read(reader, self._heard(query))
        changed.look = lambda reader, asks: look(reader, lambda found: asks(lambda query: found(self._heard(query))))
        vars(ends)[EVIDENCE] = heard_still_so

    def take_away(self, guard: Guard) -> None:
        """From now on this process does without a guard."""
        if guard.subject == EVIDENCE:
            exec(guard.without, vars(ends))
        else:
            self._instead[guard.text] = guard.without

    def _heard(self, query: Query[Any]) -> Query[Any]:
        return query._replace(sql=self._hear(query.sql))

    def _hear(self, sql: str) -> str:
        whole = sql.removeprefix(EXPLAIN)
        statement = whole if whole in self._names else LIMIT.sub("", whole)
        if statement in self._names:
            self.heard.add(self._names[statement])
        if statement in self._instead:
            return sql.replace(statement, self._instead[statement])
        return sql
