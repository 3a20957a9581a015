"""Huey: tasks on SQLite with fsync, a lock for each key, results stored, worker threads."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from huey import SqliteHuey

WORKERS = 8


def main(folder: str, cycles: int, keys: int) -> None:
    """Print the seconds."""
    huey = SqliteHuey("bench", filename=f"{folder}/huey.db", fsync=True, timeout=60)

    @huey.task(retries=1_000, retry_delay=0)
    def work(number: int) -> int:
        with huey.lock_task(f"key:{number % keys}"):
            return number

    consumer = huey.create_consumer(workers=WORKERS, initial_delay=0.001, max_delay=0.01, periodic=False)
    consumer.start()
    started = time.perf_counter()
    with ThreadPoolExecutor(32) as pool:
        results = list(pool.map(work, range(cycles)))
    for result in results:
        result.get(blocking=True, backoff=1, max_delay=0.005)
    print(time.perf_counter() - started, flush=True)  # noqa: T201 - the figure is the output
    consumer.stop(graceful=False)


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
