"""Every row, in the order of the table."""

from lanes.bench.groups import aborts, beside, cycles, life, passing, scale, web
from lanes.bench.kit.rows import BenchRow

ROWS: tuple[BenchRow, ...] = (
    *cycles.ROWS,
    *scale.ROWS,
    *life.ROWS,
    *aborts.ROWS,
    *web.ROWS,
    *passing.ROWS,
    *beside.ROWS,
)
