"""Many lanes in every state, made by the doors themselves: what a large house looks like at night."""

import random
from pathlib import Path

from lanes.bench.kit.filling import multiply
from lanes.host.identity import this_process
from lanes_storage import doors, open_store
from lanes_storage.clock import Now, system_clock
from lanes_storage.doors import Accepted
from lanes_storage.interface import Transaction
from lanes_storage.law import Cause, LaneState, OnInterrupt, OnSurvivors, RunnerKind
from lanes_storage.records import Admission, Claimed, Head, NewMessage, NewOwner, RunFailure, RunResult, Terms

MINUTE = 60_000
TERMS = Terms(
    run_timeout_ms=24 * 60 * MINUTE,
    stall_timeout_ms=24 * 60 * MINUTE,
    abort_grace_ms=10_000,
    reconcile_interval_ms=5_000,
    warn_held_after_ms=MINUTE,
    max_park_ms=10 * MINUTE,
    on_interrupt=OnInterrupt.REQUEUE,
    on_survivors=OnSurvivors.START,
)
ADMISSION = Admission(cap=1_000)
CHANNELS = ("telegram", "feishu:group", "slack", "cron", "subagent", "飞书", "e-mail")
ERRORS = (
    (Cause.PROVIDER_FAILED, "provider codex answered 500: server_error"),
    (Cause.STALL_TIMEOUT, "no progress for 2m"),
    (Cause.RUNNER_FAILED, "ToolError: not found"),
    (Cause.RUN_TIMEOUT, "ran for longer than 5m"),
)
#: So many lanes go through the doors; where there are to be more, their rows are multiplied.
_MADE = 2_000
#: The first lane was claimed so long ago, and each later one later.
_SPAN = 50 * MINUTE
_TIMES = (
    "created_at", "updated_at", "error_at", "accepted_at", "started_at", "ended_at", "claimed_at", "claimed_boot",
    "progress_at", "progress_boot", "abort_at", "abort_boot", "at",
)  # fmt: skip


def key_of(number: int) -> str:
    """The key of the lane with that number."""
    return f"agent:{number % 40:02}:{CHANNELS[number % len(CHANNELS)]}:session-{number:06}"


def crowd(path: Path, lanes: int, *, seed: int = 7) -> int:
    """A new database with so many lanes, a quarter of them held by this process; the id of that owner.

    One lane in 25 is errored, one in 100 aborted, the others idle; every seventh held lane has more waiting.
    Beyond 2,000 lanes there are as many as fill whole copies of these.
    """
    made = min(lanes, _MADE)
    copies = lanes // made
    chance = random.Random(seed)
    store = open_store(str(path), create=True, synchronous="normal")
    now = system_clock()
    me = this_process()
    new = NewOwner(
        "gateway", me.host, me.boot_id, me.pid_ns, me.pid, me.start_time, "crowd", 5_000, 86_400_000, ("chat",)
    )
    try:
        # long enough ago for its age to be told in minutes: it does not beat, and of a living one no second is told
        owner = store.write(lambda tx: doors.register(tx, new, now.later(-2 * MINUTE)))

        def furnish(tx: Transaction) -> None:
            for number in range(made):
                _lane(tx, number, 1 - number / lanes, owner, now, chance)

        store.write(furnish)
    finally:
        store.close()
    if copies > 1:  # the number at the end of each key goes on
        key = f"substr(t.key, 1, length(t.key) - 6) || printf('%06d', substr(t.key, -6) + n * {made})"
        multiply(path, copies - 1, key, dict.fromkeys(_TIMES, _SPAN // copies))
    return owner


def hold(tx: Transaction, key: str, owner: int, now: Now, terms: Terms = TERMS) -> Claimed:
    """Send a message to a lane that is not held, and take the lane for it."""
    accepted = doors.accept(NewMessage(key, text="what is the state of things?", actor="tester"), ADMISSION, now)(tx)
    assert isinstance(accepted, Accepted)
    (lane,) = tx.rows("SELECT id, state, epoch FROM lanes WHERE key = :key", {"key": key})
    head = Head(lane[0], key, LaneState(lane[1]), lane[2], accepted.message_id, None, 0, None, now.wall, None)
    claimed = doors.claim(head, owner, "chat", RunnerKind.PROVIDER, terms, now)(tx)
    assert claimed is not None
    return claimed


def _lane(tx: Transaction, number: int, left: float, owner: int, now: Now, chance: random.Random) -> None:
    key = key_of(number)
    began = now.later(-round(left * _SPAN))  # the earlier lanes were claimed earlier
    claimed = hold(tx, key, owner, began)
    if number % 4 == 1:
        for _ in range(chance.randrange(1, 5) if number % 7 == 0 else 0):
            doors.accept(NewMessage(key, text="and then?", actor="tester"), ADMISSION, began.later(5_000))(tx)
    elif number % 25 == 2:
        cause, message = chance.choice(ERRORS)
        doors.fail(claimed.ticket, RunFailure(cause, message), began.later(9_000), by="tester")(tx)
    elif number % 100 == 3:
        doors.request_abort(tx, key, began.later(8_000), actor="alice", reason="stuck")
        doors.abort(claimed.ticket, began.later(9_000), by="tester", forced=False)(tx)
    else:
        doors.complete(claimed.ticket, RunResult("all is well"), began.later(9_000), by="tester")(tx)
