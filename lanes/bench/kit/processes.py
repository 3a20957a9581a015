"""The processes that the rows measure: gateways, plain servers and commands."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from lanes.bench.kit.work import Work
from lanes.host.stat import stat_of

ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")
PATIENCE_S = 120.0
LOOK_EVERY_S = 0.001
CONFIG = """
[queue]
cap = 1000000

[[runner]]
name = "chat"
kind = "provider"
providers = ["bench"]
max_runs = {max_runs}

[[provider]]
name = "bench"
dialect = "chat"
base_url = "{provider}/v1"
model = "bench"
"""

TOKEN = "token-of-the-benchmark"
SOURCE = """
[[provider]]
name = "bench"
base_url = "{provider}/v1"
api_key = "client"
[[source]]
name = "bench"
provider = "bench"
token_file = "{token}"
"""


class BenchProcess:
    """A server process. ``with`` waits until a gateway is ready, and kills it at the end of the block."""

    def __init__(self, work: Work, name: str, *arguments: str, python: str = sys.executable) -> None:
        self.log = work.fresh(f"{name}.log")
        self.started = time.perf_counter()
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [python, *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=work.folder,
                env=environment(work.folder),
            )
        work.at_end(self.kill)
        self.port = self._wait_for_port()

    def _wait_for_port(self) -> int:
        while (match := ADDRESS.search(self.log.read_bytes())) is None:
            if self.popen.poll() is not None or time.perf_counter() - self.started > PATIENCE_S:
                raise RuntimeError(f"it did not start: {self.log.read_text(errors='replace')}")
            time.sleep(LOOK_EVERY_S)
        return int(match[1])

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def resident_mb(self) -> float:
        """The memory that it occupies, shared pages included."""
        try:
            pages = stat_of(self.popen.pid).pages
        except OSError:  # not Linux
            import psutil

            return float(psutil.Process(self.popen.pid).memory_info().rss) / 2**20
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def ready(self) -> float:
        """Wait until it reports that it is ready; returns the seconds since its start."""
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            with contextlib.closing(connection), contextlib.suppress(OSError):
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return time.perf_counter() - self.started
            if time.perf_counter() - self.started > PATIENCE_S:
                raise RuntimeError("it did not get ready")
            time.sleep(LOOK_EVERY_S)

    def __enter__(self) -> Self:
        self.ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """``kill -9``. May be called twice."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
            self.popen.wait()


def environment(folder: Path) -> dict[str, str]:
    """An environment without the user's own files, in which each module is compiled only once, so that a checkout is
    measured like an installed program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LANES_", "XDG_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    own = {"XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config", "PYTHONPYCACHEPREFIX": "compiled"}
    return kept | {name: str(folder / place) for name, place in own.items()}


def plain(work: Work, app: str, *more: str) -> BenchProcess:
    """A plain server (``lanes.bench.plain.servers``), on the same HTTP server as a gateway."""
    return BenchProcess(work, app, "-m", "lanes.bench.plain.servers", app, *more)


def gateway(
    work: Work, database: Path, provider: str, max_runs: int = 1_000, python: str = sys.executable
) -> BenchProcess:
    """A gateway on a database; its only runner asks the provider at that URL."""
    return _serving(work, database, CONFIG.format(provider=provider, max_runs=max_runs), python)


def guard(work: Work, database: Path, provider: str) -> BenchProcess:
    """A gateway that passes requests on to the provider at that URL, from ``/g/bench/TOKEN/v1``."""
    token = work.fresh("source.token")
    token.write_text(TOKEN, encoding="ascii")
    token.chmod(0o600)
    return _serving(work, database, SOURCE.format(provider=provider, token=token), sys.executable)


def _serving(work: Work, database: Path, settings: str, python: str) -> BenchProcess:
    config = work.fresh("lanes.toml")
    config.write_text(settings, encoding="utf-8")
    arguments = ("gateway", "--db", str(database), "--config", str(config), "--port", "0", "--log-level", "error")
    return BenchProcess(work, "gateway", "-m", "lanes", *arguments, python=python)


#: The code that the script ``lanes`` of an installation runs.
LANES = "from lanes.commands import main; main()"


def command(work: Work, *arguments: str) -> float:
    """Run a Python process to its end; returns how long it took, in milliseconds."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=work.folder,
        env=environment(work.folder),
        check=False,
    )
    took = 1000 * (time.perf_counter() - started)
    if done.returncode not in (0, 4):  # 4: nothing to abort
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return took
