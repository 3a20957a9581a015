"""Rows against other programs, and against 0.1.0: only a checkout has them, with what ``make bench`` installs."""

from lanes.bench.kit.rows import BenchRow
from tests.bench.rows import compared, night, older

ROWS: tuple[BenchRow, ...] = (*compared.ROWS, *older.ROWS, *night.ROWS)
