"""The table: on a terminal, and as JSON."""

from typing import Any

from lanes.bench.kit.rows import BenchRow, Result


def named(row: BenchRow) -> str:
    """A row without a result, for ``--list``."""
    return f"{row.name:24} {row.target!s:>12}  {row.description}"


def heading() -> str:
    """The line above the first row."""
    return f"{'ROW':24} {'TARGET':>12} {'RESULT':>12}  {'ROUNDS':15} {'':7}  FIGURES"


def line(result: Result) -> str:
    """One row for a terminal."""
    row = result.row
    return (
        f"{row.name:24} {row.target!s:>12} {result.figure:>12}  {result.spread:15} {result.verdict:7}  {result.figures}"
    )


def form(facts: dict[str, str], results: list[Result]) -> dict[str, Any]:
    """Everything, as JSON shows it."""
    return {"machine": facts, "rows": [_row_form(result) for result in results]}


def _row_form(result: Result) -> dict[str, Any]:
    row, measured = result.row, result.measured
    return {
        "row": row.name,
        "what": row.description,
        "target": str(row.target),
        "value": measured.value.median if measured else None,
        "rounds": measured.value.rounds if measured else [],
        "unit": row.target.unit,
        "verdict": result.verdict,
        "figures": result.figures,
    }
