"""DBOS: a queue on SQLite with one partition for each key, one workflow at a time in each."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dbos import DBOS, SetEnqueueOptions


def main(folder: str, cycles: int, keys: int) -> None:
    """Print the seconds."""
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{folder}/dbos.db", "log_level": "ERROR"})

    @DBOS.workflow()
    def work(number: int) -> int:
        return number

    DBOS.launch()
    DBOS.register_queue("q", partition_concurrency=1, polling_interval_sec=0.01)

    def enqueue(number: int) -> Any:
        with SetEnqueueOptions(queue_partition_key=f"key:{number % keys}"):
            return DBOS.enqueue_workflow("q", work, number)

    started = time.perf_counter()
    with ThreadPoolExecutor(32) as pool:
        handles = list(pool.map(enqueue, range(cycles)))
        for handle in handles:
            handle.get_result(polling_interval_sec=0.01)
    print(time.perf_counter() - started, flush=True)  # noqa: T201 - the figure is the output
    DBOS.destroy()


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
