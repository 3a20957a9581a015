"""Rows about requests that a gateway passes on: the latency that it adds to an event, the memory of open streams."""

from lanes.bench.groups.web import chat, latency, provider
from lanes.bench.kit.filling import copied
from lanes.bench.kit.loading import held_open
from lanes.bench.kit.processes import TOKEN, BenchProcess, guard
from lanes.bench.kit.rows import BenchRow, Measured, at_most
from lanes.bench.kit.work import Figures, Work

PATH = f"/g/bench/{TOKEN}/v1"


def _passing(work: Work) -> BenchProcess:
    return guard(work, copied(work, work.size.lanes), provider(work).url)


def _added_latency(work: Work) -> Measured:
    with _passing(work) as served:
        passed, direct = work.rounds(lambda: latency(work, served, PATH), lambda: latency(work, provider(work)))
    return Measured(passed - direct, f"p50 {passed:.2f} ms, without a gateway {direct:.2f} ms")


def _open_streams(work: Work) -> Measured:
    requests = (chat("open", f"open:{number}", PATH) for number in range(work.size.held // 2))
    with _passing(work) as served:
        before = served.resident_mb()
        with held_open(served.port, requests):
            resident_mb = served.resident_mb()
    return Measured(Figures((resident_mb,)), f"{work.size.held // 2:,} open streams; {before:.0f} MB before")


ROWS = (
    BenchRow(
        "pass-latency",
        "latency added to an event that is passed on, p50, 8 connections",
        at_most(0.5, "ms"),
        _added_latency,
    ),
    BenchRow("pass-streams", "memory of a gateway with 500 open streams", at_most(250, "MB"), _open_streams),
)
