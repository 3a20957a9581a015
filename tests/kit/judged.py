"""Owners and runs as judges read them, made without a database."""

import os
from typing import Any

from lanes.host.identity import Identity, this_process
from lanes.testing import START
from lanes_storage.law import RunnerKind
from lanes_storage.records import OwnerRow, RunRow
from tests.kit.world import OWNER, TERMS

#: The observer. An owner of the same names is this very process, hence alive.
ME = Identity(OWNER.host, OWNER.boot_id, OWNER.pid_ns, os.getpid(), this_process().start_time)
#: A number that no process has.
NOBODY = 2**22 + 1


def owner(**changes: Any) -> OwnerRow:
    """A healthy owner: this process."""
    values: dict[str, Any] = {
        "id": 1,
        "kind": "gateway",
        "host": ME.host,
        "boot_id": ME.boot_id,
        "pid_ns": ME.pid_ns,
        "pid": ME.pid,
        "start_time": ME.start_time,
        "fingerprint": "config-1",
        "heartbeat_interval_ms": OWNER.heartbeat_interval_ms,
        "stale_after_ms": OWNER.stale_after_ms,
        "runners": ("chat",),
        "url": None,
        "started_at": START.wall,
        "heartbeat_at": START.wall,
        "heartbeat_boot": START.boot,
        "slept_ms": START.slept,
        "heartbeats": 1,
        "drain_by": None,
        "drain_at": None,
        "drain_until": None,
        "ended_at": None,
        "ended_cause": None,
    }
    return OwnerRow(**(values | changes))


def run(**changes: Any) -> RunRow:
    """A run that was claimed just now, in the observer's boot."""
    values: dict[str, Any] = {
        "id": 7,
        "lane_id": 1,
        "key": "a",
        "message_id": 1,
        "owner_id": 1,
        "runner": "chat",
        "kind": RunnerKind.PROVIDER,
        "terms": TERMS,
        "claimed_at": START.wall,
        "claimed_boot": START.boot,
        "claimed_slept_ms": START.slept,
        "boot_id": START.boot_id,
        "progress": "claimed",
        "progress_at": START.wall,
        "progress_boot": START.boot,
        "progress_slept_ms": START.slept,
        "busy_until_boot": None,
        "left_out": 0,
        "process_host": None,
        "process_boot_id": None,
        "process_pid": None,
        "process_start_time": None,
        "process_group": None,
        "abort_at": None,
        "abort_boot": None,
        "abort_boot_id": None,
        "abort_grace_asked_ms": None,
        "abort_actor": None,
        "abort_reason": None,
        "abort_cause": None,
        "edge": None,
        "cause": None,
        "forced": False,
        "ended_at": None,
        "ended_by": None,
        "refused_writes": 0,
        "late_reply": None,
        "waiting": False,
    }
    return RunRow(**(values | changes))


def asked(at: int = START.boot, **changes: Any) -> RunRow:
    """A run whose abort was requested, ``at`` by the boot clock of the observer's boot."""
    request = {
        "abort_at": START.wall,
        "abort_boot": at,
        "abort_boot_id": START.boot_id,
        "abort_actor": "alice",
        "abort_cause": "aborted",
    }
    return run(**(request | changes))
