"""The facts about a machine on which its figures depend."""

import os
import platform
import sqlite3
import statistics
import time
from pathlib import Path

from lanes_storage.sqlite.inspect import file_system_of

WRITES = 200
BLOCK = b"x" * 4096


def fsync_p50_ms(folder: Path) -> float:
    """How long it takes to make one block durable in a folder: the median, in milliseconds."""
    path = folder / "fsync.probe"
    file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    seconds = []
    try:
        for _ in range(WRITES):
            os.write(file, BLOCK)
            started = time.perf_counter()
            os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)
            seconds.append(time.perf_counter() - started)
    finally:
        os.close(file)
        path.unlink()
    return statistics.median(seconds) * 1000


def facts(folder: Path) -> dict[str, str]:
    """Everything that the report says about the machine."""
    return {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "file system": file_system_of(folder) or "unknown",
        "fsync p50": f"{fsync_p50_ms(folder):.2f} ms",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "day": time.strftime("%Y-%m-%d"),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
