"""Rows about the gateway over HTTP, against plain applications on the same HTTP server."""

import json
import re
import statistics
import time

from lanes.bench.kit.filling import copied
from lanes.bench.kit.loading import Load, load, request
from lanes.bench.kit.processes import BenchProcess, gateway, plain
from lanes.bench.kit.rows import BenchRow, Measured, at_least, at_most
from lanes.bench.kit.work import Work

STAMP = re.compile(rb"<(\d+)>")


def provider(work: Work) -> BenchProcess:
    """The provider that every gateway here asks."""
    return work.once("provider", lambda: plain(work, "provider"))


def serving(work: Work) -> BenchProcess:
    """A gateway that the rows share."""

    def make() -> BenchProcess:
        process = gateway(work, copied(work, work.size.lanes), provider(work).url)
        process.ready()
        return process

    return work.once("gateway", make)


def checked(done: Load, *allowed: int) -> Load:
    """Return the load, if every status is allowed. Raises RuntimeError."""
    if not done.statuses <= set(allowed):
        raise RuntimeError(f"the server answered {done.statuses}")
    return done


def hold(process: BenchProcess, lanes: int) -> None:
    """Make that many lanes hang: each gets a message to which the provider sends nothing."""
    hang = (request(f"/api/lanes/lane:{n}/messages", b'{"text": "hang"}') for n in range(lanes))
    checked(load(process.port, 32, hang), 202)


def _enqueue(work: Work) -> Measured:
    """Enqueue on lanes that are all held, so that the enqueue alone is measured, without runs."""
    bare, body = plain(work, "bare"), b'{"text": "hello"}'

    def post(process: BenchProcess) -> float:
        count = 4 * work.size.calls
        requests = (request(f"/api/lanes/lane:{n % work.size.held}/messages", body) for n in range(count))
        return checked(load(process.port, 32, requests), 202).rate

    with gateway(work, copied(work, work.size.lanes), provider(work).url) as held:
        hold(held, work.size.held)
        ours, theirs = work.rounds(lambda: post(held), lambda: post(bare))
    bare.kill()
    return Measured(ours / theirs, f"{ours:,.0f}/s against {theirs:,.0f}/s")


def chat(text: str, session: str | None, path: str = "/v1") -> bytes:
    """A streamed chat request."""
    body = json.dumps({"model": "lanes", "stream": True, "messages": [{"role": "user", "content": text}]}).encode()
    return request(f"{path}/chat/completions", body, *([f"X-Lanes-Session: {session}"] if session else []))


def _relay(work: Work) -> Measured:
    ours, theirs = serving(work), plain(work, "relay", provider(work).url)

    def stream(process: BenchProcess) -> float:
        count = max(work.size.calls // 10, 8)
        return checked(load(process.port, 8, (chat("stream", f"s:{n % 8}") for n in range(count))), 200).rate

    lanes, relay, direct = work.rounds(lambda: stream(ours), lambda: stream(theirs), lambda: stream(provider(work)))
    theirs.kill()
    return Measured(lanes / relay, f"{lanes:,.0f} responses/s against {relay:,.0f}/s; provider alone {direct:,.0f}/s")


def latency(work: Work, process: BenchProcess, path: str = "/v1") -> float:
    """The latency of an event from the provider to the client, p50, in milliseconds."""
    latencies: list[float] = []

    def seen(chunk: bytes) -> None:
        now = time.monotonic_ns()
        latencies.extend((now - int(stamp)) / 1e6 for stamp in STAMP.findall(chunk))

    count = max(work.size.calls // 50, 8)
    checked(load(process.port, 8, (chat("paced", f"p:{n % 8}", path) for n in range(count)), seen), 200)
    return statistics.median(latencies)


def _added_latency(work: Work) -> Measured:
    lanes, direct = work.rounds(lambda: latency(work, serving(work)), lambda: latency(work, provider(work)))
    return Measured(lanes - direct, f"p50 {lanes:.2f} ms, without a gateway {direct:.2f} ms")


ROWS = (
    BenchRow("http-enqueue", "enqueue over HTTP, 32 connections, against a bare ASGI app", at_least(0.38), _enqueue),
    BenchRow(
        "stream-relay",
        "streams of 100 events passed through, 8 connections, against a bare httpx relay",
        at_least(1.1),
        _relay,
    ),
    BenchRow(
        "stream-latency",
        "latency added to an event of a stream, p50, 8 connections",
        at_most(0.5, "ms"),
        _added_latency,
    ),
)
