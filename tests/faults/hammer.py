"""A process that does nothing but write: sends, claims, beats and completes, for as many seconds as it is told.

    python hammer.py DATABASE SECONDS NAME

Prints what was acknowledged, as JSON; any error ends it with a traceback.
"""

import json
import sys
import time

from lanes.base.procedure import run
from lanes.context import Context
from lanes.host.identity import this_process
from lanes.verbs import sending
from lanes_storage import doors, open_store
from lanes_storage.clock import system_clock
from lanes_storage.interface import Transaction
from lanes_storage.law import OnInterrupt, OnSurvivors, RunnerKind
from lanes_storage.records import Beat, Claimed, NewOwner, RunResult, Terms

LANES = 4  # shared by all
TERMS = Terms(None, None, 10_000, 5_000, 60_000, 600_000, OnInterrupt.REQUEUE, OnSurvivors.START)


def main(database: str, seconds: str, name: str) -> None:
    """Write until the time is over."""
    store = open_store(database)
    me = this_process()
    new = NewOwner("gateway", me.host, me.boot_id, me.pid_ns, me.pid, me.start_time, name, 5_000, 600_000)
    owner = store.write(lambda tx: doors.register(tx, new, system_clock()))
    done = {"sent": 0, "claimed": 0, "beats": 0, "completed": 0}

    def claim(tx: Transaction) -> Claimed | None:
        now = system_clock()
        for head in doors.candidates(tx, owner, now, limit=1):
            return doors.claim(head, owner, "chat", RunnerKind.PROVIDER, TERMS, now)(tx)
        return None

    def beat(tx: Transaction, claimed: Claimed) -> object:
        now = system_clock()
        return doors.heartbeat(owner, [Beat(claimed.ticket, "content", now.boot, now.wall)], now)(tx)

    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        run(store, sending.send(Context(name), f"lane:{done['sent'] % LANES}", "hello", cap=1_000_000))
        done["sent"] += 1
        claimed = store.write(claim)
        if claimed is None:
            continue
        done["claimed"] += 1
        assert store.write(lambda tx, c=claimed: beat(tx, c)) == []  # type: ignore[misc]
        done["beats"] += 1
        answer = RunResult(f"reply to {claimed.message.id}")
        step = lambda tx, t=claimed.ticket, a=answer: doors.complete(t, a, system_clock(), by=name)(tx)  # noqa: E731
        assert store.write(step).applied
        done["completed"] += 1
    store.close()
    sys.stdout.write(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
