"""The table: on a terminal, as Markdown for the documents, as JSON."""

from pathlib import Path
from typing import Any

from lanes.bench.kit.rows import Result

BEGIN = "<!-- measured: written by `make bench` -->"
END = "<!-- /measured -->"


def heading() -> str:
    """The line above the first row."""
    return f"{'ROW':24} {'TARGET':>12} {'RESULT':>12}  {'ROUNDS':15} {'':7}  FIGURES"


def line(result: Result) -> str:
    """One row for a terminal."""
    row = result.row
    return f"{row.name:24} {row.target!s:>12} {result.figure:>12}  {result.spread:15} {result.verdict:7}  {result.said}"


def form(facts: dict[str, str], results: list[Result]) -> dict[str, Any]:
    """Everything, as JSON shows it."""
    return {"machine": facts, "rows": [_row_form(result) for result in results]}


def _row_form(result: Result) -> dict[str, Any]:
    row, measured = result.row, result.measured
    return {
        "row": row.name,
        "what": row.what,
        "target": str(row.target),
        "value": measured.value.median if measured else None,
        "rounds": measured.value.rounds if measured else [],
        "unit": row.target.unit,
        "verdict": result.verdict,
        "figures": result.said,
    }


def markdown(facts: dict[str, str], results: list[Result], rounds: int) -> str:
    """The table for the documents."""
    machine = "; ".join(f"{name}: {fact}" for name, fact in facts.items())
    rows = [
        f"| `{r.row.name}` | {r.row.what} | {r.row.target} | {r.figure} | {r.spread} | {r.verdict} | {r.said} |"
        for r in results
    ]
    head = ["| row | what | target | result | rounds | verdict | figures |", "|---|---|---|---|---|---|---|"]
    return "\n".join([f"{machine}. Medians of {rounds}.", "", *head, *rows])


def write_into(path: Path, table: str) -> None:
    """Put the table between its marks in a document. Raises ValueError where they are missing."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the table: it needs the lines {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
