"""Rows against other programs that queue work per key: DBOS, Huey, procrastinate."""

import subprocess
from collections.abc import Callable

from lanes.bench.groups.cycles import through_the_store
from lanes.bench.kit.rows import BenchRow, Measured, Skipped, at_least
from lanes.bench.kit.work import Work
from tests.bench import peers

PATIENCE_S = 300


def _against(name: str) -> Callable[[Work], Measured]:
    def measure(work: Work) -> Measured:
        if peers.PYTHON is None:
            raise Skipped(f"{name} is not here: --peers names a Python that has it, `make bench` installs one")
        cycles = max(work.size.cycles // 16, 16)  # they are slower, and their figures steady

        def theirs() -> float:
            return cycles / _seconds(work, name, cycles)

        lanes, peer = work.rounds(lambda: through_the_store(work, 32), theirs)
        return Measured(lanes / peer, f"{lanes:,.0f}/s against {peer:,.0f}/s")

    return measure


def _seconds(work: Work, name: str, cycles: int) -> float:
    folder = work.fresh(name)
    folder.mkdir()
    arguments = [str(peers.SCRIPTS / f"{name}_cycles.py"), str(folder), str(cycles), "64"]
    try:
        done = subprocess.run(
            [peers.PYTHON or "python", *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except OSError as error:
        raise Skipped(f"{name} cannot run: --peers {peers.PYTHON}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Skipped(f"{name} did not end within {PATIENCE_S} s (--peers)") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        if last.startswith("ModuleNotFoundError"):
            raise Skipped(f"{name} is not with --peers {peers.PYTHON}: {last}")
        raise RuntimeError(f"{name}: {last}")
    return float(done.stdout.split()[-1])


ROWS = (
    BenchRow(
        "against-dbos", "run cycles/s against DBOS, SQLite, a partition for each key", at_least(50), _against("dbos")
    ),
    BenchRow(
        "against-huey",
        "run cycles/s against Huey, SQLite with fsync, a lock for each key",
        at_least(9),
        _against("huey"),
    ),
    BenchRow(
        "against-procrastinate",
        "run cycles/s, lanes on SQLite, against procrastinate on PostgreSQL, `lock=`",
        at_least(20),
        _against("procrastinate"),
    ),
)
