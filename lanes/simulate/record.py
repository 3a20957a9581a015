"""The record of the requests that the simulated provider saw: evidence for tests, independent of lanes itself."""

import json
import time
import uuid
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TextIO

#: How many of the newest requests are kept in memory; a log file keeps all.
KEPT = 20_000


class RequestEnd(StrEnum):
    """How a request ended, as the provider saw it."""

    OPEN = "open"
    FINISHED = "finished"  # the whole answer was sent
    FAILED = "failed"  # the fault was performed: an error, a cut, a reset, garbage
    CLIENT_LEFT = "client_left"  # the client closed its connection before the end
    STOPPED = "stopped"  # the provider itself was stopped


@dataclass(slots=True)
class Seen:
    """One request.

    ``…_at`` is wall time in milliseconds, ``…_ns`` the machine's monotonic clock, which several processes of
    one boot share. ``key`` and ``run`` are from the headers ``X-Lanes-Key`` and ``X-Lanes-Run``.
    ``server`` names the process that saw it, because each process numbers its requests from 1.
    """

    sequence: int
    server: str
    model: str
    fault: str
    stream: bool
    text: str
    key: str | None = None
    run: str | None = None
    started_at: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    started_ns: int = field(default_factory=time.monotonic_ns)
    ended_at: int | None = None
    ended_ns: int | None = None
    tokens: int = 0
    outcome: RequestEnd = RequestEnd.OPEN


class RequestLog:
    """The requests in the order in which they came, and the log file that outlives the process."""

    def __init__(self, log: Path | None = None) -> None:
        self.requests: list[Seen] = []
        self.server = uuid.uuid4().hex[:8]
        self._count = 0
        # Line by line, so that a kill -9 loses nothing that was recorded.
        self._log: TextIO | None = log.open("a", encoding="utf-8", buffering=1) if log else None

    def open(self, *, model: str, fault: str, stream: bool, text: str, key: str | None, run: str | None) -> Seen:
        """Record a request that has just arrived."""
        self._count += 1
        seen = Seen(self._count, self.server, model, fault, stream, text, key, run)
        self.requests.append(seen)
        if len(self.requests) > KEPT + KEPT // 10:
            del self.requests[:-KEPT]
        self._write(seen)
        return seen

    def end(self, seen: Seen, outcome: RequestEnd, ended_ns: int | None = None) -> None:
        """Record how a request ended, and when: now, or at ``ended_ns``.

        In the log, the last line of a request is the one that counts.
        """
        seen.outcome = outcome
        seen.ended_at, seen.ended_ns = time.time_ns() // 1_000_000, ended_ns or time.monotonic_ns()
        self._write(seen)

    def close(self) -> None:
        """Close the log file."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _write(self, seen: Seen) -> None:
        if self._log is not None:
            self._log.write(json.dumps(asdict(seen)) + "\n")
