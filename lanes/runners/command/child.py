"""The process tree of one run, as its gateway sees it: its keeper, the pipes of the agent, what the keeper reports."""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lanes.host.cgroups import remove_group
from lanes.host.identity import identity_of
from lanes_storage.records import ProcessIdentity

KEEPER = Path(__file__).with_name("keeper.py")
#: Read once: another version may be installed under a living gateway, and would understand other orders.
_SOURCE = KEEPER.read_bytes()
#: The first code of a keeper's process: it receives the keeper's source through the socket, before any order.
_LOADER = """import socket, sys
control = socket.socket(fileno=int(sys.argv[1]))
source = control.recv(int(sys.argv[2]), socket.MSG_WAITALL)
control.detach()
exec(compile(source, sys.argv[3], "exec"))
"""
#: The variables that the keeper itself inherits: Python may need them to start.
_OF_KEEPER = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
CHUNK = 65_536
#: The errors that say that no process can be started just now: a limit of processes, or of memory.
NO_PROCESS = (errno.EAGAIN, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class StartOrder:
    """What the keeper is to start. ``grace_ms`` is used if its gateway dies. A limit that is None does not apply."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    grace_ms: int
    nice: int | None = None
    max_memory: int | None = None
    max_cpu_s: int | None = None
    user: tuple[int, int, Sequence[int]] | None = None
    cgroup: str | None = None


class Child:
    """A keeper, and through it the agent. For the event loop; ``stop`` may be called from any thread.

    ``exit`` is the exit code of the agent (negative: a signal), None until it has ended. ``failure`` says why it could
    not be started. ``ended`` is done once the keeper has ended: with what the agent left behind and the keeper had to
    end, or with None if the keeper was killed and nothing is proven. ``too_large``: it wrote more than was allowed.
    ``held``: descriptors that the whole tree holds open.
    """

    def __init__(self, *held: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._control, theirs = socket.socketpair()
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LOADER, str(theirs.fileno()), str(len(_SOURCE)), str(KEEPER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno(), *held],
                start_new_session=True,
                cwd="/",
                env={name: os.environ[name] for name in _OF_KEEPER if name in os.environ},
            )
        except BaseException:
            self._control.close()
            raise
        finally:
            theirs.close()
        with contextlib.suppress(OSError):  # the keeper is gone
            self._control.sendall(_SOURCE)
        self._control.setblocking(False)
        self.exit: int | None = None
        self.failure: str | None = None
        self.no_process = False  # not started because this host can start no process at the moment
        self.too_large = False
        self.ended: asyncio.Future[list[str] | None] = self._loop.create_future()
        self._left: list[str] | None = None
        self._group: str | None = None
        self._lock = threading.Lock()  # a closed descriptor's number may be in use again
        self._buffer = b""
        self._loop.add_reader(self._control, self._read_reports)
        self._open: list[asyncio.BaseTransport] = []

    @property
    def identity(self) -> ProcessIdentity:
        """The keeper, which leads a session and a process group. Raises ProcessLookupError where it has ended."""
        return identity_of(self._keeper.pid)

    async def start(self, order: StartOrder) -> None:
        """Send the order to start the agent."""
        self._group = order.cgroup
        with contextlib.suppress(OSError):  # the keeper is gone
            await self._loop.sock_sendall(self._control, json.dumps(asdict(order)).encode() + b"\n")

    def stop(self, grace_ms: int, wait_ms: int = 0) -> None:
        """Order the end of the tree: SIGTERM after the wait, SIGKILL at half the grace. From any thread."""
        with self._lock, contextlib.suppress(OSError):  # it has ended
            self._control.send(json.dumps({"stop": grace_ms, "wait": wait_ms}).encode() + b"\n")
            self._keeper.send_signal(signal.SIGCONT)  # its agent may have stopped it

    async def feed(self, text: bytes) -> None:
        """Write the input to the agent, and close it. An agent need not read it."""
        writer = await self.input()
        with contextlib.suppress(ConnectionError):
            writer.write(text)
            await writer.drain()
        writer.transport.close()

    async def input(self) -> asyncio.StreamWriter:
        """The standard input of the agent. Call it once."""
        pipe = self._keeper.stdin
        assert pipe is not None
        transport, protocol = await self._loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
        self._open.append(transport)
        return asyncio.StreamWriter(transport, protocol, None, self._loop)

    def output(self, most: int | None = None) -> AsyncIterator[bytes]:
        """The standard output of the agent, as it comes, until its last writer has closed it. If it exceeds ``most``
        bytes, the tree is ended."""
        return self._read(self._keeper.stdout, most)

    def errors(self, most: int | None = None) -> AsyncIterator[bytes]:
        """The standard error of the agent, in the same way."""
        return self._read(self._keeper.stderr, most)

    async def _read(self, pipe: Any, most: int | None) -> AsyncIterator[bytes]:
        reader = asyncio.StreamReader(limit=CHUNK, loop=self._loop)
        transport, _ = await self._loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        self._open.append(transport)
        received = 0
        while data := await reader.read(CHUNK):
            received += len(data)
            if most is not None and received > most:
                self.end_too_large()
                return
            yield data

    def end_too_large(self) -> None:
        """End the tree, because the agent has written too much."""
        self.too_large = True
        self.stop(0)

    def close(self) -> None:
        """Close everything. If the tree is still alive, its keeper ends it: for the keeper, this is the end of file."""
        for transport in self._open:
            transport.close()
        for pipe in (self._keeper.stdin, self._keeper.stdout, self._keeper.stderr):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._end_control()

    def _read_reports(self) -> None:
        try:
            data = self._control.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._note(json.loads(line))
        if not data:
            self._end_control()

    def _note(self, report: dict[str, Any]) -> None:
        self.exit = report.get("exit", self.exit)
        self.failure = report.get("failed", self.failure)
        self.no_process = self.no_process or report.get("errno") in NO_PROCESS
        self._left = report.get("gone", self._left)

    def _end_control(self) -> None:
        if self._control.fileno() < 0:
            return
        self._loop.remove_reader(self._control)
        with self._lock:
            self._control.close()
        if not self.ended.done():
            self._loop.create_task(self._reaped(), name="lanes-keeper-reaped")

    async def _reaped(self) -> None:
        """Reap the keeper, which has closed its socket and ends in a moment."""
        while self._keeper.poll() is None:  # noqa: ASYNC110 - it ends by itself in a moment
            await asyncio.sleep(0.005)
        if self._left is not None and self._group is not None:
            remove_group(Path(self._group))
        if not self.ended.done():
            self.ended.set_result(self._left)
