"""Runs that wait for messages of other lanes. A cycle of waits is refused, because it would never end."""

from collections import deque
from typing import NamedTuple

from lanes_storage.clock import Now
from lanes_storage.interface import Row, Transaction
from lanes_storage.records import Waiter
from lanes_storage.statements import FIND_LANE
from lanes_storage.statements import waits as sql


class WaitCircle(NamedTuple):
    """A wait that would never end. ``keys`` are the lanes of the cycle, from the waiting lane back to itself."""

    keys: tuple[str, ...]


def closes_cycle(tx: Transaction, run: int, key: str) -> WaitCircle | None:
    """The cycle that would be closed if the run waited for a message of that lane.

    Returns None if there would be no cycle, if the run no longer holds a lane, or if the lane does not exist yet.
    """
    waiting, wanted = tx.rows(sql.OPEN_RUN, {"run": run}), tx.rows(FIND_LANE, {"key": key})
    if not waiting or not wanted:
        return None
    return _search(tx, waiting[0], (wanted[0][0], key, wanted[0][3]))


def begin_wait(tx: Transaction, waiter: Waiter, message: int, now: Now) -> WaitCircle | bool:
    """Store that a run waits, in some process, for a message: the run is not stalled until that message has ended.

    Refused if that closes a cycle of waits. Returns False if the run no longer holds a lane; then nothing is stored.
    """
    run, process = waiter
    waiting = tx.rows(sql.OPEN_RUN, {"run": run})
    wanted = tx.rows(sql.LANE_OF_MESSAGE, {"message": message})
    if not waiting or not wanted:
        return False
    cycle = _search(tx, waiting[0], wanted[0])
    if cycle is not None:
        return cycle
    tx.run(sql.MAKE_WAIT, process._asdict() | {"run": run, "message": message, "now": now.wall})
    progress = {"run": run, "now": now.wall, "boot": now.boot, "slept": now.slept, "boot_id": now.boot_id}
    tx.run(sql.WAIT_IS_PROGRESS, progress)
    return True


def end_wait(tx: Transaction, waiter: Waiter, message: int) -> None:
    """The run no longer waits in that process, whether or not the message has ended."""
    tx.run(sql.END_WAIT, waiter.process._asdict() | {"run": waiter.run_id, "message": message})


def _search(tx: Transaction, waiting: Row, wanted: Row) -> WaitCircle | None:
    """Search from the wanted lane along the waits of its run; a path back to the waiting lane is the cycle."""
    home, home_key, _ = waiting
    seen = {wanted[0]}
    paths: deque[tuple[tuple[str, ...], int, int | None]] = deque([((home_key, wanted[1]), wanted[0], wanted[2])])
    while paths:
        keys, lane, run = paths.popleft()
        if lane == home:
            return WaitCircle(keys)
        if run is None:
            continue
        for further, key, holder in tx.rows(sql.WAITED_FOR, {"run": run}):
            if further not in seen:
                seen.add(further)
                paths.append(((*keys, key), further, holder))
    return None
