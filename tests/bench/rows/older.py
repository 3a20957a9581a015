"""Rows against 0.1.0 itself, in the same run."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from lanes.bench.groups.life import until_running
from lanes.bench.groups.web import checked, hold, provider, serving
from lanes.bench.kit.filling import copied
from lanes.bench.kit.loading import load, request
from lanes.bench.kit.processes import BenchProcess, environment, gateway
from lanes.bench.kit.rows import BenchRow, Measured, Skipped, at_least, at_most
from lanes.bench.kit.work import Work
from lanes.bench.plain import recorded
from tests.bench import peers
from tests.bench.older import older_gateway, older_python

SESSIONS = 24
AT_ONCE = 8
#: A gateway that was given all its runs settles for so long before its rest is measured.
SETTLED_S = 1.0


def _sessions(work: Work) -> Measured:
    older, ours = older_gateway(work, recorded.copied(work, work.size.lanes), provider(work).url), serving(work)
    older.ready()

    def round_trips(process: BenchProcess) -> float:
        body = b'{"text": "hello"}'
        requests = (
            request(f"/api/lanes/session:{n % SESSIONS}/messages?wait=30", body) for n in range(work.size.calls // 2)
        )
        return checked(load(process.port, AT_ONCE, requests), 200).rate

    new, old = work.rounds(lambda: round_trips(ours), lambda: round_trips(older))
    older.kill()
    return Measured(new / old, f"{new:,.0f} messages/s against {old:,.0f}/s, provider included")


def _loop_lag(work: Work) -> Measured:
    older = older_python(work)
    new_rate, new, old_rate, old = work.each(lambda: (*_lag(work, sys.executable), *_lag(work, older)))
    said = f"p99 {new:.2f} ms at {new_rate:,.0f} cycles/s against {old:.2f} ms at {old_rate:,.0f}/s"
    return Measured(new / old, said)


def _lag(work: Work, python: str) -> tuple[float, float]:
    """Cycles a second of 32 callers, and how late their event loop is meanwhile, p99, in milliseconds."""
    folder = work.fresh("lag")
    folder.mkdir()
    arguments = [str(peers.SCRIPTS / "lanes_lag.py"), str(folder), str(work.size.cycles), str(work.size.lanes)]
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, check=True, cwd=folder, env=environment(folder)
    )
    rate, late = map(float, done.stdout.split())
    return rate, late


def _idle(work: Work) -> Measured:
    """Both at the same time, where there is an older one: they only rest."""
    ours = copied(work, work.size.lanes)
    resting = [_resting(work, gateway(work, ours, provider(work).url), ours)]
    said = f"{work.size.held:,} runs that wait for their provider"
    try:
        theirs = recorded.copied(work, work.size.lanes)
        resting.append(_resting(work, older_gateway(work, theirs, provider(work).url), theirs))
    except Skipped:
        said += "; without 0.1.0 beside it"
    time.sleep(SETTLED_S)

    def rest() -> tuple[float, ...]:
        before, started = [_processor_s(process) for process in resting], time.perf_counter()
        time.sleep(work.size.quiet_s)
        took = time.perf_counter() - started
        return tuple(100 * (_processor_s(one) - was) / took for one, was in zip(resting, before, strict=True))

    new, *old = work.each(rest)
    for process in resting:
        process.kill()
    return Measured(new, "; ".join([said, *(f"0.1.0 {its:.1f} %" for its in old)]))


def _processor_s(process: BenchProcess) -> float:
    """The processor time that it has used."""
    try:
        return time.clock_gettime(~process.popen.pid << 3 | 2)  # what clock_getcpuclockid(3) gives on Linux
    except OSError:
        return float(sum(psutil.Process(process.popen.pid).cpu_times()[:2]))


def _resting(work: Work, process: BenchProcess, path: Path) -> BenchProcess:
    """The gateway with all its runs begun."""
    process.ready()
    hold(process, work.size.held)
    until_running(path, work.size.held)
    return process


ROWS = (
    BenchRow(
        "sessions-24",
        "trivial messages to 24 sessions, 8 at a time, end to end, against 0.1.0",
        at_least(1.6),
        _sessions,
    ),
    BenchRow(
        "loop-lag",
        "how late an event loop is while 32 callers write, p99, against 0.1.0",
        at_most(1),
        _loop_lag,
    ),
    BenchRow("idle-1000", "a gateway whose runs all wait, of one core", at_most(1, "%"), _idle),
)
