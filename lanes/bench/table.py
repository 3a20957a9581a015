"""Every row, in the order of the table."""

from lanes.bench import cycles
from lanes.bench.rows import Row

ROWS: tuple[Row, ...] = (*cycles.ROWS,)
