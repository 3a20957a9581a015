"""Every row, in the order of the table."""

from lanes.bench.groups import aborts, beside, compared, cycles, life, night, older, passing, scale, web
from lanes.bench.kit.rows import BenchRow

ROWS: tuple[BenchRow, ...] = (
    *cycles.ROWS,
    *compared.ROWS,
    *older.ROWS,
    *scale.ROWS,
    *life.ROWS,
    *aborts.ROWS,
    *web.ROWS,
    *passing.ROWS,
    *beside.ROWS,
    *night.ROWS,
)
