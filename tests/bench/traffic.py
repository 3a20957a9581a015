"""What a busy house commits: lanes that go on with what waits, that end, that begin."""

from pathlib import Path
from types import TracebackType

from lanes import filters
from lanes_storage import doors, open_store, reads
from lanes_storage.clock import Now, system_clock
from lanes_storage.interface import Transaction
from lanes_storage.law import RunnerKind
from lanes_storage.records import LaneFilter, RunResult, Ticket
from tests.kit.crowd import TERMS, hold

#: Lanes on the screen that go on with their next message.
SEEN = 2
#: Lanes out of sight that end, and as many that begin.
UNSEEN = 20
RUNNING, IDLE = (filters.chosen(typed, 0) for typed in ("state:running queue:0", "state:idle"))


class Traffic:
    """Commits on the database of a crowd, by the doors, as the owner of its lanes does. Closed with its block."""

    def __init__(self, database: Path, owner: int) -> None:
        self._store = open_store(str(database), synchronous="normal")
        self._owner = owner

    def __enter__(self) -> "Traffic":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._store.close()

    def burst(self, place: int) -> list[str]:
        """Change some forty lanes in one commit; the keys of those from ``place`` of the list on."""
        seen = self._store.read(reads.lanes(LaneFilter(), offset=place, limit=SEEN))
        held = self._store.read(reads.lanes(RUNNING, limit=UNSEEN))
        idle = self._store.read(reads.lanes(IDLE, limit=UNSEEN))

        def step(tx: Transaction) -> None:
            now = system_clock()
            for lane in (*seen, *held):
                if lane.run is not None:
                    doors.complete(Ticket(lane.run.id, lane.epoch), RunResult("all is well"), now, by="tester")(tx)
            self._go_on(tx, {lane.key for lane in seen}, now)
            for lane in idle:
                hold(tx, lane.key, self._owner, now)

        self._store.write(step)
        return [lane.key for lane in seen]

    def _go_on(self, tx: Transaction, keys: set[str], now: Now) -> None:
        for head in doors.candidates(tx, self._owner, now, limit=SEEN):
            if head.key in keys:
                doors.claim(head, self._owner, "chat", RunnerKind.PROVIDER, TERMS, now)(tx)
