"""What each trick of docs/design-tricks.md buys: it and its plain form, one after the other in one process, in turns.

    python -m tests.bench.tricks [NAME…]

prints the ratio of the medians, plain to trick: 2.0 means that the trick takes half the time (or bytes, or pages). The
machine's own speed cancels out; below 1.05 a figure is noise.
"""

import asyncio
import concurrent.futures
import gc
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import uniform
from statistics import median
from typing import Any, NamedTuple

from starlette.routing import Match
from starlette.routing import Route as PlainRoute
from starlette.routing import Router as PlainRouter

from lanes.bench.kit import cycle
from lanes.bench.kit.filling import fill
from lanes.context import Context
from lanes.drivers.local import LocalDriver
from lanes.engine.background.inotify import pause_on
from lanes.records import Lane
from lanes.records.codec import fields
from lanes.server.asgi.routing import Router
from lanes.server.routes.table import ROUTES
from lanes.verbs.queries import list_
from lanes_storage import open_store
from lanes_storage import statements as sql
from lanes_storage.clock import system_clock
from lanes_storage.interface import Transaction
from lanes_storage.sqlite.file import binding, connect, locking
from tests.kit.stage import Stage

ROUNDS = 7
LANES = 10_000
Measure = Callable[[Path], float]


class Trick(NamedTuple):
    """The trick and what stands in its place without it; both give a figure of which less is better."""

    trick: Measure
    plain: Measure


def seconds(work: Callable[[], object], times: int) -> float:
    """Processor time, of child processes too: on a busy machine the clock on the wall tells of the others."""
    began = _processor()
    for _ in range(times):
        work()
    return _processor() - began


def _processor() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


# ------------------------------------------------------------------------------------------- storage

_SQL = "SELECT " + " + ".join(f":value_{n}" for n in range(10))
_VALUES = {f"value_{n}": n for n in range(10)}


def _bound(_: Path) -> float:
    statement = binding.placed(_SQL)
    with closing(sqlite3.connect(":memory:")) as connection:
        return seconds(lambda: connection.execute(statement.sql, statement.values(_VALUES)), 100_000)


def _named(_: Path) -> float:
    with closing(sqlite3.connect(":memory:")) as connection:
        return seconds(lambda: connection.execute(_SQL, _VALUES), 100_000)


@contextmanager
def _pages(size: int) -> Iterator[None]:
    before = connect.WRITE_PRAGMAS
    connect.WRITE_PRAGMAS = (f"PRAGMA page_size = {size}", *before[1:])
    try:
        yield
    finally:
        connect.WRITE_PRAGMAS = before


def _log_bytes(folder: Path) -> float:
    """Bytes of the WAL for 20 transactions of 32 run cycles each, on a database with 10,000 lanes."""
    path = folder / "lanes.db"
    fill(path, LANES)
    with closing(open_store(str(path))) as store:
        now = system_clock()
        owner = store.write(lambda tx: cycle.register(tx, now))
        log = path.with_name("lanes.db-wal")
        before = log.stat().st_size
        for number in range(20):

            def step(tx: Transaction, number: int = number) -> None:
                for each in range(32):
                    cycle.whole(tx, owner, f"lane:{(number * 32 + each) * 7_919 % LANES}", now)

            store.write(step)
        return float(log.stat().st_size - before)


def _log_of_index(folder: Path) -> float:
    """The same with an index of events by lane instead of the blocks."""
    marks = sql.MARK_BLOCKS
    sql.MARK_BLOCKS = "UPDATE event_blocks SET block = block WHERE block = -1 - :count"
    try:
        with _more_schema("CREATE INDEX plain_events_of_lane ON events (lane_id, id)"):
            return _log_bytes(folder)
    finally:
        sql.MARK_BLOCKS = marks


@contextmanager
def _more_schema(more: str) -> Iterator[None]:
    def filled(path: Path, lanes: int) -> None:
        plain(path, lanes)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(more)

    plain = globals()["fill"]
    globals()["fill"] = filled
    try:
        yield
    finally:
        globals()["fill"] = plain


def _log_of_pages(size: int) -> Measure:
    def measured(folder: Path) -> float:
        with _pages(size):
            return _log_bytes(folder)

    return measured


_WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
until = time.monotonic() + 2
while time.monotonic() < until:
    connection.execute("BEGIN IMMEDIATE"); connection.execute("INSERT INTO t VALUES (1)"); connection.execute("COMMIT")
"""


def _wait_for_lock(take: Callable[[sqlite3.Connection], None]) -> Measure:
    """The wait for the write lock while three processes write without a pause: all but the longest twentieth."""

    def measured(folder: Path) -> float:
        path = folder / "t.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (n)")
            writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(path)]) for _ in range(3)]
            waits = []
            while any(writer.poll() is None for writer in writers):
                began = time.perf_counter()
                take(connection)
                waits.append(time.perf_counter() - began)
                connection.execute("COMMIT")
                time.sleep(0.01)
            return sorted(waits)[int(0.95 * len(waits))]

    return measured


def _own_wait(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 0")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            time.sleep(uniform(*locking.RETRY_S))
        else:
            return


def _sqlites_wait(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("BEGIN IMMEDIATE")


def _point_read(folder: Path, *, threaded: bool) -> float:
    path = folder / "lanes.db"
    open_store(str(path), create=True).close()

    async def read() -> float:
        loop = asyncio.get_running_loop()
        with (
            closing(sqlite3.connect(path, check_same_thread=False)) as connection,
            concurrent.futures.ThreadPoolExecutor(1) as pool,
        ):

            def one() -> Any:
                return connection.execute("SELECT * FROM lanes WHERE id = 1").fetchall()

            began = _processor()
            for _ in range(5_000):
                _ = await loop.run_in_executor(pool, one) if threaded else one()
            return _processor() - began

    return asyncio.run(read())


# -------------------------------------------------------------------------------------------- server

_PATHS = [(route.method, route.path.replace("{key}", "agent%3Amain").replace("{id}", "42")) for route in ROUTES]


def _own_router(_: Path) -> float:
    router = Router(ROUTES)
    return seconds(lambda: [router.find(method, path) for method, path in _PATHS], 200)


def _starlettes_router(_: Path) -> float:
    async def nothing(_: Any) -> None: ...

    router = PlainRouter([PlainRoute(route.path, nothing, methods=[route.method]) for route in ROUTES])
    scopes = [{"type": "http", "method": method, "path": path} for method, path in _PATHS]

    def find() -> None:
        for scope in scopes:
            next(each for each in router.routes if each.matches(scope)[0] is Match.FULL)

    return seconds(find, 200)


def _relayed(transport: str) -> Measure:
    """Seconds for 500 small requests to a bare server on loopback."""

    def measured(_: Path) -> float:
        return asyncio.run(_ask(transport))

    return measured


async def _ask(transport: str) -> float:
    import aiohttp
    import httpx

    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        with closing(writer):
            while await reader.readline():
                while (await reader.readline()).strip():
                    pass
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        began = _processor()
        if transport == "httpx":
            async with httpx.AsyncClient() as client:
                for _ in range(500):
                    await client.get(url)
        else:
            async with aiohttp.ClientSession() as session:
                for _ in range(500):
                    async with session.get(url) as answer:
                        await answer.read()
        took = _processor() - began
        await asyncio.gather(*filter(None, connections))
        return took


def _idle(folder: Path, *, inotify: bool) -> float:
    """Processor time of a thread that waits two seconds for commits that do not come."""
    path = folder / "lanes.db"
    open_store(str(path), create=True).close()
    with closing(open_store(str(path))) as store:
        version = store.version()
        nap, most_s = pause_on(path.with_name("lanes.db-wal") if inotify else None, lambda: store.version() != version)
        began, until = _processor(), time.monotonic() + 2
        while time.monotonic() < until:
            nap.sleep(most_s)
            assert store.version() == version
        nap.close()
        return _processor() - began


# ---------------------------------------------------------------------------------------- start and memory


def _process(program: str) -> Measure:
    """Seconds of a process with this program, on a database with a lane."""

    def measured(folder: Path) -> float:
        stage = Stage(folder / "lanes.db")
        stage.send("k", "hello")
        stage.close()
        command = [sys.executable, "-c", program, "--db", str(folder / "lanes.db"), "list"]
        return seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), 5)

    return measured


_LIST = "from lanes.commands import main; main()"
_EVERY_COMMAND = (
    """
from importlib import import_module
from lanes.commands.common.app import COMMANDS
for name, folder in COMMANDS.items():
    import_module(f"lanes.commands.{folder}.{name.replace('-', '_')}")
"""
    + _LIST
)

_EVERY_NAME = (
    """
from lanes import filters, records
from lanes.verbs import control, queries
from lanes_storage import doors, reads, records as rows
from lanes_storage.lazily import whole
whole(filters, records, control, queries, doors, reads, rows)
"""
    + _LIST
)
_TYPED = "import typing, lanes_storage.tuples as tuples; tuples.NamedTuple = typing.NamedTuple\n" + _LIST
_COLLECTED = "import gc; gc.disable = gc.freeze = lambda: None\n" + _LIST


def _records(make: Callable[[int], object]) -> float:
    return seconds(lambda: [make(number) for number in range(10)], 20_000)


class _Tuple(NamedTuple):
    number: int
    word: str = ""
    other: int | None = None


@dataclass(frozen=True, slots=True)
class _Frozen:
    number: int
    word: str = ""
    other: int | None = None


def _kept(*, trim: bool) -> float:
    """Resident bytes after fragmented memory was freed."""
    program = (
        "import os; from lanes.host import memory\n"
        "parts = [bytearray(1000 + n % 7_000) for n in range(40_000)]\n"
        "keep = parts[::50]; del parts\n" + ("memory.give_back()\n" if trim else "") + "print(memory.occupied())"
    )
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)


def _searched(*, freeze: bool) -> float:
    """The processor time of a search for garbage in a process that has loaded the dashboard."""
    program = (
        "import gc, time, lanes_tui.app, lanes_tui.lanes.screen; gc.collect()\n"
        + ("gc.freeze()\n" if freeze else "")
        + "began = time.process_time(); gc.collect(); print(time.process_time() - began)"
    )
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)


def _codec(folder: Path, *, generated: bool) -> float:
    stage = Stage(folder / "lanes.db")
    stage.send("k", "hello")
    (lane,) = LocalDriver(stage.store, Context("bench")).call(list_).lanes
    stage.close()
    lane.to_json()  # generates the function
    return seconds(lane.to_json if generated else lambda: _plain_json(lane), 5_000)


def _plain_json(lane: Lane) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for field in _FIELDS:
        value = getattr(lane, field.name)
        told[field.json_name] = value.to_json() if hasattr(value, "to_json") else value
    return told


_FIELDS = fields(Lane)

TRICKS: dict[str, Trick] = {
    "binding": Trick(_bound, _named),
    "lock-wait": Trick(_wait_for_lock(_own_wait), _wait_for_lock(_sqlites_wait)),
    "pages": Trick(_log_of_pages(2048), _log_of_pages(4096)),
    "event-blocks": Trick(_log_bytes, _log_of_index),
    "point-reads": Trick(lambda f: _point_read(f, threaded=False), lambda f: _point_read(f, threaded=True)),
    "router": Trick(_own_router, _starlettes_router),
    "aiohttp": Trick(_relayed("aiohttp"), _relayed("httpx")),
    "inotify": Trick(lambda f: _idle(f, inotify=True), lambda f: _idle(f, inotify=False)),
    "optional": Trick(
        _process("import lanes.drivers.client"), _process("import httpx, httpx._main; import lanes.drivers.client")
    ),
    "lazy-commands": Trick(_process(_LIST), _process(_EVERY_COMMAND)),
    "lazy-names": Trick(_process(_LIST), _process(_EVERY_NAME)),
    "lazy-tuples": Trick(_process(_LIST), _process(_TYPED)),
    "no-garbage": Trick(_process(_LIST), _process(_COLLECTED)),
    "exit": Trick(_process(_LIST), _process("import os; os._exit = lambda code: None\n" + _LIST)),
    "tuples": Trick(lambda _: _records(_Tuple), lambda _: _records(_Frozen)),
    "generated-json": Trick(lambda f: _codec(f, generated=True), lambda f: _codec(f, generated=False)),
    "freeze": Trick(lambda _: _searched(freeze=True), lambda _: _searched(freeze=False)),
    "malloc-trim": Trick(lambda _: _kept(trim=True), lambda _: _kept(trim=False)),
}


def measure(trick: Trick, rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Plain to trick: the median of the rounds, the lowest and the highest."""
    ratios = []
    for number in range(rounds):
        figures = {}
        for name in ("trick", "plain") if number % 2 else ("plain", "trick"):
            gc.collect()
            with tempfile.TemporaryDirectory(dir=os.environ.get("LANES_BENCH_FOLDER")) as folder:
                figures[name] = getattr(trick, name)(Path(folder))
        ratios.append(figures["plain"] / figures["trick"])
    return median(ratios), min(ratios), max(ratios)


def main(names: list[str]) -> None:
    """Print a line for each trick."""
    for name in names or TRICKS:
        middle, least, most = measure(TRICKS[name])
        sys.stdout.write(f"{name:16} {middle:6.2f}  ({least:.2f} to {most:.2f})\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
